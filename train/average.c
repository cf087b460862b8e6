/* See average.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/average.h>
#include <train/difference.h>

#include <nddr/allocate.h>

static gboolean
check_same (NddrModel *const *models, const char *const *names, guint n, GError **error)
{
  for (guint i = 1; i < n; i++) {
    g_autofree char *difference = nddr_config_difference (nddr_model_get_config (models[0]), nddr_model_get_config (models[i]));
    if (!difference)
      continue;
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%s and %s are models of different networks: %s", names[0], names[i], difference);
  }
  return TRUE;
}

/* One config gives one set of tensors, but that a convolution may have a bias, a normalisation or both. */
static NddrArray *
average_array (const NddrArray *first, NddrModel *const *models, const char *const *names, guint n, GError **error)
{
  g_autofree double *sums = nddr_try_alloc0 (first->n_elements, sizeof *sums, "a tensor's sums", error);
  if (!sums)
    return NULL;
  for (guint i = 0; i < n; i++) {
    const NddrArray *array = nddr_arrays_find (nddr_model_get_tensors (models[i]), first->name);
    if (!array) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "%s has no tensor %s, which %s has", names[i], first->name, names[0]);
      return NULL;
    }
    for (gsize k = 0; k < first->n_elements; k++)
      sums[k] += array->data[k];
  }
  NddrArray *mean = nddr_array_try_new (first->name, first->n_dims, first->dims, error);
  for (gsize k = 0; mean && k < first->n_elements; k++)
    mean->data[k] = sums[k] / n;
  return mean;
}

NddrModel *
nddr_average_models (NddrModel *const *models, const char *const *names, guint n, GError **error)
{
  const NddrArrays *first = nddr_model_get_tensors (models[0]);
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  GHashTableIter iter;
  gpointer key, value;
  if (!check_same (models, names, n, error))
    return NULL;
  for (guint i = 1; i < n; i++)
    if (nddr_model_get_tensors (models[i])->arrays->len != first->arrays->len) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "%s has %u tensors, and %s %u", names[0], first->arrays->len, names[i],
          nddr_model_get_tensors (models[i])->arrays->len);
      return NULL;
    }
  for (guint a = 0; a < first->arrays->len; a++) {
    NddrArray *mean = average_array (first->arrays->pdata[a], models, names, n, error);
    if (!mean)
      return NULL;
    nddr_arrays_take (tensors, mean);
  }
  g_hash_table_iter_init (&iter, first->metadata);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_replace (tensors->metadata, g_strdup (key), g_strdup (value));
  return nddr_model_new (nddr_config_copy (nddr_model_get_config (models[0])), g_steal_pointer (&tensors), error);
}
