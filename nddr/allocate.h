/* Memory whose size comes from files or settings, of megabytes and more: where there is none, that is an error, not the end of the process.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/error.h>

G_BEGIN_DECLS

/** @n elements of @size bytes, for g_free(); NULL, never for 0 of them, with NDDR_ERROR_NO_MEMORY: so much was wanted for @what ("a batch's
 * pictures"). */
gpointer nddr_try_alloc (gsize n, gsize size, const char *what, GError **error);
/** The same, all zero. */
gpointer nddr_try_alloc0 (gsize n, gsize size, const char *what, GError **error);

G_END_DECLS
