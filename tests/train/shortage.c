/* See shortage.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shortage.h"

#include <dlfcn.h>

static guint asked, refused = G_MAXUINT; /* atomic, as what follows */
static GThread *of; /* NULL: all */

static void
set (GThread *thread, guint first)
{
  g_atomic_pointer_set (&of, thread);
  g_atomic_int_set (&refused, first);
  g_atomic_int_set (&asked, 0);
}

void
shortage_set (guint first)
{
  set (NULL, first);
}

void
shortage_set_here (guint first)
{
  set (g_thread_self (), first);
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

  if (g_atomic_pointer_get (&of) && g_atomic_pointer_get (&of) != g_thread_self ())
    return next (n, size);
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
