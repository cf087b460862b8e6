/* Results as metadata: see nddrresults.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrresults.h"

#include <gst/video/video.h>

static gboolean
copy_field (GQuark field, const GValue *value, gpointer to)
{
  gst_structure_id_set_value (to, field, value);
  return TRUE;
}

/* Converters tell what they do as a change of size, from one format to another. */
static gboolean
keeps_results (GQuark type, gconstpointer data)
{
  if (GST_META_TRANSFORM_IS_COPY (type))
    return !((const GstMetaTransformCopy *) data)->region;
  if (!GST_VIDEO_META_TRANSFORM_IS_SCALE (type))
    return FALSE;
  const GstVideoMetaTransform *scale = data;
  return GST_VIDEO_INFO_WIDTH (scale->in_info) == GST_VIDEO_INFO_WIDTH (scale->out_info)
      && GST_VIDEO_INFO_HEIGHT (scale->in_info) == GST_VIDEO_INFO_HEIGHT (scale->out_info);
}

static gboolean
transform (GstBuffer *to, GstCustomMeta *meta, GstBuffer *from, GQuark type, gpointer data, gpointer user_data)
{
  if (!keeps_results (type, data))
    return FALSE; /* who asks may ask for less, as converters do from GStreamer 1.28 on */
  gst_structure_foreach (gst_custom_meta_get_structure (meta), copy_field, gst_nddr_results_of (to));
  return TRUE;
}

void
gst_nddr_results_register (void)
{
  static const gchar *const tags[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR, GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  gst_meta_register_custom (GST_NDDR_RESULTS_META, (const gchar **) tags, transform, NULL, NULL);
}

GstStructure *
gst_nddr_results_of (GstBuffer *frame)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (frame, GST_NDDR_RESULTS_META);

  return gst_custom_meta_get_structure (meta ? meta : gst_buffer_add_custom_meta (frame, GST_NDDR_RESULTS_META));
}
