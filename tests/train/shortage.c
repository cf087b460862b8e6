/* See shortage.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shortage.h"

#include <dlfcn.h>

static guint asked, refused = G_MAXUINT; /* atomic */

void
shortage_set (guint first)
{
  g_atomic_int_set (&refused, first);
  g_atomic_int_set (&asked, 0);
}

guint
shortage_count (void)
{
  return g_atomic_int_get (&asked);
}

static gpointer
ask (const char *name, gsize n, gsize size)
{
  gpointer (*next) (gsize, gsize) = (gpointer (*) (gsize, gsize)) dlsym (RTLD_NEXT, name);

  return (guint) g_atomic_int_add (&asked, 1) >= (guint) g_atomic_int_get (&refused) ? NULL : next (n, size);
}

gpointer
g_try_malloc_n (gsize n, gsize size)
{
  return ask (__func__, n, size);
}

gpointer
g_try_malloc0_n (gsize n, gsize size)
{
  return ask (__func__, n, size);
}
