/* A reader of TensorBoard's event files, from the published formats alone: TFRecord frames (tensorflow/core/lib/io/record_writer.h), protocol
 * buffers' wire format, event.proto and summary.proto.  It shares nothing with the writer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** One value of a summary, or an event without any. */
typedef struct
{
  double wall_time;
  gint64 step;
  gboolean is_start;  /* a session log's START */
  char *file_version; /* NULL: none, as the next two */
  char *tag;
  GBytes *image;      /* encoded_image_string */
  guint64 width, height, colorspace;
  gboolean has_number;
  float number;       /* simple_value */
} EventValue;

/** (transfer full) (element-type EventValue): all that is in the file, in order; a wrong checksum, or anything else that is not as the
 * formats say, fails the test. */
GPtrArray *event_read_file (const char *path);
/** The same for the only event file in @folder. */
GPtrArray *event_read_folder (const char *folder);

guint32 event_crc32c (const guint8 *data, gsize n);
