/* HDF5 files, as MATLAB's version 7.3 writes them: slices of arrays, and lists of strings.
 *
 * Files are not trusted: links that lead elsewhere, filters but deflate and shuffle, types and shapes that are not what is asked for are errors, and so
 * are pieces that do not unpack to what they must.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Thread-safe, as arrays are; libhdf5 works for one thread at a time, but what it read is unpacked by as many as ask for it. */
typedef struct _NddrHdf5 NddrHdf5;

NddrHdf5 *nddr_hdf5_open (const char *path, GError **error);
void nddr_hdf5_close (NddrHdf5 *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrHdf5, nddr_hdf5_close)

gboolean nddr_hdf5_has (NddrHdf5 *file, const char *name);

/** (transfer full): an array of references to arrays of UTF-16, which is what a cell array of MATLAB's strings becomes. */
char **nddr_hdf5_read_strings (NddrHdf5 *file, const char *name, GError **error);

/* What numbers are in the file, and become in memory. */
typedef enum { NDDR_HDF5_UINT8, NDDR_HDF5_UINT16, NDDR_HDF5_FLOAT } NddrHdf5Type;

/** An array that is read in slices along its first axis. */
typedef struct _NddrHdf5Array NddrHdf5Array;

/** @file must outlive the array.
 * @rank: that it must have, 2 to 4 */
NddrHdf5Array *nddr_hdf5_array_open (NddrHdf5 *file, const char *name, NddrHdf5Type type, guint rank, GError **error);
void nddr_hdf5_array_free (NddrHdf5Array *array);
/** Of all axes, the slowest first; each at least 1. */
const guint64 *nddr_hdf5_array_dims (const NddrHdf5Array *array);
/** @data: (out): the slice, room for the product of the other dimensions */
gboolean nddr_hdf5_array_read (NddrHdf5Array *array, guint64 index, gpointer data, GError **error);

G_END_DECLS
