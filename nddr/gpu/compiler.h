/* Compiling ahead, for drivers that compile a pipeline when it is first dispatched, one after the other on the queue's own thread, and
 * keep the result in a cache on disk, as llvmpipe does.  A compiler dispatches pipelines over no workgroups on a device of its own; several do so
 * side by side, and the device they work for then finds the results in the driver's cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/pipeline.h>

G_BEGIN_DECLS

/** How many are worth it side by side: each instance of llvmpipe has as many threads as there are processors, if only to wait. */
#define NDDR_MAX_COMPILERS 8

typedef struct _NddrCompiler NddrCompiler;

/** (transfer full): for @device's driver, on an instance of its own, with whose end the driver has written its cache.  For one thread. */
NddrCompiler *nddr_compiler_new (const NddrDevice *device, GError **error);
/** A pipeline's kernel and constants; whether it is made does not matter. */
gboolean nddr_compiler_compile (NddrCompiler *compiler, const NddrPipeline *pipeline, GError **error);
/** Returns when the driver's cache has all that was compiled. */
void nddr_compiler_free (NddrCompiler *compiler);

/** Which of @n pipelines are to be compiled ahead: none where the driver does not compile late; else those that the record in the device's cache folder has
 * not, by a driver and processor like these.  None, too, where that record cannot be written: the driver's own cache is likely to be as
 * little use.
 * @wanted: out: @n of them.  Returns how many. */
guint nddr_compiler_choose (const NddrDevice *device, NddrPipeline *const *pipelines, guint n, gboolean *wanted);
/** Adds to the record those of @n pipelines that are @compiled, once their compilers are gone. */
void nddr_compiler_record (const NddrDevice *device, NddrPipeline *const *pipelines, guint n, const gboolean *compiled);

G_END_DECLS
