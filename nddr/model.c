/* A model: a config and the tensors that its network needs, all of them and no others.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/model.h>
#include <nddr/error.h>
#include <nddr/network.h>

#include <math.h>

struct _NddrModel
{
  int references;
  NddrConfig *config;
  NddrArrays *tensors;
};

/* ---- checking */

typedef struct
{
  const NddrArrays *tensors;
  GHashTable *needed; /* set of names */
  GError *error;      /* the first one */
} Check;

static void
check_tensor (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data)
{
  Check *check = user_data;
  const NddrArray *array = nddr_arrays_find (check->tensors, name);
  g_autofree char *expected = nddr_print_shape (n_dims, dims), *found = NULL;
  gboolean same;

  if (check->error != NULL)
    return;
  g_hash_table_add (check->needed, g_strdup (name));
  if (array == NULL) {
    g_set_error (&check->error, NDDR_ERROR, NDDR_ERROR_FORMAT, "tensor \"%s\": expected shape %s, found no such tensor", name, expected);
    return;
  }
  same = array->n_dims == n_dims;
  for (guint i = 0; same && i < n_dims; i++)
    same = array->dims[i] == dims[i];
  if (!same) {
    found = nddr_print_shape (array->n_dims, array->dims);
    g_set_error (&check->error, NDDR_ERROR, NDDR_ERROR_FORMAT, "tensor \"%s\": expected shape %s, found %s", name, expected, found);
    return;
  }
  for (gsize i = 0; i < array->n_elements; i++)
    if (!isfinite (array->data[i])) {
      g_set_error (&check->error, NDDR_ERROR, NDDR_ERROR_FORMAT, "tensor \"%s\": expected finite numbers, found %g at element %" G_GSIZE_FORMAT,
          name, (double) array->data[i], i);
      return;
    }
  if (g_str_has_suffix (name, ".running_var"))
    for (gsize i = 0; i < array->n_elements; i++)
      if (array->data[i] < 0) {
        g_set_error (&check->error, NDDR_ERROR, NDDR_ERROR_FORMAT, "tensor \"%s\": expected variances, found %g at element %" G_GSIZE_FORMAT, name,
            (double) array->data[i], i);
        return;
      }
}

gboolean
nddr_model_check_tensors (const NddrConfig *config, const NddrArrays *tensors, GError **error)
{
  g_autoptr (NddrNetwork) network = nddr_network_new (config, tensors, NULL, error);
  g_autoptr (GHashTable) needed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Check check = { tensors, needed, NULL };

  if (network == NULL)
    return FALSE;
  nddr_network_foreach_tensor (network, check_tensor, &check);
  if (check.error != NULL) {
    g_propagate_error (error, check.error);
    return FALSE;
  }
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *array = tensors->arrays->pdata[i];
    g_autofree char *found = nddr_print_shape (array->n_dims, array->dims);

    if (!g_hash_table_contains (needed, array->name))
      return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s\": expected no such tensor, found one of shape %s: the config's network has no "
          "place for it", array->name, found);
  }
  for (guint i = 0; i < network->layers->len; i++)
    if (!nddr_network_check_fold (network, nddr_network_layer (network, (int) i), tensors, error))
      return FALSE;
  return TRUE;
}

/* ---- making */

NddrModel *
nddr_model_new (NddrConfig *config, NddrArrays *tensors, GError **error)
{
  g_autoptr (NddrConfig) owned_config = config;
  g_autoptr (NddrArrays) owned_tensors = tensors;
  NddrModel *model;

  if (!nddr_config_validate (config, error) || !nddr_model_check_tensors (config, tensors, error))
    return NULL;
  g_hash_table_replace (tensors->metadata, g_strdup ("format"), g_strdup ("nddr"));
  g_hash_table_replace (tensors->metadata, g_strdup ("version"), g_strdup ("1"));
  g_hash_table_replace (tensors->metadata, g_strdup ("config"), nddr_config_to_json (config));
  model = g_new0 (NddrModel, 1);
  model->references = 1;
  model->config = g_steal_pointer (&owned_config);
  model->tensors = g_steal_pointer (&owned_tensors);
  return model;
}

static NddrConfig *
read_config (const NddrArrays *tensors, GError **error)
{
  const char *format = g_hash_table_lookup (tensors->metadata, "format");
  const char *version = g_hash_table_lookup (tensors->metadata, "version");
  const char *config = g_hash_table_lookup (tensors->metadata, "config");

  if (g_strcmp0 (format, "nddr") != 0)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "is no nddr model: its metadata should say \"format\": \"nddr\", and %s%s%s%s",
        format ? "says \"" : "says nothing", format ? format : "", format ? "\"" : "",
        g_strcmp0 (format, "nddr-checkpoint") == 0 ? ": a run's model is model.safetensors beside its checkpoint" : "");
  else if (g_strcmp0 (version, "1") != 0)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "metadata: expected \"version\": \"1\", found \"%s\": a newer nddr may read it", version ? version : "");
  else if (config == NULL)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "metadata: \"config\" is missing, which says what network the tensors belong to");
  else
    return nddr_config_parse (config, error);
  return NULL;
}

NddrModel *
nddr_model_load (const char *path, GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (path, FALSE, error);
  NddrConfig *config;
  NddrModel *model = NULL;

  if (tensors == NULL)
    return NULL;
  config = read_config (tensors, error);
  if (config != NULL)
    model = nddr_model_new (config, g_steal_pointer (&tensors), error);
  if (model == NULL)
    g_prefix_error (error, "%s: ", path);
  return model;
}

gboolean
nddr_model_save (const NddrModel *model, const char *path, NddrStore store, GError **error)
{
  return nddr_safetensors_write (model->tensors, path, store, error);
}

NddrModel *
nddr_model_ref (NddrModel *model)
{
  g_atomic_int_inc (&model->references);
  return model;
}

void
nddr_model_unref (NddrModel *model)
{
  if (model == NULL || !g_atomic_int_dec_and_test (&model->references))
    return;
  nddr_config_free (model->config);
  nddr_arrays_free (model->tensors);
  g_free (model);
}

/* ---- asking */

const NddrConfig *
nddr_model_get_config (const NddrModel *model)
{
  return model->config;
}

const NddrArrays *
nddr_model_get_tensors (const NddrModel *model)
{
  return model->tensors;
}

guint
nddr_model_get_n_tasks (const NddrModel *model)
{
  return model->config->n_tasks;
}

const NddrTask *
nddr_model_get_task (const NddrModel *model, guint index)
{
  g_return_val_if_fail (index < model->config->n_tasks, NULL);
  return &model->config->tasks[index];
}

const NddrTask *
nddr_model_find_task (const NddrModel *model, const char *name)
{
  for (guint t = 0; t < model->config->n_tasks; t++)
    if (g_str_equal (model->config->tasks[t].name, name))
      return &model->config->tasks[t];
  return NULL;
}

void
nddr_model_get_input_size (const NddrModel *model, guint *width, guint *height)
{
  if (width != NULL)
    *width = model->config->input_width;
  if (height != NULL)
    *height = model->config->input_height;
}

const char *
nddr_model_get_metadata (const NddrModel *model, const char *key)
{
  return g_hash_table_lookup (model->tensors->metadata, key);
}
