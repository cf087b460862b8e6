/* Named tensors in host memory, and the safetensors files that hold them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

#define NDDR_ARRAY_MAX_DIMS 8

/** A named tensor: float32, row-major (the last dimension is contiguous), finite or not. */
typedef struct
{
  char *name;
  guint n_dims;
  gint64 dims[NDDR_ARRAY_MAX_DIMS];
  gsize n_elements; /* the product of dims */
  float *data;      /* owned */
} NddrArray;

NddrArray *nddr_array_new (const char *name, guint n_dims, const gint64 *dims); /* zeros */
NddrArray *nddr_array_copy (const NddrArray *array, const char *name);
void nddr_array_free (NddrArray *array);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrArray, nddr_array_free)

/** (transfer full): "[64, 3, 7, 7]", for people. */
char *nddr_print_shape (guint n_dims, const gint64 *dims);

/** Tensors by name, in the order they were added, and free-text metadata.  Not thread-safe while
 * it changes. */
typedef struct
{
  GPtrArray *arrays;    /* of NddrArray, owned */
  GHashTable *by_name;  /* char* -> NddrArray*, neither owned */
  GHashTable *metadata; /* char* -> char*, owned */
} NddrTensors;

NddrTensors *nddr_tensors_new (void);
void nddr_tensors_free (NddrTensors *tensors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrTensors, nddr_tensors_free)

/** Takes @array; replaces one of the same name. */
void nddr_tensors_take (NddrTensors *tensors, NddrArray *array);
NddrArray *nddr_tensors_find (const NddrTensors *tensors, const char *name);

/** What a safetensors file's tensors are stored as. */
typedef enum
{
  NDDR_STORE_F32,
  NDDR_STORE_F16,
} NddrStore;

/** Reads a safetensors file: F32, F16 and BF16 become float32; I64/I32 and other types are read past
 * only where @skip_unknown_types (backbones carry num_batches_tracked), else an error.  Every offset,
 * shape and length is checked; nothing in the file is trusted. */
NddrTensors *nddr_safetensors_read (const char *path, gboolean skip_unknown_types, GError **error);

/** Writes beside @path, then renames over it: a reader never sees half a file. */
gboolean nddr_safetensors_write (const NddrTensors *tensors, const char *path, NddrStore store, GError **error);

G_END_DECLS
