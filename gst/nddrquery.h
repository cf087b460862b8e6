/* Answers to the pads' queries, and what source pads hear from downstream.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

gboolean gst_nddr_cnn_sink_query (GstPad *pad, GstObject *parent, GstQuery *query);
gboolean gst_nddr_cnn_src_query (GstPad *pad, GstObject *parent, GstQuery *query);
gboolean gst_nddr_cnn_src_event (GstPad *pad, GstObject *parent, GstEvent *event);

G_END_DECLS
