/* Time: frames that would come too late, latency, results that are shown again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

#include <string.h>

/* the sink behind @pad says that the frame at 200 ms came @jitter late, or early, where that is below 0 */
static void
tell_jitter (Rig *rig, int pad, GstClockTimeDiff jitter)
{
  g_assert_true (gst_harness_push_upstream_event (rig->out[pad],
      gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.5, jitter, 200 * GST_MSECOND)));
}

/* 100 ms late: frames that end by 400 ms are of no use to it */
static void
complain (Rig *rig, int pad)
{
  tell_jitter (rig, pad, 100 * GST_MSECOND);
}

static void
push_frames (Rig *rig, guint from, guint to)
{
  for (guint n = from; n < to; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
}

static void
expect_frames (Rig *rig, int pad, guint from, guint to)
{
  for (guint n = from; n < to; n++) {
    g_autoptr (GstBuffer) picture = rig_pull (rig, pad);
    g_assert_cmpuint (GST_BUFFER_PTS (picture), ==, n * 40 * GST_MSECOND);
    g_assert_cmpint (GST_BUFFER_FLAG_IS_SET (picture, GST_BUFFER_FLAG_DISCONT), ==, n == from && from > 0);
  }
}

static guint64
get_dropped (Rig *rig)
{
  GstStructure *stats;
  guint64 dropped;

  g_object_get (rig->element, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "dropped", &dropped);
  gst_structure_free (stats);
  return dropped;
}

static void
test_late_frames_are_dropped (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstFormat format;
  guint64 processed, dropped, running;
  gint64 jitter;

  rig_set_caps (rig, RIG_CAPS);
  complain (rig, 0);
  g_autoptr (GstEvent) forwarded = gst_harness_pull_upstream_event (rig->in);
  while (GST_EVENT_TYPE (forwarded) != GST_EVENT_QOS) {
    gst_event_unref (forwarded);
    forwarded = gst_harness_pull_upstream_event (rig->in);
  }
  push_frames (rig, 0, 14);
  expect_frames (rig, 0, 10, 14);
  g_assert_cmpuint (get_dropped (rig), ==, 10);

  for (guint n = 0; n < 10; n++) {
    g_autoptr (GstMessage) message = fixture_message (rig->bus, GST_MESSAGE_QOS);
    gst_message_parse_qos (message, NULL, &running, NULL, NULL, NULL);
    gst_message_parse_qos_values (message, &jitter, NULL, NULL);
    gst_message_parse_qos_stats (message, &format, &processed, &dropped);
    g_assert_cmpuint (running, ==, n * 40 * GST_MSECOND);
    g_assert_cmpint (jitter, ==, (400 - (gint64) n * 40) * GST_MSECOND);
    g_assert_cmpint (format, ==, GST_FORMAT_BUFFERS);
    g_assert_cmpuint (dropped, ==, n + 1);
  }

  /* a flush forgets */
  complain (rig, 0);
  gst_harness_push_event (rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (rig->in, gst_event_new_flush_stop (TRUE));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  push_frames (rig, 0, 3);
  expect_frames (rig, 0, 0, 3);
  rig_free (rig);
}

/* what one branch has no time for, another may want */
static void
test_frames_that_one_branch_wants (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  complain (rig, 0);
  push_frames (rig, 0, 3);
  expect_frames (rig, 0, 0, 3);
  expect_frames (rig, 1, 0, 3);
  g_assert_cmpuint (get_dropped (rig), ==, 0);
  complain (rig, 1);
  push_frames (rig, 3, 5);
  g_assert_cmpuint (get_dropped (rig), ==, 2);
  rig_free (rig);
}

/* a sink that gets its frames early has no use for older ones: those that end by 160 ms, where the frame at 200 ms came 40 ms early */
static void
test_early (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  tell_jitter (rig, 0, -40 * GST_MSECOND);
  push_frames (rig, 0, 6);
  expect_frames (rig, 0, 4, 6);
  g_assert_cmpuint (get_dropped (rig), ==, 4);
  rig_free (rig);
}

/* where all complain, the one that is least late decides, whichever that is: its 20 ms are caught up with at 240 ms */
static void
test_least_late_decides (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (int least = 0; least < 2; least++) {
    gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
    tell_jitter (rig, least, 20 * GST_MSECOND);
    tell_jitter (rig, !least, 100 * GST_MSECOND);
    push_frames (rig, 0, 8);
    expect_frames (rig, 0, 6, 8);
    expect_frames (rig, 1, 6, 8);
    g_assert_cmpuint (get_dropped (rig), ==, 6 * (least + 1));
  }
  rig_free (rig);
}

/* what ends by 280 ms is late in running time: of frames of 40 ms three at half the speed, 14 at twice, and backwards from 400 ms those from the tenth
 * to the fourth */
static void
test_rates (void)
{
  static const struct
  {
    double rate;
    guint dropped;
    gint first, step; /* the first frame that is pushed, and from there to the next */
  } rows[] = { { 0.5, 3, 0, 1 }, { 2, 14, 0, 1 }, { -1, 7, 9, -1 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
    gint last = rows[i].first + rows[i].step * (gint) rows[i].dropped;
    GstSegment segment;

    rig_set_caps (rig, RIG_CAPS);
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.rate = rows[i].rate;
    segment.stop = rows[i].rate < 0 ? 400 * GST_MSECOND : GST_CLOCK_TIME_NONE;
    gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
    tell_jitter (rig, 0, 40 * GST_MSECOND);
    for (gint n = rows[i].first; n != last + rows[i].step; n += rows[i].step)
      g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, last);
    g_assert_cmpuint (get_dropped (rig), ==, rows[i].dropped);
    rig_free (rig);
  }
}

/* a sink that wants a frame in a while says for how long it wants none: those that end by 300 ms, where it takes one every 100 ms and had that at 200 ms */
static void
test_throttle (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_true (gst_harness_push_upstream_event (rig->out[0], gst_event_new_qos (GST_QOS_TYPE_THROTTLE, 1.5, 100 * GST_MSECOND, 200 * GST_MSECOND)));
  push_frames (rig, 0, 9);
  expect_frames (rig, 0, 7, 9);
  g_assert_cmpuint (get_dropped (rig), ==, 7);
  rig_free (rig);
}

/* the jitter of the QoS events that upstream got since the last call, in ms and added up; each is taken off */
static gint64
forwarded_jitter (Rig *rig)
{
  GstClockTimeDiff jitter;
  gint64 sum = 0;
  GstEvent *event;

  while ((event = gst_harness_try_pull_upstream_event (rig->in))) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
      gst_event_parse_qos (event, NULL, NULL, &jitter, NULL);
      sum += jitter / (gint64) GST_MSECOND;
    }
    gst_event_unref (event);
  }
  return sum;
}

/* upstream, which may skip frames for all, hears of lateness when all branches are late, and then of the least */
static void
test_forwarded (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  tell_jitter (rig, 0, 100 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, 0);
  tell_jitter (rig, 1, 20 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, 20);
  tell_jitter (rig, 0, 90 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, 0);
  tell_jitter (rig, 0, -40 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, -40);
  /* one that nobody listens to any more has no say */
  gst_harness_push_event (rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (rig->in, gst_event_new_flush_stop (TRUE));
  tell_jitter (rig, 1, 50 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, 0);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation"), peer = gst_pad_get_peer (pad);
  g_assert_true (gst_pad_unlink (pad, peer));
  tell_jitter (rig, 1, 60 * GST_MSECOND);
  g_assert_cmpint (forwarded_jitter (rig), ==, 60);
  rig_free (rig);
}

static void
test_qos_off (void)
{
  Rig *rig = rig_new ("qos=false", "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  complain (rig, 0);
  push_frames (rig, 0, 3);
  expect_frames (rig, 0, 0, 3);
  g_assert_cmpuint (get_dropped (rig), ==, 0);
  rig_free (rig);
}

static void
test_latency (void)
{
  Rig *rig = rig_new ("max-in-flight=1", "segmentation", "raw", NULL);

  gst_harness_set_upstream_latency (rig->in, 10 * GST_MSECOND);
  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpuint (gst_harness_query_latency (rig->out[0]), ==, 10 * GST_MSECOND);
  push_frames (rig, 0, 8);
  expect_frames (rig, 0, 0, 8);
  gst_message_unref (fixture_message (rig->bus, GST_MESSAGE_LATENCY));

  GstClockTime one = gst_harness_query_latency (rig->out[0]) - 10 * GST_MSECOND;
  g_assert_cmpuint (one, >, 0);
  g_object_set (rig->element, "max-in-flight", 4, NULL);
  GstClockTime four = gst_harness_query_latency (rig->out[0]) - 10 * GST_MSECOND;
  g_assert_cmpuint (four, >=, 4 * one - 4);
  g_assert_cmpuint (four, <=, 4 * one + 4);
  rig_free (rig);
}

static GstPadQueryFunction harness_query;

static gboolean
answer_live (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return harness_query (pad, parent, query);
  gst_query_set_latency (query, TRUE, 10 * GST_MSECOND, 20 * GST_MSECOND);
  return TRUE;
}

/* frames in flight are kept here, which adds to what upstream may wait with as it adds to what it has to */
static void
test_live_latency (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  harness_query = GST_PAD_QUERYFUNC (rig->in->srcpad);
  gst_pad_set_query_function (rig->in->srcpad, answer_live);
  rig_set_caps (rig, RIG_CAPS);
  push_frames (rig, 0, 3);
  expect_frames (rig, 0, 0, 3);
  g_assert_true (gst_pad_peer_query (rig->out[0]->sinkpad, query));
  gst_query_parse_latency (query, &live, &min, &max);
  g_assert_true (live);
  g_assert_cmpuint (min, >, 10 * GST_MSECOND);
  g_assert_cmpuint (max - min, ==, 10 * GST_MSECOND);
  gst_query_unref (query);
  rig_free (rig);
}

/* frame @n in one colour */
static GstBuffer *
plain_frame (guint n, guint8 value)
{
  GstBuffer *frame = rig_frame (n);

  gst_buffer_memset (frame, 0, value, -1);
  return frame;
}

static gboolean
same_bytes (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo map;

  gst_buffer_map (a, &map, GST_MAP_READ);
  gboolean same = map.size == gst_buffer_get_size (b) && gst_buffer_memcmp (b, 0, map.data, map.size) == 0;
  gst_buffer_unmap (a, &map);
  return same;
}

/* every third frame is looked at; the two after it show its normals again */
static void
test_interval (void)
{
  Rig *rig = rig_new ("interval=2", "normal", "raw", NULL);
  GstBuffer *pictures[6];

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 6; n++) {
    g_assert_cmpint (rig_push (rig, plain_frame (n, 40 * n)), ==, GST_FLOW_OK);
    pictures[n] = rig_pull (rig, 0);
    g_assert_cmpuint (GST_BUFFER_PTS (pictures[n]), ==, n * 40 * GST_MSECOND);
  }
  g_assert_true (same_bytes (pictures[0], pictures[1]));
  g_assert_true (same_bytes (pictures[0], pictures[2]));
  g_assert_false (same_bytes (pictures[0], pictures[3]));
  g_assert_true (same_bytes (pictures[3], pictures[4]));
  g_assert_true (same_bytes (pictures[3], pictures[5]));
  for (guint n = 0; n < 6; n++)
    gst_buffer_unref (pictures[n]);
  rig_free (rig);
}

/* another stream or segment shows something else: what was found before it is not shown again, whatever the interval */
static void
test_interval_ends (void)
{
  static const GstEventType ends[] = { GST_EVENT_SEGMENT, GST_EVENT_STREAM_START };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++) {
    Rig *rig = rig_new ("interval=100", "normal", "raw", NULL);
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    rig_set_caps (rig, RIG_CAPS);
    g_assert_cmpint (rig_push (rig, plain_frame (0, 0)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) before = rig_pull (rig, 0);
    if (ends[i] == GST_EVENT_STREAM_START) {
      gst_harness_push_event (rig->in, gst_event_new_stream_start ("another"));
      rig_set_caps (rig, RIG_CAPS);
    } else {
      gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
    }
    g_assert_cmpint (rig_push (rig, plain_frame (0, 200)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) after = rig_pull (rig, 0);
    g_assert_false (same_bytes (before, after));
    rig_free (rig);
  }
}

/* how many frames may be in flight changes when they leave, not what they show */
static void
test_in_flight_changes_nothing (void)
{
  GstBuffer *pictures[8][6];
  static const guint in_flight[] = { 1, 2, 8 };

  for (guint i = 0; i < G_N_ELEMENTS (in_flight); i++) {
    g_autofree char *properties = g_strdup_printf ("max-in-flight=%u", in_flight[i]);
    Rig *rig = rig_new (properties, "normal", "overlay", NULL);

    rig_set_caps (rig, RIG_CAPS);
    push_frames (rig, 0, 6);
    for (guint n = 0; n < 6; n++) {
      pictures[i][n] = rig_pull (rig, 0);
      g_assert_true (same_bytes (pictures[0][n], pictures[i][n]));
    }
    rig_free (rig);
  }
  for (guint i = 0; i < G_N_ELEMENTS (in_flight); i++)
    for (guint n = 0; n < 6; n++)
      gst_buffer_unref (pictures[i][n]);
}

/* opacity, controlled, follows stream time, which frames from 0 on begin here at 160 ms: 0 at the first shows the frame, 1 at the last the colours */
static void
test_controlled_opacity (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "overlay", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");
  GstControlSource *source = gst_interpolation_control_source_new ();
  GstTimedValueControlSource *values = GST_TIMED_VALUE_CONTROL_SOURCE (source);
  GstSegment segment;

  g_object_set (source, "mode", GST_INTERPOLATION_MODE_LINEAR, NULL);
  gst_timed_value_control_source_set (values, 160 * GST_MSECOND, 0);
  gst_timed_value_control_source_set (values, 320 * GST_MSECOND, 1);
  gst_object_add_control_binding (GST_OBJECT (pad),
      gst_direct_control_binding_new_absolute (GST_OBJECT (pad), "opacity", source));
  gst_object_unref (source);

  rig_set_caps (rig, RIG_CAPS);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.time = 160 * GST_MSECOND;
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  for (guint n = 0; n < 5; n++) {
    GstMapInfo map;

    g_assert_cmpint (rig_push (rig, plain_frame (n, 255)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
    gst_buffer_map (picture, &map, GST_MAP_READ);
    /* every class of the model has a channel that is 0x2d */
    guint8 least = 255;
    for (guint c = 0; c < 3; c++)
      least = MIN (least, map.data[c]);
    g_assert_cmpint (ABS (least - (255 - (int) n * (255 - 0x2d) / 4)), <=, 1);
    gst_buffer_unmap (picture, &map);
  }
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/timing/late-frames-are-dropped", test_late_frames_are_dropped);
  g_test_add_func ("/element/timing/frames-that-one-branch-wants", test_frames_that_one_branch_wants);
  g_test_add_func ("/element/timing/early", test_early);
  g_test_add_func ("/element/timing/least-late-decides", test_least_late_decides);
  g_test_add_func ("/element/timing/rates", test_rates);
  g_test_add_func ("/element/timing/throttle", test_throttle);
  g_test_add_func ("/element/timing/forwarded", test_forwarded);
  g_test_add_func ("/element/timing/qos-off", test_qos_off);
  g_test_add_func ("/element/timing/latency", test_latency);
  g_test_add_func ("/element/timing/live-latency", test_live_latency);
  g_test_add_func ("/element/timing/interval", test_interval);
  g_test_add_func ("/element/timing/interval-ends", test_interval_ends);
  g_test_add_func ("/element/timing/in-flight-changes-nothing", test_in_flight_changes_nothing);
  g_test_add_func ("/element/timing/controlled-opacity", test_controlled_opacity);
  return fixture_run ();
}
