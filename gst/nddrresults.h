/* Results as metadata of the frames that they are of.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** The metadata of frames that leave by the pad `src`: a GstCustomMeta whose structure has a GstSample for each task, by the task's name: its raw
 * view at the frame's size, a buffer and its caps. */
#define GST_NDDR_RESULTS_META "GstNddrResultsMeta"

/** Makes the metadata known.  It goes along with a frame that is copied or converted, and is dropped where its size changes.  Elements that
 * turn a frame may say that they copy it. */
void gst_nddr_results_register (void);
/** (transfer none): the structure of @frame's, which is writable; a new one where it has none. */
GstStructure *gst_nddr_results_of (GstBuffer *frame);

G_END_DECLS
