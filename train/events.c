/* See events.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/events.h>
#include <train/protobuf.h>
#include <train/run-folder.h>

#include <errno.h>
#include <stdio.h>

struct _NddrEvents
{
  char *folder, *path;
  FILE *file;
};

/* ---- records */

/* CRC-32C (Castagnoli), bit by bit: records are short, and few of them pictures. */
static guint32
crc32c (const guint8 *data, gsize n)
{
  guint32 crc = ~0u;
  for (gsize i = 0; i < n; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

static guint32
masked_crc (const guint8 *data, gsize n)
{
  guint32 crc = crc32c (data, n);
  return GUINT32_TO_LE ((crc >> 15 | crc << 17) + 0xa282ead8u);
}

static gboolean
write_record (NddrEvents *events, const GByteArray *message, GError **error)
{
  guint64 length = GUINT64_TO_LE ((guint64) message->len);
  guint32 length_crc = masked_crc ((const guint8 *) &length, sizeof length), crc = masked_crc (message->data, message->len);
  gboolean fine = fwrite (&length, sizeof length, 1, events->file) == 1 && fwrite (&length_crc, sizeof length_crc, 1, events->file) == 1
      && fwrite (message->data, message->len, 1, events->file) == 1 && fwrite (&crc, sizeof crc, 1, events->file) == 1
      && fflush (events->file) == 0;
  if (!fine)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot write %s: %s", events->path, g_strerror (errno));
  return fine;
}

/* ---- messages: event.proto and summary.proto */

/* Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 } */
static GByteArray *
new_event (gint64 step)
{
  GByteArray *event = g_byte_array_new ();
  nddr_protobuf_put_double (event, 1, g_get_real_time () / 1e6);
  nddr_protobuf_put_integer (event, 2, step);
  return event;
}

/* ---- files */

/* Event { SessionLog session_log = 7 }, SessionLog { SessionStatus status = 1 }, START = 1: what earlier files have from @step on does not count. */
static gboolean
write_start (NddrEvents *events, gint64 step, GError **error)
{
  g_autoptr (GByteArray) event = new_event (step);
  g_autoptr (GByteArray) log = g_byte_array_new ();
  nddr_protobuf_put_integer (log, 1, 1);
  nddr_protobuf_put_message (event, 7, log);
  return write_record (events, event, error);
}

static gboolean
open_file (NddrEvents *events, GError **error)
{
  static const char version[] = "brain.Event:2";
  g_autofree char *name = g_strdup_printf ("events.out.tfevents.%" G_GINT64_FORMAT ".nddr", g_get_real_time () / G_USEC_PER_SEC);
  g_clear_pointer (&events->file, fclose);
  g_free (events->path);
  events->path = g_build_filename (events->folder, name, NULL);
  events->file = fopen (events->path, "abe");
  if (!events->file) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot write %s: %s", events->path, g_strerror (errno));
    return FALSE;
  }
  g_autoptr (GByteArray) event = new_event (0);
  nddr_protobuf_put_string (event, 3, version);
  return write_record (events, event, error);
}

NddrEvents *
nddr_events_open (const char *folder, gint64 last_step, GError **error)
{
  g_autoptr (NddrEvents) events = g_new0 (NddrEvents, 1);
  events->folder = g_strdup (folder);
  return open_file (events, error) && write_start (events, last_step + 1, error) ? g_steal_pointer (&events) : NULL;
}

void
nddr_events_close (NddrEvents *events)
{
  if (!events)
    return;
  if (events->file)
    fclose (events->file);
  g_free (events->path);
  g_free (events->folder);
  g_free (events);
}

/* Writes a value: its tag, then @content, a field. Event { Summary summary = 5 }, Summary { repeated Value value = 1 }, Value { string tag = 1; … } */
static gboolean
write_value (NddrEvents *events, gint64 step, const char *tag, const GByteArray *content, GError **error)
{
  g_autoptr (GByteArray) event = new_event (step);
  g_autoptr (GByteArray) summary = g_byte_array_new ();
  g_autoptr (GByteArray) value = g_byte_array_new ();
  nddr_protobuf_put_string (value, 1, tag);
  g_byte_array_append (value, content->data, content->len);
  nddr_protobuf_put_message (summary, 1, value);
  nddr_protobuf_put_message (event, 5, summary);
  return (nddr_run_folder_has (events->file, events->path) || open_file (events, error)) && write_record (events, event, error);
}

/* Value { float simple_value = 2 } */
gboolean
nddr_events_add (NddrEvents *events, gint64 step, const char *tag, double value, GError **error)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  nddr_protobuf_put_float (content, 2, value);
  return write_value (events, step, tag, content, error);
}

/* Value { Image image = 4 }, Image { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4 } */
gboolean
nddr_events_add_image (NddrEvents *events, gint64 step, const char *tag, guint width, guint height, guint channels, GBytes *encoded, GError **error)
{
  g_autoptr (GByteArray) content = g_byte_array_new ();
  g_autoptr (GByteArray) image = g_byte_array_new ();
  const guint numbers[] = { height, width, channels };
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    nddr_protobuf_put_integer (image, 1 + i, numbers[i]);
  nddr_protobuf_put_bytes (image, 4, g_bytes_get_data (encoded, NULL), g_bytes_get_size (encoded));
  nddr_protobuf_put_message (content, 4, image);
  return write_value (events, step, tag, content, error);
}
