/* Errors inside the library: see nddr-error.h for what the codes mean.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** Sets @error. Returns FALSE, for whoever returns that then. */
gboolean nddr_fail (GError **error, NddrError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
