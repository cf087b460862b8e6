/* Video as GStreamer describes it, in libnddr's words: pixel formats, colours, planes; and the caps
 * of what a task's view looks like.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>
#include <nddr/nddr.h>

G_BEGIN_DECLS

/** What libnddr takes at most, each way. */
#define GST_NDDR_MAX_SIZE 16384
#define GST_NDDR_SIZE_RANGE "(int)[1, " G_STRINGIFY (GST_NDDR_MAX_SIZE) "]"
#define GST_NDDR_CAPS_MAKE(formats) "video/x-raw, format=(string)" formats ", width=" GST_NDDR_SIZE_RANGE ", height=" GST_NDDR_SIZE_RANGE \
  ", framerate=" GST_VIDEO_FPS_RANGE

#define GST_NDDR_SINK_FORMATS "{ RGBA, BGRA, RGBx, BGRx, RGB, BGR, NV12, I420, YUY2, GRAY8 }"
#define GST_NDDR_SRC_FORMATS "{ RGBA, BGRA, RGBx, BGRx, RGB, GRAY8, GRAY16_LE }"

/** @format must be one of the lists above. */
NddrPixelFormat gst_nddr_pixel_format (GstVideoFormat format);

/** What the bytes of such a frame mean: its layout, size, colour matrix, range and chroma siting. */
void gst_nddr_frame_format (const GstVideoInfo *info, NddrFrameFormat *format);

/** Points @frame at a mapped frame's planes; valid as long as the mapping. */
void gst_nddr_frame_planes (const GstVideoFrame *mapped, NddrFrame *frame);

/** Whether all that libnddr reads of @mapped lies in its memory: gst_video_frame_map() asks that of a buffer only where it has no GstVideoMeta. */
gboolean gst_nddr_frame_is_whole (const GstVideoFrame *mapped);

/** (transfer full): the raw video formats that a view can have, of any size.  With @kind NULL, all
 * that any task could have. */
GstCaps *gst_nddr_view_caps (NddrView view, const NddrTaskKind *kind);

/** (transfer full): what @view of a task shows of an input like @input, the preferred format first:
 * its size, rate, aspect ratio and interlacing; colorimetry as the view's values have it. */
GstCaps *gst_nddr_picture_caps (const GstVideoInfo *input, NddrView view, NddrTaskKind kind);

/** (transfer full): @caps reduced to what input and outputs have in common: size, rate, aspect ratio,
 * interlacing and views, in any format. */
GstCaps *gst_nddr_shape_caps (const GstCaps *caps);

/** Whether a meta still says the truth about a picture of the frame's size whose pixels and memory are
 * others. */
gboolean gst_nddr_meta_survives (const GstMetaInfo *info);

G_END_DECLS
