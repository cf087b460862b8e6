/* Which way up pictures are: all eight orientations against Exif 2.32's definition, by the sides that the first row and column are of.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <train/orientation.h>

#include <stdlib.h>
#include <string.h>

/* 4.6.5.1 (tag 274): "the 0th row is at the visual … of the image, and the 0th column is the visual …" */
static const struct { char row, column; } sides[] = { /* Top, Bottom, Left, Right */
  { 'T', 'L' }, { 'T', 'R' }, { 'B', 'R' }, { 'B', 'L' }, { 'L', 'T' }, { 'R', 'T' }, { 'R', 'B' }, { 'L', 'B' },
};

/* Where on screen the @i-th of rows or columns is that begin at @side, where there are @n of them. */
static void
place (char side, guint i, guint n, guint *x, guint *y)
{
  if (side == 'T' || side == 'B')
    *y = side == 'T' ? i : n - 1 - i;
  else
    *x = side == 'L' ? i : n - 1 - i;
}

static void
test_apply (void)
{
  static const struct { guint width, height; } shapes[] = { { 3, 2 }, { 1, 1 }, { 1, 5 }, { 4, 1 }, { 6, 7 } };
  static const struct { guint channels, bits; } pixels[] = { { 1, 8 }, { 3, 8 }, { 1, 16 } };

  for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
    for (guint p = 0; p < G_N_ELEMENTS (pixels); p++)
      for (guint o = 1; o <= 8; o++) {
        guint w = shapes[s].width, h = shapes[s].height, bytes = pixels[p].channels * pixels[p].bits / 8;
        g_autoptr (NddrImage) image = g_new (NddrImage, 1);

        *image = (NddrImage){ w, h, pixels[p].channels, pixels[p].bits, g_malloc (w * h * bytes) };
        for (guint i = 0; i < w * h * bytes; i++)
          ((guint8 *) image->data)[i] = i;
        g_assert_true (nddr_orientation_apply (image, o));
        g_assert_cmpuint (image->width, ==, o < 5 ? w : h);
        g_assert_cmpuint (image->height, ==, o < 5 ? h : w);
        for (guint r = 0; r < h; r++)
          for (guint c = 0; c < w; c++) {
            guint x = 0, y = 0;

            place (sides[o - 1].row, r, h, &x, &y);
            place (sides[o - 1].column, c, w, &x, &y);
            for (guint b = 0; b < bytes; b++)
              g_assert_cmpuint (((guint8 *) image->data)[(y * image->width + x) * bytes + b], ==, (guint8) ((r * w + c) * bytes + b));
          }
      }
}

#define EXIF_BYTES 32

/* What a JPEG's APP1 holds that says @value, and nothing else; @type: 3 is a short. */
static void
make_exif (guint8 exif[EXIF_BYTES], gboolean big_endian, guint8 type, guint8 count, guint8 value)
{
  static const guint8 little[EXIF_BYTES] = { 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 0, 0, 0, 0, 0, 0, 0, 0 };
  static const guint8 big[EXIF_BYTES] = { 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 0, 0, 0, 0, 0, 0, 0 };

  memcpy (exif, big_endian ? big : little, EXIF_BYTES);
  exif[18 + big_endian] = type;
  exif[big_endian ? 23 : 20] = count;
  exif[24 + big_endian] = value;
}

static void
test_read (void)
{
  guint8 exif[EXIF_BYTES];

  for (int big_endian = 0; big_endian < 2; big_endian++) {
    for (guint o = 1; o <= 8; o++) {
      make_exif (exif, big_endian, 3, 1, o);
      g_assert_cmpuint (nddr_orientation_read (exif, sizeof exif), ==, o);
    }
    /* what says nothing */
    for (guint value = 0; value < 20; value += 9) {
      make_exif (exif, big_endian, 3, 1, value);
      g_assert_cmpuint (nddr_orientation_read (exif, sizeof exif), ==, 1);
    }
    make_exif (exif, big_endian, 1, 1, 6);
    g_assert_cmpuint (nddr_orientation_read (exif, sizeof exif), ==, 1);
    make_exif (exif, big_endian, 3, 2, 6);
    g_assert_cmpuint (nddr_orientation_read (exif, sizeof exif), ==, 1);
    for (guint n = 0; n < 26; n++) {
      g_autofree guint8 *cut = NULL;

      make_exif (exif, big_endian, 3, 1, 6);
      cut = g_memdup2 (exif, n);
      g_assert_cmpuint (nddr_orientation_read (cut, n), ==, 1);
    }
  }
}

/* A picture whose left half is light and whose right one is dark, as a phone that was held upright notes it: the light is at the top. */
static void
test_file (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_autofree char *path = g_build_filename (folder, "x.jpg", NULL);
  guint8 rgb[16 * 8 * 3], exif[EXIF_BYTES];

  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = i / 3 % 16 < 8 ? 240 : 20;
  make_exif (exif, TRUE, 3, 1, 6);
  fixture_write_jpeg_app1 (path, 16, 8, rgb, exif, sizeof exif);
  g_autoptr (NddrImage) image = nddr_image_read (path, NDDR_IMAGE_RGB, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (image->width, ==, 8);
  g_assert_cmpuint (image->height, ==, 16);
  for (guint i = 0; i < sizeof rgb; i++)
    g_assert_cmpint (abs (((guint8 *) image->data)[i] - (i < sizeof rgb / 2 ? 240 : 20)), <, 5);
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/orientation/apply", test_apply);
  g_test_add_func ("/orientation/read", test_read);
  g_test_add_func ("/orientation/file", test_file);
  return g_test_run ();
}
