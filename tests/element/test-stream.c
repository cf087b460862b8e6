/* A stream through the element: order, caps that change, flushes, ends, branches that stop.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <string.h>

#define N_FRAMES 5

static GstStructure *
get_stats (Rig *rig)
{
  GstStructure *stats;

  g_object_get (rig->element, "stats", &stats, NULL);
  return stats;
}

static guint64
get_stat (Rig *rig, const char *name)
{
  g_autoptr (GstStructure) stats = get_stats (rig);
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

static void
test_both_pads (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "overlay", NULL);

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < N_FRAMES; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  for (guint n = 0; n < N_FRAMES; n++)
    for (int pad = 0; pad < 2; pad++)
      rig_expect_picture (rig, pad, n);
  g_assert_cmpuint (get_stat (rig, "frames"), ==, N_FRAMES);
  g_assert_cmpuint (get_stat (rig, "inference-mean"), >, 0);
  g_assert_cmpuint (get_stat (rig, "inference-p99"), >=, get_stat (rig, "inference-mean") / 2);

  g_autoptr (GstStructure) stats = get_stats (rig);
  g_assert_cmpstr (gst_structure_get_string (stats, "model"), ==, fixture_model ());
  g_assert_nonnull (gst_structure_get_string (stats, "device"));
  rig_free (rig);
}

/* nothing may wait for a frame that never comes */
static void
test_a_single_frame_leaves_at_once (void)
{
  Rig *rig = rig_new ("max-in-flight=8", "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  g_autoptr (GstBuffer) picture = rig_try_pull (rig, 0, 10000);
  g_assert_nonnull (picture);
  rig_free (rig);
}

static void
test_no_pads (void)
{
  Rig *rig = rig_new (NULL, NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_NOT_LINKED);
  g_assert_cmpuint (get_stat (rig, "frames"), ==, 0);
  rig_free (rig);
}

static void
test_no_linked_pads (void)
{
  Rig *rig = rig_new (NULL, NULL);
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (rig->element, "src_normal");

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_NOT_LINKED);
  g_assert_cmpuint (get_stat (rig, "frames"), ==, 0);

  /* linked later, it gets what follows, and all that was said before */
  rig->out[rig->n_out++] = gst_harness_new_with_element (rig->element, NULL, "src_normal");
  g_assert_cmpint (rig_push (rig, rig_frame (1)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 1);
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_STREAM_START));
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_CAPS));
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_SEGMENT));
  rig_free (rig);
}

/* every kind of serialised event keeps its place between frames */
static void
test_events_in_order (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "depth", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  rig_push (rig, rig_frame (1));
  gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a room", NULL)));
  gst_harness_push_event (rig->in, gst_event_new_gap (2 * 40 * GST_MSECOND, 40 * GST_MSECOND));
  rig_push (rig, rig_frame (3));
  gst_harness_push_event (rig->in,
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty ("nddr-test")));
  gst_harness_push_event (rig->in, gst_event_new_eos ());

  for (int pad = 0; pad < 2; pad++) {
    static const GstEventType expected[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_TAG,
      GST_EVENT_GAP, GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_EOS };

    for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
      g_autoptr (GstEvent) event = gst_harness_pull_event (rig->out[pad]);
      g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (expected[i]));
    }
    for (guint n = 0; n < 4; n++)
      if (n != 2)
        rig_expect_picture (rig, pad, n);
  }
  rig_free (rig);
}

typedef struct
{
  GString *log;
  GMutex lock;
} Order;

static GstPadProbeReturn
note_order (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Order *order = data;

  g_mutex_lock (&order->lock);
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    g_string_append_printf (order->log, " %u", (guint) (GST_BUFFER_PTS (info->data) / (40 * GST_MSECOND)));
  else
    g_string_append_printf (order->log, " %s", GST_EVENT_TYPE_NAME (info->data));
  g_mutex_unlock (&order->lock);
  return GST_PAD_PROBE_OK;
}

/* frames and events on one pad, seen in the order in which they pass */
static void
test_events_between_frames (void)
{
  Rig *rig = rig_new ("max-in-flight=4", "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");
  Order order = { g_string_new (NULL) };

  g_mutex_init (&order.lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_order, &order, NULL);
  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a", NULL)));
  rig_push (rig, rig_frame (1));
  rig_push (rig, rig_frame (2));
  gst_harness_push_event (rig->in, gst_event_new_gap (3 * 40 * GST_MSECOND, 40 * GST_MSECOND));
  rig_push (rig, rig_frame (4));
  gst_harness_push_event (rig->in, gst_event_new_eos ());
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_EOS));
  g_assert_cmpstr (order.log->str, ==, " stream-start caps segment 0 tag 1 2 gap 4 eos");
  g_string_free (order.log, TRUE);
  rig_free (rig);
}

/* A stream that ends before it has caps: branches hear what there was. */
static void
test_nothing_but_events (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation"),
      unlinked = gst_element_request_pad_simple (rig->element, "src_normal");
  GstSegment segment;
  Order order = { g_string_new (NULL) };

  g_mutex_init (&order.lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, note_order, &order, NULL);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_stream_start ("empty"));
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a", NULL)));
  gst_harness_push_event (rig->in, gst_event_new_eos ());
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_EOS));
  g_assert_cmpstr (order.log->str, ==, " stream-start segment tag eos");
  for (g_autoptr (GstEvent) eos = NULL; eos == NULL; g_usleep (1000)) /* as far as that pad, too */
    eos = gst_pad_get_sticky_event (unlinked, GST_EVENT_EOS, 0);
  g_assert_null (gst_pad_get_sticky_event (unlinked, GST_EVENT_SEGMENT, 0)); /* which would stay, before the caps of a stream behind this one */
  gst_element_release_request_pad (rig->element, unlinked);
  g_string_free (order.log, TRUE);
  rig_free (rig);
}

/* each pad is a stream of its own, of one group */
static void
test_stream_ids (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  const char *ids[2];
  GstEvent *events[2];
  guint group = gst_util_group_id_next (), got;
  GstEvent *start = gst_event_new_stream_start ("the-camera");

  gst_event_set_group_id (start, group);
  gst_harness_push_event (rig->in, start);
  for (int pad = 0; pad < 2; pad++) {
    do {
      events[pad] = rig_pull_event (rig, pad, GST_EVENT_STREAM_START);
      gst_event_parse_stream_start (events[pad], &ids[pad]);
    } while (!g_str_has_prefix (ids[pad], "the-camera") && (gst_event_unref (events[pad]), TRUE));
    g_assert_true (gst_event_parse_group_id (events[pad], &got));
    g_assert_cmpuint (got, ==, group);
  }
  g_assert_cmpstr (ids[0], !=, ids[1]);
  g_assert_true (g_str_has_suffix (ids[0], "/src_segmentation")); /* of the pad's name, which no other has */
  gst_event_unref (events[0]);
  gst_event_unref (events[1]);
  rig_free (rig);
}

static void
expect_size (GstHarness *out, int width, int height)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (out->sinkpad);
  GstVideoInfo info;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_cmpint (info.width, ==, width);
  g_assert_cmpint (info.height, ==, height);
}

static void
test_caps_change (void)
{
  Rig *rig = rig_new ("max-in-flight=4", "segmentation", "overlay", "normal", "raw", NULL);
  static const char *const caps[] = { RIG_CAPS, "video/x-raw,format=I420,width=17,height=9,framerate=25/1", RIG_CAPS };

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    GstVideoInfo info;
    g_autoptr (GstCaps) parsed = gst_caps_from_string (caps[i]);

    gst_video_info_from_caps (&info, parsed);
    rig_set_caps (rig, caps[i]);
    for (guint n = 0; n < 3; n++)
      g_assert_cmpint (rig_push (rig, fixture_frame (&info, n, -1)), ==, GST_FLOW_OK);
    for (int pad = 0; pad < 2; pad++) {
      for (guint n = 0; n < 3; n++) {
        g_autoptr (GstBuffer) picture = rig_pull (rig, pad);
        g_assert_cmpuint (gst_buffer_get_size (picture), >=, info.width * info.height * (pad ? 3 : 4));
      }
      expect_size (rig->out[pad], info.width, info.height);
    }
  }
  rig_free (rig);
}

#define LARGE_CAPS "video/x-raw,format=RGBA,width=301,height=203,framerate=25/1"

static GstBuffer *
large_frame (guint n)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (LARGE_CAPS);
  GstVideoInfo info;

  gst_video_info_from_caps (&info, caps);
  return fixture_frame (&info, n, -1);
}

/* the caps change while a branch is shut down: the others must not be left with those of before */
static void
test_caps_change_interrupted (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "overlay", NULL);

  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  rig_expect_picture (rig, 0, 0);
  rig_expect_picture (rig, 1, 0);
  gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw,format=GRAY8,width=24,height=16");
  gst_pad_set_active (rig->out[0]->sinkpad, FALSE);
  gst_harness_set_src_caps_str (rig->in, LARGE_CAPS);
  gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw");
  gst_pad_set_active (rig->out[0]->sinkpad, TRUE);
  g_assert_cmpint (rig_push (rig, large_frame (1)), ==, GST_FLOW_OK);
  for (int pad = 0; pad < 2; pad++) {
    g_autoptr (GstBuffer) picture = rig_pull (rig, pad);
    g_assert_cmpuint (gst_buffer_get_size (picture), >=, 301 * 203 * (pad ? 4 : 1));
    expect_size (rig->out[pad], 301, 203);
  }
  rig_free (rig);
}

/* size, rate, aspect ratio, interlacing and views go through; colorimetry as the values have it */
static void
test_caps_fields (void)
{
  static const struct
  {
    const char *view, *colorimetry;
  } rows[] = { { "overlay", "1:1:5:1" }, { "map", "sRGB" }, { "raw", NULL } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Rig *rig = rig_new (NULL, "normal", rows[i].view, NULL);

    rig_set_caps (rig, "video/x-raw,format=NV12,width=32,height=24,framerate=30000/1001,pixel-aspect-ratio=4/3,"
        "interlace-mode=interleaved,field-order=top-field-first,views=2,multiview-mode=separated,colorimetry=bt709,chroma-site=mpeg2");
    g_autoptr (GstEvent) event = rig_pull_event (rig, 0, GST_EVENT_CAPS);
    GstCaps *caps;
    GstVideoInfo info;

    gst_event_parse_caps (event, &caps);
    g_assert_true (gst_video_info_from_caps (&info, caps));
    g_assert_cmpint (info.fps_n, ==, 30000);
    g_assert_cmpint (info.fps_d, ==, 1001);
    g_assert_cmpint (info.par_n, ==, 4);
    g_assert_cmpint (info.par_d, ==, 3);
    g_assert_cmpint (info.interlace_mode, ==, GST_VIDEO_INTERLACE_MODE_INTERLEAVED);
    g_assert_cmpint (GST_VIDEO_INFO_FIELD_ORDER (&info), ==, GST_VIDEO_FIELD_ORDER_TOP_FIELD_FIRST);
    g_assert_cmpint (GST_VIDEO_INFO_VIEWS (&info), ==, 2);
    g_assert_cmpint (GST_VIDEO_INFO_MULTIVIEW_MODE (&info), ==, GST_VIDEO_MULTIVIEW_MODE_SEPARATED);
    g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "colorimetry"), ==, rows[i].colorimetry);
    g_assert_false (gst_structure_has_field (gst_caps_get_structure (caps, 0), "chroma-site"));
    rig_free (rig);
  }
}

/* a change of the order of fields is passed on, which video infos are equal without */
static void
test_field_order (void)
{
  static const char *const orders[] = { "top-field-first", "bottom-field-first" };
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (orders); i++) {
    g_autofree char *caps = g_strconcat (RIG_CAPS ",interlace-mode=interleaved,field-order=", orders[i], NULL);

    rig_set_caps (rig, caps);
    rig_push (rig, rig_frame (i));
    rig_expect_picture (rig, 0, i);
    g_autoptr (GstCaps) out = gst_pad_get_current_caps (rig->out[0]->sinkpad);
    g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (out, 0), "field-order"), ==, orders[i]);
  }
  rig_free (rig);
}

/* a branch chooses among the view's formats, and chooses anew when it wants another */
static void
test_reconfigure (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "map", NULL);
  static const char *const formats[] = { "BGRx", "RGBA", "BGRA" };

  gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw,format=BGRx");
  rig_set_caps (rig, RIG_CAPS);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *wanted = g_strdup_printf ("video/x-raw,format=%s", formats[i]);

    gst_harness_set_sink_caps_str (rig->out[0], wanted);
    gst_harness_push_upstream_event (rig->out[0], gst_event_new_reconfigure ());
    g_assert_cmpint (rig_push (rig, rig_frame (i)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, i);
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (rig->out[0]->sinkpad);
    g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "format"), ==, formats[i]);
  }
  rig_free (rig);
}

static void
test_view_changes_while_playing (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "map", NULL);

  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  rig_expect_picture (rig, 0, 0);
  gst_child_proxy_set (GST_CHILD_PROXY (rig->element), "src_segmentation::view", 2, NULL);
  rig_push (rig, rig_frame (1));
  rig_expect_picture (rig, 0, 1);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (rig->out[0]->sinkpad);
  g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "format"), ==, "GRAY8");
  rig_free (rig);
}

/* a branch that takes no format of its view: an error that names the pad */
static void
test_no_common_format (void)
{
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw,format=GRAY8");
  rig_set_caps (rig, RIG_CAPS);
  fixture_expect_error (rig->bus, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "src_normal");
  /* told once, though all that follows asks again */
  for (guint n = 0; n < 3; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_NOT_NEGOTIATED);
    gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a room", NULL)));
  }
  g_autoptr (GstMessage) more = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_ERROR);
  g_assert_null (more);
  rig_free (rig);
}

static void
test_flush (void)
{
  Rig *rig = rig_new ("max-in-flight=4", "segmentation", "raw", "normal", "map", NULL);
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 3; n++)
    rig_push (rig, rig_frame (n));
  gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a room", NULL)));
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_flush_start ()));
  g_assert_cmpint (rig_push (rig, rig_frame (3)), ==, GST_FLOW_FLUSHING);
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_flush_stop (TRUE)));
  for (int pad = 0; pad < 2; pad++) {
    GstBuffer *stale;
    gst_event_unref (rig_pull_event (rig, pad, GST_EVENT_FLUSH_STOP));
    while ((stale = gst_harness_try_pull (rig->out[pad])))
      gst_buffer_unref (stale);
  }

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  for (guint n = 10; n < 13; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  for (guint n = 10; n < 13; n++)
    for (int pad = 0; pad < 2; pad++)
      rig_expect_picture (rig, pad, n);
  /* what was said of the stream still holds, whether the flush met it on its way or not */
  for (int pad = 0; pad < 2; pad++) {
    g_autoptr (GstEvent) tag = gst_pad_get_sticky_event (rig->out[pad]->sinkpad, GST_EVENT_TAG, 0);
    g_assert_nonnull (tag);
  }
  rig_free (rig);
}

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

static gpointer
push_until_flushing (gpointer data)
{
  Rig *rig = data;
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint n = 0; flow == GST_FLOW_OK; n++)
    flow = rig_push (rig, rig_frame (n));
  return GINT_TO_POINTER (flow);
}

/* a chain that waits, behind a branch that blocks, ends with the flush */
static void
test_flush_unblocks (void)
{
  Rig *rig = rig_new ("max-in-flight=2", "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");

  rig_set_caps (rig, RIG_CAPS);
  gulong probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, block, NULL, NULL);
  GThread *thread = g_thread_new ("push", push_until_flushing, rig);
  g_usleep (200000);
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_flush_start ()));
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_flush_stop (TRUE)));
  gst_pad_remove_probe (pad, probe);
  rig_free (rig);
}

static gpointer
push_caps_and_frame (gpointer data)
{
  Rig *rig = data;
  g_autoptr (GstCaps) caps = gst_caps_from_string (LARGE_CAPS);
  g_autoptr (GstEvent) event = gst_event_new_caps (caps);

  /* goes out with the frame */
  gst_pad_store_sticky_event (rig->in->srcpad, event);
  return GINT_TO_POINTER (gst_pad_push (rig->in->srcpad, large_frame (9)));
}

/* caps that wait for the frames before them when a flush comes are not refused */
static void
test_flush_while_caps_change (void)
{
  Rig *rig = rig_new ("max-in-flight=2", "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  gulong probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, block, NULL, NULL);
  rig_push (rig, rig_frame (0));
  GThread *thread = g_thread_new ("push", push_caps_and_frame, rig);
  g_usleep (200000);
  g_assert_true (gst_pad_send_event (sink, gst_event_new_flush_start ()));
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  gst_pad_remove_probe (pad, probe);
  g_assert_true (gst_pad_send_event (sink, gst_event_new_flush_stop (TRUE)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  g_assert_cmpint (rig_push (rig, large_frame (10)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  expect_size (rig->out[0], 301, 203);
  rig_free (rig);
}

static Rig *flushed_rig;
static GstPadChainFunction harness_chain;

static GstFlowReturn
flush_then_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSegment segment;

  gst_pad_set_chain_function (pad, harness_chain);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_stop (TRUE));
  gst_harness_push_event (flushed_rig->in, gst_event_new_segment (&segment));
  return harness_chain (pad, parent, buffer);
}

/* somebody downstream seeks when a frame reaches it, in the thread that pushed it */
static void
test_flush_from_a_push (void)
{
  Rig *rig = flushed_rig = rig_new ("max-in-flight=4", "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  harness_chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);
  gst_pad_set_chain_function (rig->out[0]->sinkpad, flush_then_chain);
  rig_push (rig, rig_frame (0));
  rig_expect_picture (rig, 0, 0);
  for (guint n = 1; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  rig_free (rig);
}

static GstFlowReturn
answer_eos (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_EOS;
}

static GstFlowReturn
answer_not_linked (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_NOT_LINKED;
}

/* one branch has had enough, the other goes on; both: so does upstream */
static void
check_branch_that_stops (GstPadChainFunction chain, GstFlowReturn expected)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_pad_set_chain_function (rig->out[0]->sinkpad, chain);
  for (guint n = 0; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 1, n);
  }
  gst_pad_set_chain_function (rig->out[1]->sinkpad, chain);
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint n = 4; n < 100 && flow == GST_FLOW_OK; n++) {
    flow = rig_push (rig, rig_frame (n));
    g_usleep (5000);
  }
  g_assert_cmpint (flow, ==, expected);
  rig_free (rig);
}

/* what becomes of the last frames upstream cannot hear any more: the element itself says that they arrived nowhere, unless upstream heard of it after all */
static void
test_refused_at_the_end (void)
{
  for (int heard = 0; heard < 2; heard++) {
    Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
    GstFlowReturn flow = GST_FLOW_OK;

    rig_set_caps (rig, RIG_CAPS);
    gst_pad_set_chain_function (rig->out[0]->sinkpad, answer_not_linked);
    for (guint n = 0; n < (heard ? 10000 : 1) && flow == GST_FLOW_OK; n++) {
      flow = rig_push (rig, rig_frame (n));
      g_usleep (1000);
    }
    g_assert_cmpint (flow, ==, heard ? GST_FLOW_NOT_LINKED : GST_FLOW_OK);
    gst_harness_push_event (rig->in, gst_event_new_eos ());
    gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_EOS));
    if (!heard)
      fixture_expect_error (rig->bus, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "data stream");
    g_autoptr (GstMessage) more = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_ERROR);
    g_assert_null (more);
    rig_free (rig);
  }
}

static void
test_branch_at_eos (void)
{
  check_branch_that_stops (answer_eos, GST_FLOW_EOS);
}

/* a branch that had enough, and then is another, or gets another stream, takes frames again, in the caps of then */
static void
test_branch_after_eos (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  GstPadChainFunction chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  for (int again = 0; again < 2; again++) {
    guint n = 10 * again;

    gst_pad_set_chain_function (rig->out[0]->sinkpad, answer_eos);
    for (guint i = 0; i < 2; i++) {
      rig_push (rig, again ? large_frame (n) : rig_frame (n));
      gst_buffer_unref (rig_pull (rig, 1));
    }
    gst_pad_set_chain_function (rig->out[0]->sinkpad, chain);
    rig_set_caps (rig, LARGE_CAPS);
    if (again) {
      gst_harness_push_event (rig->in, gst_event_new_stream_start ("another"));
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
    } else {
      gst_harness_push_upstream_event (rig->out[0], gst_event_new_reconfigure ());
    }
    g_assert_cmpint (rig_push (rig, large_frame (n + 2)), ==, GST_FLOW_OK);
    for (int pad = 0; pad < 2; pad++) {
      g_autoptr (GstBuffer) picture = rig_pull (rig, pad);
      g_assert_cmpuint (gst_buffer_get_size (picture), >=, 301 * 203 * (pad ? 3 : 1));
      expect_size (rig->out[pad], 301, 203);
    }
    rig_set_caps (rig, again ? LARGE_CAPS : RIG_CAPS);
  }
  rig_free (rig);
}

static void
test_branch_not_linked (void)
{
  check_branch_that_stops (answer_not_linked, GST_FLOW_NOT_LINKED);
}

/* a pad that comes while playing is told all that the others know, then gets frames; and may go again */
static void
test_pad_added_while_playing (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  static const GstEventType expected[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_TAG };

  rig_set_caps (rig, RIG_CAPS);
  gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a room", NULL)));
  rig_push (rig, rig_frame (0));
  rig_expect_picture (rig, 0, 0);

  int added = rig_add_pad (rig, "depth", "raw");
  rig_push (rig, rig_frame (1));
  rig_expect_picture (rig, 0, 1);
  rig_expect_picture (rig, added, 1);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (rig->out[added]);
    g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (expected[i]));
  }

  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_depth");
  gst_element_release_request_pad (rig->element, pad);
  for (guint n = 2; n < 5; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  rig_free (rig);
}

static gint stopped; /* atomic: what became of the state change + 1000 */

static GstPadProbeReturn
stop_from_a_push (GstPad *pad, GstPadProbeInfo *info, gpointer element)
{
  g_atomic_int_set (&stopped, 1000 + gst_element_set_state (element, GST_STATE_READY));
  return GST_PAD_PROBE_REMOVE;
}

/* a program that stops the element on the element's own thread, as it must not, is told so and lives; as with GStreamer's own threads */
static void
test_stopped_from_a_push (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");

  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*its own thread*");
  rig_set_caps (rig, RIG_CAPS);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, stop_from_a_push, rig->element, NULL);
  rig_push (rig, rig_frame (0));
  for (guint i = 0; i < 60000 && !g_atomic_int_get (&stopped); i++)
    g_usleep (1000);
  g_assert_cmpint (g_atomic_int_get (&stopped), ==, 1000 + GST_STATE_CHANGE_FAILURE);
  g_test_assert_expected_messages ();
  rig_expect_picture (rig, 0, 0);
  g_assert_cmpint (rig_push (rig, rig_frame (1)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 1);
  rig_free (rig);
}

static GstPadProbeReturn
note_thread (GstPad *pad, GstPadProbeInfo *info, gpointer thread)
{
  g_atomic_pointer_set ((gpointer *) thread, g_thread_self ());
  return GST_PAD_PROBE_OK;
}

/* Takes the next message of the kind off the bus; returns the thread that it is about. */
static gpointer
expect_status (Rig *rig, GstStreamStatusType expected)
{
  g_autoptr (GstMessage) message = fixture_message (rig->bus, GST_MESSAGE_STREAM_STATUS);
  const GValue *thread = gst_message_get_stream_status_object (message);
  GstStreamStatusType type;
  GstElement *owner;

  gst_message_parse_stream_status (message, &type, &owner);
  g_assert_cmpint (type, ==, expected);
  g_assert_true (owner == rig->element);
  g_assert_true (G_VALUE_HOLDS (thread, G_TYPE_THREAD));
  return g_value_get_boxed (thread);
}

/* programs hear of the thread that pushes, as of any streaming thread */
static void
test_stream_status (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");
  gpointer pushes = NULL;

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, note_thread, &pushes, NULL);
  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, rig_frame (0));
  rig_expect_picture (rig, 0, 0);
  g_assert_true (expect_status (rig, GST_STREAM_STATUS_TYPE_ENTER) == g_atomic_pointer_get (&pushes));
  gst_element_set_state (rig->element, GST_STATE_READY);
  expect_status (rig, GST_STREAM_STATUS_TYPE_LEAVE);
  rig_free (rig);
}

/* the session is kept in READY, and made anew only when the settings say so; what was done is counted from PAUSED on */
static void
test_ready_and_back (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  for (guint round = 0; round < 3; round++) {
    rig_set_caps (rig, RIG_CAPS);
    for (guint n = 0; n < 3; n++) {
      g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
      rig_expect_picture (rig, 0, n);
    }
    g_object_set (rig->element, "max-in-flight", 1 + round, NULL);
    g_assert_cmpint (rig_push (rig, rig_frame (3)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, 3);
    g_assert_cmpuint (get_stat (rig, "frames"), ==, 4);
    gst_element_set_state (rig->element, GST_STATE_READY);
    g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpuint (get_stat (rig, "frames"), ==, 0);
    gst_harness_push_event (rig->in, gst_event_new_stream_start ("again"));
  }
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/stream/both-pads", test_both_pads);
  g_test_add_func ("/element/stream/a-single-frame-leaves-at-once", test_a_single_frame_leaves_at_once);
  g_test_add_func ("/element/stream/no-pads", test_no_pads);
  g_test_add_func ("/element/stream/no-linked-pads", test_no_linked_pads);
  g_test_add_func ("/element/stream/events-in-order", test_events_in_order);
  g_test_add_func ("/element/stream/events-between-frames", test_events_between_frames);
  g_test_add_func ("/element/stream/nothing-but-events", test_nothing_but_events);
  g_test_add_func ("/element/stream/stream-ids", test_stream_ids);
  g_test_add_func ("/element/stream/caps-change", test_caps_change);
  g_test_add_func ("/element/stream/caps-change-interrupted", test_caps_change_interrupted);
  g_test_add_func ("/element/stream/caps-fields", test_caps_fields);
  g_test_add_func ("/element/stream/reconfigure", test_reconfigure);
  g_test_add_func ("/element/stream/view-changes-while-playing", test_view_changes_while_playing);
  g_test_add_func ("/element/stream/no-common-format", test_no_common_format);
  g_test_add_func ("/element/stream/flush", test_flush);
  g_test_add_func ("/element/stream/flush-unblocks", test_flush_unblocks);
  g_test_add_func ("/element/stream/flush-while-caps-change", test_flush_while_caps_change);
  g_test_add_func ("/element/stream/flush-from-a-push", test_flush_from_a_push);
  g_test_add_func ("/element/stream/refused-at-the-end", test_refused_at_the_end);
  g_test_add_func ("/element/stream/branch-at-eos", test_branch_at_eos);
  g_test_add_func ("/element/stream/branch-after-eos", test_branch_after_eos);
  g_test_add_func ("/element/stream/branch-not-linked", test_branch_not_linked);
  g_test_add_func ("/element/stream/pad-added-while-playing", test_pad_added_while_playing);
  g_test_add_func ("/element/stream/field-order", test_field_order);
  g_test_add_func ("/element/stream/stopped-from-a-push", test_stopped_from_a_push);
  g_test_add_func ("/element/stream/stream-status", test_stream_status);
  g_test_add_func ("/element/stream/ready-and-back", test_ready_and_back);
  return fixture_run ();
}
