/* Another model in place of the one that runs: it loads on a thread of its own, beside the old, and takes over at a boundary between
 * frames.  Where it cannot, the old one goes on and a warning is posted; where that is because the device is lost, an error.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

/** From now on models are swapped; begins with one where the settings ask for another than is open.  After gst_nddr_cnn_open(). */
void gst_nddr_swap_start (GstNddrCnn *self);

/** Waits for what is loading and throws it away; models are no longer swapped, and the device and the model are used no more.  No thread may be in
 * the stream. */
void gst_nddr_swap_stop (GstNddrCnn *self);

/** Begins to load the model that the settings ask for; what was asked for before is no longer wanted.  Does nothing where models are not
 * swapped.  Any thread, without locks. */
void gst_nddr_swap_begin (GstNddrCnn *self);

/** Whether a model has loaded and waits. */
gboolean gst_nddr_swap_is_ready (GstNddrCnn *self);

/** Puts it in the old one's place, and what it is to the pads; then notifies of `stats`.  FALSE: there is none, or it cannot.  The streaming thread,
 * while nothing is in flight. */
gboolean gst_nddr_swap_take (GstNddrCnn *self);

G_END_DECLS
