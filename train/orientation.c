/* See orientation.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/orientation.h"

#include <libexif/exif-data.h>
#include <string.h>

/* What the rows and columns of a file's picture are of the upright one: [orientation - 1]. */
static const struct
{
  gboolean swapped;                           /* rows are its columns */
  gboolean rows_backwards, columns_backwards; /* the first row is its last, or its rightmost column; likewise of columns */
} orientations[] = {
  { FALSE, FALSE, FALSE },
  { FALSE, FALSE, TRUE },
  { FALSE, TRUE, TRUE },
  { FALSE, TRUE, FALSE },
  { TRUE, FALSE, FALSE },
  { TRUE, TRUE, FALSE },
  { TRUE, TRUE, TRUE },
  { TRUE, FALSE, TRUE },
};

guint
nddr_orientation_read (const guint8 *exif, gsize size)
{
  ExifData *data = exif_data_new ();
  guint orientation = 1;

  if (!data)
    return 1;
  exif_data_unset_option (data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION); /* it would make up what is missing */
  exif_data_load_data (data, exif, size);
  const ExifEntry *entry = exif_content_get_entry (data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry && entry->format == EXIF_FORMAT_SHORT && entry->components == 1 && entry->size >= 2)
    orientation = exif_get_short (entry->data, exif_data_get_byte_order (data));
  exif_data_unref (data);
  return orientation >= 1 && orientation <= G_N_ELEMENTS (orientations) ? orientation : 1;
}

gboolean
nddr_orientation_apply (NddrImage *image, guint orientation)
{
  gboolean swapped = orientations[orientation - 1].swapped;
  gssize width = image->width, height = image->height, pixel = image->channels * image->bits / 8;
  gssize row = orientations[orientation - 1].rows_backwards ? -width : width, column = orientations[orientation - 1].columns_backwards ? -1 : 1;
  const guint8 *first = image->data;

  if (orientation == 1)
    return TRUE;
  guint8 *upright = g_try_malloc_n ((gsize) width * height, pixel), *to = upright;
  if (!upright)
    return FALSE;
  image->width = swapped ? height : width;
  image->height = swapped ? width : height;
  first += ((row < 0 ? (height - 1) * width : 0) + (column < 0 ? width - 1 : 0)) * pixel;
  for (guint y = 0; y < image->height; y++)
    for (guint x = 0; x < image->width; x++, to += pixel)
      memcpy (to, first + (swapped ? x * row + y * column : y * row + x * column) * pixel, pixel);
  g_free (image->data);
  image->data = upright;
  return TRUE;
}
