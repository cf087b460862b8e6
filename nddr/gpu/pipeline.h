/* A compute pipeline: a kernel with its constants, made for a device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/device.h>

G_BEGIN_DECLS

struct _NddrPipeline
{
  const NddrKernel *kernel;
  guint32 spec[NDDR_STEP_MAX_SPEC];
  int n_spec;
  /* nddr_pipeline_create() */
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout; /* one set; NDDR_STEP_MAX_PUSH words of push constants */
  VkPipeline pipeline;
};

/** The type of a kernel's binding: 'T' and 'U' are texel buffers in the software family and storage buffers in the other. */
VkDescriptorType nddr_kernel_descriptor_type (const NddrKernel *kernel, int binding);

/** The formats of texel buffers: of a 'T' and of a 'U'. */
extern const VkFormat nddr_view_formats[2];

/** (transfer full): not made yet, on no device. */
NddrPipeline *nddr_pipeline_new (const NddrKernel *kernel, const guint32 *spec, int n_spec);
/** Makes it on @device.  On error nddr_pipeline_free() is all that may follow.  Several threads may make one each. */
gboolean nddr_pipeline_create (NddrDevice *device, NddrPipeline *pipeline, GError **error);
/** Also of one that was never made.  The device must have finished with it. */
void nddr_pipeline_free (NddrDevice *device, NddrPipeline *pipeline);

/** By kernel and constants, for hash tables. */
guint nddr_pipeline_hash (gconstpointer pipeline);
gboolean nddr_pipeline_equal (gconstpointer a, gconstpointer b);

G_END_DECLS
