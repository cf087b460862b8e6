/* Metrics: how good a network's outputs are, over all pixels of a set of pictures.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/config.h>
#include <train/sample.h>

G_BEGIN_DECLS

/** What a score is counted in. */
typedef enum
{
  NDDR_UNIT_FRACTION, /* of pixels, or of areas: 0 to 1 */
  NDDR_UNIT_DEGREES,
  NDDR_UNIT_METRES,
  NDDR_UNIT_RATIO,    /* of the true value; can pass 1 */
} NddrUnit;

/** A score that every task of a kind has. */
typedef struct
{
  NddrTaskKind kind;
  const char *name;  /* as in "normal.within_11.25" */
  const char *title; /* to head a column with */
  NddrUnit unit;
  gboolean more_is_better;
} NddrMetric;

/** All of them, those of a kind together, in the order of nddr_metrics_to_json(). */
const NddrMetric *nddr_metrics_list (guint *n);

/** (transfer full): "36.9", "12.3", "0.254", for people: fractions in percent, all without the unit; "–" where @value is not finite. */
char *nddr_score_format (double value, NddrUnit unit);
/** Adds member @name to the object that @builder is in: a number, or null where @value is not finite, which JSON cannot say. */
void nddr_json_add_number (JsonBuilder *builder, const char *name, double value);

/** The scores of each task; not thread-safe. */
typedef struct _NddrMetrics NddrMetrics;

/** @tasks: kept by reference: must outlive the metrics.  NULL with NDDR_ERROR_NO_MEMORY: a task's errors take 20 MiB and more. */
NddrMetrics *nddr_metrics_new (const NddrTask *tasks, guint n_tasks, GError **error);
void nddr_metrics_free (NddrMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrMetrics, nddr_metrics_free)

/** Scores normals twice from now on: also as the published NDDR-CNN code does, so that its tables can be compared.  There both vectors
 * are its 8-bit encoding, around 127.5 instead of 0, which makes all angles smaller, about by half; and labels that are zero vectors count.
 * Those scores are called TASK_paper.  To be called before anything is added.  FALSE with NDDR_ERROR_NO_MEMORY. */
gboolean nddr_metrics_score_as_published (NddrMetrics *metrics, GError **error);

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

/** (nullable): the pixels of segmentation task @task by label and prediction, [label][prediction]; owned by the metrics. */
const guint64 *nddr_metrics_get_confusion (const NddrMetrics *metrics, guint task);
/** How the errors of a task in degrees or metres are spread: @bins of equal width from 0 to @limit get their pixels' numbers, the last one
 * also those beyond.  Errors are known to 1/32768 degree or a millimetre.  Returns how many pixels there are; 0 for segmentation. */
guint64 nddr_metrics_get_errors (const NddrMetrics *metrics, guint task, double limit, guint n_bins, guint64 *bins);

/** (transfer full): the object of `nddr eval --json`: a member a task, by its name.  A score that no pixel defines is null. */
JsonNode *nddr_metrics_to_json (const NddrMetrics *metrics);

G_END_DECLS
