/* The sink pad's stream: frames in, events passed on in order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

GstFlowReturn gst_nddr_cnn_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer);
GstFlowReturn gst_nddr_cnn_sink_event (GstPad *pad, GstObject *parent, GstEvent *event);

/** Forgets the stream; no thread may be in it. */
void gst_nddr_cnn_reset_stream (GstNddrCnn *self);

G_END_DECLS
