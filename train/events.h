/* TensorBoard's event files: a run's numbers and pictures.
 *
 * Records as TensorFlow writes them: length, its masked CRC-32C, a protocol buffer (Event), the buffer's masked CRC-32C.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

G_BEGIN_DECLS

typedef struct _NddrEvents NddrEvents;

/** Makes a new file in @folder, its name after the time; a run that is resumed has several, which TensorBoard joins.
 * A file that is moved or removed later is followed by another.
 * @last_step: from which it goes on, 0 where it begins: what other files have of later ones, from a run that was killed, TensorBoard leaves out */
NddrEvents *nddr_events_open (const char *folder, gint64 last_step, GError **error);
void nddr_events_close (NddrEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrEvents, nddr_events_close)

/** One number: @tag at @step. */
gboolean nddr_events_add (NddrEvents *events, gint64 step, const char *tag, double value, GError **error);

/** One picture: @tag at @step. @encoded: a PNG or JPEG file's bytes, of @channels colours */
gboolean nddr_events_add_image (NddrEvents *events, gint64 step, const char *tag, guint width, guint height, guint channels, GBytes *encoded,
    GError **error);

G_END_DECLS
