/* Branches that come, go and change while frames flow.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <dlfcn.h>

/* a pad is added where none took frames: it gets those that follow */
static void
test_added_after_not_linked (void)
{
  Rig *rig = rig_new (NULL, NULL);
  g_autoptr (GstPad) unlinked = gst_element_request_pad_simple (rig->element, "src_normal");

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_NOT_LINKED);
  int added = rig_add_pad (rig, "segmentation", "raw");
  for (guint n = 1; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, added, n);
  }
  rig_free (rig);
}

/* the only linked pad goes: nobody takes frames, and upstream is told so; until somebody does */
static void
test_released_the_only_linked (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) unlinked = gst_element_request_pad_simple (rig->element, "src_normal");

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  g_autoptr (GstPad) linked = gst_element_get_static_pad (rig->element, "src_segmentation");
  gst_element_release_request_pad (rig->element, linked);
  for (guint n = 1; n < 3; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_NOT_LINKED);
  int added = rig_add_pad (rig, "depth", "raw");
  g_assert_cmpint (rig_push (rig, rig_frame (3)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, added, 3);
  rig_free (rig);
}

/* ---- a pad that goes while the element waits for the others, to take it in */

typedef struct
{
  GMutex lock;
  GCond cond;
  gboolean blocked, go;
} Gate;

static Gate gate;
static GstPadChainFunction harness_chain;

static void
pass_gate (void)
{
  g_mutex_lock (&gate.lock);
  gate.blocked = TRUE;
  g_cond_broadcast (&gate.cond);
  while (!gate.go)
    g_cond_wait (&gate.cond, &gate.lock);
  g_mutex_unlock (&gate.lock);
}

/* until somebody stands before it */
static void
wait_for_gate (void)
{
  g_mutex_lock (&gate.lock);
  while (!gate.blocked)
    g_cond_wait (&gate.cond, &gate.lock);
  g_mutex_unlock (&gate.lock);
}

static void
open_gate (void)
{
  g_mutex_lock (&gate.lock);
  gate.go = TRUE;
  g_cond_broadcast (&gate.cond);
  g_mutex_unlock (&gate.lock);
}

static GstFlowReturn
wait_then_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  pass_gate ();
  return harness_chain (pad, parent, buffer);
}

static gpointer
push_next (gpointer data)
{
  return GINT_TO_POINTER (rig_push (data, rig_frame (1)));
}

static void
test_released_while_negotiating (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  harness_chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);
  gst_pad_set_chain_function (rig->out[0]->sinkpad, wait_then_chain);
  rig_push (rig, rig_frame (0));
  wait_for_gate ();

  rig_add_pad (rig, "normal", "raw");
  GThread *thread = g_thread_new ("push", push_next, rig);
  g_usleep (200000); /* that it waits for the branch that is blocked; if it does not yet, nothing is tested */
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_normal");
  gst_element_release_request_pad (rig->element, pad);
  open_gate ();
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  rig_expect_picture (rig, 0, 1);
  rig_free (rig);
}

/* ---- a flush from within the push to one of two */

static Rig *flushed_rig;

static GstFlowReturn
flush_once (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_pad_set_chain_function (pad, harness_chain);
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_stop (TRUE));
  gst_buffer_unref (buffer);
  return GST_FLOW_FLUSHING;
}

/* @beside: (nullable): a pad that nothing is linked to, of which the element finds so after the flush */
static void
test_flush_from_a_push (gconstpointer beside)
{
  Rig *rig = flushed_rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  g_autoptr (GstPad) unlinked = beside ? gst_element_request_pad_simple (rig->element, beside) : NULL;
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  harness_chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);
  gst_pad_set_chain_function (rig->out[0]->sinkpad, flush_once);
  rig_push (rig, rig_frame (0));
  gst_event_unref (rig_pull_event (rig, 1, GST_EVENT_FLUSH_STOP));
  g_assert_null (rig_try_pull (rig, 1, 300)); /* what was before the flush */
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  for (guint n = 1; n < 3; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
    rig_expect_picture (rig, 1, n);
  }
  rig_free (rig);
}

/* ---- a flush from within the end of the stream, of which the others then hear nothing */

static GstPadProbeReturn
flush_at_eos (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (info->data) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  pass_gate (); /* until the push of the end upstream has returned, as a seek waits for */
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (flushed_rig->in, gst_event_new_flush_stop (TRUE));
  return GST_PAD_PROBE_DROP;
}

static void
test_flush_from_eos (void)
{
  Rig *rig = flushed_rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  GstSegment segment;

  rig_set_caps (rig, RIG_CAPS);
  gst_pad_add_probe (rig->out[0]->sinkpad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, flush_at_eos, NULL, NULL);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  rig_expect_picture (rig, 1, 0);
  gate.blocked = gate.go = FALSE;
  gst_harness_push_event (rig->in, gst_event_new_eos ());
  open_gate ();
  gst_event_unref (rig_pull_event (rig, 1, GST_EVENT_FLUSH_STOP));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  for (guint n = 1; n < 3; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
    rig_expect_picture (rig, 1, n);
  }
  rig_free (rig);
}

/* ---- a peer that offers the same pool whenever it is asked */

static GstPadQueryFunction harness_query;

static gboolean
offer_kept_pool (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstCaps *caps;
  GstVideoInfo info;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return harness_query (pad, parent, query);
  gst_query_parse_allocation (query, &caps, NULL);
  gst_video_info_from_caps (&info, caps);
  gst_query_add_allocation_pool (query, g_object_get_data (G_OBJECT (pad), "kept-pool"), info.size, 2, 0);
  return TRUE;
}

/* Makes @sink offer @pool, or one of its own (NULL); returns it, owned by @sink. */
static GstBufferPool *
keep_pool (GstPad *sink, GstBufferPool *pool)
{
  pool = pool ? gst_object_ref (pool) : gst_video_buffer_pool_new ();
  g_object_set_data_full (G_OBJECT (sink), "kept-pool", pool, gst_object_unref);
  if (GST_PAD_QUERYFUNC (sink) != offer_kept_pool)
    harness_query = GST_PAD_QUERYFUNC (sink);
  gst_pad_set_query_function (sink, offer_kept_pool);
  return pool;
}

/* Two branches of the same caps whose peers offer one pool between them, *pool. */
static Rig *
rig_with_one_pool (GstBufferPool **pool)
{
  Rig *rig = rig_new (NULL, "segmentation", "map", "normal", "map", NULL);

  *pool = keep_pool (rig->out[0]->sinkpad, NULL);
  keep_pool (rig->out[1]->sinkpad, *pool);
  rig_set_caps (rig, RIG_CAPS);
  return rig;
}

static void
test_same_pool (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstBufferPool *kept_pool = keep_pool (rig->out[0]->sinkpad, NULL);

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
    g_assert_true (picture->pool == kept_pool);
    gst_harness_push_upstream_event (rig->out[0], gst_event_new_reconfigure ());
  }
  rig_free (rig);
}

/* Two such peers change places: what one pad leaves is what the other agrees on. */
static void
test_swapped_pools (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "map", "normal", "map", NULL); /* of the same caps */
  g_autoptr (GstPad) segmentation = gst_element_get_static_pad (rig->element, "src_segmentation");
  g_autoptr (GstPad) normal = gst_element_get_static_pad (rig->element, "src_normal");
  GstPad *sinks[] = { rig->out[0]->sinkpad, rig->out[1]->sinkpad };
  GstBufferPool *pools[] = { keep_pool (sinks[0], NULL), keep_pool (sinks[1], NULL) };

  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < 6; n++) {
    if (n == 2 || n == 4) { /* there, and back */
      gst_pad_unlink (segmentation, sinks[n == 4]);
      gst_pad_unlink (normal, sinks[n == 2]);
      g_assert_cmpint (gst_pad_link (segmentation, sinks[n == 2]), ==, GST_PAD_LINK_OK);
      g_assert_cmpint (gst_pad_link (normal, sinks[n == 4]), ==, GST_PAD_LINK_OK);
    }
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    for (int i = 0; i < 2; i++) {
      g_autoptr (GstBuffer) picture = rig_pull (rig, i);
      g_assert_true (picture->pool == pools[i]);
    }
  }
  rig_free (rig);
}

/* A pad without its peer goes, whose pool another pad has now. */
static void
test_inherited_pool (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "map", "normal", "map", NULL);
  g_autoptr (GstPad) segmentation = gst_element_get_static_pad (rig->element, "src_segmentation");
  g_autoptr (GstPad) normal = gst_element_get_static_pad (rig->element, "src_normal");
  GstPad *sink = rig->out[0]->sinkpad;
  GstBufferPool *pool = keep_pool (sink, NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  rig_expect_picture (rig, 1, 0);
  gst_pad_unlink (segmentation, sink);
  gst_pad_unlink (normal, rig->out[1]->sinkpad);
  g_assert_cmpint (gst_pad_link (normal, sink), ==, GST_PAD_LINK_OK);
  for (guint n = 1; n < 5; n++) {
    if (n == 3) {
      gst_element_release_request_pad (rig->element, segmentation);
      g_clear_pointer (&segmentation, gst_object_unref);
    }
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
    g_assert_true (picture->pool == pool);
  }
  rig_free (rig);
}

/* One of two peers with one pool goes while the other is given a picture: that one loses the next at most. */
static void
test_shared_pool_released (void)
{
  GstBufferPool *pool;
  Rig *rig = rig_with_one_pool (&pool);

  gate.blocked = gate.go = FALSE;
  harness_chain = GST_PAD_CHAINFUNC (rig->out[1]->sinkpad);
  gst_pad_set_chain_function (rig->out[1]->sinkpad, wait_then_chain);
  for (guint n = 0; n < 2; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  wait_for_gate ();
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_segmentation");
  gst_element_release_request_pad (rig->element, pad);
  open_gate ();
  rig_expect_picture (rig, 1, 0);
  for (guint n = 2; n < 5; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) picture = rig_pull (rig, 1);
    g_assert_cmpuint (GST_BUFFER_PTS (picture), ==, n * 40 * GST_MSECOND);
    g_assert_true (GST_BUFFER_FLAG_IS_SET (picture, GST_BUFFER_FLAG_DISCONT) == (n == 2));
    g_assert_true (picture->pool == pool);
  }
  rig_free (rig);
}

/* One of two peers with one pool then offers another. */
static void
test_shared_pool (void)
{
  GstBufferPool *pool, *another = NULL;
  Rig *rig = rig_with_one_pool (&pool);

  for (guint n = 0; n < 4; n++) {
    if (n == 2) {
      another = keep_pool (rig->out[0]->sinkpad, NULL);
      gst_harness_push_upstream_event (rig->out[0], gst_event_new_reconfigure ());
    }
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) first = rig_pull (rig, 0), second = rig_pull (rig, 1);
    g_assert_true (first->pool == (another ? another : pool));
    g_assert_true (second->pool == pool);
  }
  rig_free (rig);
}

/* ---- what a branch said, and does not hold any more */

static GstFlowReturn answer;

static GstFlowReturn
give_answer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return answer;
}

/* Until upstream is told what the branch answered. */
static void
push_until (Rig *rig, GstFlowReturn expected)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint n = 0; n < 1000 && flow == GST_FLOW_OK; n++) {
    flow = rig_push (rig, rig_frame (n));
    g_usleep (2000);
  }
  g_assert_cmpint (flow, ==, expected);
}

static void
check_answer (GstFlowReturn said, GstEvent *upstream, GstEvent *downstream)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstPadChainFunction chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);

  rig_set_caps (rig, RIG_CAPS);
  answer = said;
  gst_pad_set_chain_function (rig->out[0]->sinkpad, give_answer);
  push_until (rig, said);
  gst_pad_set_chain_function (rig->out[0]->sinkpad, chain);
  g_assert_cmpint (rig_push (rig, rig_frame (1000)), ==, said);
  if (upstream)
    gst_harness_push_upstream_event (rig->out[0], upstream);
  if (downstream)
    gst_harness_push_event (rig->in, downstream);
  for (guint n = 1001; n < 1004; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  rig_free (rig);
}

/* a format that was refused is agreed on anew where the branch asks for that */
static void
test_not_negotiated (void)
{
  check_answer (GST_FLOW_NOT_NEGOTIATED, gst_event_new_reconfigure (), NULL);
}

/* a branch that had enough may want the next segment, as GstQueue does */
static void
test_segment_after_eos (void)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  check_answer (GST_FLOW_EOS, NULL, gst_event_new_segment (&segment));
}

static GstFlowReturn
wait_then_answer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  pass_gate ();
  return GST_FLOW_EOS;
}

static gpointer
push_segment (gpointer data)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (((Rig *) data)->in, gst_event_new_segment (&segment));
  return NULL;
}

/* the end of a segment that a branch finds with its last frame, while the next segment is on its way */
static void
test_segment_before_eos (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstPadChainFunction chain = GST_PAD_CHAINFUNC (rig->out[0]->sinkpad);

  rig_set_caps (rig, RIG_CAPS);
  gate.blocked = gate.go = FALSE;
  gst_pad_set_chain_function (rig->out[0]->sinkpad, wait_then_answer);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  wait_for_gate ();
  GThread *thread = g_thread_new ("segment", push_segment, rig);
  g_usleep (50000); /* a segment that does not wait for the frame has passed by then */
  gst_pad_set_chain_function (rig->out[0]->sinkpad, chain);
  open_gate ();
  g_thread_join (thread);
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "a room", NULL))));
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_TAG)); /* the frame's answer has been noted */
  for (guint n = 1; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  rig_free (rig);
}

/* ---- a pad that is linked, or unlinked, while the element looks whether it is: the program exports this, so that it stands before GStreamer's */

static GstPad *link_late, *link_to, *unlink_late;

gboolean
gst_pad_is_linked (GstPad *pad)
{
  gboolean (*next) (GstPad *) = (gboolean (*) (GstPad *)) dlsym (RTLD_NEXT, "gst_pad_is_linked");
  gboolean linked = next (pad);

  if (pad == link_late && !linked) {
    link_late = NULL;
    g_assert_cmpint (gst_pad_link (pad, link_to), ==, GST_PAD_LINK_OK);
  }
  if (pad == unlink_late && linked) {
    unlink_late = NULL;
    g_assert_true (gst_pad_unlink (pad, link_to));
  }
  return linked;
}

static gint arrived;

static GstFlowReturn
count_buffer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  g_atomic_int_inc (&arrived);
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static gboolean
take_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);
  return TRUE;
}

static void
test_linked_meanwhile (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstPad) added = gst_element_request_pad_simple (rig->element, "src_normal");
  g_autoptr (GstPad) sink = gst_object_ref_sink (gst_pad_new ("sink", GST_PAD_SINK));

  gst_pad_set_chain_function (sink, count_buffer);
  gst_pad_set_event_function (sink, take_event);
  gst_pad_set_active (sink, TRUE);
  rig_set_caps (rig, RIG_CAPS);
  link_to = sink;
  g_atomic_pointer_set (&link_late, added);
  for (guint n = 0; n < 5; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  g_assert_null (link_late);
  g_assert_true (gst_harness_push_event (rig->in, gst_event_new_eos ())); /* behind all frames */
  gst_event_unref (rig_pull_event (rig, 0, GST_EVENT_EOS));
  g_assert_cmpint (g_atomic_int_get (&arrived), >=, 3); /* but the one in which it was linked, and the one that finds it */
  gst_pad_unlink (added, sink);
  gst_pad_set_active (sink, FALSE);
  rig_free (rig);
}

/* … which is no matter of the others, whatever else changes for the same frame */
static void
test_unlinked_meanwhile (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_normal");

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  g_object_set (rig->element, "max-in-flight", 3, NULL);
  link_to = rig->out[1]->sinkpad;
  g_atomic_pointer_set (&unlink_late, pad);
  for (guint n = 1; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  g_assert_null (unlink_late);
  rig_free (rig);
}

/* who links without an event for it gets frames as others do */
static void
test_linked_quietly (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_normal");

  rig_set_caps (rig, RIG_CAPS);
  g_assert_true (gst_pad_unlink (pad, rig->out[1]->sinkpad));
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  GstPadLinkCheck quietly = GST_PAD_LINK_CHECK_DEFAULT | GST_PAD_LINK_CHECK_NO_RECONFIGURE;
  g_assert_cmpint (gst_pad_link_full (pad, rig->out[1]->sinkpad, quietly), ==, GST_PAD_LINK_OK);
  for (guint n = 1; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
    rig_expect_picture (rig, 1, n);
  }
  rig_free (rig);
}

static GstFlowReturn
leave (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);

  gst_pad_unlink (peer, pad);
  gst_buffer_unref (buffer);
  return GST_FLOW_FLUSHING;
}

/* a branch that is unlinked and shut down while a picture arrives there ends itself alone */
static void
test_unlinked_in_a_push (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_pad_set_chain_function (rig->out[1]->sinkpad, leave);
  for (guint n = 0; n < 4; n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    rig_expect_picture (rig, 0, n);
  }
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/branches/added-after-not-linked", test_added_after_not_linked);
  g_test_add_func ("/element/branches/released-the-only-linked", test_released_the_only_linked);
  g_test_add_func ("/element/branches/released-while-negotiating", test_released_while_negotiating);
  g_test_add_data_func ("/element/branches/flush-from-a-push", NULL, test_flush_from_a_push);
  g_test_add_data_func ("/element/branches/flush-from-a-push-beside-unlinked", "src_depth", test_flush_from_a_push);
  g_test_add_func ("/element/branches/flush-from-eos", test_flush_from_eos);
  g_test_add_func ("/element/branches/same-pool", test_same_pool);
  g_test_add_func ("/element/branches/swapped-pools", test_swapped_pools);
  g_test_add_func ("/element/branches/inherited-pool", test_inherited_pool);
  g_test_add_func ("/element/branches/shared-pool", test_shared_pool);
  g_test_add_func ("/element/branches/shared-pool-released", test_shared_pool_released);
  g_test_add_func ("/element/branches/not-negotiated", test_not_negotiated);
  g_test_add_func ("/element/branches/segment-after-eos", test_segment_after_eos);
  g_test_add_func ("/element/branches/segment-before-eos", test_segment_before_eos);
  g_test_add_func ("/element/branches/linked-meanwhile", test_linked_meanwhile);
  g_test_add_func ("/element/branches/unlinked-meanwhile", test_unlinked_meanwhile);
  g_test_add_func ("/element/branches/unlinked-in-a-push", test_unlinked_in_a_push);
  g_test_add_func ("/element/branches/linked-quietly", test_linked_quietly);
  return fixture_run ();
}
