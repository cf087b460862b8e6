/* See threads.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/threads.h>

GThreadPool *
nddr_threads_new (GFunc function, gpointer user_data, guint most, GError **error)
{
  g_autoptr (GError) problem = NULL;
  /* exclusive, so that they are there from the start: in a pool that has none, jobs would wait for ever */
  GThreadPool *pool = g_thread_pool_new (function, user_data, most, TRUE, &problem);

  if (!problem || g_thread_pool_get_num_threads (pool) > 0)
    return pool;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "no thread can be started (%s): end other processes, or raise the limit of them (ulimit -u)",
      problem->message);
  g_thread_pool_free (pool, TRUE, FALSE);
  return NULL;
}
