/* MAT-files of version 5: what SciPy wrote (make_mat5.py), the other byte order, and files that are broken in every way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fixture.h"
#include "nddr/nddr-error.h"
#include "train/mat5.h"

static const char *golden; /* the folder */

static double *
expect (const char *path, const char *name, gsize n)
{
  g_autoptr (GError) error = NULL;
  gsize found = 0;
  double *numbers = nddr_mat5_read (path, name, &found, &error);
  g_assert_no_error (error);
  g_assert_nonnull (numbers);
  g_assert_cmpuint (found, ==, n);
  return numbers;
}

static void
expect_failure (const char *path, const char *name, const char *part)
{
  g_autoptr (GError) error = NULL;
  gsize n;
  g_assert_null (nddr_mat5_read (path, name, &n, &error));
  g_assert_true (error && error->domain == NDDR_ERROR);
  if (!strstr (error->message, part) || !strstr (error->message, path))
    g_error ("\"%s\" was expected in: %s", part, error->message);
}

static void
test_scipy (void)
{
  static const char *const files[] = { "plain.mat", "compressed.mat" };
  for (guint f = 0; f < G_N_ELEMENTS (files); f++) {
    g_autofree char *path = g_build_filename (golden, files[f], NULL);
    g_autofree double *map = expect (path, "mapClass", 894), *train = expect (path, "trainNdxs", 266), *small = expect (path, "small", 2);
    g_autofree double *halves = expect (path, "halves", 4), *many = expect (path, "many", 2), *nothing = expect (path, "nothing", 0);
    for (guint i = 0; i < 894; i++)
      g_assert_cmpfloat (map[i], ==, i * 7 % 40 + 1);
    for (guint i = 0; i < 266; i++)
      g_assert_cmpfloat (train[i], ==, 3 * (i + 1));
    g_assert_cmpfloat (small[0], ==, -2);
    g_assert_cmpfloat (small[1], ==, 5);
    static const double columns[] = { 0.5, 3, -1.25, 1e-3f };
    g_assert_cmpmem (halves, sizeof columns, columns, sizeof columns);
    g_assert_cmpfloat (many[0], ==, -1099511627776.0);
    g_assert_cmpfloat (many[1], ==, 1125899906842624.0);
    expect_failure (path, "nowhere", "no such array");
    expect_failure (path, "wave", "no array of real numbers");
    expect_failure (path, "note", "no array of real numbers");
    expect_failure (path, "allClassName", "no array of real numbers");
  }
}

/** A file with one variable, x = [1 2; 3 4.5] as doubles, most significant byte first. */
static const guint8 big_endian[] = {
  1, 0, 'M', 'I',
  0, 0, 0, 14, 0, 0, 0, 80,
  0, 0, 0, 6, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 0,
  0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 2,
  0, 1, 0, 1, 'x', 0, 0, 0,
  0, 0, 0, 9, 0, 0, 0, 32, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x40, 0x08, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x12, 0, 0, 0, 0, 0, 0,
};

static void
test_byte_order (void)
{
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "big.mat");
  guint8 file[124 + sizeof big_endian];
  memset (file, ' ', 124);
  memcpy (file + 124, big_endian, sizeof big_endian);
  fixture_write (path, file, sizeof file);
  static const double columns[] = { 1, 3, 2, 4.5 };
  g_autofree double *x = expect (path, "x", 4);
  g_assert_cmpmem (x, sizeof columns, columns, sizeof columns);

  memcpy (file, "MATLAB 7.3 MAT-file", 19);
  fixture_write (path, file, sizeof file);
  expect_failure (path, "x", "version 7.3");
  memset (file, ' ', 124);
  file[124] = 2;
  fixture_write (path, file, sizeof file);
  expect_failure (path, "x", "header");
  fixture_write (path, file, 100);
  expect_failure (path, "x", "shorter");
  expect_failure ("/nowhere/splits.mat", "x", "cannot be opened");
  file[124] = 1;
  file[163] = 3; /* three rows of two, and four numbers */
  fixture_write (path, file, sizeof file);
  expect_failure (path, "x", "not as many numbers");
  file[160] = 0x7f; /* two thousand million rows */
  fixture_write (path, file, sizeof file);
  expect_failure (path, "x", "not as many numbers");
  fixture_remove (folder);
}

/** Cut short at every length, and with every byte changed: an error or numbers, never a crash. */
static void
test_broken (void)
{
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "broken.mat");
  static const char *const files[] = { "plain.mat", "compressed.mat" };
  for (guint f = 0; f < G_N_ELEMENTS (files); f++) {
    g_autofree char *source = g_build_filename (golden, files[f], NULL), *data = NULL;
    gsize bytes, n;
    g_assert_true (g_file_get_contents (source, &data, &bytes, NULL));
    for (gsize i = 0; i < bytes; i += i < 700 ? 1 : 13) {
      g_autoptr (GError) error = NULL;
      fixture_write (path, data, i);
      g_autofree double *numbers = nddr_mat5_read (path, "nothing", &n, &error); /* the last but for its padding */
      g_assert_true ((numbers == NULL) == (error != NULL));
      if (i + 8 < bytes)
        g_assert_null (numbers);
    }
    for (gsize i = 116; i < bytes; i += i < 700 ? 1 : 13)
      for (int change = 1; change < 256; change *= 4) {
        g_autoptr (GError) error = NULL;
        data[i] ^= change;
        fixture_write (path, data, bytes);
        g_autofree double *numbers = nddr_mat5_read (path, "mapClass", &n, &error);
        g_assert_true ((numbers == NULL) == (error != NULL));
        data[i] ^= change;
      }
  }
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  golden = argv[1];
  g_test_add_func ("/mat5/scipy", test_scipy);
  g_test_add_func ("/mat5/byte-order", test_byte_order);
  g_test_add_func ("/mat5/broken", test_broken);
  return g_test_run ();
}
