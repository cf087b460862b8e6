/* See checkpoint.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/checkpoint.h>

#include <nddr/safetensors.h>
#include <train/class-balance.h>

#include <math.h>

#define FORMAT "nddr-checkpoint"

static void
set (NddrArrays *tensors, const char *key, char *value)
{
  g_hash_table_replace (tensors->metadata, g_strdup (key), value);
}

gboolean
nddr_checkpoint_save (const char *path, NddrLearner *learner, gint64 step, double best, guint stale, const char *recipe, const NddrConfig *config,
    const char *teacher, GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  if (!nddr_learner_read (learner, TRUE, tensors, error))
    return FALSE;
  set (tensors, "format", g_strdup (FORMAT));
  set (tensors, "version", g_strdup ("1"));
  set (tensors, "step", g_strdup_printf ("%" G_GINT64_FORMAT, step));
  if (isfinite (best))
    set (tensors, "best", g_strdup (g_ascii_dtostr (number, sizeof number, best)));
  set (tensors, "stale", g_strdup_printf ("%u", stale));
  set (tensors, "recipe", g_strdup (recipe));
  set (tensors, "config", nddr_config_to_json (config));
  set (tensors, "weighting", nddr_task_weighting_to_text (nddr_learner_get_task_weighting (learner)));
  if (nddr_learner_get_scaler (learner))
    set (tensors, "scaler", nddr_scaler_to_text (nddr_learner_get_scaler (learner)));
  guint n_classes = 0;
  const double *weights = nddr_learner_get_class_weights (learner, &n_classes);
  if (weights)
    set (tensors, "classes", nddr_class_balance_to_text (weights, n_classes));
  if (teacher)
    set (tensors, "teacher", g_strdup (teacher));
  return nddr_safetensors_write (tensors, path, NDDR_STORE_F32, error);
}

NddrCheckpoint *
nddr_checkpoint_load (const char *path, GError **error)
{
  g_autoptr (NddrCheckpoint) checkpoint = g_new0 (NddrCheckpoint, 1);
  checkpoint->tensors = nddr_safetensors_read (path, FALSE, error);
  if (!checkpoint->tensors)
    return NULL;
  GHashTable *metadata = checkpoint->tensors->metadata;
  const char *step = g_hash_table_lookup (metadata, "step"), *best = g_hash_table_lookup (metadata, "best");
  const char *recipe = g_hash_table_lookup (metadata, "recipe"), *config = g_hash_table_lookup (metadata, "config");
  const char *stale = g_hash_table_lookup (metadata, "stale");
  guint64 steps = 0;
  if (g_strcmp0 (g_hash_table_lookup (metadata, "format"), FORMAT) != 0 || !recipe || !config
      || !step || !g_ascii_string_to_unsigned (step, 10, 0, G_MAXINT64, &steps, NULL)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is not a checkpoint: its metadata lacks a format of \"" FORMAT "\", a step, a recipe or "
        "a config", path);
    return NULL;
  }
  checkpoint->step = steps;
  checkpoint->best = best ? g_ascii_strtod (best, NULL) : NAN;
  checkpoint->stale = stale ? g_ascii_strtoull (stale, NULL, 10) : 0;
  checkpoint->recipe = g_strdup (recipe);
  checkpoint->config = g_strdup (config);
  checkpoint->weighting = g_strdup (g_hash_table_lookup (metadata, "weighting"));
  checkpoint->scaler = g_strdup (g_hash_table_lookup (metadata, "scaler"));
  checkpoint->classes = g_strdup (g_hash_table_lookup (metadata, "classes"));
  checkpoint->teacher = g_strdup (g_hash_table_lookup (metadata, "teacher"));
  return g_steal_pointer (&checkpoint);
}

void
nddr_checkpoint_free (NddrCheckpoint *checkpoint)
{
  if (!checkpoint)
    return;
  g_clear_pointer (&checkpoint->tensors, nddr_arrays_free);
  g_free (checkpoint->recipe);
  g_free (checkpoint->config);
  g_free (checkpoint->weighting);
  g_free (checkpoint->scaler);
  g_free (checkpoint->classes);
  g_free (checkpoint->teacher);
  g_free (checkpoint);
}
