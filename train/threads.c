/* See threads.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/threads.h>

GThreadPool *
nddr_threads_new (GFunc function, gpointer user_data, guint most, GError **error)
{
  g_autoptr (GError) problem = NULL;

  /* exclusive, so that they are there from the start: in a pool that has none, jobs would wait for ever */
  for (guint n = MAX (most, 1); n > 0; n /= 2) {
    g_clear_error (&problem);
    GThreadPool *pool = g_thread_pool_new (function, user_data, n, TRUE, &problem);

    if (pool && (!problem || g_thread_pool_get_num_threads (pool) > 0))
      return pool;
    if (pool) /* GLib before 2.84 has one without threads */
      g_thread_pool_free (pool, TRUE, FALSE);
  }
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "no thread can be started (%s): end other processes, or raise the limit of them (ulimit -u)",
      problem->message);
  return NULL;
}
