/* What is in force between frames: which pads take them, what each pad agreed on with its peer, and what the session computes.
 *
 * All of it is the streaming thread's alone, without locks held.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

/** At a boundary between frames: brings what is in force up to date with the pads that are there, how they are linked and what their peers
 * want, and gives new pads what came before them.  Costs nothing while nothing changes; else waits until all frames in flight are out, and
 * puts a model that has loaded in the old one's place.
 *
 * Returns: OK: self->outputs are the pads that take the next frame, none before there are caps; FLUSHING; what the pads say where none takes
 * frames, such as NOT_LINKED or EOS; NOT_NEGOTIATED or ERROR, of which an error message was posted. */
GstFlowReturn gst_nddr_cnn_negotiate (GstNddrCnn *self);

/** Gives @pad its own stream of the sink's: same group, an id of its own.  Does nothing before the sink has one.  Only while nothing is in
 * flight, as it is pushed past what is. */
void gst_nddr_cnn_start_stream (GstNddrCnn *self, GstNddrPad *pad);

/** @flow, where that is the last that @pad's peer said, holds no more.  Only while nothing is in flight: what is pushed still could say it
 * again. */
void gst_nddr_cnn_forget_flow (GstNddrCnn *self, GstNddrPad *pad, GstFlowReturn flow);

G_END_DECLS
