/* What is on its way through the element: frames in flight and the events between them, in order, and the
 * thread that pushes them once the device has finished.
 *
 * "Flushing" is the state from gst_nddr_output_flush() on, and outside PAUSED and PLAYING: then nobody waits
 * for anything, and everything on its way is thrown away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

/** FALSE where no thread can be had, after saying so on the bus. */
gboolean gst_nddr_output_start (GstNddrCnn *self);

/** Whether it is that thread which asks, from within a push: it cannot wait for itself. */
gboolean gst_nddr_output_is_own_thread (GstNddrCnn *self);

/** Unblocks everybody, here and in the pads' buffer pools. */
void gst_nddr_output_flush (GstNddrCnn *self);

/** Waits until everything that was on its way is thrown away, then ends flushing. */
void gst_nddr_output_resume (GstNddrCnn *self);

/** Ends the thread; after gst_nddr_output_flush(). */
void gst_nddr_output_stop (GstNddrCnn *self);

/** Waits until the session takes another frame.  OK, FLUSHING, or what the pads said of the frames before. */
GstFlowReturn gst_nddr_output_wait_for_slot (GstNddrCnn *self);

/** Queues a submitted frame.  Takes @like, an empty buffer with the input's flags, times and metas, and @frame (nullable), the input, which the pad
 * `src` passes. */
void gst_nddr_output_add_frame (GstNddrCnn *self, guint64 ticket, GstBuffer *like, GstBuffer *frame, gboolean inferred);

/** Queues an event behind the frames in flight; takes it.  FALSE: flushing. */
gboolean gst_nddr_output_add_event (GstNddrCnn *self, GstEvent *event);

/** Pushes the stream's sticky events on @pad: those that are not the pad's own. */
void gst_nddr_output_push_sticky (GstNddrCnn *self, GstNddrPad *pad);

/** Waits until everything has been pushed.  FALSE: flushing; or it is called from within a push, which cannot wait, and there is more to come. */
gboolean gst_nddr_output_drain (GstNddrCnn *self);

/** Posts @error, as gst_nddr_cnn_post_error(), unless another was the first; from now on the flow is an error until READY, where all is closed.
 * Returns what upstream is told: FLUSHING, on which it stops without a word, while another thread has not said yet what happened; else ERROR. */
GstFlowReturn gst_nddr_output_fail (GstNddrCnn *self, const GError *error, const char *doing);

/** The same in two parts.  With the lock: all is to be closed in READY; TRUE: it is the caller who says why. */
gboolean gst_nddr_output_break (GstNddrCnn *self);
/** Without it: posts @error, and from now on the flow is one. */
void gst_nddr_output_tell (GstNddrCnn *self, const GError *error, const char *doing);

/** With the lock: @pad now says @flow. */
void gst_nddr_output_set_flow (GstNddrCnn *self, GstNddrPad *pad, GstFlowReturn flow);

/** What the pads together say. */
GstFlowReturn gst_nddr_output_get_flow (GstNddrCnn *self);

/** Upstream is told so; else, at the end of its stream, the element says on the bus what it did not hear. */
void gst_nddr_output_note_heard (GstNddrCnn *self);

/** Gives a new pad, whose state nobody has looked at yet, a say; or ends it for one that goes. */
void gst_nddr_output_add_pad (GstNddrCnn *self, GstNddrPad *pad);
void gst_nddr_output_remove_pad (GstNddrCnn *self, GstNddrPad *pad);

G_END_DECLS
