/* See protobuf.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/protobuf.h>

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Seven bits a byte, the lowest first; the eighth says that more follow. */
static void
put_varint (GByteArray *out, guint64 value)
{
  do {
    guint8 byte = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    g_byte_array_append (out, &byte, 1);
    value >>= 7;
  } while (value);
}

static void
put_key (GByteArray *out, guint field, guint wire)
{
  put_varint (out, (guint64) field << 3 | wire);
}

void
nddr_protobuf_put_integer (GByteArray *out, guint field, gint64 value)
{
  put_key (out, field, WIRE_VARINT);
  put_varint (out, (guint64) value);
}

void
nddr_protobuf_put_float (GByteArray *out, guint field, float value)
{
  guint32 bits;
  memcpy (&bits, &value, sizeof bits);
  bits = GUINT32_TO_LE (bits);
  put_key (out, field, WIRE_32);
  g_byte_array_append (out, (const guint8 *) &bits, sizeof bits);
}

void
nddr_protobuf_put_double (GByteArray *out, guint field, double value)
{
  guint64 bits;
  memcpy (&bits, &value, sizeof bits);
  bits = GUINT64_TO_LE (bits);
  put_key (out, field, WIRE_64);
  g_byte_array_append (out, (const guint8 *) &bits, sizeof bits);
}

void
nddr_protobuf_put_string (GByteArray *out, guint field, const char *text)
{
  nddr_protobuf_put_bytes (out, field, text, strlen (text));
}

void
nddr_protobuf_put_bytes (GByteArray *out, guint field, gconstpointer data, gsize n)
{
  nddr_protobuf_begin_bytes (out, field, n);
  g_byte_array_append (out, data, n);
}

void
nddr_protobuf_put_message (GByteArray *out, guint field, const GByteArray *message)
{
  nddr_protobuf_put_bytes (out, field, message->data, message->len);
}

void
nddr_protobuf_begin_bytes (GByteArray *out, guint field, guint64 n)
{
  put_key (out, field, WIRE_BYTES);
  put_varint (out, n);
}
