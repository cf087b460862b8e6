/* Every format on both sides, pixel by pixel, against plain C: what caps mean, odd sizes, padded lines.
 *
 * What the network says of a frame is taken from a session of the public API, told in this file's own words what the
 * frame's bytes mean; what the element draws of it must be what tests/reference/pixels.c draws.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "pixels.h"

#include <nddr/model.h>
#include <nddr/nddr.h>

#include <string.h>

/* A sink format: what the caps say, and what that means. */
typedef struct
{
  const char *format, *rest;
  NddrFrameFormat meaning;
} Input;

#define BT601 .kr = 0.299, .kb = 0.114
#define BT709 .kr = 0.2126, .kb = 0.0722
#define BT2020 .kr = 0.2627, .kb = 0.0593

static const Input inputs[] = {
  { "RGBA", "", { NDDR_PIXEL_RGBA, .full_range = TRUE } },
  { "BGRA", ",colorimetry=sRGB", { NDDR_PIXEL_BGRA, .full_range = TRUE } },
  { "RGBx", "", { NDDR_PIXEL_RGBX, .full_range = TRUE } },
  { "BGRx", ",colorimetry=2:1:0:0", { NDDR_PIXEL_BGRX, .full_range = FALSE } },
  { "RGB", "", { NDDR_PIXEL_RGB, .full_range = TRUE } },
  { "BGR", "", { NDDR_PIXEL_BGR, .full_range = TRUE } },
  { "GRAY8", ",colorimetry=1:4:0:0", { NDDR_PIXEL_GRAY8, .full_range = TRUE } },
  { "GRAY8", ",colorimetry=bt601", { NDDR_PIXEL_GRAY8, .full_range = FALSE } },
  { "NV12", ",colorimetry=bt709,chroma-site=mpeg2", { NDDR_PIXEL_NV12, BT709, .chroma_cosited_x = TRUE } },
  { "NV12", ",colorimetry=1:4:0:0,chroma-site=jpeg", { NDDR_PIXEL_NV12, BT601, .full_range = TRUE } },
  { "I420", ",colorimetry=bt601,chroma-site=jpeg", { NDDR_PIXEL_I420, BT601 } },
  { "I420", ",colorimetry=bt2020,chroma-site=cosited",
      { NDDR_PIXEL_I420, BT2020, .chroma_cosited_x = TRUE, .chroma_cosited_y = TRUE } },
  { "YUY2", ",colorimetry=bt709,chroma-site=mpeg2", { NDDR_PIXEL_YUY2, BT709, .chroma_cosited_x = TRUE } },
  { "YUY2", ",colorimetry=bt601,chroma-site=jpeg", { NDDR_PIXEL_YUY2, BT601 } },
  { "NV12", ",colorimetry=bt601,chroma-site=mpeg2,interlace-mode=interleaved,field-order=top-field-first",
      { NDDR_PIXEL_NV12, BT601, .chroma_cosited_x = TRUE, .interlaced = TRUE } },
};

/* A pad of the rig, and the format that its branch asks for; NULL: none, the first one is used. */
typedef struct
{
  const char *task, *view, *asked;
  NddrView shown;
  NddrPixelFormat format;
} Output;

static const Output looks[] = {
  { "segmentation", "overlay", NULL, NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
  { "normal", "overlay", NULL, NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
  { "depth", "raw", NULL, NDDR_VIEW_RAW, NDDR_PIXEL_GRAY16_LE },
};

static const Output outputs[] = {
  { "segmentation", "raw", "GRAY8", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY8 },
  { "segmentation", "map", "BGRA", NDDR_VIEW_MAP, NDDR_PIXEL_BGRA },
  { "segmentation", "overlay", "RGBx", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBX },
  { "normal", "raw", "RGB", NDDR_VIEW_RAW, NDDR_PIXEL_RGB },
  { "normal", "map", NULL, NDDR_VIEW_MAP, NDDR_PIXEL_RGBA },
  { "normal", "overlay", "BGRx", NDDR_VIEW_OVERLAY, NDDR_PIXEL_BGRX },
  { "depth", "raw", "GRAY16_LE", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY16_LE },
  { "depth", "map", "RGBx", NDDR_VIEW_MAP, NDDR_PIXEL_RGBX },
  { "depth", "overlay", NULL, NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
};

#define N_TASKS 3
#define OPACITY 0.375

/* The network's own outputs for a frame. */
typedef struct
{
  double *head[N_TASKS];
  guint width[N_TASKS], height[N_TASKS], channels[N_TASKS];
} Heads;

static NddrDevice *device;
static NddrModel *model;
static NddrSession *session;
static int pool_asked; /* how often propose_pool () was */

static guint
index_of (const char *task)
{
  for (guint t = 0; t < N_TASKS; t++)
    if (g_str_equal (nddr_model_get_task (model, t)->name, task))
      return t;
  g_assert_not_reached ();
}

static void
infer (const NddrFrameFormat *meaning, const NddrFrame *frame, Heads *heads)
{
  g_autoptr (GError) error = NULL;
  NddrOutput wanted[N_TASKS];
  NddrFrame results[N_TASKS] = { 0 };

  for (guint t = 0; t < N_TASKS; t++) {
    wanted[t] = (NddrOutput) { nddr_model_get_task (model, t)->name, NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
    g_assert_true (nddr_session_get_head_size (session, wanted[t].task, &heads->width[t], &heads->height[t], &heads->channels[t]));
    results[t].strides[0] = heads->width[t] * heads->channels[t] * sizeof (float);
    results[t].planes[0] = g_malloc (results[t].strides[0] * heads->height[t]);
  }
  nddr_session_set_frames (session, meaning, wanted, N_TASKS, &error);
  g_assert_no_error (error);
  guint64 ticket = nddr_session_submit (session, frame, NULL, FALSE, &error);
  g_assert_no_error (error);
  nddr_session_wait (session, ticket, results, NULL, &error);
  g_assert_no_error (error);

  for (guint t = 0; t < N_TASKS; t++) {
    gsize n = heads->width[t] * heads->height[t] * heads->channels[t];
    const float *values = (const float *) results[t].planes[0];

    heads->head[t] = g_new (double, n);
    for (gsize i = 0; i < n; i++)
      heads->head[t][i] = values[i];
    g_free (results[t].planes[0]);
  }
}

/* Fails unless @picture shows @output of @frame. */
static void
check_picture (GstHarness *out, GstBuffer *picture, const Output *output, const NddrFrameFormat *meaning,
    const NddrFrame *frame, const Heads *heads, const char *what)
{
  guint t = index_of (output->task);
  const NddrTask *task = nddr_model_get_task (model, t);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (out->sinkpad);
  GstVideoInfo info;
  GstVideoFrame mapped;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_cmpuint (info.width, ==, meaning->width);
  g_assert_cmpuint (info.height, ==, meaning->height);
  if (output->asked)
    g_assert_cmpstr (gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&info)), ==, output->asked);
  g_assert_true (gst_video_frame_map (&mapped, &info, picture, GST_MAP_READ));
  if (pool_asked)
    g_assert_cmpint (GST_VIDEO_FRAME_PLANE_STRIDE (&mapped, 0), >, GST_VIDEO_INFO_PLANE_STRIDE (&info, 0));
  ReferenceView view = {
    .head = heads->head[t],
    .height = heads->height[t],
    .width = heads->width[t],
    .channels = heads->channels[t],
    .kind = task->kind,
    .classes = task->classes,
    .resize = NDDR_RESIZE_HALF_PIXEL,
    .view = output->shown,
    .format = meaning,
    .frame = frame,
    .opacity = OPACITY,
  };
  g_autofree char *wrong = reference_check_picture (&view, output->format, GST_VIDEO_FRAME_PLANE_DATA (&mapped, 0),
      GST_VIDEO_FRAME_PLANE_STRIDE (&mapped, 0));
  if (wrong)
    g_error ("%s, pad %s, view=%s: %s", what, output->task, output->view, wrong);
  gst_video_frame_unmap (&mapped);
}

/* Pushes a frame of @input, @width x @height and with @flags, and checks what all pads show of it. */
static void
check_flagged (Rig *rig, const Output *const *shown, const Input *input, int width, int height, int padding, guint flags)
{
  g_autofree char *what = g_strdup_printf ("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1%s", input->format,
      width, height, input->rest);
  g_autoptr (GstCaps) caps = gst_caps_from_string (what);
  NddrFrameFormat meaning = input->meaning;
  Heads heads = { 0 };
  NddrFrame frame = { 0 };
  GstVideoInfo info;
  GstVideoFrame mapped;

  meaning.width = width;
  meaning.height = height;
  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_autoptr (GstBuffer) buffer = fixture_frame (&info, width * 1000 + height, padding);
  GST_BUFFER_FLAG_SET (buffer, flags);
  rig_set_caps (rig, what);
  g_assert_cmpint (rig_push (rig, gst_buffer_ref (buffer)), ==, GST_FLOW_OK);

  g_assert_true (gst_video_frame_map (&mapped, &info, buffer, GST_MAP_READ));
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&mapped); p++) {
    frame.planes[p] = GST_VIDEO_FRAME_PLANE_DATA (&mapped, p);
    frame.strides[p] = GST_VIDEO_FRAME_PLANE_STRIDE (&mapped, p);
  }
  infer (&meaning, &frame, &heads);
  for (int pad = 0; pad < rig->n_out; pad++) {
    g_autoptr (GstBuffer) picture = rig_pull (rig, pad);
    check_picture (rig->out[pad], picture, shown[pad], &meaning, &frame, &heads, what);
  }
  gst_video_frame_unmap (&mapped);
  for (guint t = 0; t < N_TASKS; t++)
    g_free (heads.head[t]);
}

static void
check_frame (Rig *rig, const Output *const *shown, const Input *input, int width, int height, int padding)
{
  check_flagged (rig, shown, input, width, height, padding, 0);
}

static void
ask (Rig *rig, int pad, const Output *output)
{
  g_autofree char *name = g_strconcat ("src_", output->task, NULL);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, name);

  g_object_set (src, "opacity", OPACITY, NULL);
  if (output->asked) {
    g_autofree char *caps = g_strdup_printf ("video/x-raw,format=%s", output->asked);
    gst_harness_set_sink_caps_str (rig->out[pad], caps);
  }
}

/* A pad for each of looks, which @shown then has. */
static Rig *
rig_of_looks (const Output **shown)
{
  Rig *rig = rig_new (NULL, looks[0].task, looks[0].view, looks[1].task, looks[1].view, looks[2].task, looks[2].view, NULL);

  for (guint o = 0; o < G_N_ELEMENTS (looks); o++) {
    shown[o] = &looks[o];
    ask (rig, o, &looks[o]);
  }
  return rig;
}

/* every sink format, in caps that follow each other on one stream */
static void
test_inputs (void)
{
  static const struct
  {
    int width, height, padding;
  } shapes[] = { { 15, 10, -1 }, { 15, 10, 0 }, { 15, 10, 13 }, { 1, 1, 0 }, { 64, 48, -1 }, { 349, 287, 7 } };
  const Output *shown[G_N_ELEMENTS (looks)];
  Rig *rig = rig_of_looks (shown);

  for (guint i = 0; i < G_N_ELEMENTS (inputs); i++)
    for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
      check_frame (rig, shown, &inputs[i], shapes[s].width, shapes[s].height, shapes[s].padding);
  rig_free (rig);
}

/* decoders say of each frame whether it is interlaced, and may say otherwise of the next: luma takes its own field's chroma, or all */
static void
test_mixed (void)
{
  static const struct { int width, height, padding; } shapes[] = { { 15, 10, -1 }, { 15, 10, 0 }, { 15, 10, 13 }, { 1, 1, 0 }, { 349, 287, 7 } };
  static const guint flags[] = { 0, GST_VIDEO_BUFFER_FLAG_INTERLACED, GST_VIDEO_BUFFER_FLAG_INTERLACED, 0, GST_VIDEO_BUFFER_FLAG_INTERLACED };
  static const Input mixed[] = {
    { "NV12", ",colorimetry=bt601,chroma-site=mpeg2,interlace-mode=mixed", { NDDR_PIXEL_NV12, BT601, .chroma_cosited_x = TRUE } },
    { "I420", ",colorimetry=bt709,chroma-site=jpeg,interlace-mode=mixed", { NDDR_PIXEL_I420, BT709 } },
    { "RGBA", ",interlace-mode=mixed", { NDDR_PIXEL_RGBA, .full_range = TRUE } },
  };
  const Output *shown[G_N_ELEMENTS (looks)];
  Rig *rig = rig_of_looks (shown);

  for (guint i = 0; i < G_N_ELEMENTS (mixed); i++)
    for (guint s = 0; s < G_N_ELEMENTS (shapes); s++)
      for (guint f = 0; f < G_N_ELEMENTS (flags); f++) {
        Input input = mixed[i];

        input.meaning.interlaced = flags[f] != 0; /* of this frame */
        check_flagged (rig, shown, &input, shapes[s].width, shapes[s].height, shapes[s].padding, flags[f]);
      }
  rig_free (rig);
}

/* every view of every task, in every format, into buffers with and without padding of their own */
static void
test_outputs (void)
{
  for (guint o = 0; o < G_N_ELEMENTS (outputs); o++) {
    const Output *shown[] = { &outputs[o] };
    Rig *rig = rig_new (NULL, outputs[o].task, outputs[o].view, NULL);

    ask (rig, 0, &outputs[o]);
    check_frame (rig, shown, &inputs[10], 15, 10, -1);
    gst_harness_add_propose_allocation_meta (rig->out[0], GST_VIDEO_META_API_TYPE, NULL);
    check_frame (rig, shown, &inputs[0], 349, 287, 0);
    rig_free (rig);
  }
}

static GstPadProbeReturn
propose_pool (GstPad *pad, GstPadProbeInfo *info, gpointer pool)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  GstCaps *caps;
  GstVideoInfo video;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_parse_allocation (query, &caps, NULL);
  gst_video_info_from_caps (&video, caps);
  g_atomic_int_inc (&pool_asked);
  gst_query_add_allocation_pool (query, pool, video.size, 2, 0);
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return GST_PAD_PROBE_HANDLED;
}

/* a peer's pool may lay its lines out as it likes */
static void
test_padded_pool (void)
{
  const Output *shown[] = { &outputs[3] };
  Rig *rig = rig_new (NULL, outputs[3].task, outputs[3].view, NULL);
  GstBufferPool *pool = gst_video_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw,format=RGB,width=15,height=10,framerate=25/1");
  GstVideoAlignment alignment;
  GstVideoInfo info;

  gst_video_alignment_reset (&alignment);
  alignment.padding_left = 6;
  alignment.padding_right = 11;
  alignment.padding_top = 3;
  gst_video_info_from_caps (&info, caps);
  gst_buffer_pool_config_set_params (config, caps, info.size, 2, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  gst_buffer_pool_config_set_video_alignment (config, &alignment);
  g_assert_true (gst_buffer_pool_set_config (pool, config));

  ask (rig, 0, &outputs[3]);
  gst_pad_add_probe (rig->out[0]->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH, propose_pool, pool,
      NULL);
  check_frame (rig, shown, &inputs[0], 15, 10, -1);
  g_assert_cmpint (pool_asked, >, 0);
  rig_free (rig);
  gst_object_unref (pool);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  fixture_init (&argc, &argv);
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  model = nddr_model_load (fixture_model (), &error);
  g_assert_no_error (error);
  session = nddr_session_new (device, model, NULL, &error);
  g_assert_no_error (error);

  g_test_add_func ("/element/formats/inputs", test_inputs);
  g_test_add_func ("/element/formats/mixed", test_mixed);
  g_test_add_func ("/element/formats/outputs", test_outputs);
  g_test_add_func ("/element/formats/padded-pool", test_padded_pool);
  int status = fixture_run ();
  nddr_session_free (session);
  nddr_model_unref (model);
  nddr_device_unref (device);
  return status;
}
