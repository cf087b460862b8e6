/* Named tensors in host memory.
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

NddrArray *nddr_array_new (const char *name, guint n_dims, const gint64 *dims); /* zeros; of a few numbers, as what there is no memory for ends the process */
/** Any array, of zeros; NULL with NDDR_ERROR_NO_MEMORY. */
NddrArray *nddr_array_try_new (const char *name, guint n_dims, const gint64 *dims, GError **error);
/** NULL with NDDR_ERROR_NO_MEMORY. */
NddrArray *nddr_array_copy (const NddrArray *array, const char *name, GError **error);
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
} NddrArrays;

NddrArrays *nddr_arrays_new (void);
void nddr_arrays_free (NddrArrays *tensors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrArrays, nddr_arrays_free)

/** Takes @array; replaces one of the same name. */
void nddr_arrays_take (NddrArrays *tensors, NddrArray *array);
NddrArray *nddr_arrays_find (const NddrArrays *tensors, const char *name);

G_END_DECLS
