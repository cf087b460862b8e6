/* Safetensors: what is written comes back, and nothing that a file says is believed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/half.h>
#include <nddr/safetensors.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

static char *folder;

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* g_file_set_contents() waits for the disk where it replaces a file. */
static void
write_bytes (const char *path, gconstpointer bytes, gsize length)
{
  g_unlink (path);
  g_assert_true (g_file_set_contents (path, bytes, (gssize) length, NULL));
}

/* (transfer full): the path of a file of @header, its length before it, and @data_bytes bytes: 0, 1, 2, … */
static char *
make_file (const char *header, gsize data_bytes)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint64 length = GUINT64_TO_LE (strlen (header));
  char *path = path_of ("made.safetensors");

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  for (gsize i = 0; i < data_bytes; i++) {
    guint8 byte = (guint8) (i & 0x3f);

    g_byte_array_append (bytes, &byte, 1);
  }
  write_bytes (path, bytes->data, bytes->len);
  return path;
}

static NddrArrays *
make_tensors (void)
{
  NddrArrays *tensors = nddr_arrays_new ();
  gint64 matrix[] = { 3, 5 }, filter[] = { 2, 3, 1, 1 }, empty[] = { 0, 4 };
  NddrArray *array;

  nddr_arrays_take (tensors, nddr_array_new ("a.matrix", 2, matrix));
  nddr_arrays_take (tensors, nddr_array_new ("a \"quoted\" \xc3\xa4", 4, filter));
  nddr_arrays_take (tensors, nddr_array_new ("scalar", 0, NULL));
  nddr_arrays_take (tensors, nddr_array_new ("empty", 2, empty));
  for (guint i = 0; i < tensors->arrays->len; i++) {
    array = tensors->arrays->pdata[i];
    for (gsize j = 0; j < array->n_elements; j++)
      array->data[j] = (float) (j + 1) * (i % 2 ? -0.125f : 1024.f);
  }
  g_hash_table_insert (tensors->metadata, g_strdup ("license"), g_strdup ("a \"licence\"\nof two lines"));
  return tensors;
}

static void
assert_same (const NddrArrays *a, const NddrArrays *b)
{
  g_assert_cmpuint (a->arrays->len, ==, b->arrays->len);
  for (guint i = 0; i < a->arrays->len; i++) {
    const NddrArray *x = a->arrays->pdata[i], *y = nddr_arrays_find (b, x->name);

    g_assert_nonnull (y);
    g_assert_cmpuint (x->n_dims, ==, y->n_dims);
    g_assert_cmpmem (x->dims, x->n_dims * sizeof *x->dims, y->dims, y->n_dims * sizeof *y->dims);
    g_assert_cmpmem (x->data, x->n_elements * sizeof (float), y->data, y->n_elements * sizeof (float));
  }
}

/* All values of make_tensors() are fp16's too. */
static void
test_round_trip (gconstpointer data)
{
  NddrStore store = (NddrStore) GPOINTER_TO_INT (data);
  g_autoptr (NddrArrays) tensors = make_tensors (), read = NULL;
  g_autofree char *path = path_of ("round-trip.safetensors");
  g_autoptr (GError) error = NULL;

  g_assert_true (nddr_safetensors_write (tensors, path, store, &error));
  read = nddr_safetensors_read (path, FALSE, &error);
  g_assert_no_error (error);
  assert_same (tensors, read);
  assert_same (read, tensors);
  g_assert_cmpstr (g_hash_table_lookup (read->metadata, "license"), ==, "a \"licence\"\nof two lines");
}

/* Nothing is left beside a file that was written, nor beside one that could not be. */
static void
test_beside (void)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autofree char *where = path_of ("beside"), *path = g_build_filename (where, "a", NULL), *taken = g_build_filename (where, "taken", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;

  g_assert_cmpint (g_mkdir (where, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (taken, 0700), ==, 0);
  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, NULL));
  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, NULL)); /* over the first */
  g_assert_false (nddr_safetensors_write (tensors, taken, NDDR_STORE_F32, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  dir = g_dir_open (where, 0, NULL);
  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    g_assert_true (g_str_equal (name, "a") || g_str_equal (name, "taken"));
}

static void
test_unwritable (void)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autofree char *path = path_of ("no such folder/a");
  g_autoptr (GError) error = NULL;

  g_assert_false (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
}

/* A link stays one, and what it leads to is written: through other links, from the folder that each lies in, and where nothing is yet. */
static void
test_links (void)
{
  static const struct { const char *name, *target, *real; } links[] = {
    { "old", "there/old", "there/old" }, { "new", "there/new", "there/new" }, { "twice", "there/link", "there/last" },
  };
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autofree char *where = path_of ("there"), *old = path_of ("there/old"), *middle = path_of ("there/link");

  g_assert_cmpint (g_mkdir (where, 0700), ==, 0);
  write_bytes (old, "before", 6);
  g_assert_cmpint (symlink ("last", middle), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (links); i++) {
    g_autofree char *link = path_of (links[i].name), *real = path_of (links[i].real);
    g_autoptr (GError) error = NULL;
    g_autoptr (NddrArrays) read = NULL;

    g_assert_cmpint (symlink (links[i].target, link), ==, 0);
    nddr_safetensors_write (tensors, link, NDDR_STORE_F32, &error);
    g_assert_no_error (error);
    g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
    g_assert_false (g_file_test (real, G_FILE_TEST_IS_SYMLINK));
    read = nddr_safetensors_read (real, FALSE, &error);
    g_assert_no_error (error);
    assert_same (tensors, read);
  }
  g_assert_true (g_file_test (middle, G_FILE_TEST_IS_SYMLINK));
}

/* Links that lead nowhere stay, too, and the error says where they lead. */
static void
test_lost_links (void)
{
  static const struct { const char *name, *target, *says; } links[] = {
    { "lost", "gone/a", "gone/a" }, { "round", "round", "symbolic links" },
  };
  g_autoptr (NddrArrays) tensors = make_tensors ();

  for (guint i = 0; i < G_N_ELEMENTS (links); i++) {
    g_autofree char *link = path_of (links[i].name);
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (symlink (links[i].target, link), ==, 0);
    g_assert_false (nddr_safetensors_write (tensors, link, NDDR_STORE_F32, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
    g_assert_nonnull (strstr (error->message, link));
    g_assert_nonnull (strstr (error->message, links[i].says));
    g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  }
}

/* A folder may lie so far down that what is in it has no path that may be used whole. */
static void
test_far_down (void)
{
  enum { DEPTH = 25, LENGTH = 200 }; /* more than PATH_MAX */
  g_autofree char *name = g_strnfill (LENGTH, 'd'), *here = g_get_current_dir ();
  g_autoptr (NddrArrays) tensors = make_tensors ();

  g_assert_cmpint (chdir (folder), ==, 0);
  for (int i = 0; i < DEPTH; i++)
    g_assert_true (g_mkdir (name, 0700) == 0 && chdir (name) == 0);
  g_assert_cmpint (symlink ("a", "link"), ==, 0);
  for (int i = 0; i < 2; i++) { /* where nothing is, then over the first */
    g_autoptr (GError) error = NULL;

    nddr_safetensors_write (tensors, "link", NDDR_STORE_F32, &error);
    g_assert_no_error (error);
    g_assert_true (g_file_test ("link", G_FILE_TEST_IS_SYMLINK));
  }
  g_assert_true (g_unlink ("link") == 0 && g_unlink ("a") == 0);
  for (int i = 0; i < DEPTH; i++)
    g_assert_true (chdir ("..") == 0 && g_rmdir (name) == 0);
  g_assert_cmpint (chdir (here), ==, 0);
}

static void
test_half_overflow (void)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autofree char *path = path_of ("overflow");
  g_autoptr (GError) error = NULL;

  nddr_arrays_find (tensors, "a.matrix")->data[3] = 65519; /* rounds to 65504 */
  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F16, NULL));
  nddr_arrays_find (tensors, "a.matrix")->data[3] = 65520;
  g_assert_false (nddr_safetensors_write (tensors, path, NDDR_STORE_F16, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "a.matrix"));
}

/* ---- 16-bit floats */

/* Every half is a float and comes back; between two of them the nearer one is taken, and halfway the even one. */
static void
test_halves (void)
{
  for (guint32 h = 0; h < 0x7c00; h++) {
    double value = h < 0x400 ? h * 0x1p-24 : ldexp (1024 + (h & 1023), (int) (h >> 10) - 25);
    float next = nddr_half_to_float ((guint16) (h + 1)), middle = (float) ((value + (h == 0x7bff ? 65536 : next)) / 2);

    g_assert_true (nddr_half_to_float ((guint16) h) == value);
    g_assert_true (nddr_half_to_float ((guint16) (h | 0x8000)) == -value);
    g_assert_cmpuint (nddr_half_from_float ((float) value), ==, h);
    g_assert_cmpuint (nddr_half_from_float ((float) -value), ==, h | 0x8000);
    g_assert_cmpuint (nddr_half_from_float (middle), ==, h + (h & 1));
    g_assert_cmpuint (nddr_half_from_float (nextafterf (middle, 0)), ==, h);
    g_assert_cmpuint (nddr_half_from_float (nextafterf (middle, INFINITY)), ==, h + 1);
  }
  g_assert_true (isinf (nddr_half_to_float (0x7c00)));
  g_assert_true (isnan (nddr_half_to_float (0x7c01)));
  g_assert_cmpuint (nddr_half_from_float (INFINITY), ==, 0x7c00);
  g_assert_true (isnan (nddr_half_to_float (nddr_half_from_float (NAN))));
  g_assert_cmpuint (nddr_half_from_float (0x1p-149f), ==, 0);
  g_assert_true (nddr_bfloat_to_float (0xc049) == -3.140625f);
}

static void
test_types (void)
{
  g_autofree char *path = make_file ("{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
      "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[4,12]},\"h\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[12,14]}}", 14);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrArrays) tensors = NULL;

  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "\"n\""));
  g_clear_error (&error);
  tensors = nddr_safetensors_read (path, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (tensors->arrays->len, ==, 2);
  g_assert_true (nddr_arrays_find (tensors, "b")->data[1] == nddr_bfloat_to_float (0x0302));
  g_assert_true (nddr_arrays_find (tensors, "h")->data[0] == nddr_half_to_float (0x0d0c));
}

/* ---- what must be refused */

#define T(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static const struct
{
  const char *header;
  gsize data_bytes;
  const char *says; /* part of the message */
} corrupt[] = {
  { "", 0, "expected a JSON object" },
  { "[]", 0, "expected a JSON object" },
  { "{", 0, "not JSON" },
  { "{} {}", 0, "follows" },
  { "{}", 1, "belong to none" },
  { "{" T ("a", "[1]", "0", "4") "}", 3, "cut short" },
  { "{" T ("a", "[1]", "0", "4") "}", 5, "belong to none" },
  { "{" T ("a", "[1]", "0", "4") "," T ("b", "[1]", "0", "4") "}", 4, "overlaps" },
  { "{" T ("a", "[2]", "0", "8") "," T ("b", "[1]", "4", "8") "}", 8, "overlaps" },
  { "{" T ("a", "[1]", "0", "4") "," T ("b", "[1]", "8", "12") "}", 12, "no gap" },
  { "{" T ("a", "[1]", "4", "8") "}", 8, "no gap" },
  { "{" T ("a", "[1]", "0", "4") "," T ("a", "[1]", "4", "8") "}", 8, "twice" },
  { "{" T ("a", "[1]", "4", "0") "}", 4, "cut short or damaged" },
  { "{" T ("a", "[1]", "0", "8") "}", 8, "need 4 bytes" },
  { "{" T ("a", "[0]", "0", "4") "}", 4, "need 0 bytes" },
  { "{" T ("a", "[-1]", "0", "4") "}", 4, "not a size" },
  { "{" T ("a", "[1.0]", "0", "4") "}", 4, "not a size" },
  { "{" T ("a", "[\"1\"]", "0", "4") "}", 4, "not a size" },
  { "{" T ("a", "[null]", "0", "4") "}", 4, "not a size" },
  { "{" T ("a", "1", "0", "4") "}", 4, "must be an array" },
  { "{" T ("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8" },
  { "{" T ("a", "[4294967296,4294967296]", "0", "4") "}", 4, "larger than any file" },
  { "{" T ("a", "[9223372036854775807,9223372036854775807]", "0", "4") "}", 4, "larger than any file" },
  { "{" T ("a", "[4611686018427387905]", "0", "4") "}", 4, "larger than any file" },
  { "{" T ("a", "[99999999999999999999999]", "0", "4") "}", 4, "tensor" },
  { "{" T ("a", "[1]", "-4", "0") "}", 4, "two offsets" },
  { "{" T ("a", "[1]", "0", "18446744073709551615") "}", 4, "tensor" },
  { "{" T ("a", "[1]", "0", "9223372036854775807") "}", 4, "cut short or damaged" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two offsets" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "two offsets" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "nothing else" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "nothing else" },
  { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice" },
  { "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "must be a string" },
  { "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F33" },
  { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "U8" },
  { "{\"a\":[]}", 0, "expected an object" },
  { "{\"__metadata__\":[]}", 0, "object of strings" },
  { "{\"__metadata__\":{\"a\":1}}", 0, "must be a string" },
  { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "twice" },
  { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice" },
  { "{/* \" */}", 0, "JSON does not have" },
  { "{# \"\n}", 0, "JSON does not have" },
  { "{'a':1}", 0, "JSON does not have" },
  { "{\"\xff\":1}", 0, "UTF-8" },
  { "[[[[[[[[[[[[[[[[[[[[", 0, "nested deeper" },
};

static void
test_corrupt (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (corrupt); i++) {
    g_autofree char *path = make_file (corrupt[i].header, corrupt[i].data_bytes);
    g_autoptr (GError) error = NULL;

    if (nddr_safetensors_read (path, FALSE, &error) != NULL)
      g_error ("accepted: %s", corrupt[i].header);
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
    if (strstr (error->message, corrupt[i].says) == NULL || strstr (error->message, path) == NULL)
      g_error ("%s: expected \"%s\" and the path, found: %s", corrupt[i].header, corrupt[i].says, error->message);
  }
}

/* json-glib's parser recurses: a long run of brackets must not reach it, however it is hidden. */
static void
test_deep (void)
{
  g_autofree char *brackets = g_strnfill (4 << 20, '['), *hidden = g_strconcat ("/*\"*/", brackets, NULL), *path = NULL;
  g_autoptr (GError) error = NULL;

  path = make_file (brackets, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_clear_error (&error);
  g_free (path);
  path = make_file (hidden, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
}

/* Nor may a wide one make it take a hundred times the header's own size. */
static void
test_wide (void)
{
  g_autofree char *zeros = g_strnfill (2 * 600000, '0'), *header = NULL, *path = NULL;
  g_autoptr (GError) error = NULL;

  for (gsize i = 1; zeros[i + 1]; i += 2)
    zeros[i] = ',';
  header = g_strconcat ("{\"a\":[", zeros, "]}", NULL);
  path = make_file (header, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "more than 500000 values"));
}

static void
test_header_length (void)
{
  static const guint64 lengths[] = { 3, 100000001, G_MAXUINT32, G_MAXINT64, G_MAXUINT64, G_MAXUINT64 - 7 };
  g_autofree char *path = path_of ("length");

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++) {
    guint64 words[] = { GUINT64_TO_LE (lengths[i]), 0x7d7b };
    g_autoptr (GError) error = NULL;

    write_bytes (path, words, 10);
    g_assert_null (nddr_safetensors_read (path, FALSE, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  }
}

/* The header ends at a multiple of eight bytes, so that numbers behind it are aligned in a mapped file (safetensors' format). */
static void
test_alignment (void)
{
  g_autofree char *path = path_of ("aligned.safetensors");
  const gint64 dims[] = { 1 };

  for (int n = 1; n <= 9; n++) {
    g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
    g_autofree char *name = g_strnfill (n, 'a'), *bytes = NULL;
    g_autoptr (GError) error = NULL;
    guint64 header;

    nddr_arrays_take (tensors, nddr_array_new (name, 1, dims));
    g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error));
    g_assert_true (g_file_get_contents (path, &bytes, NULL, NULL));
    memcpy (&header, bytes, sizeof header);
    g_assert_cmpuint (GUINT64_FROM_LE (header) % 8, ==, 0);
  }
}

static void
test_truncated (void)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autofree char *path = path_of ("whole"), *cut = path_of ("cut"), *bytes = NULL;
  gsize length = 0;

  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, NULL));
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  for (gsize n = 0; n < length; n++) {
    g_autoptr (GError) error = NULL;

    write_bytes (cut, bytes, n);
    g_assert_null (nddr_safetensors_read (cut, FALSE, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  }
}

/* A sparse file of 4 TB claims more than there is memory: an error, not the end of the process.  The sanitizer's allocator ends
 * it all the same. */
#ifndef __SANITIZE_ADDRESS__
static void
test_claims_terabytes (void)
{
  static const char header[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[2199023255552],\"data_offsets\":[0,4398046511104]}}";
  g_autofree char *path = make_file (header, 0);
  g_autoptr (GError) error = NULL;
  struct rlimit before, tight;

  if (truncate (path, (off_t) (8 + strlen (header) + 4398046511104)) != 0) {
    g_test_message ("this file system has no files of 4 TB");
    return;
  }
  g_assert_cmpint (getrlimit (RLIMIT_AS, &before), ==, 0);
  tight = (struct rlimit){ MIN ((rlim_t) 1 << 40, before.rlim_max), before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_AS, &tight), ==, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_cmpint (setrlimit (RLIMIT_AS, &before), ==, 0);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
}

/* Likewise one with as large a header as may be, where there is memory for half of it. */
static void
test_claims_header (void)
{
  const guint64 most = 100000000, length = GUINT64_TO_LE (most);
  g_autofree char *path = path_of ("made.safetensors"), *pages = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit before, tight;

  write_bytes (path, &length, sizeof length);
  g_assert_cmpint (truncate (path, (off_t) (sizeof length + most)), ==, 0);
  g_assert_true (g_file_get_contents ("/proc/self/statm", &pages, NULL, NULL));
  g_assert_cmpint (getrlimit (RLIMIT_AS, &before), ==, 0);
  tight = (struct rlimit){ g_ascii_strtoull (pages, NULL, 10) * sysconf (_SC_PAGESIZE) + most / 2, before.rlim_max };
  g_assert_cmpint (setrlimit (RLIMIT_AS, &tight), ==, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_cmpint (setrlimit (RLIMIT_AS, &before), ==, 0);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  g_assert_nonnull (strstr (error->message, "made.safetensors"));
}
#endif

static void
test_no_file (void)
{
  g_autofree char *path = path_of ("nowhere");
  g_autoptr (GError) error = NULL;

  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_clear_error (&error);
  g_assert_null (nddr_safetensors_read (folder, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_assert_true (g_str_has_suffix (error->message, ": is a folder: expected a file"));
  g_clear_error (&error);
  /* a pipe that nobody writes to: waiting for that would be waiting for ever */
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  g_assert_null (nddr_safetensors_read (path, FALSE, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
}

static void
remove_all (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);

  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name != NULL; name = g_dir_read_name (dir)) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    remove_all (inside);
  }
  g_remove (path);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("nddr-safetensors-XXXXXX", NULL);
  g_test_add_data_func ("/safetensors/round-trip/f32", GINT_TO_POINTER (NDDR_STORE_F32), test_round_trip);
  g_test_add_data_func ("/safetensors/round-trip/f16", GINT_TO_POINTER (NDDR_STORE_F16), test_round_trip);
  g_test_add_func ("/safetensors/beside", test_beside);
  g_test_add_func ("/safetensors/unwritable", test_unwritable);
  g_test_add_func ("/safetensors/links", test_links);
  g_test_add_func ("/safetensors/lost-links", test_lost_links);
  g_test_add_func ("/safetensors/far-down", test_far_down);
  g_test_add_func ("/safetensors/half-overflow", test_half_overflow);
  g_test_add_func ("/safetensors/halves", test_halves);
  g_test_add_func ("/safetensors/types", test_types);
  g_test_add_func ("/safetensors/corrupt", test_corrupt);
  g_test_add_func ("/safetensors/deep", test_deep);
  g_test_add_func ("/safetensors/wide", test_wide);
  g_test_add_func ("/safetensors/header-length", test_header_length);
  g_test_add_func ("/safetensors/alignment", test_alignment);
  g_test_add_func ("/safetensors/truncated", test_truncated);
#ifndef __SANITIZE_ADDRESS__
  g_test_add_func ("/safetensors/claims-terabytes", test_claims_terabytes);
  g_test_add_func ("/safetensors/claims-header", test_claims_header);
#endif
  g_test_add_func ("/safetensors/no-file", test_no_file);
  status = g_test_run ();
  remove_all (folder);
  g_free (folder);
  return status;
}
