/* See event-reader.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-reader.h"

#include <string.h>

/* By table, and with the shift and the exclusive or the other way round than the writer's. */
guint32
event_crc32c (const guint8 *data, gsize n)
{
  guint32 table[256], crc = 0xffffffff;
  for (guint32 i = 0; i < 256; i++) {
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

/* ---- protocol buffers */

typedef struct
{
  const guint8 *data;
  gsize n;
} Span;

typedef struct
{
  guint64 number, wire;
  guint64 varint; /* wire 0 */
  Span bytes;     /* wires 1, 2 and 5 */
} Field;

static guint64
read_varint (Span *span)
{
  guint64 value = 0;
  for (guint shift = 0;; shift += 7) {
    g_assert_cmpuint (span->n, >, 0);
    g_assert_cmpuint (shift, <, 64);
    guint8 byte = *span->data;
    span->data++;
    span->n--;
    value |= (guint64) (byte & 127) << shift;
    if (byte < 128)
      return value;
  }
}

/* The next field of a message; FALSE at its end. */
static gboolean
read_field (Span *span, Field *field)
{
  if (span->n == 0)
    return FALSE;
  guint64 key = read_varint (span), n = 0;
  *field = (Field){ .number = key >> 3, .wire = key & 7 };
  switch (field->wire) {
    case 0:
      field->varint = read_varint (span);
      return TRUE;
    case 1:
      n = 8;
      break;
    case 2:
      n = read_varint (span);
      break;
    case 5:
      n = 4;
      break;
    default:
      g_assert_not_reached ();
  }
  g_assert_cmpuint (n, <=, span->n);
  field->bytes = (Span){ span->data, n };
  span->data += n;
  span->n -= n;
  return TRUE;
}

static double
as_double (const Field *field)
{
  double value;
  g_assert_cmpuint (field->wire, ==, 1);
  memcpy (&value, field->bytes.data, 8);
  return value;
}

static float
as_float (const Field *field)
{
  float value;
  g_assert_cmpuint (field->wire, ==, 5);
  memcpy (&value, field->bytes.data, 4);
  return value;
}

static char *
as_text (const Field *field)
{
  g_assert_cmpuint (field->wire, ==, 2);
  g_assert_true (g_utf8_validate_len ((const char *) field->bytes.data, field->bytes.n, NULL));
  return g_strndup ((const char *) field->bytes.data, field->bytes.n);
}

/* ---- events */

static void
free_value (gpointer data)
{
  EventValue *value = data;
  g_free (value->file_version);
  g_free (value->tag);
  g_clear_pointer (&value->image, g_bytes_unref);
  g_free (value);
}

static void
read_image (EventValue *value, Span span)
{
  Field field;
  while (read_field (&span, &field)) {
    g_assert_cmpuint (field.wire, ==, field.number == 4 ? 2 : 0);
    if (field.number == 1)
      value->height = field.varint;
    else if (field.number == 2)
      value->width = field.varint;
    else if (field.number == 3)
      value->colorspace = field.varint;
    else if (field.number == 4)
      value->image = g_bytes_new (field.bytes.data, field.bytes.n);
  }
}

static void
read_value (EventValue *value, Span span)
{
  Field field;
  while (read_field (&span, &field))
    if (field.number == 1)
      value->tag = as_text (&field);
    else if (field.number == 2) {
      value->has_number = TRUE;
      value->number = as_float (&field);
    } else if (field.number == 4)
      read_image (value, field.bytes);
}

static void
read_event (GPtrArray *values, Span span)
{
  Field field;
  EventValue event = { 0 };
  g_autoptr (GPtrArray) summaries = g_ptr_array_new_with_free_func (g_free);
  while (read_field (&span, &field))
    if (field.number == 1)
      event.wall_time = as_double (&field);
    else if (field.number == 2)
      event.step = field.varint;
    else if (field.number == 3)
      event.file_version = as_text (&field);
    else if (field.number == 7) {
      Span log = field.bytes;
      while (read_field (&log, &field))
        event.is_start |= field.number == 1 && field.varint == 1;
    } else if (field.number == 5)
      g_ptr_array_add (summaries, g_memdup2 (&field.bytes, sizeof field.bytes));
  guint before = values->len;
  for (guint s = 0; s < summaries->len; s++) {
    Span summary = *(Span *) summaries->pdata[s];
    while (read_field (&summary, &field)) {
      g_assert_cmpuint (field.number, ==, 1);
      EventValue *value = g_memdup2 (&event, sizeof event);
      read_value (value, field.bytes);
      g_ptr_array_add (values, value);
    }
  }
  if (values->len == before)
    g_ptr_array_add (values, g_memdup2 (&event, sizeof event));
}

GPtrArray *
event_read_file (const char *path)
{
  g_autofree char *text = NULL;
  gsize bytes;
  g_autoptr (GError) error = NULL;
  GPtrArray *values = g_ptr_array_new_with_free_func (free_value);
  g_file_get_contents (path, &text, &bytes, &error);
  g_assert_no_error (error);
  const guint8 *data = (const guint8 *) text;
  for (gsize offset = 0; offset < bytes;) {
    guint64 length;
    guint32 length_crc, crc;
    g_assert_cmpuint (offset + 16, <=, bytes);
    memcpy (&length, data + offset, 8);
    memcpy (&length_crc, data + offset + 8, 4);
    g_assert_cmpuint (length, <=, bytes - offset - 16);
    memcpy (&crc, data + offset + 12 + length, 4);
    g_assert_cmphex (unmask (length_crc), ==, event_crc32c (data + offset, 8));
    g_assert_cmphex (unmask (crc), ==, event_crc32c (data + offset + 12, length));
    read_event (values, (Span){ data + offset + 12, length });
    offset += 16 + length;
  }
  return values;
}

GPtrArray *
event_read_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *found = NULL;
  const char *name;
  while ((name = g_dir_read_name (dir)))
    if (g_str_has_prefix (name, "events.out.tfevents.")) {
      g_assert_null (found);
      found = g_build_filename (folder, name, NULL);
    }
  g_assert_nonnull (found);
  return event_read_file (found);
}
