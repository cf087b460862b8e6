/* Protocol buffers' wire format, written: https://protobuf.dev/programming-guides/encoding/
 *
 * A message is its fields one after the other; a field is its number and wire type, then its content. That is all of the format
 * that is needed to write files whose messages others have defined.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Each appends field number @field to the message in @out. */

/** An integer, enum or bool; int32 and int64 are given as they convert to 64 bits. */
void nddr_protobuf_put_integer (GByteArray *out, guint field, gint64 value);
void nddr_protobuf_put_float (GByteArray *out, guint field, float value);
void nddr_protobuf_put_double (GByteArray *out, guint field, double value);
void nddr_protobuf_put_string (GByteArray *out, guint field, const char *text);
void nddr_protobuf_put_bytes (GByteArray *out, guint field, gconstpointer data, gsize n);
/** A message within it. */
void nddr_protobuf_put_message (GByteArray *out, guint field, const GByteArray *message);
/** What stands before the content of a string, of bytes or of a message of @n bytes: the caller writes those. */
void nddr_protobuf_begin_bytes (GByteArray *out, guint field, guint64 n);

G_END_DECLS
