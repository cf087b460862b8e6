/* See hdf5-file.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/hdf5-file.h>

#include <hdf5.h>
#include <nddr/error.h>
#include <nddr/nddr-error.h>
#include <nddr/whole-file.h>
#include <string.h>
#include <zlib.h>

#define MAX_RANK 4
#define MAX_SIZE 16384           /* of an axis but the first */
#define MAX_CHUNK (256 << 20)    /* bytes */
#define MAX_FILTERS 4
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

/* An array's numbers, as they lie in the file. */
typedef struct
{
  Handle id;
  hid_t type;              /* of a number: the library's own, not to be closed */
  gsize bytes;             /* of a number */
  guint rank;
  guint64 dims[MAX_RANK];
  gboolean is_chunked;
  guint64 chunk[MAX_RANK]; /* its shape */
  gsize chunk_bytes;
  guint n_filters;         /* that chunks went through, in this order */
  H5Z_filter_t filters[MAX_FILTERS];
} Layout;

struct _NddrHdf5Array
{
  NddrHdf5 *file;
  char *name;
  Layout layout;
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
  return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: %s%s%s%s%s%s", file->path, name ? name : "", name ? " " : "", text, reason ? " (" : "",
      reason ? reason : "", reason ? ")" : "");
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
  if (nddr_is_absent (path)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s is not there", path);
    return NULL;
  }
  FILE *readable = nddr_open_file (path, error); /* libhdf5 would call what may not be read unsound */
  if (!readable)
    return NULL;
  fclose (readable);
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

/* ---- arrays */

/** How chunks are packed. Only HDF5's own filters, which unpack() knows. */
static gboolean
describe_chunks (Layout *layout, hid_t creation, const NddrHdf5 *file, const char *name, GError **error)
{
  hsize_t chunk[MAX_RANK];
  int n_filters = H5Pget_nfilters (creation);
  if (n_filters < 0 || H5Pget_chunk (creation, layout->rank, chunk) != (int) layout->rank)
    return fail (error, file, name, "cannot be described");
  double bytes = layout->bytes;
  for (guint i = 0; i < layout->rank; i++) {
    layout->chunk[i] = chunk[i];
    bytes *= chunk[i];
  }
  if (bytes < layout->bytes || bytes > MAX_CHUNK)
    return fail (error, file, name, "is stored in pieces of %.0f MiB: up to %d MiB were expected", bytes / (1 << 20), MAX_CHUNK >> 20);
  layout->chunk_bytes = bytes;
  if (n_filters > MAX_FILTERS)
    return fail (error, file, name, "is packed by %d filters: up to %d were expected", n_filters, MAX_FILTERS);
  layout->n_filters = n_filters;
  for (int i = 0; i < n_filters; i++) {
    unsigned flags, config;
    size_t n_values = 0;
    layout->filters[i] = H5Pget_filter2 (creation, i, &flags, &n_values, NULL, 0, NULL, &config);
    if (layout->filters[i] != H5Z_FILTER_DEFLATE && layout->filters[i] != H5Z_FILTER_SHUFFLE)
      return fail (error, file, name, "is packed by filter %d: deflate and shuffle are known", (int) layout->filters[i]);
  }
  return TRUE;
}

/** Takes over @id, a data set. @max_first: of the first axis */
static gboolean
describe (Layout *layout, hid_t id, hid_t type, guint64 max_first, const NddrHdf5 *file, const char *name, GError **error)
{
  g_auto (Handle) space = H5Dget_space (id), creation = H5Dget_create_plist (id);
  hsize_t dims[MAX_RANK] = { 0 };
  *layout = (Layout) { .id = id, .type = type, .bytes = H5Tget_size (type) };
  int rank = space >= 0 && H5Sget_simple_extent_type (space) == H5S_SIMPLE ? H5Sget_simple_extent_ndims (space) : -1;
  if (rank < 1 || rank > MAX_RANK || H5Sget_simple_extent_dims (space, dims, NULL) < 0)
    return fail (error, file, name, "has %d axes", rank);
  layout->rank = rank;
  for (int i = 0; i < rank; i++) {
    layout->dims[i] = dims[i];
    if (dims[i] < 1 || dims[i] > (i ? MAX_SIZE : max_first))
      return fail (error, file, name, "has an axis of %" G_GUINT64_FORMAT, layout->dims[i]);
  }
  H5D_layout_t how = creation >= 0 ? H5Pget_layout (creation) : H5D_LAYOUT_ERROR;
  layout->is_chunked = how == H5D_CHUNKED;
  if ((!layout->is_chunked && how != H5D_COMPACT && how != H5D_CONTIGUOUS) || H5Pget_external_count (creation) != 0)
    return fail (error, file, name, "is not stored in the file itself");
  return !layout->is_chunked || describe_chunks (layout, creation, file, name, error);
}

static hid_t
open_dataset (const NddrHdf5 *file, const char *name, GError **error)
{
  H5L_info_t link;
  if (H5Lexists (file->id, name, H5P_DEFAULT) <= 0) {
    fail (error, file, NULL, "there is no array %s", name);
    return H5I_INVALID_HID;
  }
  if (H5Lget_info (file->id, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
    fail (error, file, name, "is not stored in the file itself");
    return H5I_INVALID_HID;
  }
  hid_t object = H5Oopen (file->id, name, H5P_DEFAULT);
  if (object >= 0 && H5Iget_type (object) == H5I_DATASET)
    return object;
  fail (error, file, name, "is no array");
  handle_close (object);
  return H5I_INVALID_HID;
}

/* ---- slices */

/* (transfer full): as much memory as a file asks for, which may not be there. */
static guint8 *
allocate (gsize bytes, const NddrHdf5 *file, const char *name, GError **error)
{
  guint8 *data = g_try_malloc (MAX (bytes, 1));
  if (!data)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, "%s: there is no memory for a piece of %s, %.0f MiB", file->path, name, bytes / 1048576.0);
  return data;
}

/** Chunk bytes to @layout's numbers, by what they went through in reverse; bits of @skipped: filters that left it as it was. @other: as many bytes, for
 * what is between.  libhdf5's own unpacking trusts a broken chunk to have its full size, so this does not leave it to that. */
static gboolean
unpack (const Layout *layout, guint32 skipped, guint8 *packed, gsize bytes, guint8 *numbers, guint8 *other)
{
  const guint8 *from = packed;
  for (int i = (int) layout->n_filters - 1; i >= 0; i--) {
    guint8 *to = from == other ? numbers : other;
    if (skipped >> i & 1)
      continue;
    if (layout->filters[i] == H5Z_FILTER_DEFLATE) {
      uLongf n = layout->chunk_bytes;
      if (uncompress (to, &n, from, bytes) != Z_OK)
        return FALSE;
      bytes = n;
    } else {
      gsize n = layout->chunk_bytes / layout->bytes;
      if (bytes != layout->chunk_bytes)
        return FALSE;
      for (gsize k = 0; k < n; k++)
        for (gsize b = 0; b < layout->bytes; b++)
          to[k * layout->bytes + b] = from[b * n + k];
    }
    from = to;
  }
  if (bytes != layout->chunk_bytes)
    return FALSE;
  if (from != numbers)
    memcpy (numbers, from, bytes);
  return TRUE;
}

/** (transfer full): the bytes of the chunk that starts at @start. */
static guint8 *
fetch_chunk (const Layout *layout, const hsize_t *start, const NddrHdf5 *file, const char *name, guint32 *skipped, gsize *bytes, GError **error)
{
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size (layout->id, start, &stored) < 0 || stored == 0) {
    fail (error, file, name, "lacks a piece");
    return NULL;
  }
  if (stored > 2 * (guint64) layout->chunk_bytes + 4096) { /* far more than deflate may need */
    fail (error, file, name, "has a broken piece");
    return NULL;
  }
  guint8 *packed = allocate (stored, file, name, error);
  if (!packed)
    return NULL;
  *bytes = stored;
  if (H5Dread_chunk (layout->id, H5P_DEFAULT, start, skipped, packed) >= 0)
    return packed;
  fail (error, file, name, "has a piece that cannot be read");
  g_free (packed);
  return NULL;
}

/** What @numbers, the chunk at @start, has of slice @index, into @slice. */
static void
copy_chunk (const Layout *layout, const hsize_t *start, guint64 index, const guint8 *numbers, guint8 *slice)
{
  /* as if there were four axes, the first of which is @index */
  guint64 from[MAX_RANK] = { 0 }, n[MAX_RANK] = { 1, 1, 1, 1 }, whole[MAX_RANK] = { 1, 1, 1, 1 }, chunk[MAX_RANK] = { 1, 1, 1, 1 };
  guint shift = MAX_RANK - layout->rank;
  for (guint i = 1; i < layout->rank; i++) {
    from[i + shift] = start[i];
    whole[i + shift] = layout->dims[i];
    chunk[i + shift] = layout->chunk[i];
    n[i + shift] = MIN (layout->chunk[i], layout->dims[i] - start[i]);
  }
  guint64 at = index - start[0];
  for (guint64 i = 0; i < n[1]; i++)
    for (guint64 k = 0; k < n[2]; k++)
      memcpy (slice + (((from[1] + i) * whole[2] + from[2] + k) * whole[3] + from[3]) * layout->bytes,
          numbers + (((at * chunk[1] + i) * chunk[2] + k) * chunk[3]) * layout->bytes, n[3] * layout->bytes);
}

static gboolean
read_chunked (const Layout *layout, guint64 index, guint8 *slice, const NddrHdf5 *file, const char *name, GError **error)
{
  hsize_t start[MAX_RANK] = { index / layout->chunk[0] * layout->chunk[0] };
  g_autofree guint8 *numbers = allocate (layout->chunk_bytes, file, name, error);
  g_autofree guint8 *other = numbers ? allocate (layout->chunk_bytes, file, name, error) : NULL;
  if (!other)
    return FALSE;
  for (;;) {
    guint32 skipped = 0;
    gsize bytes = 0;
    enter ();
    g_autofree guint8 *packed = fetch_chunk (layout, start, file, name, &skipped, &bytes, error);
    leave ();
    if (!packed)
      return FALSE;
    if (!unpack (layout, skipped, packed, bytes, numbers, other))
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: %s has a broken piece", file->path, name);
    copy_chunk (layout, start, index, numbers, slice);
    guint axis = layout->rank - 1; /* on to the next: a number whose digits are the axes but the first */
    while (axis > 0 && (start[axis] += layout->chunk[axis]) >= layout->dims[axis])
      start[axis--] = 0;
    if (axis == 0)
      return TRUE;
  }
}

static gboolean
read_contiguous (const Layout *layout, guint64 index, gpointer slice, const NddrHdf5 *file, const char *name, GError **error)
{
  hsize_t start[MAX_RANK] = { index }, count[MAX_RANK];
  for (guint i = 0; i < layout->rank; i++)
    count[i] = i ? layout->dims[i] : 1;
  enter ();
  hid_t stored = H5Dget_space (layout->id), wanted = H5Screate_simple (layout->rank, count, NULL);
  gboolean fine = stored >= 0 && wanted >= 0 && H5Sselect_hyperslab (stored, H5S_SELECT_SET, start, NULL, count, NULL) >= 0
      && H5Dread (layout->id, layout->type, wanted, stored, H5P_DEFAULT, slice) >= 0;
  if (!fine)
    fail (error, file, name, "cannot be read");
  handle_close (stored);
  handle_close (wanted);
  leave ();
  return fine;
}

/** Slice @index of the first axis. Not between enter() and leave(): it unpacks outside of them. */
static gboolean
read_slice (const Layout *layout, guint64 index, gpointer slice, const NddrHdf5 *file, const char *name, GError **error)
{
  return layout->is_chunked ? read_chunked (layout, index, slice, file, name, error) : read_contiguous (layout, index, slice, file, name, error);
}

static gboolean
open_array (NddrHdf5Array *array, NddrHdf5Type type, guint rank, GError **error)
{
  static const char *const names[] = { "8-bit whole numbers", "16-bit whole numbers", "32-bit floating-point numbers" };
  const hid_t types[] = { H5T_NATIVE_UINT8, H5T_NATIVE_UINT16, H5T_NATIVE_FLOAT };
  hid_t id = open_dataset (array->file, array->name, error);
  if (id < 0 || !describe (&array->layout, id, types[type], G_MAXINT32, array->file, array->name, error))
    return FALSE;
  if (array->layout.rank != rank)
    return fail (error, array->file, array->name, "has %u axes, not %u", array->layout.rank, rank);
  g_auto (Handle) stored = H5Dget_type (id);
  return H5Tequal (stored, types[type]) > 0 || fail (error, array->file, array->name, "does not hold %s of this machine's byte order", names[type]);
}

NddrHdf5Array *
nddr_hdf5_array_open (NddrHdf5 *file, const char *name, NddrHdf5Type type, guint rank, GError **error)
{
  g_return_val_if_fail (rank >= 2 && rank <= MAX_RANK, NULL);
  NddrHdf5Array *array = g_new0 (NddrHdf5Array, 1);
  array->file = file;
  array->name = g_strdup (name);
  array->layout.id = H5I_INVALID_HID;
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
  handle_close (array->layout.id);
  leave ();
  g_free (array->name);
  g_free (array);
}

const guint64 *
nddr_hdf5_array_dims (const NddrHdf5Array *array)
{
  return array->layout.dims;
}

gboolean
nddr_hdf5_array_read (NddrHdf5Array *array, guint64 index, gpointer data, GError **error)
{
  g_return_val_if_fail (index < array->layout.dims[0], FALSE);
  return read_slice (&array->layout, index, data, array->file, array->name, error);
}

/* ---- strings */

/** (transfer full): all numbers of a data set of up to @most, which is closed; *@n: how many. */
static gpointer
read_all (hid_t id, hid_t type, gsize most, const NddrHdf5 *file, const char *name, gsize *n, GError **error)
{
  Layout layout;
  g_autofree guint8 *data = NULL;
  enter ();
  gboolean fine = describe (&layout, id, type, most, file, name, error);
  gsize slice = 1;
  for (guint i = 1; fine && i < layout.rank; i++)
    slice *= layout.dims[i];
  if (fine && layout.dims[0] * slice > most)
    fine = fail (error, file, name, "has more than %d values", (int) most);
  leave ();
  if (fine) {
    *n = layout.dims[0] * slice;
    data = allocate (*n * layout.bytes, file, name, error);
    fine = data != NULL;
  }
  for (guint64 i = 0; fine && i < layout.dims[0]; i++)
    fine = read_slice (&layout, i, data + i * slice * layout.bytes, file, name, error);
  enter ();
  handle_close (layout.id);
  leave ();
  return fine ? g_steal_pointer (&data) : NULL;
}

/** The data set that @reference leads to; @what: that holds it. */
static hid_t
follow (const NddrHdf5 *file, const char *what, hobj_ref_t *reference, GError **error)
{
  H5O_type_t kind = H5O_TYPE_UNKNOWN;
  gboolean sound = H5Rget_obj_type2 (file->id, H5R_OBJECT, reference, &kind) >= 0 && kind == H5O_TYPE_DATASET;
  hid_t id = sound ? H5Rdereference2 (file->id, H5P_DEFAULT, H5R_OBJECT, reference) : H5I_INVALID_HID;
  g_auto (Handle) type = id >= 0 ? H5Dget_type (id) : H5I_INVALID_HID;
  if (type >= 0 && H5Tequal (type, H5T_NATIVE_UINT16) > 0)
    return id;
  fail (error, file, what, "refers to something that is no string");
  handle_close (id);
  return H5I_INVALID_HID;
}

static char *
read_string (const NddrHdf5 *file, const char *name, hobj_ref_t *reference, GError **error)
{
  enter ();
  hid_t id = follow (file, name, reference, error);
  leave ();
  gsize n;
  g_autofree gunichar2 *text = id >= 0 ? read_all (id, H5T_NATIVE_UINT16, MAX_STRING, file, name, &n, error) : NULL;
  if (!text)
    return NULL;
  char *utf8 = g_utf16_to_utf8 (text, n, NULL, NULL, NULL);
  if (!utf8)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: %s has a string that is not UTF-16", file->path, name);
  return utf8;
}

char **
nddr_hdf5_read_strings (NddrHdf5 *file, const char *name, GError **error)
{
  enter ();
  hid_t id = open_dataset (file, name, error);
  g_auto (Handle) type = id >= 0 ? H5Dget_type (id) : H5I_INVALID_HID;
  gboolean fine = id >= 0 && (H5Tequal (type, H5T_STD_REF_OBJ) > 0 || fail (error, file, name, "is no list of strings"));
  if (!fine)
    handle_close (id);
  handle_close (type);
  type = H5I_INVALID_HID;
  leave ();
  gsize n;
  g_autofree hobj_ref_t *references = fine ? read_all (id, H5T_STD_REF_OBJ, MAX_STRINGS, file, name, &n, error) : NULL;
  if (!references)
    return NULL;
  g_auto (GStrv) strings = g_new0 (char *, n + 1);
  for (gsize i = 0; i < n; i++)
    if (!(strings[i] = read_string (file, name, &references[i], error)))
      return NULL;
  return g_steal_pointer (&strings);
}
