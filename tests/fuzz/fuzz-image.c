/* Any bytes as a picture of each kind: an error, or a picture of which every byte was written.
 *
 * An ordinary test runs it over corpus/image and changed copies of it (run-corpus.c).  To search on, with clang:
 *
 *   clang -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -I. -Ibuild $(pkg-config --cflags --libs glib-2.0 libpng libjpeg libexif) \
 *     tests/fuzz/fuzz-image.c train/{image,orientation}.c nddr/{error,whole-file}.c -o fuzz-image
 *   ./fuzz-image -rss_limit_mb=4096 tests/fuzz/corpus/image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <train/image.h>

static void
try_content (const char *path, NddrImageContent content)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrImage) image = nddr_image_read (path, content, &error);
  gsize bytes;
  volatile guint sum = 0;

  g_assert_true ((image == NULL) == (error != NULL));
  if (!image)
    return;
  g_assert_cmpuint (image->channels, ==, content == NDDR_IMAGE_RGB || content == NDDR_IMAGE_VECTORS ? 3 : 1);
  g_assert_cmpuint (image->bits, ==, content == NDDR_IMAGE_GRAY16 ? 16 : 8);
  bytes = (gsize) image->height * image->width * image->channels * image->bits / 8;
  for (gsize i = 0; i < bytes; i++)
    sum += ((const guint8 *) image->data)[i];
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char path[32];
  int fd = fuzz_file (data, size, path);

  for (NddrImageContent content = NDDR_IMAGE_RGB; content <= NDDR_IMAGE_GRAY16; content++)
    try_content (path, content);
  close (fd);
  return 0;
}
