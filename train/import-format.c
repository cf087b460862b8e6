/* See import-format.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/import-format.h>

#include <nddr/error.h>

void
nddr_import_use (GHashTable *used, const char *name)
{
  g_hash_table_add (used, g_strdup (name));
}

static gboolean
starts_with_any (const char *name, const char *const *prefixes)
{
  for (int i = 0; prefixes[i]; i++)
    if (g_str_has_prefix (name, prefixes[i]))
      return TRUE;
  return FALSE;
}

gboolean
nddr_import_check_used (const NddrArrays *tensors, GHashTable *used, const char *const *ignored, const char *what, GError **error)
{
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const char *name = ((const NddrArray *) tensors->arrays->pdata[i])->name;
    if (g_hash_table_contains (used, name) || g_str_has_suffix (name, ".num_batches_tracked") || starts_with_any (name, ignored))
      continue;
    return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s\": %s has no such tensor; is the file of another network?", name, what);
  }
  return TRUE;
}

static gboolean
fits (guint n, const guint *full, const guint *found, double width)
{
  for (guint i = 0; i < n; i++)
    if (nddr_config_scale (full[i], width) != found[i])
      return FALSE;
  return TRUE;
}

/* The quotient of the largest layer or, where that was rounded, something near: widths step by 8, so within half a step of it. */
gboolean
nddr_import_find_width (guint n, const guint *full, const guint *found, double *width)
{
  const int fine = 32;
  guint largest = 0;
  for (guint i = 1; i < n; i++)
    if (full[i] >= full[largest])
      largest = i;
  for (int i = 0; i <= fine; i++) {
    /* 0, then 1, -1, 2, -2, … of @fine parts of a step */
    int part = i % 2 ? (i + 1) / 2 : -i / 2;
    *width = (found[largest] + 8.0 * part / fine) / full[largest];
    if (*width > 0 && fits (n, full, found, *width))
      return TRUE;
  }
  return FALSE;
}

void
nddr_import_copy_metadata (const NddrArrays *from, const char *description, NddrArrays *to)
{
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, from->metadata);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (!g_str_equal (key, "format") && !g_str_equal (key, "version") && !g_str_equal (key, "config"))
      g_hash_table_insert (to->metadata, g_strdup (key), g_strdup (value));
  if (!g_hash_table_contains (to->metadata, "description"))
    g_hash_table_insert (to->metadata, g_strdup ("description"), g_strdup (description));
}
