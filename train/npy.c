/* See npy.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/npy.h>

#include <nddr/allocate.h>
#include <nddr/whole-file.h>

#include <string.h>

/* Version 1.0: magic, version, the header's length in 16 bits, then the header, padded with blanks so that the data starts at a
 * multiple of 64 bytes. */
#define PREFIX 10

gboolean
nddr_npy_write_planes (const char *path, const float *data, guint width, guint height, guint channels, GError **error)
{
  g_autofree char *header = g_strdup_printf ("{'descr': '%sf4', 'fortran_order': False, 'shape': (%u, %u, %u), }",
      G_BYTE_ORDER == G_LITTLE_ENDIAN ? "<" : ">", channels, height, width);
  gsize length = (PREFIX + strlen (header) + 1 + 63) / 64 * 64 - PREFIX, pixels = (gsize) width * height;
  gsize bytes = PREFIX + length + pixels * channels * sizeof (float);
  g_autofree char *file = nddr_try_alloc (bytes, 1, path, error);
  if (!file)
    return FALSE;
  memcpy (file, "\x93NUMPY\x01\x00", 8);
  file[8] = length & 0xff;
  file[9] = length >> 8;
  memset (file + PREFIX, ' ', length);
  memcpy (file + PREFIX, header, strlen (header));
  file[PREFIX + length - 1] = '\n';
  float *planes = (float *) (file + PREFIX + length);
  for (guint c = 0; c < channels; c++)
    for (gsize i = 0; i < pixels; i++)
      memcpy (&planes[c * pixels + i], &data[i * channels + c], sizeof (float));
  return nddr_whole_file_write (path, file, bytes, error);
}
