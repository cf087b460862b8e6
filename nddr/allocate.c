/* See allocate.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/allocate.h>

static gpointer
check (gpointer data, gsize n, gsize size, const char *what, GError **error)
{
  if (!data)
    nddr_fail (error, NDDR_ERROR_NO_MEMORY, "there is no memory for %s: %.1f MiB are needed", what, (double) n * size / 1048576);
  return data;
}

gpointer
nddr_try_alloc (gsize n, gsize size, const char *what, GError **error)
{
  return check (g_try_malloc_n (MAX (n, 1), size), n, size, what, error);
}

gpointer
nddr_try_alloc0 (gsize n, gsize size, const char *what, GError **error)
{
  return check (g_try_malloc0_n (MAX (n, 1), size), n, size, what, error);
}
