/* Kernels: the compute shaders, as rows of a table (shaders/meson.build).
 *
 * A kernel has up to four variants: for GPUs with maps in fp32, in fp16, or those that it reads in fp16 and what it makes in fp32, and for
 * software drivers; those on cooperative matrices have one alone.  Shaders are compiled at build time, once a variant, with -DNDDR_GPU, -DNDDR_GPU
 * -DNDDR_HALF, both and -DNDDR_MIXED, or -DNDDR_SOFTWARE.
 * Choosing one is nddr_kernel_find() and nothing else.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum { NDDR_FAMILY_GPU, NDDR_FAMILY_SOFTWARE } NddrFamily;

/* NDDR_KERNEL_CONV_DIRECT and so on: generated from the table in shaders/meson.build */
#include <nddr/kernel-ids.h>

/** What maps hold. */
typedef enum
{
  NDDR_NUMBERS_FULL,
  NDDR_NUMBERS_HALF,
  NDDR_NUMBERS_MIXED, /* a kernel reads halves and writes floats; a half variant does, where that makes no maps */
} NddrNumbers;

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

/** The variant for @family and numbers; NULL where there is none (then the operation has another way).  The software family has fp32 alone. */
const NddrKernel *nddr_kernel_find (NddrKernelId id, NddrFamily family, NddrNumbers numbers);

G_END_DECLS
