/* Safetensors files: eight bytes that say how long the header is (little-endian), the header, a JSON object that gives each
 * tensor's type, shape and place, and then the tensors' bytes, without gaps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/safetensors.h>

#include <nddr/allocate.h>
#include <nddr/half.h>
#include <nddr/json.h>
#include <nddr/whole-file.h>

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the format's own library accepts. */
#define MAX_HEADER (100 * 1000 * 1000)

typedef enum { AS_FLOAT, AS_HALF, AS_BFLOAT, AS_OTHER } Storage;

/* The types that a file may name, and how long an element is. */
static const struct
{
  const char *name;
  guint bytes;
  Storage storage;
} types[] = {
  { "F32", 4, AS_FLOAT }, { "F16", 2, AS_HALF }, { "BF16", 2, AS_BFLOAT },
  { "F64", 8, AS_OTHER }, { "I64", 8, AS_OTHER }, { "U64", 8, AS_OTHER }, { "I32", 4, AS_OTHER }, { "U32", 4, AS_OTHER },
  { "I16", 2, AS_OTHER }, { "U16", 2, AS_OTHER }, { "I8", 1, AS_OTHER }, { "U8", 1, AS_OTHER }, { "BOOL", 1, AS_OTHER },
  { "F8_E4M3", 1, AS_OTHER }, { "F8_E5M2", 1, AS_OTHER },
};

/* One entry of the header. */
typedef struct
{
  const char *name; /* the header's */
  Storage storage;
  guint n_dims;
  gint64 dims[NDDR_ARRAY_MAX_DIMS];
  guint64 n_elements;
  guint64 begin, end; /* bytes behind the header */
} Entry;

#define bad(error, ...) nddr_fail (error, NDDR_ERROR_FORMAT, __VA_ARGS__)

/* ---- reading */

static gboolean
is_integer (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64;
}

/* Array element @i as a number that is not negative. */
static gboolean
get_natural (JsonArray *array, guint i, guint64 *value)
{
  JsonNode *node = json_array_get_element (array, i);
  gint64 n;

  if (!is_integer (node))
    return FALSE;
  n = json_node_get_int (node);
  *value = (guint64) n;
  return n >= 0;
}

static gboolean
parse_type (Entry *entry, JsonNode *node, gboolean skip_unknown_types, guint *bytes, GError **error)
{
  const char *name;

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return bad (error, "tensor \"%s\": \"dtype\" must be a string", entry->name);
  name = json_node_get_string (node);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].name, name)) {
      entry->storage = types[i].storage;
      *bytes = types[i].bytes;
      if (entry->storage != AS_OTHER || skip_unknown_types)
        return TRUE;
      return bad (error, "tensor \"%s\": has type %s; F32, F16 and BF16 can be read", entry->name, name);
    }
  return bad (error, "tensor \"%s\": unknown type \"%s\"; F32, F16 and BF16 can be read", entry->name, name);
}

static gboolean
parse_entry (Entry *entry, JsonNode *node, guint64 data_bytes, gboolean skip_unknown_types, GError **error)
{
  JsonObject *object;
  JsonNode *type, *shape, *offsets;
  guint bytes = 0;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return bad (error, "tensor \"%s\": expected an object with dtype, shape and data_offsets", entry->name);
  object = json_node_get_object (node);
  type = json_object_get_member (object, "dtype");
  shape = json_object_get_member (object, "shape");
  offsets = json_object_get_member (object, "data_offsets");
  if (type == NULL || shape == NULL || offsets == NULL || json_object_get_size (object) != 3)
    return bad (error, "tensor \"%s\": expected dtype, shape and data_offsets, and nothing else", entry->name);
  if (!parse_type (entry, type, skip_unknown_types, &bytes, error))
    return FALSE;

  if (!JSON_NODE_HOLDS_ARRAY (shape) || json_array_get_length (json_node_get_array (shape)) > NDDR_ARRAY_MAX_DIMS)
    return bad (error, "tensor \"%s\": \"shape\" must be an array of at most %d sizes", entry->name, NDDR_ARRAY_MAX_DIMS);
  entry->n_dims = json_array_get_length (json_node_get_array (shape));
  entry->n_elements = 1;
  for (guint i = 0; i < entry->n_dims; i++) {
    guint64 n;

    if (!get_natural (json_node_get_array (shape), i, &n))
      return bad (error, "tensor \"%s\": \"shape\" holds something that is not a size", entry->name);
    entry->dims[i] = (gint64) n;
    if (!g_uint64_checked_mul (&entry->n_elements, entry->n_elements, n) || entry->n_elements > G_MAXINT64 / 8)
      return bad (error, "tensor \"%s\": its shape is larger than any file", entry->name);
  }

  if (!JSON_NODE_HOLDS_ARRAY (offsets) || json_array_get_length (json_node_get_array (offsets)) != 2
      || !get_natural (json_node_get_array (offsets), 0, &entry->begin) || !get_natural (json_node_get_array (offsets), 1, &entry->end))
    return bad (error, "tensor \"%s\": \"data_offsets\" must be two offsets", entry->name);
  if (entry->begin > entry->end || entry->end > data_bytes)
    return bad (error, "tensor \"%s\": lies at bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ", but the file has %" G_GUINT64_FORMAT
        " bytes of tensors: it is cut short or damaged", entry->name, entry->begin, entry->end, data_bytes);
  if (entry->end - entry->begin != entry->n_elements * bytes)
    return bad (error, "tensor \"%s\": its shape and type need %" G_GUINT64_FORMAT " bytes, its offsets span %" G_GUINT64_FORMAT, entry->name,
        entry->n_elements * bytes, entry->end - entry->begin);
  return TRUE;
}

static gboolean
parse_metadata (JsonNode *node, GHashTable *metadata, GError **error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return bad (error, "\"__metadata__\" must be an object of strings");
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value)) {
    if (!JSON_NODE_HOLDS_VALUE (value) || json_node_get_value_type (value) != G_TYPE_STRING)
      return bad (error, "\"__metadata__\": \"%s\" must be a string", key);
    g_hash_table_insert (metadata, g_strdup (key), json_node_dup_string (value));
  }
  return TRUE;
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors must cover all bytes behind the header, each once. */
static gboolean
check_cover (GArray *entries, guint64 data_bytes, GError **error)
{
  guint64 covered = 0;

  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);

    if (entry->begin < covered)
      return bad (error, "tensor \"%s\": overlaps the one before it (it starts at byte %" G_GUINT64_FORMAT ", that one ends at %" G_GUINT64_FORMAT ")",
          entry->name, entry->begin, covered);
    if (entry->begin > covered)
      return bad (error, "tensor \"%s\": starts at byte %" G_GUINT64_FORMAT ", but the one before it ends at %" G_GUINT64_FORMAT ": there must be no gap",
          entry->name, entry->begin, covered);
    covered = entry->end;
  }
  if (covered != data_bytes)
    return bad (error, "%" G_GUINT64_FORMAT " bytes behind the last tensor belong to none", data_bytes - covered);
  return TRUE;
}

/* (transfer full): the entries in the order of their bytes; names belong to @header. */
static GArray *
parse_header (JsonNode *header, guint64 data_bytes, gboolean skip_unknown_types, GHashTable *metadata, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, json_node_get_object (header));
  while (json_object_iter_next (&iter, &name, &node)) {
    Entry entry = { .name = name };

    if (g_str_equal (name, "__metadata__")) {
      if (!parse_metadata (node, metadata, error))
        return NULL;
      continue;
    }
    if (!parse_entry (&entry, node, data_bytes, skip_unknown_types, error))
      return NULL;
    g_array_append_val (entries, entry);
  }
  g_array_sort (entries, compare_places);
  if (!check_cover (entries, data_bytes, error))
    return NULL;
  return g_steal_pointer (&entries);
}

static gboolean
read_bytes (FILE *file, gpointer data, gsize bytes, GError **error)
{
  if (bytes == 0 || fread (data, 1, bytes, file) == bytes)
    return TRUE;
  if (ferror (file))
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot be read: %s", g_strerror (errno));
  else
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "became shorter while it was read");
  return FALSE;
}

/* (transfer full): the tensor that @file is at. */
static NddrArray *
read_array (FILE *file, const Entry *entry, GError **error)
{
  g_autoptr (NddrArray) array = g_new0 (NddrArray, 1);
  gsize n = entry->n_elements, stored = entry->end - entry->begin;
  guint8 *bytes;

  array->name = g_strdup (entry->name);
  array->n_dims = entry->n_dims;
  memcpy (array->dims, entry->dims, sizeof array->dims);
  array->n_elements = n;
  /* a sparse file can claim any length: running out of memory must not be the end of the process */
  array->data = g_try_new (float, n);
  if (array->data == NULL && n > 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, "tensor \"%s\": no memory for its %" G_GSIZE_FORMAT " elements", entry->name, n);
    return NULL;
  }

  /* 16-bit elements are read into the upper half of the memory and spread from there, front to back */
  bytes = (guint8 *) array->data + (n * sizeof (float) - stored);
  if (!read_bytes (file, bytes, stored, error))
    return NULL;
  for (gsize i = 0; i < n; i++) {
    guint32 word;
    guint16 half;

    if (entry->storage == AS_FLOAT) {
      memcpy (&word, bytes + 4 * i, sizeof word);
      array->data[i] = nddr_float_from_bits (GUINT32_FROM_LE (word));
    } else {
      memcpy (&half, bytes + 2 * i, sizeof half);
      half = GUINT16_FROM_LE (half);
      array->data[i] = entry->storage == AS_HALF ? nddr_half_to_float (half) : nddr_bfloat_to_float (half);
    }
  }
  return g_steal_pointer (&array);
}

static NddrArrays *
read_file (FILE *file, guint64 file_bytes, gboolean skip_unknown_types, GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  g_autoptr (JsonNode) header = NULL;
  g_autoptr (GArray) entries = NULL;
  g_autofree char *text = NULL;
  guint64 header_bytes, data_start;

  if (file_bytes < sizeof header_bytes) {
    bad (error, "is no safetensors file: it has %" G_GUINT64_FORMAT " bytes", file_bytes);
    return NULL;
  }
  if (!read_bytes (file, &header_bytes, sizeof header_bytes, error))
    return NULL;
  header_bytes = GUINT64_FROM_LE (header_bytes);
  if (header_bytes > MAX_HEADER || header_bytes > file_bytes - sizeof header_bytes) {
    bad (error, "is no safetensors file, or cut short: its first eight bytes promise a header of %" G_GUINT64_FORMAT " bytes; the file has %"
        G_GUINT64_FORMAT ", and a header has at most %d", header_bytes, file_bytes, MAX_HEADER);
    return NULL;
  }
  text = nddr_try_alloc (header_bytes + 1, 1, "its header", error);
  if (text == NULL || !read_bytes (file, text, header_bytes, error))
    return NULL;
  header = nddr_json_parse_object (text, header_bytes, "header", error);
  if (header == NULL)
    return NULL;
  data_start = sizeof header_bytes + header_bytes;
  entries = parse_header (header, file_bytes - data_start, skip_unknown_types, tensors->metadata, error);
  if (entries == NULL)
    return NULL;

  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);
    NddrArray *array;

    if (entry->storage == AS_OTHER) {
      if (fseeko (file, (off_t) (data_start + entry->end), SEEK_SET) != 0) {
        g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot be read: %s", g_strerror (errno));
        return NULL;
      }
      continue;
    }
    array = read_array (file, entry, error);
    if (array == NULL)
      return NULL;
    nddr_arrays_take (tensors, array);
  }
  return g_steal_pointer (&tensors);
}

NddrArrays *
nddr_safetensors_read (const char *path, gboolean skip_unknown_types, GError **error)
{
  NddrArrays *tensors;
  struct stat info;
  FILE *file = nddr_open_file (path, error);

  if (file == NULL)
    return NULL;
  tensors = read_file (file, fstat (fileno (file), &info) == 0 ? (guint64) info.st_size : 0, skip_unknown_types, error);
  fclose (file);
  if (tensors == NULL)
    g_prefix_error (error, "%s: ", path);
  return tensors;
}

/* ---- writing */

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
build_metadata (JsonBuilder *builder, GHashTable *metadata)
{
  g_autofree const char **keys = NULL;
  guint n = 0;

  keys = (const char **) g_hash_table_get_keys_as_array (metadata, &n);
  qsort (keys, n, sizeof *keys, compare_strings);
  json_builder_set_member_name (builder, "__metadata__");
  json_builder_begin_object (builder);
  for (guint i = 0; i < n; i++) {
    json_builder_set_member_name (builder, keys[i]);
    json_builder_add_string_value (builder, g_hash_table_lookup (metadata, keys[i]));
  }
  json_builder_end_object (builder);
}

/* (transfer full): the header, padded with spaces so that the tensors start at a multiple of eight bytes. */
static char *
build_header (const NddrArrays *tensors, NddrStore store)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;
  guint64 offset = 0;
  gsize length;

  json_builder_begin_object (builder);
  if (g_hash_table_size (tensors->metadata) > 0)
    build_metadata (builder, tensors->metadata);
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *array = tensors->arrays->pdata[i];
    guint64 bytes = (guint64) array->n_elements * (store == NDDR_STORE_F16 ? 2 : 4);

    json_builder_set_member_name (builder, array->name);
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "dtype");
    json_builder_add_string_value (builder, store == NDDR_STORE_F16 ? "F16" : "F32");
    json_builder_set_member_name (builder, "shape");
    json_builder_begin_array (builder);
    for (guint d = 0; d < array->n_dims; d++)
      json_builder_add_int_value (builder, array->dims[d]);
    json_builder_end_array (builder);
    json_builder_set_member_name (builder, "data_offsets");
    json_builder_begin_array (builder);
    json_builder_add_int_value (builder, (gint64) offset);
    json_builder_add_int_value (builder, (gint64) (offset + bytes));
    json_builder_end_array (builder);
    json_builder_end_object (builder);
    offset += bytes;
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  length = strlen (text);
  return g_strdup_printf ("%s%*s", text, (int) ((8 - length % 8) % 8), "");
}

/* A value beyond fp16's range would come back as infinity, in a file that nobody could load. */
static gboolean
check_half (const NddrArrays *tensors, GError **error)
{
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *array = tensors->arrays->pdata[i];

    for (gsize j = 0; j < array->n_elements; j++)
      if (isfinite (array->data[j]) && fabsf (array->data[j]) >= 65520.f)
        return nddr_fail (error, NDDR_ERROR_ARGUMENT, "tensor \"%s\" holds %g, and fp16 ends at 65504: store it as fp32", array->name,
            (double) array->data[j]);
  }
  return TRUE;
}

static gboolean
write_array (FILE *file, const NddrArray *array, NddrStore store)
{
  guint32 chunk[4096]; /* of words or, in fp16, of pairs */
  gsize per_chunk = store == NDDR_STORE_F16 ? 2 * G_N_ELEMENTS (chunk) : G_N_ELEMENTS (chunk);

  for (gsize start = 0; start < array->n_elements; start += per_chunk) {
    gsize n = MIN (per_chunk, array->n_elements - start);

    for (gsize i = 0; i < n; i++) {
      if (store == NDDR_STORE_F16) {
        guint16 half = GUINT16_TO_LE (nddr_half_from_float (array->data[start + i]));
        memcpy ((guint8 *) chunk + 2 * i, &half, sizeof half);
      } else {
        chunk[i] = GUINT32_TO_LE (nddr_float_to_bits (array->data[start + i]));
      }
    }
    if (fwrite (chunk, store == NDDR_STORE_F16 ? 2 : 4, n, file) != n)
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_file (FILE *file, const NddrArrays *tensors, NddrStore store)
{
  g_autofree char *header = build_header (tensors, store);
  guint64 length = strlen (header), length_le = GUINT64_TO_LE (length);

  if (fwrite (&length_le, sizeof length_le, 1, file) != 1 || fwrite (header, 1, length, file) != length)
    return FALSE;
  for (guint i = 0; i < tensors->arrays->len; i++)
    if (!write_array (file, tensors->arrays->pdata[i], store))
      return FALSE;
  return TRUE;
}

gboolean
nddr_safetensors_write (const NddrArrays *tensors, const char *path, NddrStore store, GError **error)
{
  NddrWholeFile whole;

  if (store == NDDR_STORE_F16 && !check_half (tensors, error)) {
    g_prefix_error (error, "%s: ", path);
    return FALSE;
  }
  return nddr_whole_file_begin (&whole, path, error) && nddr_whole_file_end (&whole, write_file (whole.file, tensors, store), error);
}
