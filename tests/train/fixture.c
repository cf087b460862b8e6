/* See fixture.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>
#include <jpeglib.h>
#include <png.h>

char *
fixture_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("nddr-test-XXXXXX", &error);
  g_assert_no_error (error);
  return folder;
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    if (g_file_test (child, G_FILE_TEST_IS_DIR) && !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
      remove_tree (child);
    else
      g_unlink (child);
  }
  g_rmdir (path);
}

void
fixture_remove (char *folder)
{
  remove_tree (folder);
  g_free (folder);
}

char *
fixture_path (const char *folder, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *rest = g_strdup_vprintf (format, args);
  va_end (args);
  char *path = g_build_filename (folder, rest, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_assert_cmpint (g_mkdir_with_parents (parent, 0777), ==, 0);
  return path;
}

void
fixture_write (const char *path, gconstpointer data, gsize bytes)
{
  /* a new file each time: where an old one is replaced, GLib waits for the disk, and so do some file systems */
  g_unlink (path);
  FILE *file = fopen (path, "wb");
  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (data, 1, bytes, file), ==, bytes);
  g_assert_cmpint (fclose (file), ==, 0);
}

void
fixture_write_png (const char *path, guint width, guint height, guint channels, guint bits, gconstpointer data)
{
  static const guint formats[] = { 0, PNG_FORMAT_GRAY, 0, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
  if (bits == 8) {
    png_image image = { .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = formats[channels] };
    g_assert_true (png_image_write_to_file (&image, path, 0, data, 0, NULL));
    return;
  }
  /* The simplified interface takes 16-bit values as linear light and writes them otherwise. */
  FILE *file = fopen (path, "wb");
  png_structp png = png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct (png);
  png_init_io (png, file);
  png_set_IHDR (png, info, width, height, 16, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
      PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info (png, info);
  g_autofree guint8 *row = g_malloc (2 * width * channels);
  for (guint y = 0; y < height; y++) {
    for (guint x = 0; x < width * channels; x++) {
      guint16 value = ((const guint16 *) data)[y * width * channels + x];
      row[2 * x] = value >> 8;
      row[2 * x + 1] = value & 255;
    }
    png_write_row (png, row);
  }
  png_write_end (png, NULL);
  png_destroy_write_struct (&png, &info);
  fclose (file);
}

static void
write_jpeg (const char *path, guint width, guint height, guint channels, const guint8 *data, const guint8 *app1, guint size)
{
  static const char xmp[] = "http://ns.adobe.com/xap/1.0/";
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  FILE *file = fopen (path, "wb");
  jpeg.err = jpeg_std_error (&errors);
  jpeg_create_compress (&jpeg);
  jpeg_stdio_dest (&jpeg, file);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults (&jpeg);
  jpeg_set_quality (&jpeg, 95, TRUE);
  jpeg_start_compress (&jpeg, TRUE);
  if (app1) {
    jpeg_write_marker (&jpeg, JPEG_APP0 + 1, (const JOCTET *) xmp, sizeof xmp);
    jpeg_write_marker (&jpeg, JPEG_APP0 + 1, app1, size);
  }
  while (jpeg.next_scanline < height) {
    JSAMPROW row = (JSAMPROW) data + (gsize) channels * width * jpeg.next_scanline;
    jpeg_write_scanlines (&jpeg, &row, 1);
  }
  jpeg_finish_compress (&jpeg);
  jpeg_destroy_compress (&jpeg);
  fclose (file);
}

void
fixture_write_jpeg (const char *path, guint width, guint height, guint channels, const guint8 *data)
{
  write_jpeg (path, width, height, channels, data, NULL, 0);
}

void
fixture_write_jpeg_app1 (const char *path, guint width, guint height, const guint8 *data, const guint8 *app1, guint size)
{
  write_jpeg (path, width, height, 3, data, app1, size);
}

NddrSample *
fixture_sample (guint width, guint height, guint seed)
{
  NddrSample *sample = nddr_sample_new (width, height);
  gsize n = (gsize) width * height;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  sample->rgb = g_malloc (3 * n);
  sample->segmentation = g_malloc (n);
  sample->normal = g_malloc (3 * n);
  sample->depth = g_malloc (2 * n);
  double phase = g_rand_double (rand) * 6;
  for (gsize i = 0; i < n; i++) {
    guint x = i % width, y = i / width;
    sample->rgb[3 * i] = 127.5 + 120 * sin (phase + 0.21 * x + 0.05 * y);
    sample->rgb[3 * i + 1] = 127.5 + 120 * cos (phase + 0.17 * y);
    sample->rgb[3 * i + 2] = g_rand_int_range (rand, 0, 256);
    sample->segmentation[i] = g_rand_int_range (rand, 0, 10) == 0 ? 255 : g_rand_int_range (rand, 0, 13);
    for (int c = 0; c < 3; c++)
      sample->normal[3 * i + c] = g_rand_int_range (rand, c == 2 ? 128 : 0, 256);
    if (g_rand_int_range (rand, 0, 10) == 0)
      memset (sample->normal + 3 * i, 128, 3);
    sample->depth[i] = MIN (i + 1, 65535);
  }
  return sample;
}

void
fixture_write_classes (const char *folder, guint n)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "class %u #%06x\n", i, i * 0x112233 & 0xffffff);
  g_autofree char *path = fixture_path (folder, "classes.txt");
  fixture_write (path, text->str, text->len);
}

void
fixture_write_sample (const char *folder, const char *split, const char *name, const NddrSample *sample, gboolean jpg)
{
  g_autofree char *image = fixture_path (folder, "%s/image/%s.%s", split, name, jpg ? "jpg" : "png");
  g_autofree char *segmentation = fixture_path (folder, "%s/segmentation/%s.png", split, name);
  g_autofree char *normal = fixture_path (folder, "%s/normal/%s.png", split, name);
  g_autofree char *depth = fixture_path (folder, "%s/depth/%s.png", split, name);
  guint width = sample->width, height = sample->height;
  if (jpg)
    fixture_write_jpeg (image, width, height, 3, sample->rgb);
  else
    fixture_write_png (image, width, height, 3, 8, sample->rgb);
  fixture_write_png (segmentation, width, height, 1, 8, sample->segmentation);
  fixture_write_png (normal, width, height, 3, 8, sample->normal);
  fixture_write_png (depth, width, height, 1, 16, sample->depth);
  fixture_write_classes (folder, 13);
}

void
fixture_write_splits (const char *folder, guint n_train, guint n_val)
{
  for (guint i = 0; i < n_train + n_val; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (60, 44, i);
    g_autofree char *name = g_strdup_printf ("%u", i);
    fixture_write_sample (folder, i < n_train ? "train" : "val", name, sample, FALSE);
  }
}

double
fixture_interpolate (const float *data, int w, int h, int stride, int c, int x, int y, int out_w, int out_h, NddrResizeMode mode)
{
  double at[2];
  int in[2] = { w, h }, out[2] = { out_w, out_h }, i[2] = { x, y };
  for (int a = 0; a < 2; a++)
    at[a] = mode == NDDR_RESIZE_HALF_PIXEL ? fmax (0, (i[a] + 0.5) * in[a] / out[a] - 0.5)
        : mode == NDDR_RESIZE_ASYMMETRIC   ? (double) i[a] * in[a] / out[a]
        : out[a] == 1                      ? 0
                                           : (double) i[a] * (in[a] - 1) / (out[a] - 1);
  double sum = 0;
  for (int yy = 0; yy < h; yy++)
    for (int xx = 0; xx < w; xx++) {
      double wx = fmax (0, 1 - fabs (fmin (at[0], w - 1) - xx)), wy = fmax (0, 1 - fabs (fmin (at[1], h - 1) - yy));
      sum += wx * wy * data[(yy * w + xx) * stride + c];
    }
  return sum;
}
