/* TensorBoard's event files, read back by the published format: record frames, CRC-32C, protocol buffers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <train/events.h>

#include <string.h>

/* By table and from the other end than the writer's. */
static guint32
crc32c (const guint8 *data, gsize n)
{
  guint32 table[256], crc = 0xffffffff;
  for (guint32 i = 0; i < 256; i++)
    {
      table[i] = i;
      for (int k = 0; k < 8; k++)
        table[i] = table[i] % 2 ? 0x82f63b78 ^ table[i] / 2 : table[i] / 2;
    }
  for (gsize i = 0; i < n; i++)
    crc = table[(crc ^ data[i]) % 256] ^ crc / 256;
  return crc ^ 0xffffffff;
}

static guint32
unmask (guint32 masked)
{
  guint32 rotated = masked - 0xa282ead8;
  return rotated >> 17 | rotated << 15;
}

static gpointer
at (const guint8 *data, gsize offset, gpointer value, gsize n)
{
  return memcpy (value, data + offset, n);
}

static void
test_records (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_assert_cmphex (crc32c ((const guint8 *) "123456789", 9), ==, 0xe3069283); /* the published check value */
  {
    g_autoptr (NddrEvents) events = nddr_events_open (folder, &error);
    g_assert_no_error (error);
    g_assert_true (nddr_events_add (events, 300, "loss", 0.5, &error));
    g_assert_true (nddr_events_add (events, 301, "val/normal/mean", -2, &error));
  }
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name = g_dir_read_name (dir);
  g_assert_true (g_str_has_prefix (name, "events.out.tfevents."));
  g_assert_null (g_dir_read_name (dir));
  g_autofree char *path = g_build_filename (folder, name, NULL), *text = NULL;
  gsize bytes, offset = 0;
  guint n = 0;
  g_file_get_contents (path, &text, &bytes, &error);
  g_assert_no_error (error);
  const guint8 *data = (const guint8 *) text;
  for (n = 0; offset < bytes; n++)
    {
      guint64 length;
      guint32 length_crc, crc;
      at (data, offset, &length, 8);
      at (data, offset + 8, &length_crc, 4);
      g_assert_cmpuint (offset + 16 + length, <=, bytes);
      at (data, offset + 12 + length, &crc, 4);
      g_assert_cmphex (unmask (length_crc), ==, crc32c (data + offset, 8));
      g_assert_cmphex (unmask (crc), ==, crc32c (data + offset + 12, length));
      const guint8 *event = data + offset + 12;
      g_assert_cmpint (event[0], ==, 1 << 3 | 1); /* wall_time, a double */
      g_assert_cmpint (event[9], ==, 2 << 3);     /* step, a varint */
      if (n == 0)
        g_assert_cmpmem (event + 11, length - 11, "\x1a\x0d" "brain.Event:2", 15);
      if (n == 1)
        g_assert_cmpmem (event + 10, length - 10, "\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f", 17);
      if (n == 2)
        g_assert_cmpmem (event + 10, 2, "\xad\x02", 2);
      offset += 16 + length;
    }
  g_assert_cmpuint (n, ==, 3);
  fixture_remove (folder);
}

static void
test_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrEvents) events = nddr_events_open ("no-such-folder", &error);
  g_assert_null (events);
  g_assert_nonnull (strstr (error->message, "no-such-folder"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/events/records", test_records);
  g_test_add_func ("/events/errors", test_errors);
  return g_test_run ();
}
