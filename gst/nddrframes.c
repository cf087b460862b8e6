/* Video as GStreamer describes it, in libnddr's words: see nddrframes.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrframes.h"

static const struct
{
  GstVideoFormat video;
  NddrPixelFormat pixel;
} formats[] = {
  { GST_VIDEO_FORMAT_RGBA, NDDR_PIXEL_RGBA },
  { GST_VIDEO_FORMAT_BGRA, NDDR_PIXEL_BGRA },
  { GST_VIDEO_FORMAT_RGBx, NDDR_PIXEL_RGBX },
  { GST_VIDEO_FORMAT_BGRx, NDDR_PIXEL_BGRX },
  { GST_VIDEO_FORMAT_RGB, NDDR_PIXEL_RGB },
  { GST_VIDEO_FORMAT_BGR, NDDR_PIXEL_BGR },
  { GST_VIDEO_FORMAT_NV12, NDDR_PIXEL_NV12 },
  { GST_VIDEO_FORMAT_I420, NDDR_PIXEL_I420 },
  { GST_VIDEO_FORMAT_YUY2, NDDR_PIXEL_YUY2 },
  { GST_VIDEO_FORMAT_GRAY8, NDDR_PIXEL_GRAY8 },
  { GST_VIDEO_FORMAT_GRAY16_LE, NDDR_PIXEL_GRAY16_LE },
};

/* each list in the order of preference */
static const GstVideoFormat colour_formats[] = { GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_RGBx,
  GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_UNKNOWN };
static const GstVideoFormat raw_formats[][2] = {
  [NDDR_TASK_SEGMENTATION] = { GST_VIDEO_FORMAT_GRAY8, GST_VIDEO_FORMAT_UNKNOWN },
  [NDDR_TASK_NORMAL] = { GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_UNKNOWN },
  [NDDR_TASK_DEPTH] = { GST_VIDEO_FORMAT_GRAY16_LE, GST_VIDEO_FORMAT_UNKNOWN },
};

NddrPixelFormat
gst_nddr_pixel_format (GstVideoFormat format)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i].video == format)
      return formats[i].pixel;
  g_return_val_if_reached (NDDR_PIXEL_RGBA);
}

void
gst_nddr_frame_format (const GstVideoInfo *info, NddrFrameFormat *format)
{
  *format = (NddrFrameFormat) {
    .format = gst_nddr_pixel_format (GST_VIDEO_INFO_FORMAT (info)),
    .width = GST_VIDEO_INFO_WIDTH (info),
    .height = GST_VIDEO_INFO_HEIGHT (info),
    .full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
    .chroma_cosited_x = (info->chroma_site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0,
    .chroma_cosited_y = (info->chroma_site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0,
    .interlaced = GST_VIDEO_INFO_INTERLACE_MODE (info) == GST_VIDEO_INTERLACE_MODE_INTERLEAVED,
    .mixed = GST_VIDEO_INFO_INTERLACE_MODE (info) == GST_VIDEO_INTERLACE_MODE_MIXED,
  };
  /* a matrix without coefficients (unknown, or R'G'B' named on Y'CbCr) leaves both 0: BT.601 */
  if (GST_VIDEO_INFO_IS_YUV (info))
    gst_video_color_matrix_get_Kr_Kb (info->colorimetry.matrix, &format->kr, &format->kb);
  /* R'G'B' of unknown range is what nearly all of it is */
  else if (info->colorimetry.range == GST_VIDEO_COLOR_RANGE_UNKNOWN)
    format->full_range = TRUE;
}

void
gst_nddr_frame_planes (const GstVideoFrame *mapped, NddrFrame *frame)
{
  *frame = (NddrFrame) { .interlaced = GST_VIDEO_FRAME_IS_INTERLACED (mapped) };
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (mapped) && i < G_N_ELEMENTS (frame->planes); i++) {
    frame->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (mapped, i);
    frame->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (mapped, i);
  }
}

/* The bytes of a row of @plane, and its rows: of interlaced 4:2:0 an even number, as each field has chroma rows of its own. */
static void
plane_extent (const GstVideoFrame *mapped, guint plane, gint64 *row_bytes, gint64 *rows)
{
  *row_bytes = *rows = 0;
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (mapped); c++) {
    if (GST_VIDEO_FRAME_COMP_PLANE (mapped, c) != (gint) plane)
      continue;
    *row_bytes = MAX (*row_bytes, (gint64) GST_VIDEO_FRAME_COMP_WIDTH (mapped, c) * GST_VIDEO_FRAME_COMP_PSTRIDE (mapped, c));
    *rows = GST_VIDEO_FRAME_COMP_HEIGHT (mapped, c);
    if (GST_VIDEO_FORMAT_INFO_H_SUB (mapped->info.finfo, c) && GST_VIDEO_FRAME_IS_INTERLACED (mapped))
      *rows = GST_ROUND_UP_2 (*rows);
  }
}

gboolean
gst_nddr_frame_is_whole (const GstVideoFrame *mapped)
{
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (mapped); i++) {
    /* one mapping of all, or with a meta one of each plane's memory */
    const GstMapInfo *map = &mapped->map[mapped->meta ? i : 0];
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (mapped, i);
    gint64 row_bytes, rows, start = data - map->data;

    if (!map->data || start < 0 || start >= (gint64) map->size)
      continue; /* a meta that maps in its own way, and knows what it does */
    plane_extent (mapped, i, &row_bytes, &rows);
    gint64 last = (rows - 1) * GST_VIDEO_FRAME_PLANE_STRIDE (mapped, i);
    if (start + MIN (last, 0) < 0 || start + MAX (last, 0) + row_bytes > (gint64) map->size)
      return FALSE;
  }
  return TRUE;
}

static const GstVideoFormat *
view_formats (NddrView view, NddrTaskKind kind)
{
  return view == NDDR_VIEW_RAW ? raw_formats[kind] : colour_formats;
}

static void
append_formats (GstCaps *caps, const GstVideoFormat *list)
{
  for (; *list != GST_VIDEO_FORMAT_UNKNOWN; list++)
    gst_caps_append_structure (caps,
        gst_structure_new ("video/x-raw", "format", G_TYPE_STRING, gst_video_format_to_string (*list),
            "width", GST_TYPE_INT_RANGE, 1, GST_NDDR_MAX_SIZE, "height", GST_TYPE_INT_RANGE, 1, GST_NDDR_MAX_SIZE,
            "framerate", GST_TYPE_FRACTION_RANGE, 0, 1, G_MAXINT, 1, NULL));
}

GstCaps *
gst_nddr_view_caps (NddrView view, const NddrTaskKind *kind)
{
  GstCaps *caps = gst_caps_new_empty ();

  if (kind) {
    append_formats (caps, view_formats (view, *kind));
  } else {
    append_formats (caps, colour_formats);
    for (guint i = 0; i < G_N_ELEMENTS (raw_formats); i++)
      append_formats (caps, raw_formats[i]);
  }
  return caps;
}

GstCaps *
gst_nddr_picture_caps (const GstVideoInfo *input, NddrView view, NddrTaskKind kind)
{
  GstCaps *caps = gst_caps_new_empty ();

  for (const GstVideoFormat *format = view_formats (view, kind); *format != GST_VIDEO_FORMAT_UNKNOWN; format++) {
    GstVideoInfo info;

    gst_video_info_set_interlaced_format (&info, *format, GST_VIDEO_INFO_INTERLACE_MODE (input),
        GST_VIDEO_INFO_WIDTH (input), GST_VIDEO_INFO_HEIGHT (input));
    GST_VIDEO_INFO_FPS_N (&info) = GST_VIDEO_INFO_FPS_N (input);
    GST_VIDEO_INFO_FPS_D (&info) = GST_VIDEO_INFO_FPS_D (input);
    GST_VIDEO_INFO_PAR_N (&info) = GST_VIDEO_INFO_PAR_N (input);
    GST_VIDEO_INFO_PAR_D (&info) = GST_VIDEO_INFO_PAR_D (input);
    GST_VIDEO_INFO_FLAGS (&info) = GST_VIDEO_INFO_FLAGS (input) & GST_VIDEO_FLAG_VARIABLE_FPS;
    GST_VIDEO_INFO_FIELD_ORDER (&info) = GST_VIDEO_INFO_FIELD_ORDER (input);
    GST_VIDEO_INFO_VIEWS (&info) = GST_VIDEO_INFO_VIEWS (input);
    GST_VIDEO_INFO_MULTIVIEW_MODE (&info) = GST_VIDEO_INFO_MULTIVIEW_MODE (input);
    GST_VIDEO_INFO_MULTIVIEW_FLAGS (&info) = GST_VIDEO_INFO_MULTIVIEW_FLAGS (input);
    if (view == NDDR_VIEW_OVERLAY) {
      /* the frame's own light, only unpacked to R'G'B' */
      info.colorimetry = (GstVideoColorimetry) { GST_VIDEO_COLOR_RANGE_0_255, GST_VIDEO_COLOR_MATRIX_RGB,
        input->colorimetry.transfer, input->colorimetry.primaries };
    } else {
      gst_video_colorimetry_from_string (&info.colorimetry, GST_VIDEO_COLORIMETRY_SRGB);
    }

    GstCaps *one = gst_video_info_to_caps (&info);
    /* class ids, directions and millimetres are no colours */
    if (view == NDDR_VIEW_RAW)
      gst_structure_remove_field (gst_caps_get_structure (one, 0), "colorimetry");
    gst_caps_append (caps, one);
  }
  return caps;
}

GstCaps *
gst_nddr_shape_caps (const GstCaps *caps)
{
  static const char *const fields[] = { "width", "height", "framerate", "max-framerate", "pixel-aspect-ratio",
    "interlace-mode", "field-order", "views", "multiview-mode", "multiview-flags" };

  if (gst_caps_is_any (caps))
    return gst_caps_new_any ();

  GstCaps *shapes = gst_caps_new_empty ();
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GstStructure *from = gst_caps_get_structure (caps, i);
    GstStructure *shape;

    if (!gst_structure_has_name (from, "video/x-raw"))
      continue;
    shape = gst_structure_new_empty ("video/x-raw");
    for (guint f = 0; f < G_N_ELEMENTS (fields); f++) {
      const GValue *value = gst_structure_get_value (from, fields[f]);
      if (value)
        gst_structure_set_value (shape, fields[f], value);
    }
    shapes = gst_caps_merge_structure (shapes, shape);
  }
  return shapes;
}

gboolean
gst_nddr_meta_survives (const GstMetaInfo *info)
{
  static const char *const kept[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_ORIENTATION_STR,
    GST_META_TAG_VIDEO_SIZE_STR, NULL };
  const char *const *tags = (const char *const *) gst_meta_api_type_get_tags (info->api);

  if (!info->transform_func)
    return FALSE;
  for (; tags && *tags; tags++)
    if (!g_strv_contains (kept, *tags))
      return FALSE;
  return TRUE;
}
