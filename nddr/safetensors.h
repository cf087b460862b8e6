/* Safetensors files: named tensors on disk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/arrays.h>
#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** What a safetensors file's tensors are stored as. */
typedef enum
{
  NDDR_STORE_F32,
  NDDR_STORE_F16,
} NddrStore;

/** Reads a safetensors file: F32, F16 and BF16 become float32; I64/I32 and other types are read past
 * only where @skip_unknown_types (backbones carry num_batches_tracked), else an error.  Every offset,
 * shape and length is checked; nothing in the file is trusted. */
NddrArrays *nddr_safetensors_read (const char *path, gboolean skip_unknown_types, GError **error);

/** Writes beside @path, then renames over it: a reader never sees half a file. */
gboolean nddr_safetensors_write (const NddrArrays *tensors, const char *path, NddrStore store, GError **error);

G_END_DECLS
