/* See class-balance.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/class-balance.h>
#include <nddr/error.h>

#include <train/loader.h>

#include <math.h>

#define BATCH 8
#define GROUP "class_balance"
#define KEY "weights"

void
nddr_class_balance_weigh (const guint64 *pixels, guint n, double exponent, double *weights)
{
  double all = 0, sum = 0;
  for (guint c = 0; c < n; c++)
    all += pixels[c];
  for (guint c = 0; c < n; c++)
    sum += pixels[c] ? pow (pixels[c] / all, 1 - exponent) : 0;
  for (guint c = 0; c < n; c++)
    weights[c] = pixels[c] ? pow (pixels[c] / all, -exponent) / sum : 0;
}

static void
count (const NddrBatch *batch, gsize pixels, guint64 *counts)
{
  for (gsize p = 0; p < batch->n_samples * pixels; p++)
    counts[batch->segmentation[p]]++;
}

gboolean
nddr_class_balance_measure (NddrDataset *dataset, guint width, guint height, double exponent, double *weights, GError **error)
{
  static const double zero[3], one[3] = { 1, 1, 1 };
  guint64 counts[256] = { 0 };
  guint n = 0;
  nddr_dataset_classes (dataset, &n);
  NddrLoaderOptions loading = { .batch = BATCH, .labels = NDDR_LABEL (NDDR_TASK_SEGMENTATION) };
  nddr_augment_plain (&loading.augment, width, height, zero, one);
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &loading);
  g_autoptr (GError) problem = NULL;
  for (NddrBatch *batch = nddr_loader_next (loader, &problem); batch; batch = nddr_loader_next (loader, &problem)) {
    count (batch, (gsize) width * height, counts);
    nddr_loader_return (loader, batch);
  }
  if (problem) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  nddr_class_balance_weigh (counts, n, exponent, weights);
  return TRUE;
}

/* ---- the state */

char *
nddr_class_balance_to_text (const double *weights, guint n)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_key_file_set_double_list (file, GROUP, KEY, (double *) weights, n);
  return g_key_file_to_data (file, NULL, NULL);
}

gboolean
nddr_class_balance_from_text (double *weights, guint n, const char *text, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  gsize length = 0;
  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, error))
    return FALSE;
  g_autofree double *values = g_key_file_get_double_list (file, GROUP, KEY, &length, NULL);
  gboolean fine = values && length == n;
  for (gsize c = 0; fine && c < n; c++)
    fine = isfinite (values[c]) && values[c] >= 0;
  if (!fine)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "the classes' weights are not %u numbers of 0 and more", n);
  for (guint c = 0; c < n; c++)
    weights[c] = values[c];
  return TRUE;
}
