/* NumPy's .npy files, as far as the tool writes them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** Writes @data, [height][width][channels], as float32 [channels, height, width]. */
gboolean nddr_npy_write_planes (const char *path, const float *data, guint width, guint height, guint channels, GError **error);

G_END_DECLS
