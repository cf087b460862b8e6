/* Metrics: how good a network's outputs are, over all pixels of a set of pictures.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/config.h>
#include <train/sample.h>

G_BEGIN_DECLS

/** The scores of each task; not thread-safe. */
typedef struct _NddrMetrics NddrMetrics;

/** @tasks: kept by reference: must outlive the metrics. */
NddrMetrics *nddr_metrics_new (const NddrTask *tasks, guint n_tasks);
void nddr_metrics_free (NddrMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrMetrics, nddr_metrics_free)

/** Scores normals twice from now on: also as the published NDDR-CNN code does, so that its tables can be compared.  There both vectors
 * are its 8-bit encoding, around 127.5 instead of 0, which makes all angles smaller, about by half; and labels that are zero vectors count.
 * Those scores are called TASK_paper.  To be called before anything is added. */
void nddr_metrics_score_as_published (NddrMetrics *metrics);

/** A head's output for one picture, as the network gives it. */
typedef struct
{
  const float *data; /* [height][width][stride] */
  guint width, height;
  guint stride;      /* floats from one pixel to the next, at least the task's channels */
} NddrHeadOutput;

/** Brings @output to the label's size by @resize, then takes its arg-max, its direction or its depth, and adds all pixels of @truth
 * that are not ignored.  A sample without that label adds nothing. */
void nddr_metrics_add (NddrMetrics *metrics, guint task, const NddrHeadOutput *output, NddrResizeMode resize,
    const NddrSample *truth);

/** A score by its name, such as "segmentation.miou", "normal.within_11.25" or "segmentation.class_iou.wall"; NAN where there is
 * none, or no pixel that it could be taken from. */
double nddr_metrics_get (const NddrMetrics *metrics, const char *name);
/** Whether nddr_metrics_get() knows @name for such tasks, whatever was added, and whether more of it is better. */
gboolean nddr_metrics_knows (const NddrMetrics *metrics, const char *name, gboolean *more_is_better);

/** (transfer full): the object of `nddr eval --json`: a member a task, by its name.  A score that no pixel defines is null. */
JsonNode *nddr_metrics_to_json (const NddrMetrics *metrics);

G_END_DECLS
