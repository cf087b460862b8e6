/* Pictures in files, by libpng and libjpeg.
 *
 * Both libraries report errors by longjmp().  So each reader keeps what it must free in a struct that the jump does not
 * touch, and the function that calls setjmp() holds no other state.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/image.h"
#include "train/orientation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nddr/error.h>
#include <nddr/whole-file.h>
#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

void
nddr_image_free (NddrImage *image)
{
  if (!image)
    return;
  g_free (image->data);
  g_free (image);
}

/** Memory for @image as its fields say; FALSE where there is not enough. */
static gboolean
allocate (NddrImage *image)
{
  image->data = g_try_malloc_n ((gsize) image->width * image->height, (gsize) image->channels * image->bits / 8);
  return image->data != NULL;
}

static const char no_memory[] = "there is not enough memory for its pixels";

/* @what: "PNG" or "JPEG" that is not sound; NULL: it is.  That memory is short, or that reading failed, which libraries take for the end, is no fault of
 * the file either.  @number: errno, where reading failed; 0: it did not */
static void
set_error (const char *path, int number, const char *what, const char *message, GError **error)
{
  if (number)
    nddr_set_read_error (path, number, error);
  else if (g_str_equal (message, no_memory))
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, "%s: %s", path, message);
  else if (!what)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: %s", path, message);
  else
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is not a sound %s: %s", path, what, message);
}

/* FALSE after writing why not to @message. */
static gboolean
check_size (guint width, guint height, char *message, gsize bytes)
{
  if (width <= NDDR_IMAGE_MAX_SIZE && height <= NDDR_IMAGE_MAX_SIZE)
    return TRUE;
  g_snprintf (message, bytes, "its size, %ux%u, is beyond %d", width, height, NDDR_IMAGE_MAX_SIZE);
  return FALSE;
}

/* ---- PNG */

typedef struct
{
  FILE *file;
  png_structp png;
  png_infop info;
  png_bytep *rows;
  NddrImage *image;
  const char *path;
  char message[160];
  int number;          /* errno then */
  gboolean is_refused; /* a sound file that holds something else than was asked for */
} PngReader;

static void
png_failed (png_structp png, png_const_charp message)
{
  PngReader *reader = png_get_error_ptr (png);
  reader->number = errno;
  g_strlcpy (reader->message, message, sizeof reader->message);
  png_longjmp (png, 1);
}

static void
png_warned (png_structp png, png_const_charp message)
{
  g_debug ("libpng: %s", message);
}

static const char *
png_describe (int color, int bits)
{
  static const char *const names[] = { "gray", NULL, "RGB", "palette", "gray with alpha", NULL, "RGBA" };
  const char *name = color >= 0 && color < (int) G_N_ELEMENTS (names) && names[color] ? names[color] : "unknown";
  g_autofree char *text = g_strdup_printf ("%d-bit %s", bits, name);
  return g_intern_string (text);
}

/** Sets up libpng's conversions so that @content comes out; returns why that cannot be, or NULL. */
static const char *
png_convert (png_structp png, png_infop info, NddrImageContent content)
{
  int color = png_get_color_type (png, info), bits = png_get_bit_depth (png, info);
  switch (content) {
    case NDDR_IMAGE_RGB:
      png_set_expand (png);
      png_set_strip_16 (png);
      png_set_gray_to_rgb (png);
      png_set_strip_alpha (png);
      return NULL;
    case NDDR_IMAGE_VECTORS:
      if (bits != 8 || (color != PNG_COLOR_TYPE_RGB && color != PNG_COLOR_TYPE_RGB_ALPHA))
        return "an RGB PNG with 8 bits a channel was expected";
      png_set_strip_alpha (png);
      return NULL;
    case NDDR_IMAGE_IDS:
      if (bits > 8 || (color != PNG_COLOR_TYPE_GRAY && color != PNG_COLOR_TYPE_PALETTE))
        return "a gray or palette PNG with at most 8 bits was expected, a class id a pixel";
      png_set_packing (png);
      return NULL;
    case NDDR_IMAGE_GRAY16:
      if (bits != 16 || color != PNG_COLOR_TYPE_GRAY)
        return "a gray PNG with 16 bits was expected, millimetres a pixel";
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
      png_set_swap (png);
#endif
      return NULL;
  }
  return "unknown content";
}

static gboolean
png_decode (PngReader *reader, NddrImageContent content)
{
  if (setjmp (png_jmpbuf (reader->png)))
    return FALSE;

  png_init_io (reader->png, reader->file);
  png_set_user_limits (reader->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are below, where what is wrong can be said */
  png_set_crc_action (reader->png, PNG_CRC_ERROR_QUIT, PNG_CRC_QUIET_USE);
  png_read_info (reader->png, reader->info);
  if (!check_size (png_get_image_width (reader->png, reader->info), png_get_image_height (reader->png, reader->info), reader->message,
          sizeof reader->message)) {
    reader->is_refused = TRUE;
    return FALSE;
  }
  const char *wrong = png_convert (reader->png, reader->info, content);
  if (wrong) {
    g_snprintf (reader->message, sizeof reader->message, "it is a %s PNG; %s",
        png_describe (png_get_color_type (reader->png, reader->info), png_get_bit_depth (reader->png, reader->info)),
        wrong);
    reader->is_refused = TRUE;
    return FALSE;
  }
  png_set_interlace_handling (reader->png);
  png_read_update_info (reader->png, reader->info);

  NddrImage *image = reader->image;
  image->width = png_get_image_width (reader->png, reader->info);
  image->height = png_get_image_height (reader->png, reader->info);
  image->channels = content == NDDR_IMAGE_RGB || content == NDDR_IMAGE_VECTORS ? 3 : 1;
  image->bits = content == NDDR_IMAGE_GRAY16 ? 16 : 8;
  gsize row = (gsize) image->width * image->channels * image->bits / 8;
  if (png_get_rowbytes (reader->png, reader->info) != row)
    png_error (reader->png, "rows have an unexpected length");
  reader->rows = g_try_new (png_bytep, image->height);
  if (!reader->rows || !allocate (image))
    png_error (reader->png, no_memory);
  for (guint y = 0; y < image->height; y++)
    reader->rows[y] = (png_bytep) image->data + y * row;
  png_read_image (reader->png, reader->rows);
  png_read_end (reader->png, NULL);
  return TRUE;
}

static NddrImage *
png_read_file (FILE *file, const char *path, NddrImageContent content, GError **error)
{
  g_autoptr (NddrImage) image = g_new0 (NddrImage, 1);
  PngReader reader = { .file = file, .image = image, .path = path };
  gboolean ok = FALSE;

  reader.png = png_create_read_struct (PNG_LIBPNG_VER_STRING, &reader, png_failed, png_warned);
  reader.info = reader.png ? png_create_info_struct (reader.png) : NULL;
  if (reader.info)
    ok = png_decode (&reader, content);
  else
    g_strlcpy (reader.message, "libpng cannot start", sizeof reader.message);
  png_destroy_read_struct (&reader.png, &reader.info, NULL);
  g_free (reader.rows);
  if (ok)
    return g_steal_pointer (&image);
  set_error (path, ferror (file) ? reader.number : 0, reader.is_refused ? NULL : "PNG", reader.message, error);
  return NULL;
}

/* ---- JPEG */

typedef struct
{
  struct jpeg_error_mgr base; /* first: libjpeg hands back a pointer to it */
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  int number; /* errno then */
  gboolean is_refused; /* as PngReader's */
} JpegErrors;

static void
jpeg_failed (j_common_ptr jpeg)
{
  JpegErrors *errors = (JpegErrors *) jpeg->err;
  errors->number = errno;
  jpeg->err->format_message (jpeg, errors->message);
  longjmp (errors->jump, 1);
}

/** libjpeg only warns of truncated and corrupt data, and then makes gray of what is missing: no picture to learn from. */
static void
jpeg_warned (j_common_ptr jpeg, int level)
{
  if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA)
    jpeg_failed (jpeg);
}

/* Of the first marker with Exif data: others of its number hold other things. */
static guint
jpeg_orientation (jpeg_saved_marker_ptr marker)
{
  static const guint8 magic[] = "Exif\0"; /* and a 0 */

  for (; marker; marker = marker->next)
    if (marker->data_length >= sizeof magic && memcmp (marker->data, magic, sizeof magic) == 0)
      return nddr_orientation_read (marker->data, marker->data_length);
  return 1;
}

/* @orientation: (out): of what then is in @image */
static gboolean
jpeg_decode (struct jpeg_decompress_struct *jpeg, JpegErrors *errors, FILE *file, NddrImage *image, guint *orientation)
{
  if (setjmp (errors->jump))
    return FALSE;

  jpeg_create_decompress (jpeg);
  jpeg->mem->max_memory_to_use = 1 << 30;
  jpeg_stdio_src (jpeg, file);
  jpeg_save_markers (jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header (jpeg, TRUE);
  *orientation = jpeg_orientation (jpeg->marker_list);
  errors->is_refused = TRUE;
  if (!check_size (jpeg->image_width, jpeg->image_height, errors->message, sizeof errors->message))
    return FALSE;
  if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
    g_strlcpy (errors->message, "its colours are CMYK, for print: convert it to RGB", sizeof errors->message);
    return FALSE;
  }
  errors->is_refused = FALSE;
  jpeg->out_color_space = JCS_RGB;
  jpeg_start_decompress (jpeg);
  image->width = jpeg->output_width;
  image->height = jpeg->output_height;
  image->channels = 3;
  image->bits = 8;
  if (!allocate (image)) {
    g_strlcpy (errors->message, no_memory, sizeof errors->message);
    return FALSE;
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    JSAMPROW row = (JSAMPROW) image->data + (gsize) jpeg->output_scanline * image->width * 3;
    jpeg_read_scanlines (jpeg, &row, 1);
  }
  jpeg_finish_decompress (jpeg);
  return TRUE;
}

static NddrImage *
jpeg_read_file (FILE *file, const char *path, NddrImageContent content, GError **error)
{
  if (content != NDDR_IMAGE_RGB) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is a JPEG file, which loses exact values: labels must be PNG",
        path);
    return NULL;
  }
  g_autoptr (NddrImage) image = g_new0 (NddrImage, 1);
  struct jpeg_decompress_struct jpeg = { 0 };
  JpegErrors errors = { 0 };
  jpeg.err = jpeg_std_error (&errors.base);
  errors.base.error_exit = jpeg_failed;
  errors.base.emit_message = jpeg_warned;
  guint orientation;
  gboolean ok = jpeg_decode (&jpeg, &errors, file, image, &orientation);
  jpeg_destroy_decompress (&jpeg);
  if (ok && !nddr_orientation_apply (image, orientation)) {
    g_strlcpy (errors.message, no_memory, sizeof errors.message);
    ok = FALSE;
  }
  if (ok)
    return g_steal_pointer (&image);
  set_error (path, ferror (file) ? errors.number : 0, errors.is_refused ? NULL : "JPEG", errors.message, error);
  return NULL;
}

/* That a file may not be read is no fault of its picture: none that would be skipped as a broken one. */
static FILE *
open_picture (const char *path, GError **error)
{
  GError *problem = NULL;
  FILE *file = nddr_open_file (path, &problem);
  if (file)
    return file;
  if (errno == EACCES)
    problem->code = NDDR_ERROR_FAILED;
  g_propagate_error (error, problem);
  return NULL;
}

NddrImage *
nddr_image_read (const char *path, NddrImageContent content, GError **error)
{
  FILE *file = open_picture (path, error);
  if (!file)
    return NULL;
  guint8 magic[8] = { 0 };
  gsize n = fread (magic, 1, sizeof magic, file);
  NddrImage *image = NULL;
  if (ferror (file) || fseek (file, 0, SEEK_SET) != 0)
    nddr_set_read_error (path, errno, error);
  else if (n == 8 && png_sig_cmp (magic, 0, 8) == 0)
    image = png_read_file (file, path, content, error);
  else if (n >= 3 && magic[0] == 0xff && magic[1] == 0xd8 && magic[2] == 0xff)
    image = jpeg_read_file (file, path, content, error);
  else
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is neither a PNG nor a JPEG file", path);
  fclose (file);
  return image;
}

/* ---- writing */

typedef struct
{
  PngReader base; /* its file, png, info and message */
  guint width, height, channels, bits;
  const guint8 *data;
  gsize stride;
} PngWriter;

static gboolean
png_encode (PngWriter *writer)
{
  png_structp png = writer->base.png;
  if (setjmp (png_jmpbuf (png)))
    return FALSE;

  static const int colors[] = { 0, PNG_COLOR_TYPE_GRAY, 0, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA };
  png_init_io (png, writer->base.file);
  png_set_user_limits (png, NDDR_IMAGE_MAX_SIZE, NDDR_IMAGE_MAX_SIZE);
  png_set_compression_level (png, 6);
  png_set_IHDR (png, writer->base.info, writer->width, writer->height, writer->bits, colors[writer->channels],
      PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info (png, writer->base.info);
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
  if (writer->bits == 16)
    png_set_swap (png);
#endif
  for (guint y = 0; y < writer->height; y++)
    png_write_row (png, writer->data + y * writer->stride);
  png_write_end (png, NULL);
  return TRUE;
}

static gboolean
png_write_file (PngWriter *writer)
{
  gboolean ok = FALSE;
  writer->base.png = png_create_write_struct (PNG_LIBPNG_VER_STRING, &writer->base, png_failed, png_warned);
  writer->base.info = writer->base.png ? png_create_info_struct (writer->base.png) : NULL;
  if (writer->base.info)
    ok = png_encode (writer);
  else
    g_strlcpy (writer->base.message, "libpng cannot start", sizeof writer->base.message);
  png_destroy_write_struct (&writer->base.png, &writer->base.info);
  return ok;
}

gboolean
nddr_image_write_png (const char *path, guint width, guint height, guint channels, guint bits, gconstpointer data,
    gsize stride, GError **error)
{
  g_return_val_if_fail (bits == 8 ? channels == 1 || channels == 3 || channels == 4 : bits == 16 && channels == 1, FALSE);
  NddrWholeFile whole;
  if (!nddr_whole_file_begin (&whole, path, error))
    return FALSE;
  PngWriter writer = { .base.file = whole.file, .width = width, .height = height, .channels = channels, .bits = bits, .data = data,
    .stride = stride ? stride : (gsize) width * channels * bits / 8 };
  if (png_write_file (&writer))
    return nddr_whole_file_end (&whole, TRUE, error);
  int number = ferror (whole.file) ? errno : 0; /* libpng says no more than that writing failed */
  nddr_whole_file_end (&whole, FALSE, NULL);
  return nddr_fail (error, NDDR_ERROR_FILE, "%s: cannot be written: %s", path, number ? g_strerror (number) : writer.base.message);
}

/* ---- encoding in memory */

GBytes *
nddr_image_encode_png (guint width, guint height, guint channels, const guint8 *data, GError **error)
{
  char *encoded = NULL;
  size_t size = 0;
  FILE *file = open_memstream (&encoded, &size);
  PngWriter writer = { .base.file = file, .width = width, .height = height, .channels = channels, .bits = 8, .data = data,
    .stride = (gsize) width * channels };
  gboolean ok = file && png_write_file (&writer);
  if (file && fclose (file) != 0)
    ok = FALSE;
  if (ok)
    return g_bytes_new_with_free_func (encoded, size, free, encoded);
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "a picture of %ux%u cannot be encoded: %s", width, height,
      writer.base.message[0] ? writer.base.message : "there is not enough memory");
  free (encoded);
  return NULL;
}

typedef struct
{
  struct jpeg_compress_struct jpeg;
  JpegErrors errors;
  guint8 *encoded; /* libjpeg's malloc() */
  unsigned long size;
} JpegWriter;

static gboolean
jpeg_encode (JpegWriter *writer, guint width, guint height, const guint8 *rgb, int quality)
{
  struct jpeg_compress_struct *jpeg = &writer->jpeg;
  if (setjmp (writer->errors.jump))
    return FALSE;

  jpeg_create_compress (jpeg);
  jpeg_mem_dest (jpeg, &writer->encoded, &writer->size);
  jpeg->image_width = width;
  jpeg->image_height = height;
  jpeg->input_components = 3;
  jpeg->in_color_space = JCS_RGB;
  jpeg_set_defaults (jpeg);
  jpeg_set_quality (jpeg, quality, TRUE);
  jpeg_start_compress (jpeg, TRUE);
  while (jpeg->next_scanline < height) {
    JSAMPROW row = (JSAMPROW) rgb + (gsize) jpeg->next_scanline * width * 3;
    jpeg_write_scanlines (jpeg, &row, 1);
  }
  jpeg_finish_compress (jpeg);
  return TRUE;
}

GBytes *
nddr_image_encode_jpeg (guint width, guint height, const guint8 *rgb, int quality, GError **error)
{
  JpegWriter writer = { 0 };
  writer.jpeg.err = jpeg_std_error (&writer.errors.base);
  writer.errors.base.error_exit = jpeg_failed;
  gboolean ok = jpeg_encode (&writer, width, height, rgb, quality);
  jpeg_destroy_compress (&writer.jpeg);
  if (ok)
    return g_bytes_new_with_free_func (writer.encoded, writer.size, free, writer.encoded);
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "a picture of %ux%u cannot be encoded: %s", width, height, writer.errors.message);
  free (writer.encoded);
  return NULL;
}
