/* Compute pipelines, made once a device for each kernel and set of constants, and their cache on disk.
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
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout; /* one set; NDDR_STEP_MAX_PUSH words of push constants */
  VkPipeline pipeline;
};

/** The type of a kernel's binding: 'T' and 'U' are texel buffers in the software family and storage buffers in the other. */
VkDescriptorType nddr_kernel_descriptor_type (const NddrKernel *kernel, int binding);

/** The pipelines of @n steps' kernels and constants; those not made before are made side by side.  Thread-safe.  The device owns the
 * pipelines.
 * @pipelines: out: @n of them */
gboolean nddr_device_get_pipelines (NddrDevice *device, NddrStep *const *steps, guint n, NddrPipeline **pipelines, GError **error);

/** (transfer full): where the device keeps what @kind names: one file for each device and driver version, in NDDR_CACHE or else the user's cache folder. */
char *nddr_device_cache_path (const NddrDevice *device, const char *kind);

/** Reads the device's cache from disk (NDDR_CACHE, else the user's cache folder); a missing, foreign or damaged file is no error. */
void nddr_pipelines_init (NddrDevice *device);
/** Destroys all pipelines and writes the cache back if it grew: beside, then renamed. */
void nddr_pipelines_clear (NddrDevice *device);

G_END_DECLS
