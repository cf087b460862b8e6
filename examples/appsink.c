/* Both of a network's answers in a program of one's own: for each frame of a video, which class covers most of it, and how
 * much of it faces up, as floors and tables do.
 *
 *   appsink VIDEO [MODEL]
 *
 * It links with gstreamer-app-1.0 and gstreamer-video-1.0; GST_PLUGIN_PATH names the plugin's folder where that is not installed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/app/app.h>
#include <gst/video/video.h>

/* Says what failed; 1 where something did. */
static int
report_errors (GstBus *bus)
{
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  if (!message)
    return 0;
  gst_message_parse_error (message, &error, &debug);
  g_printerr ("%s\n%s\n", error->message, debug ? debug : "");
  return 1;
}

/* (transfer full): the next picture of @sink, mapped into @frame; NULL at the end of the video, or once something failed: then no end need
 * ever come */
static GstSample *
next_picture (GstElement *sink, GstVideoFrame *frame, GstBus *bus, int *status)
{
  GstSample *sample;
  GstVideoInfo info;

  while (!(sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 100 * GST_MSECOND))) {
    *status |= report_errors (bus);
    if (*status || gst_app_sink_is_eos (GST_APP_SINK (sink)))
      return NULL;
  }
  gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
  if (!gst_video_frame_map (frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    g_clear_pointer (&sample, gst_sample_unref);
  return sample;
}

static void
finish_picture (GstSample *sample, GstVideoFrame *frame)
{
  gst_video_frame_unmap (frame);
  gst_sample_unref (sample);
}

static void
describe (const GstVideoFrame *classes, const GstVideoFrame *normals)
{
  guint counts[256] = { 0 }, most = 0, up = 0;
  int width = GST_VIDEO_FRAME_WIDTH (classes), height = GST_VIDEO_FRAME_HEIGHT (classes);

  for (int y = 0; y < height; y++) {
    /* GRAY8: a class id a pixel, 0 for the first that `nddr info MODEL` lists */
    const guint8 *id = (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (classes, 0) + y * GST_VIDEO_FRAME_PLANE_STRIDE (classes, 0);
    /* RGB: round ((n + 1) * 127.5) of x to the right, y up, z toward the camera */
    const guint8 *n = (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (normals, 0) + y * GST_VIDEO_FRAME_PLANE_STRIDE (normals, 0);

    for (int x = 0; x < width; x++) {
      counts[id[x]]++;
      up += n[3 * x + 1] / 127.5 - 1 > 0.8;
    }
  }
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    if (counts[i] > counts[most])
      most = i;
  g_print ("%" GST_TIME_FORMAT "  class %u covers %.0f %%, %.0f %% faces up\n", GST_TIME_ARGS (GST_BUFFER_PTS (classes->buffer)),
      most, 100.0 * counts[most] / (width * height), 100.0 * up / (width * height));
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  GstSample *segmentation, *normal;
  GstVideoFrame classes, normals;
  int status = 0;

  gst_init (&argc, &argv);
  if (argc < 2 || argc > 3) {
    g_printerr ("usage: appsink VIDEO [MODEL]\n");
    return 2;
  }
  /* a queue behind each pad; raw views: values, not colours */
  g_autoptr (GstElement) pipeline = gst_parse_launch (
      "filesrc name=video ! decodebin ! videoconvert ! nddrcnn name=n src_segmentation::view=raw src_normal::view=raw "
      "n.src_segmentation ! queue ! appsink name=segmentation sync=false max-buffers=4 "
      "n.src_normal ! queue ! appsink name=normal sync=false max-buffers=4", &error);
  if (error) { /* with what there is of the pipeline, where an element is missing */
    g_printerr ("%s%s\n", error->message, g_error_matches (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT)
            ? ": is it installed, or its folder in GST_PLUGIN_PATH?" : "");
    return 1;
  }
  g_autoptr (GstElement) video = gst_bin_get_by_name (GST_BIN (pipeline), "video");
  g_autoptr (GstElement) network = gst_bin_get_by_name (GST_BIN (pipeline), "n");
  g_autoptr (GstElement) first = gst_bin_get_by_name (GST_BIN (pipeline), "segmentation");
  g_autoptr (GstElement) second = gst_bin_get_by_name (GST_BIN (pipeline), "normal");
  g_object_set (video, "location", argv[1], NULL);
  if (argc == 3)
    g_object_set (network, "model", argv[2], NULL);

  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  /* both pads show every frame: the pictures come in pairs */
  while ((segmentation = next_picture (first, &classes, bus, &status))) {
    normal = next_picture (second, &normals, bus, &status);
    if (normal) {
      describe (&classes, &normals);
      finish_picture (normal, &normals);
    }
    finish_picture (segmentation, &classes);
  }
  if (!status)
    status = report_errors (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return status;
}
