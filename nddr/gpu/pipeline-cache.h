/* A device's VkPipelineCache, kept on disk in its cache folder.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/device.h>

G_BEGIN_DECLS

/** Makes the cache of what is on disk; a missing, foreign or damaged file is no error. */
void nddr_pipeline_cache_init (NddrDevice *device);
/** Writes it back if it grew, beside, then renamed, and destroys it. */
void nddr_pipeline_cache_clear (NddrDevice *device);

G_END_DECLS
