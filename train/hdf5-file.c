/* See hdf5-file.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/hdf5-file.h>

#include <hdf5.h>
#include <math.h>
#include <nddr/nddr-error.h>

#define MAX_RANK 4
#define MAX_SIZE 16384           /* of an axis but the first */
#define MAX_CHUNK (256 << 20)    /* bytes */
#define MAX_STRINGS 65536
#define MAX_STRING 256

/* libhdf5 may have been built for one thread alone. */
static GMutex library_lock;

typedef hid_t Handle;

static void
handle_close (Handle handle)
{
  if (handle >= 0)
    H5Idec_ref (handle);
}

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (Handle, handle_close, H5I_INVALID_HID)

struct _NddrHdf5
{
  char *path;
  Handle id;
};

struct _NddrHdf5Array
{
  NddrHdf5 *file;
  char *name;
  Handle id;
  Handle type; /* in memory; the library's own */
  guint rank;
  guint64 dims[MAX_RANK];
};

/** Everything that calls the library is between this and leave(). Its errors are not printed, but kept for fail(). */
static void
enter (void)
{
  g_mutex_lock (&library_lock);
  H5Eset_auto2 (H5E_DEFAULT, NULL, NULL);
  H5Eclear2 (H5E_DEFAULT);
}

static void
leave (void)
{
  g_mutex_unlock (&library_lock);
}

static herr_t
take_reason (unsigned n, const H5E_error2_t *entry, void *user_data)
{
  const char **reason = user_data;
  if (n == 0)
    *reason = entry->desc;
  return 0;
}

/** @what: is wrong with @name; to which libhdf5's own reason is added, if it has one.  Returns FALSE. */
G_GNUC_PRINTF (4, 5)
static gboolean
fail (GError **error, const NddrHdf5 *file, const char *name, const char *what, ...)
{
  const char *reason = NULL;
  H5Ewalk2 (H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, &reason);
  va_list args;
  va_start (args, what);
  g_autofree char *text = g_strdup_vprintf (what, args);
  va_end (args);
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: %s%s%s%s%s%s", file->path, name ? name : "", name ? " " : "", text, reason ? " (" : "",
      reason ? reason : "", reason ? ")" : "");
  return FALSE;
}

/* ---- files */

static gboolean
open_file (NddrHdf5 *file, GError **error)
{
  g_auto (Handle) access = H5Pcreate (H5P_FILE_ACCESS);
  H5Pset_fclose_degree (access, H5F_CLOSE_STRONG);
  H5Pset_file_locking (access, FALSE, TRUE); /* read-only media cannot be locked */
  file->id = H5Fopen (file->path, H5F_ACC_RDONLY, access);
  return file->id >= 0 || fail (error, file, NULL, "not a sound HDF5 file");
}

NddrHdf5 *
nddr_hdf5_open (const char *path, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s is not there", path);
      return NULL;
    }
  NddrHdf5 *file = g_new0 (NddrHdf5, 1);
  file->path = g_strdup (path);
  file->id = H5I_INVALID_HID;
  enter ();
  gboolean fine = open_file (file, error);
  leave ();
  if (fine)
    return file;
  nddr_hdf5_close (file);
  return NULL;
}

void
nddr_hdf5_close (NddrHdf5 *file)
{
  if (!file)
    return;
  enter ();
  if (file->id >= 0)
    H5Fclose (file->id);
  leave ();
  g_free (file->path);
  g_free (file);
}

gboolean
nddr_hdf5_has (NddrHdf5 *file, const char *name)
{
  enter ();
  gboolean has = H5Lexists (file->id, name, H5P_DEFAULT) > 0;
  leave ();
  return has;
}

/* ---- data sets */

/** That the data are in the file itself, and packed by nothing but HDF5's own filters. */
static gboolean
check_storage (const NddrHdf5 *file, const char *name, hid_t dataset, GError **error)
{
  g_auto (Handle) creation = H5Dget_create_plist (dataset);
  H5D_layout_t layout = creation >= 0 ? H5Pget_layout (creation) : H5D_LAYOUT_ERROR;
  if ((layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) || H5Pget_external_count (creation) != 0)
    return fail (error, file, name, "is not stored in the file itself");
  int n_filters = H5Pget_nfilters (creation);
  for (int i = 0; i < n_filters; i++)
    {
      unsigned flags, config;
      size_t n_values = 0;
      H5Z_filter_t filter = H5Pget_filter2 (creation, i, &flags, &n_values, NULL, 0, NULL, &config);
      if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
        return fail (error, file, name, "is packed by filter %d: deflate, shuffle and fletcher32 are known", (int) filter);
    }
  return n_filters >= 0 || fail (error, file, name, "cannot be described");
}

static hid_t
open_dataset (const NddrHdf5 *file, const char *name, GError **error)
{
  H5L_info_t link;
  if (H5Lexists (file->id, name, H5P_DEFAULT) <= 0)
    {
      fail (error, file, NULL, "there is no array %s", name);
      return H5I_INVALID_HID;
    }
  if (H5Lget_info (file->id, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
    {
      fail (error, file, name, "is not stored in the file itself");
      return H5I_INVALID_HID;
    }
  g_auto (Handle) object = H5Oopen (file->id, name, H5P_DEFAULT);
  if (object < 0 || H5Iget_type (object) != H5I_DATASET)
    {
      fail (error, file, name, "is no array");
      return H5I_INVALID_HID;
    }
  if (!check_storage (file, name, object, error))
    return H5I_INVALID_HID;
  hid_t dataset = object;
  object = H5I_INVALID_HID;
  return dataset;
}

/** The number of values; -1 with @error where it is no array or beyond @most. */
static gssize
count_points (const NddrHdf5 *file, const char *name, hid_t dataset, gssize most, GError **error)
{
  g_auto (Handle) space = H5Dget_space (dataset);
  hssize_t n = space >= 0 && H5Sget_simple_extent_type (space) == H5S_SIMPLE ? H5Sget_simple_extent_npoints (space) : -1;
  if (n >= 0 && n <= most)
    return n;
  fail (error, file, name, "has no list of up to %d values", (int) most);
  return -1;
}

/* ---- strings */

static char *
read_string (const NddrHdf5 *file, const char *name, hobj_ref_t *reference, GError **error)
{
  H5O_type_t kind = H5O_TYPE_UNKNOWN;
  gboolean sound = H5Rget_obj_type2 (file->id, H5R_OBJECT, reference, &kind) >= 0 && kind == H5O_TYPE_DATASET;
  g_auto (Handle) dataset = sound ? H5Rdereference2 (file->id, H5P_DEFAULT, H5R_OBJECT, reference) : H5I_INVALID_HID;
  g_auto (Handle) type = dataset >= 0 ? H5Dget_type (dataset) : H5I_INVALID_HID;
  if (type < 0 || H5Tget_class (type) != H5T_INTEGER || H5Tget_size (type) > 2)
    {
      fail (error, file, name, "refers to something that is no string");
      return NULL;
    }
  gunichar2 text[MAX_STRING];
  gssize n = check_storage (file, name, dataset, error) ? count_points (file, name, dataset, MAX_STRING, error) : -1;
  if (n < 0)
    return NULL;
  if (H5Dread (dataset, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
    {
      fail (error, file, name, "has a string that cannot be read");
      return NULL;
    }
  char *utf8 = g_utf16_to_utf8 (text, n, NULL, NULL, NULL);
  if (!utf8)
    fail (error, file, name, "has a string that is not UTF-16");
  return utf8;
}

static char **
read_strings (NddrHdf5 *file, const char *name, GError **error)
{
  g_auto (Handle) dataset = open_dataset (file, name, error);
  if (dataset < 0)
    return NULL;
  g_auto (Handle) type = H5Dget_type (dataset);
  if (type < 0 || H5Tequal (type, H5T_STD_REF_OBJ) <= 0)
    {
      fail (error, file, name, "is no list of strings");
      return NULL;
    }
  gssize n = count_points (file, name, dataset, MAX_STRINGS, error);
  if (n < 0)
    return NULL;
  g_autofree hobj_ref_t *references = g_new0 (hobj_ref_t, n + 1);
  if (H5Dread (dataset, H5T_STD_REF_OBJ, H5S_ALL, H5S_ALL, H5P_DEFAULT, references) < 0)
    {
      fail (error, file, name, "cannot be read");
      return NULL;
    }
  g_auto (GStrv) strings = g_new0 (char *, n + 1);
  for (gssize i = 0; i < n; i++)
    if (!(strings[i] = read_string (file, name, &references[i], error)))
      return NULL;
  return g_steal_pointer (&strings);
}

char **
nddr_hdf5_read_strings (NddrHdf5 *file, const char *name, GError **error)
{
  enter ();
  char **strings = read_strings (file, name, error);
  leave ();
  return strings;
}

/* ---- arrays */

static gboolean
check_type (NddrHdf5Array *array, NddrHdf5Type type, hid_t dataset, GError **error)
{
  static const char *const names[] = { "8-bit whole numbers", "16-bit whole numbers", "floating-point numbers" };
  g_auto (Handle) stored = H5Dget_type (dataset);
  H5T_class_t class = stored >= 0 ? H5Tget_class (stored) : H5T_NO_CLASS;
  gsize bytes = stored >= 0 ? H5Tget_size (stored) : 0;
  gboolean fine = FALSE;
  switch (type)
    {
    case NDDR_HDF5_UINT8:
      array->type = H5T_NATIVE_UINT8;
      fine = class == H5T_INTEGER && bytes == 1 && H5Tget_sign (stored) == H5T_SGN_NONE;
      break;
    case NDDR_HDF5_UINT16:
      array->type = H5T_NATIVE_UINT16;
      fine = class == H5T_INTEGER && bytes <= 2 && H5Tget_sign (stored) == H5T_SGN_NONE;
      break;
    case NDDR_HDF5_FLOAT:
      array->type = H5T_NATIVE_FLOAT;
      fine = class == H5T_FLOAT && (bytes == 4 || bytes == 8);
      break;
    }
  return fine || fail (error, array->file, array->name, "does not hold %s", names[type]);
}

static gboolean
check_shape (NddrHdf5Array *array, guint rank, hid_t dataset, GError **error)
{
  g_auto (Handle) space = H5Dget_space (dataset);
  hsize_t dims[MAX_RANK] = { 0 };
  int found = space >= 0 && H5Sget_simple_extent_type (space) == H5S_SIMPLE ? H5Sget_simple_extent_ndims (space) : -1;
  if (found != (int) rank || H5Sget_simple_extent_dims (space, dims, NULL) < 0)
    return fail (error, array->file, array->name, "has %d axes, not %u", found, rank);
  array->rank = rank;
  for (guint i = 0; i < rank; i++)
    {
      array->dims[i] = dims[i];
      if (dims[i] < 1 || dims[i] > (i ? MAX_SIZE : G_MAXINT32))
        return fail (error, array->file, array->name, "has an axis of %" G_GUINT64_FORMAT, array->dims[i]);
    }
  return TRUE;
}

/** Room for the chunks that a slice touches, so that none is unpacked twice for it. */
static gboolean
size_cache (const NddrHdf5Array *array, hid_t dataset, hid_t access, GError **error)
{
  g_auto (Handle) creation = H5Dget_create_plist (dataset);
  hsize_t chunk[MAX_RANK];
  if (H5Pget_layout (creation) != H5D_CHUNKED)
    return TRUE;
  if (H5Pget_chunk (creation, array->rank, chunk) != (int) array->rank)
    return fail (error, array->file, array->name, "cannot be described");
  double bytes = H5Tget_size (array->type), n = 1;
  for (guint i = 0; i < array->rank; i++)
    {
      bytes *= chunk[i];
      n *= i ? ceil ((double) array->dims[i] / chunk[i]) : 1;
    }
  if (bytes > MAX_CHUNK)
    return fail (error, array->file, array->name, "is stored in pieces of %.0f MiB: up to %d MiB were expected", bytes / (1 << 20), MAX_CHUNK >> 20);
  H5Pset_chunk_cache (access, 10007, CLAMP (bytes * n, 1 << 20, MAX_CHUNK), 1);
  return TRUE;
}

static gboolean
open_array (NddrHdf5Array *array, NddrHdf5Type type, guint rank, GError **error)
{
  g_auto (Handle) dataset = open_dataset (array->file, array->name, error);
  if (dataset < 0 || !check_type (array, type, dataset, error) || !check_shape (array, rank, dataset, error))
    return FALSE;
  g_auto (Handle) access = H5Pcreate (H5P_DATASET_ACCESS);
  if (!size_cache (array, dataset, access, error))
    return FALSE;
  H5Dclose (dataset);
  dataset = H5I_INVALID_HID; /* what is open already keeps its cache */
  array->id = H5Dopen2 (array->file->id, array->name, access);
  return array->id >= 0 || fail (error, array->file, array->name, "cannot be opened");
}

NddrHdf5Array *
nddr_hdf5_array_open (NddrHdf5 *file, const char *name, NddrHdf5Type type, guint rank, GError **error)
{
  g_return_val_if_fail (rank >= 2 && rank <= MAX_RANK, NULL);
  NddrHdf5Array *array = g_new0 (NddrHdf5Array, 1);
  array->file = file;
  array->name = g_strdup (name);
  array->id = H5I_INVALID_HID;
  enter ();
  gboolean fine = open_array (array, type, rank, error);
  leave ();
  if (fine)
    return array;
  nddr_hdf5_array_free (array);
  return NULL;
}

void
nddr_hdf5_array_free (NddrHdf5Array *array)
{
  if (!array)
    return;
  enter ();
  handle_close (array->id);
  leave ();
  g_free (array->name);
  g_free (array);
}

const guint64 *
nddr_hdf5_array_dims (const NddrHdf5Array *array)
{
  return array->dims;
}

static gboolean
read_slice (NddrHdf5Array *array, guint64 index, gpointer data, GError **error)
{
  hsize_t start[MAX_RANK] = { index }, count[MAX_RANK];
  for (guint i = 0; i < array->rank; i++)
    count[i] = i ? array->dims[i] : 1;
  g_auto (Handle) stored = H5Dget_space (array->id);
  g_auto (Handle) wanted = H5Screate_simple (array->rank, count, NULL);
  gboolean fine = stored >= 0 && wanted >= 0 && H5Sselect_hyperslab (stored, H5S_SELECT_SET, start, NULL, count, NULL) >= 0
      && H5Dread (array->id, array->type, wanted, stored, H5P_DEFAULT, data) >= 0;
  return fine || fail (error, array->file, array->name, "cannot be read at %" G_GUINT64_FORMAT, index);
}

gboolean
nddr_hdf5_array_read (NddrHdf5Array *array, guint64 index, gpointer data, GError **error)
{
  g_return_val_if_fail (index < array->dims[0], FALSE);
  enter ();
  gboolean fine = read_slice (array, index, data, error);
  leave ();
  return fine;
}
