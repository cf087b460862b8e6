/* The pad `src`: the frame as it came, with what every task makes of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define META "GstNddrResultsMeta"

static const struct
{
  const char *task, *format;
} tasks[] = { { "segmentation", "GRAY8" }, { "normal", "RGB" }, { "depth", "GRAY16_LE" } };

/* Its harness's index. */
static int
add_frame_pad (Rig *rig, const char *takes)
{
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, "src");

  g_assert_nonnull (pad);
  GstHarness *harness = gst_harness_new_with_element (rig->element, NULL, "src");
  if (takes)
    gst_harness_set_sink_caps_str (harness, takes);
  rig->out[rig->n_out] = harness;
  return rig->n_out++;
}

/* (transfer full) (nullable): a task's sample of a frame */
static GstSample *
result_of (GstBuffer *frame, const char *task)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (frame, META);
  GstSample *sample = NULL;

  g_assert_nonnull (meta);
  gst_structure_get (gst_custom_meta_get_structure (meta), task, GST_TYPE_SAMPLE, &sample, NULL);
  return sample;
}

static void
expect_same_bytes (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo x, y;

  g_assert_true (gst_buffer_map (a, &x, GST_MAP_READ) && gst_buffer_map (b, &y, GST_MAP_READ));
  g_assert_cmpmem (x.data, x.size, y.data, y.size);
  gst_buffer_unmap (a, &x);
  gst_buffer_unmap (b, &y);
}

/* The very memory that came in, and results that are the other pads' pictures. */
static void
test_beside_others (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  int src = add_frame_pad (rig, NULL);

  rig_set_caps (rig, RIG_CAPS ",colorimetry=sRGB,house=green");
  for (guint n = 0; n < 3; n++) {
    GstBuffer *frame = rig_frame (n);
    GstMemory *memory = gst_buffer_get_memory (frame, 0);

    g_assert_cmpint (rig_push (rig, frame), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) passed = rig_pull (rig, src), untouched = rig_frame (n);
    g_assert_true (gst_buffer_peek_memory (passed, 0) == memory);
    gst_memory_unref (memory);
    expect_same_bytes (passed, untouched);
    g_assert_cmpuint (GST_BUFFER_PTS (passed), ==, n * 40 * GST_MSECOND);
    g_assert_cmpuint (GST_BUFFER_DURATION (passed), ==, 40 * GST_MSECOND);
    for (guint t = 0; t < 2; t++) {
      g_autoptr (GstBuffer) picture = rig_pull (rig, t);
      g_autoptr (GstSample) sample = result_of (passed, tasks[t].task);
      expect_same_bytes (gst_sample_get_buffer (sample), picture);
      g_assert_cmpuint (GST_BUFFER_PTS (gst_sample_get_buffer (sample)), ==, GST_BUFFER_PTS (picture));
    }
  }
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "house"), ==, "green");
  rig_free (rig);
}

/* It alone asks for all tasks; any format passes; copies keep the results. */
static void
test_alone (void)
{
  Rig *rig = rig_new ("interval=1", NULL);
  int src = add_frame_pad (rig, NULL);
  GstVideoInfo info;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_NV12, 30, 18);
  rig_set_caps (rig, "video/x-raw,format=NV12,width=30,height=18,framerate=25/1");
  for (guint n = 0; n < 2; n++) {
    GstBuffer *frame = fixture_frame (&info, 7, 6);

    g_assert_cmpint (rig_push (rig, frame), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) passed = rig_pull (rig, src), copy = gst_buffer_copy_deep (passed);
    g_assert_nonnull (gst_buffer_get_video_meta (passed));
    for (guint t = 0; t < G_N_ELEMENTS (tasks); t++) {
      g_autoptr (GstSample) sample = result_of (passed, tasks[t].task), copied = result_of (copy, tasks[t].task);
      const GstStructure *caps = gst_caps_get_structure (gst_sample_get_caps (sample), 0);
      gint width, height;

      g_assert_cmpstr (gst_structure_get_string (caps, "format"), ==, tasks[t].format);
      g_assert_true (gst_structure_get (caps, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL));
      g_assert_cmpint (width, ==, 30);
      g_assert_cmpint (height, ==, 18);
      expect_same_bytes (gst_sample_get_buffer (sample), gst_sample_get_buffer (copied));
    }
  }
  rig_free (rig);
}

/* Frames that come too late for what follows it are dropped, which the next one says. */
static void
test_late (void)
{
  Rig *rig = rig_new (NULL, NULL);
  int src = add_frame_pad (rig, NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_harness_push_upstream_event (rig->out[src], gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, 20 * GST_MSECOND, 40 * GST_MSECOND));
  for (guint n = 0; n < 4; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  for (guint n = 2; n < 4; n++) {
    g_autoptr (GstBuffer) passed = rig_pull (rig, src);
    g_assert_cmpuint (GST_BUFFER_PTS (passed), ==, n * 40 * GST_MSECOND);
    g_assert_cmpint (GST_BUFFER_FLAG_IS_SET (passed, GST_BUFFER_FLAG_DISCONT), ==, n == 2);
  }
  rig_free (rig);
}

/* What follows it takes the frames as they are or not at all, and upstream hears of that. */
static void
test_formats (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  add_frame_pad (rig, "video/x-raw,format={NV12,I420}");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (sink, NULL), want = gst_caps_from_string ("video/x-raw,format={NV12,I420}");

  g_assert_false (gst_caps_is_empty (caps));
  g_assert_true (gst_caps_is_subset (caps, want));
  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_NOT_NEGOTIATED);
  fixture_expect_error (rig->bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "Pad src ");
  rig_free (rig);
}

/* Whether upstream is told that frames may be laid out as a GstVideoMeta says. */
static gboolean
offers_meta (Rig *rig)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
  g_autoptr (GstCaps) caps = gst_caps_from_string (RIG_CAPS);
  GstQuery *query = gst_query_new_allocation (caps, FALSE);

  g_assert_true (gst_pad_query (sink, query));
  gboolean offers = gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_unref (query);
  return offers;
}

/* Frames that are passed lie as what follows can read them. */
static void
test_layout (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  g_assert_true (offers_meta (rig)); /* they are copied */
  int src = add_frame_pad (rig, NULL);
  g_assert_false (offers_meta (rig));
  gst_harness_add_propose_allocation_meta (rig->out[src], GST_VIDEO_META_API_TYPE, NULL);
  g_assert_true (offers_meta (rig));
  rig_free (rig);
}

/* ---- a peer that wants frames as it says, and what it is asked */

static GstPadQueryFunction usual_query;
static GstHarness *passes;   /* on the pad src */
static guint had_when_asked; /* the frames that it had when it was asked for an allocation */
static guint drained;        /* bits of those that were told to drain: 1 the pad src's, 2 another's */

static gboolean
particular_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstAllocationParams params = { .align = 63, .padding = 17 };

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_ALLOCATION:
      had_when_asked = gst_harness_buffers_received (passes);
      gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
      gst_query_add_allocation_param (query, NULL, &params);
      gst_query_add_allocation_pool (query, NULL, 5000, 40, 0);
      return TRUE;
    case GST_QUERY_DRAIN:
      drained |= pad == passes->sinkpad ? 1 : 2;
      return TRUE;
    default:
      return usual_query (pad, parent, query);
  }
}

/* What follows the pad src says how many frames it keeps and how they are to be aligned: upstream hears of it, those that are kept here added; and
 * not before the frames that are on their way are there. */
static void
test_particular (void)
{
  Rig *rig = rig_new ("max-in-flight=8", NULL);
  int src = add_frame_pad (rig, NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
  g_autoptr (GstCaps) caps = gst_caps_from_string (RIG_CAPS);
  GstAllocationParams params;
  guint size, min, max;

  passes = rig->out[src];
  usual_query = GST_PAD_QUERYFUNC (passes->sinkpad);
  gst_pad_set_query_function (passes->sinkpad, particular_query);
  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 6; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  had_when_asked = 0;
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  g_assert_true (gst_pad_query (sink, query));
  g_assert_cmpuint (had_when_asked, ==, 6);
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  g_assert_cmpuint (gst_query_get_n_allocation_params (query), ==, 1);
  gst_query_parse_nth_allocation_param (query, 0, NULL, &params);
  g_assert_cmpuint (params.align, ==, 63);
  g_assert_cmpuint (params.padding, ==, 17);
  g_assert_cmpuint (gst_query_get_n_allocation_pools (query), ==, 1);
  gst_query_parse_nth_allocation_pool (query, 0, NULL, &size, &min, &max);
  g_assert_cmpuint (size, ==, 5000);
  g_assert_cmpuint (min, >=, 40 + 8);
  g_assert_cmpuint (max, ==, 0);
  gst_query_unref (query);
  rig_free (rig);
}

/* Upstream's buffers are free once all branches say so. */
static void
test_drain (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");

  passes = rig->out[add_frame_pad (rig, NULL)];
  for (int i = 0; i < rig->n_out; i++) {
    usual_query = GST_PAD_QUERYFUNC (rig->out[i]->sinkpad);
    gst_pad_set_query_function (rig->out[i]->sinkpad, particular_query);
  }
  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  drained = 0;
  GstQuery *query = gst_query_new_drain ();
  g_assert_true (gst_pad_query (sink, query));
  g_assert_cmpuint (drained, ==, 3);
  for (int i = 0; i < rig->n_out; i++)
    g_assert_cmpuint (gst_harness_buffers_received (rig->out[i]), ==, 1);
  gst_query_unref (query);
  rig_free (rig);
}

/* Converters keep the results of a frame whose size stays, and so do copies; those of another size are not its own any more. */
static void
test_converted (void)
{
  static const struct { const char *launch, *caps; gboolean kept; } rows[] = {
    { "videoconvert", "video/x-raw,format=RGB,width=24,height=16,framerate=25/1", TRUE },
    { "videoconvert ! video/x-raw,format=I420 ! videoconvert", "video/x-raw,format=BGRx,width=24,height=16,framerate=25/1", TRUE },
    { "videoscale", "video/x-raw,format=RGBA,width=48,height=32,framerate=25/1", FALSE },
    { "videoscale", RIG_CAPS, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Rig *rig = rig_new (NULL, NULL);
    int out = add_frame_pad (rig, NULL);
    GstHarness *next = gst_harness_new_parse (rows[i].launch);

    rig_set_caps (rig, RIG_CAPS);
    gst_harness_set_src_caps_str (next, RIG_CAPS);
    gst_harness_set_sink_caps_str (next, rows[i].caps);
    g_assert_cmpint (rig_push (rig, rig_frame (i)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) frame = rig_pull (rig, out), copy = gst_buffer_copy_deep (frame);
    g_autoptr (GstSample) want = result_of (frame, "segmentation"), copied = result_of (copy, "segmentation");
    g_assert_nonnull (want);
    g_assert_true (copied == want);
    g_assert_cmpint (gst_harness_push (next, gst_buffer_ref (frame)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) converted = gst_harness_pull (next);
    g_assert_cmpint (gst_buffer_get_custom_meta (converted, META) != NULL, ==, rows[i].kept);
    g_autoptr (GstSample) got = rows[i].kept ? result_of (converted, "segmentation") : NULL;
    g_assert_true (!rows[i].kept || got == want);
    gst_harness_teardown (next);
    rig_free (rig);
  }
}

/* Of two such elements one after the other the last one's results are found. */
static void
test_again (void)
{
  Rig *first = rig_new (NULL, NULL), *second = rig_new (NULL, "segmentation", "raw", NULL);
  int out = add_frame_pad (first, NULL), src = add_frame_pad (second, NULL);

  rig_set_caps (first, RIG_CAPS);
  rig_set_caps (second, RIG_CAPS);
  g_assert_cmpint (rig_push (first, rig_frame (0)), ==, GST_FLOW_OK);
  GstBuffer *frame = gst_buffer_make_writable (rig_pull (first, out));
  GstStructure *old = gst_custom_meta_get_structure (gst_buffer_get_custom_meta (frame, META));
  gst_structure_set (old, "segmentation", G_TYPE_STRING, "of the first", "other", G_TYPE_STRING, "of the first", NULL);
  g_assert_cmpint (rig_push (second, frame), ==, GST_FLOW_OK);
  g_autoptr (GstBuffer) passed = rig_pull (second, src), picture = rig_pull (second, 0);
  g_autoptr (GstSample) sample = result_of (passed, "segmentation");
  g_assert_nonnull (sample);
  expect_same_bytes (gst_sample_get_buffer (sample), picture);
  g_assert_cmpstr (gst_structure_get_string (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (passed, META)), "other"), ==, "of the first");
  rig_free (first);
  rig_free (second);
}

/* By its name alone, and once. */
static void
test_request (void)
{
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));
  GstPadTemplate *template = gst_element_get_pad_template (element, "src");
  g_autoptr (GstPad) unnamed = gst_element_request_pad (element, template, NULL, NULL);
  g_autoptr (GstPad) frame = gst_element_request_pad (element, template, "src", NULL), again = gst_element_request_pad (element, template, NULL, NULL);
  GstElement *next = gst_object_ref_sink (gst_element_factory_make ("identity", NULL));

  g_assert_null (unnamed);
  g_assert_nonnull (frame);
  g_assert_null (again);
  g_assert_true (gst_element_link (element, next));
  g_autoptr (GstPad) sink = gst_element_get_static_pad (next, "sink"), peer = gst_pad_get_peer (sink);
  g_assert_cmpstr (GST_PAD_NAME (peer), ==, "src");
  gst_element_unlink (element, next);
  gst_element_release_request_pad (element, frame);
  g_clear_pointer (&peer, gst_object_unref);
  g_assert_true (gst_element_link (element, next));
  peer = gst_pad_get_peer (sink);
  g_assert_cmpstr (GST_PAD_NAME (peer), ==, "src_segmentation");
  gst_element_unlink (element, next);
  gst_object_unref (next);
  gst_object_unref (element);
}

/* Of another model its tasks, by their names. */
static void
test_swap (void)
{
  g_autofree char *other = fixture_variant ("surface.safetensors", "\"name\": \"normal\"", "\"name\": \"surface\"");
  Rig *rig = rig_new (NULL, NULL);
  int src = add_frame_pad (rig, NULL);
  gboolean changed = FALSE;

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 20000 && !changed; n++) {
    if (n == 1)
      g_object_set (rig->element, "model", other, NULL);
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) passed = rig_pull (rig, src);
    g_autoptr (GstSample) normal = result_of (passed, "normal"), surface = result_of (passed, "surface");
    g_assert_true ((normal == NULL) != (surface == NULL));
    changed = surface != NULL;
    g_usleep (1000);
  }
  g_assert_true (changed);
  rig_free (rig);
  g_remove (other);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/frame/beside-others", test_beside_others);
  g_test_add_func ("/element/frame/alone", test_alone);
  g_test_add_func ("/element/frame/late", test_late);
  g_test_add_func ("/element/frame/formats", test_formats);
  g_test_add_func ("/element/frame/layout", test_layout);
  g_test_add_func ("/element/frame/particular", test_particular);
  g_test_add_func ("/element/frame/drain", test_drain);
  g_test_add_func ("/element/frame/converted", test_converted);
  g_test_add_func ("/element/frame/again", test_again);
  g_test_add_func ("/element/frame/request", test_request);
  g_test_add_func ("/element/frame/swap", test_swap);
  return fixture_run ();
}
