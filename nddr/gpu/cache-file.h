/* Files that a device keeps for the next time: pipelines, what has been compiled, what is fastest.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/device.h>

G_BEGIN_DECLS

/** (transfer full): where @device keeps what @kind names: one file for each device and driver version, in NDDR_CACHE or else the user's cache folder. */
char *nddr_cache_file_path (const NddrDevice *device, const char *kind);
/** Makes the folder of @path where it is not there. */
gboolean nddr_cache_file_make_folder (const char *path, GError **error);
/** Likewise, and writes @path whole or not at all. */
gboolean nddr_cache_file_write (const char *path, gconstpointer data, gsize bytes, GError **error);

G_END_DECLS
