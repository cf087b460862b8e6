/* Evaluation: a model over a data set, picture by picture, through an inference session, at the labels' own size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>
#include <nddr/nddr-session.h>
#include <train/dataset.h>
#include <train/gallery.h>
#include <train/metrics.h>

G_BEGIN_DECLS

typedef struct
{
  guint width, height; /* the network's input; 0: the model's */
  NddrPrecision precision;
  gboolean paper; /* also nddr_metrics_score_as_published() */
  const double *weights; /* (nullable): of the tasks' losses; then *loss is computed */
  NddrGallery *gallery;  /* (nullable): of @model's config and @dataset; is shown its pictures */
  /* (nullable): called after each picture */
  void (*progress) (guint done, guint total, gpointer user_data);
  gpointer user_data;
} NddrEvaluateOptions;

/**
 * nddr_evaluate:
 * @loss: (out) (optional): the weighted sum of the tasks' losses at the labels' size, each the mean over all valid pixels
 *
 * Returns: (transfer full): the scores.  @model must outlive them.
 */
NddrMetrics *nddr_evaluate (NddrDevice *device, NddrModel *model, NddrDataset *dataset, const NddrEvaluateOptions *options, double *loss,
    GError **error);

G_END_DECLS
