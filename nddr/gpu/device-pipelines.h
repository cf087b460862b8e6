/* A device's pipelines, each made once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/pipeline.h>

G_BEGIN_DECLS

/** The pipelines of @n steps' kernels and constants; those not made before are made side by side.  Thread-safe.  The device owns the
 * pipelines.
 * @pipelines: out: @n of them */
gboolean nddr_device_get_pipelines (NddrDevice *device, NddrStep *const *steps, guint n, NddrPipeline **pipelines, GError **error);

/** None yet, and the device's cache of them read from disk. */
void nddr_pipelines_init (NddrDevice *device);
/** Writes the cache back and destroys all pipelines.  A device without nddr_pipelines_init() is fine. */
void nddr_pipelines_clear (NddrDevice *device);

G_END_DECLS
