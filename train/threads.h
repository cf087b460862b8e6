/* Threads that jobs are given to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** (transfer full): a pool of @most threads or, where the system gives no more, of fewer; NULL with NDDR_ERROR_FAILED where it gives none. */
GThreadPool *nddr_threads_new (GFunc function, gpointer user_data, guint most, GError **error);

G_END_DECLS
