/* Kernels: the compute shaders, as rows of a table (shaders/meson.build).
 *
 * A kernel has up to four variants, each compiled at build time from the one source:
 *
 *   gpu       maps in fp32                              -DNDDR_GPU
 *   half      maps in fp16                              -DNDDR_GPU -DNDDR_HALF
 *   mixed     reads fp16, writes fp32                   -DNDDR_GPU -DNDDR_HALF -DNDDR_MIXED
 *   software  fp32, for drivers that run on processors  -DNDDR_SOFTWARE
 *
 * Kernels on cooperative matrices have one alone, "matrix".
 * Choosing one is nddr_kernel_find() and nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum { NDDR_FAMILY_GPU, NDDR_FAMILY_SOFTWARE } NddrFamily;

/* NDDR_KERNEL_CONV_DIRECT and so on: generated from the table in shaders/meson.build */
#include <nddr/kernel-ids.h>

/** What maps between layers hold. */
typedef enum
{
  NDDR_MAPS_FP32,
  NDDR_MAPS_FP16,
  NDDR_MAPS_MIXED, /* what is read is fp16, what is written fp32; the half variant serves where a kernel writes no maps */
} NddrMapPrecision;

typedef struct
{
  NddrKernelId id;
  const char *name;     /* of the shader file, and what is printed */
  const char *variant;  /* "gpu", "half", "mixed", "software", "matrix" */
  const char *bindings; /* a letter each: S storage buffer, T rgba32f storage texel buffer (software family;
                         * the GPU variants see an S there), U rgba32ui storage texel buffer (likewise) */
  const guint32 *spirv;
  gsize spirv_bytes;
} NddrKernel;

/** How many storage buffers the kernel that binds most of them does.  Of both families: software drivers run the others in fp16. */
guint nddr_kernel_most_buffers (void);

/** The variant for @family and @maps; NULL where there is none (then the operation has another way).  The software family has fp32 alone. */
const NddrKernel *nddr_kernel_find (NddrKernelId id, NddrFamily family, NddrMapPrecision maps);

G_END_DECLS
