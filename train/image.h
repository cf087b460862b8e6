/* Pictures in files: PNG and JPEG in, PNG out; and both encoded in memory, to be put into other files.
 *
 * Files are not trusted: whatever is in them, reading one ends in a picture or in an error that names it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** The largest width and height that are read: what is larger is an error, not an allocation. */
#define NDDR_IMAGE_MAX_SIZE 16384

/** What a reader wants; a file that holds something else is an error that says so. */
typedef enum
{
  NDDR_IMAGE_RGB,     /* 8-bit, 3 channels.  Any PNG or JPEG: gray becomes RGB, alpha is dropped, 16 bits become 8 */
  NDDR_IMAGE_VECTORS, /* 8-bit, 3 channels, of an RGB or RGBA PNG with 8 bits: numbers, not colours */
  NDDR_IMAGE_IDS,     /* 8-bit, 1 channel, of a gray or palette PNG with up to 8 bits: the values as stored */
  NDDR_IMAGE_GRAY16,  /* 16-bit, 1 channel, of a gray PNG with 16 bits; in the machine's byte order */
} NddrImageContent;

/** A picture: rows from the top, without gaps. */
typedef struct
{
  guint width, height;
  guint channels; /* 1, 3 or 4 */
  guint bits;     /* of a channel: 8, or 16 in the machine's byte order */
  gpointer data;  /* height * width * channels * bits / 8 bytes, owned */
} NddrImage;

void nddr_image_free (NddrImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrImage, nddr_image_free)

/** Reads a PNG or JPEG file; which of the two is seen from its first bytes, not from its name.  A JPEG comes out upright, as its Exif orientation says
 * (see orientation.h).  Thread-safe. */
NddrImage *nddr_image_read (const char *path, NddrImageContent content, GError **error);

/** Writes a PNG: 8-bit gray, RGB or RGBA (1, 3, 4 channels), or 16-bit gray.  Written beside @path, then renamed over it: a reader
 * never sees half a file.
 * @data: rows without gaps
 * @stride: bytes from one row to the next; 0: without gaps */
gboolean nddr_image_write_png (const char *path, guint width, guint height, guint channels, guint bits, gconstpointer data,
    gsize stride, GError **error);

/** (transfer full): a PNG: 8-bit gray, RGB or RGBA, rows without gaps. */
GBytes *nddr_image_encode_png (guint width, guint height, guint channels, const guint8 *data, GError **error);
/** (transfer full): a JPEG. @quality: 1 to 100 */
GBytes *nddr_image_encode_jpeg (guint width, guint height, const guint8 *rgb, int quality, GError **error);

G_END_DECLS
