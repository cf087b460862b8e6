/* The element's buffers: their flags, times and metas, and where their memory comes from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <string.h>

/* flags, times and the metas that still hold */
static void
test_metas (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstBuffer *frame = rig_frame (7);
  g_autoptr (GstCaps) clock = gst_caps_new_empty_simple ("timestamp/x-test");

  rig_set_caps (rig, RIG_CAPS);
  GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_MARKER);
  GST_BUFFER_OFFSET (frame) = 7;
  gst_buffer_add_video_region_of_interest_meta (frame, "face", 1, 2, 3, 4);
  gst_buffer_add_reference_timestamp_meta (frame, clock, 1234, GST_CLOCK_TIME_NONE);
  rig_push (rig, frame);

  g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
  g_assert_true (GST_BUFFER_FLAG_IS_SET (picture, GST_BUFFER_FLAG_MARKER));
  g_assert_cmpuint (GST_BUFFER_PTS (picture), ==, 7 * 40 * GST_MSECOND);
  g_assert_nonnull (gst_buffer_get_video_region_of_interest_meta_id (picture, 0));
  g_assert_nonnull (gst_buffer_get_reference_timestamp_meta (picture, NULL));
  rig_free (rig);
}

/* a meta of a program's own survives where what its tags say it hangs on is the picture's, too: its size, but not its colours */
static void
test_custom_metas (void)
{
  static const struct
  {
    const char *name, *tag;
    gboolean survives;
  } rows[] = {
    { "nddr-test-plain", NULL, TRUE },
    { "nddr-test-size", GST_META_TAG_VIDEO_SIZE_STR, TRUE },
    { "nddr-test-colours", GST_META_TAG_VIDEO_COLORSPACE_STR, FALSE },
  };
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  GstBuffer *frame = rig_frame (0);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *tags[] = { GST_META_TAG_VIDEO_STR, rows[i].tag, NULL };

    gst_meta_register_custom (rows[i].name, tags, NULL, NULL, NULL);
    gst_buffer_add_custom_meta (frame, rows[i].name);
  }
  rig_set_caps (rig, RIG_CAPS);
  rig_push (rig, frame);
  g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (gst_buffer_get_custom_meta (picture, rows[i].name) != NULL, ==, rows[i].survives);
  rig_free (rig);
}

/* what the sink proposes, and whose buffers a branch gets */
static void
test_allocation (void)
{
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string (RIG_CAPS);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);

  g_assert_true (gst_pad_peer_query (rig->in->srcpad, query));
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);

  /* without GstVideoMeta downstream, lines lie as the caps imply; with it, wherever the pool puts them */
  for (int with_meta = 0; with_meta < 2; with_meta++) {
    if (with_meta)
      gst_harness_add_propose_allocation_meta (rig->out[0], GST_VIDEO_META_API_TYPE, NULL);
    rig_set_caps (rig, with_meta ? "video/x-raw,format=RGB,width=13,height=3,framerate=25/1"
                                 : "video/x-raw,format=RGB,width=15,height=3,framerate=25/1");
    g_autoptr (GstCaps) in_caps = gst_pad_get_current_caps (rig->in->srcpad);
    GstVideoInfo info;
    gst_video_info_from_caps (&info, in_caps);
    g_assert_cmpint (rig_push (rig, fixture_frame (&info, 1, 5)), ==, GST_FLOW_OK);
    g_autoptr (GstBuffer) picture = rig_pull (rig, 0);
    g_assert_nonnull (picture->pool);
    if (!with_meta)
      g_assert_cmpuint (gst_buffer_get_size (picture), ==, info.size);
  }
  rig_free (rig);
}

static GstPadQueryFunction harness_query;
static GstBufferPool *offered_pool;
static guint offered_max;

static gboolean
offer_pool (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return harness_query (pad, parent, query);
  gst_query_add_allocation_pool (query, offered_pool, 24 * 16 * 4, 2, offered_max);
  return TRUE;
}

/* What follows @rig's first pad offers @pool, of at most @max buffers; 0: of any number. */
static void
offer (Rig *rig, GstBufferPool *pool, guint max)
{
  offered_pool = pool;
  offered_max = max;
  harness_query = GST_PAD_QUERYFUNC (rig->out[0]->sinkpad);
  gst_pad_set_query_function (rig->out[0]->sinkpad, offer_pool);
}

typedef GstBufferPool FailingPool;
typedef GstBufferPoolClass FailingPoolClass;
GType failing_pool_get_type (void);
G_DEFINE_TYPE (FailingPool, failing_pool, GST_TYPE_BUFFER_POOL)

static GstFlowReturn
fail_to_acquire (GstBufferPool *pool, GstBuffer **buffer, GstBufferPoolAcquireParams *params)
{
  return GST_FLOW_ERROR;
}

static void
failing_pool_class_init (FailingPoolClass *klass)
{
  GST_BUFFER_POOL_CLASS (klass)->acquire_buffer = fail_to_acquire;
}

static void
failing_pool_init (FailingPool *pool)
{
}

/* a pool that has no buffer ends the stream with an error that says so */
static void
test_failing_pool (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstBufferPool) pool = gst_object_ref_sink (g_object_new (failing_pool_get_type (), NULL));

  offer (rig, pool, 0);
  rig_set_caps (rig, RIG_CAPS);
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint n = 0; n < 1000 && flow == GST_FLOW_OK; n++) {
    flow = rig_push (rig, rig_frame (n));
    g_usleep (2000);
  }
  g_assert_cmpint (flow, ==, GST_FLOW_ERROR);
  fixture_expect_error (rig->bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, "Pad src_segmentation has no buffer");
  rig_free (rig);
}

/* how long what must not block may take on a busy machine */
#define PATIENCE_US (60 * G_USEC_PER_SEC)

static gint finished;

static gpointer
flush (gpointer data)
{
  Rig *rig = data;

  gst_harness_push_event (rig->in, gst_event_new_flush_start ());
  gst_harness_push_event (rig->in, gst_event_new_flush_stop (TRUE));
  g_atomic_int_set (&finished, TRUE);
  return NULL;
}

static gpointer
go_to_ready (gpointer data)
{
  gst_element_set_state (((Rig *) data)->element, GST_STATE_READY);
  g_atomic_int_set (&finished, TRUE);
  return NULL;
}

/* Fails unless @what ends by itself. */
static void
expect_end (Rig *rig, GThreadFunc what)
{
  g_atomic_int_set (&finished, FALSE);
  GThread *thread = g_thread_new ("end", what, rig);
  for (gint64 end = g_get_monotonic_time () + PATIENCE_US; g_get_monotonic_time () < end && !g_atomic_int_get (&finished);)
    g_usleep (1000);
  g_assert_true (g_atomic_int_get (&finished));
  g_thread_join (thread);
}

/* a flush and READY end the wait for a buffer of a pool whose last one somebody downstream keeps */
static void
test_empty_pool (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstBufferPool) pool = gst_video_buffer_pool_new ();
  GstBuffer *kept[2];
  GstSegment segment;

  offer (rig, pool, G_N_ELEMENTS (kept));
  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < G_N_ELEMENTS (kept); n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    kept[n] = rig_pull (rig, 0);
    g_assert_true (kept[n]->pool == pool);
  }
  for (int ready = 0; ready < 2; ready++) {
    g_assert_cmpint (rig_push (rig, rig_frame (2)), ==, GST_FLOW_OK);
    g_assert_null (rig_try_pull (rig, 0, 200)); /* it waits; if it does not yet, nothing is tested */
    expect_end (rig, ready ? go_to_ready : flush);
    if (!ready) {
      gst_segment_init (&segment, GST_FORMAT_TIME);
      gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
    }
  }
  for (guint n = 0; n < G_N_ELEMENTS (kept); n++)
    gst_buffer_unref (kept[n]);
  rig_free (rig);
}

static GstPadProbeReturn
keep_blocked (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

/* so does unlinking the pad: the frames of others do not wait for buffers of somebody who is gone */
static void
test_unlinked_pool (void)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", "normal", "raw", NULL);
  g_autoptr (GstBufferPool) pool = gst_video_buffer_pool_new ();
  g_autoptr (GstPad) pad = gst_pad_get_peer (rig->out[0]->sinkpad);
  GstBuffer *kept[2];

  offer (rig, pool, G_N_ELEMENTS (kept));
  rig_set_caps (rig, RIG_CAPS);
  for (guint n = 0; n < G_N_ELEMENTS (kept); n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    kept[n] = rig_pull (rig, 0);
    rig_expect_picture (rig, 1, n);
  }
  g_assert_cmpint (rig_push (rig, rig_frame (2)), ==, GST_FLOW_OK);
  g_assert_null (rig_try_pull (rig, 1, 200)); /* it waits */
  g_assert_true (gst_pad_unlink (pad, rig->out[0]->sinkpad));
  rig_expect_picture (rig, 1, 2);
  g_assert_cmpint (rig_push (rig, rig_frame (3)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 1, 3);

  /* who is linked again has a pool, too: here, the same one */
  g_assert_cmpint (gst_pad_link (pad, rig->out[0]->sinkpad), ==, GST_PAD_LINK_OK);
  for (guint n = 0; n < G_N_ELEMENTS (kept); n++)
    gst_buffer_unref (kept[n]);
  g_assert_cmpint (rig_push (rig, rig_frame (4)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 4);
  rig_expect_picture (rig, 1, 4);
  rig_free (rig);
}

/* Before the pad itself hears that it was unlinked: links it again, and agrees with the same peer. */
static void
link_early (GstPad *pad, GstPad *peer, gpointer data)
{
  Rig *rig = data;

  g_assert_cmpint (gst_pad_link (pad, peer), ==, GST_PAD_LINK_OK);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
}

/* whoever is linked again is waited for again, whether the pad is told in time or not */
static void
test_relinked_pool (gconstpointer early)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);
  g_autoptr (GstBufferPool) pool = gst_video_buffer_pool_new ();
  g_autoptr (GstPad) pad = gst_pad_get_peer (rig->out[0]->sinkpad);
  GstPadLinkCheck quietly = GST_PAD_LINK_CHECK_DEFAULT | GST_PAD_LINK_CHECK_NO_RECONFIGURE;
  GstBuffer *kept[2];

  offer (rig, pool, G_N_ELEMENTS (kept));
  rig_set_caps (rig, RIG_CAPS);
  if (early)
    g_signal_connect (pad, "unlinked", G_CALLBACK (link_early), rig);
  g_assert_true (gst_pad_unlink (pad, rig->out[0]->sinkpad));
  g_signal_handlers_disconnect_by_func (pad, link_early, rig);
  if (!early)
    g_assert_cmpint (gst_pad_link_full (pad, rig->out[0]->sinkpad, quietly), ==, GST_PAD_LINK_OK);
  for (guint n = 0; n < G_N_ELEMENTS (kept); n++) {
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
    kept[n] = rig_pull (rig, 0);
    g_assert_true (kept[n]->pool == pool);
  }
  g_assert_cmpint (rig_push (rig, rig_frame (2)), ==, GST_FLOW_OK);
  g_assert_null (rig_try_pull (rig, 0, 200)); /* it waits */
  gst_buffer_unref (kept[0]);
  rig_expect_picture (rig, 0, 2);
  gst_buffer_unref (kept[1]);
  rig_free (rig);
}

/* who is linked to another while frames are in flight loses none */
static void
test_relinked (void)
{
  enum { FRAMES = 4 };
  Rig *rig = rig_new ("max-in-flight=4", "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_pad_get_peer (rig->out[0]->sinkpad);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  gulong probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, keep_blocked, NULL, NULL);
  for (guint n = 1; n <= FRAMES; n++)
    g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  while (!gst_pad_is_blocking (pad))
    g_usleep (1000);
  g_assert_true (gst_pad_unlink (pad, rig->out[0]->sinkpad));
  g_assert_cmpint (gst_pad_link (pad, rig->out[0]->sinkpad), ==, GST_PAD_LINK_OK);
  gst_pad_remove_probe (pad, probe);
  for (guint n = 1; n <= FRAMES; n++)
    rig_expect_picture (rig, 0, n);
  g_assert_cmpint (rig_push (rig, rig_frame (FRAMES + 1)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, FRAMES + 1);
  rig_free (rig);
}

typedef GstAllocator OwnAllocator;
typedef GstAllocatorClass OwnAllocatorClass;
GType own_allocator_get_type (void);
G_DEFINE_TYPE (OwnAllocator, own_allocator, GST_TYPE_ALLOCATOR)

static void
own_allocator_class_init (OwnAllocatorClass *klass)
{
}

static void
own_allocator_init (OwnAllocator *allocator)
{
  GST_OBJECT_FLAG_SET (allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

/* an allocator that gst_allocator_alloc () cannot use, of a device's memory for one: the pool is made without it */
static void
test_custom_allocator (void)
{
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);
  GstAllocator *allocator = gst_object_ref_sink (g_object_new (own_allocator_get_type (), NULL));

  gst_harness_set_propose_allocator (rig->out[0], gst_object_ref (allocator), NULL);
  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  rig_expect_picture (rig, 0, 0);
  rig_free (rig);
  gst_object_unref (allocator);
}

/* buffers that do not hold what their caps say are an error, not a crash */
static void
test_short_buffer (void)
{
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, gst_buffer_new_allocate (NULL, 100, NULL)), ==, GST_FLOW_ERROR);
  fixture_expect_error (rig->bus, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "24 x 16");
  rig_free (rig);
}

/* ... nor are those whose GstVideoMeta promises more than they have, at their end or, upside down, at their start */
static void
test_short_meta (void)
{
  static const struct { const char *format; gsize size, offsets[3]; gint strides[3]; gboolean fits; } cases[] = {
    { "RGBA", 24 * 16 * 4, { 0 }, { 24 * 4 }, TRUE },
    { "RGBA", 24 * 16 * 4 - 1, { 0 }, { 24 * 4 }, FALSE },
    { "RGBA", 100, { 0 }, { 24 * 4 }, FALSE },
    { "RGBA", 15 * 128 + 24 * 4, { 0 }, { 128 }, TRUE }, /* the last row has no padding behind it */
    { "RGBA", 15 * 128 + 24 * 4 - 1, { 0 }, { 128 }, FALSE },
    { "RGBA", 24 * 16 * 4, { 24 * 15 * 4 }, { -24 * 4 }, TRUE },
    { "RGBA", 24 * 16 * 4, { 24 * 14 * 4 }, { -24 * 4 }, FALSE },
    { "NV12", 24 * 24, { 0, 24 * 16 }, { 24, 24 }, TRUE },
    { "NV12", 24 * 24 - 1, { 0, 24 * 16 }, { 24, 24 }, FALSE },
    { "I420", 24 * 16 + 2 * 12 * 8, { 0, 24 * 16, 24 * 16 + 12 * 8 }, { 24, 12, 12 }, TRUE },
    { "I420", 24 * 16 + 2 * 12 * 8 - 1, { 0, 24 * 16, 24 * 16 + 12 * 8 }, { 24, 12, 12 }, FALSE },
    { "YUY2", 15 * 64 + 48, { 0 }, { 64 }, TRUE },
    { "YUY2", 15 * 64 + 47, { 0 }, { 64 }, FALSE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Rig *rig = rig_new (NULL, "normal", "raw", NULL);
    GstBuffer *frame = gst_buffer_new_allocate (NULL, cases[i].size, NULL);
    g_autofree char *caps = g_strdup_printf ("video/x-raw,format=%s,width=24,height=16,framerate=25/1", cases[i].format);
    GstVideoFormat format = gst_video_format_from_string (cases[i].format);
    gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
    gint strides[GST_VIDEO_MAX_PLANES] = { 0 };

    memcpy (offsets, cases[i].offsets, sizeof cases[i].offsets);
    memcpy (strides, cases[i].strides, sizeof cases[i].strides);
    gst_buffer_memset (frame, 0, 0, -1);
    gst_buffer_add_video_meta_full (frame, GST_VIDEO_FRAME_FLAG_NONE, format, 24, 16, gst_video_format_get_info (format)->n_planes, offsets, strides);
    rig_set_caps (rig, caps);
    g_assert_cmpint (rig_push (rig, frame), ==, cases[i].fits ? GST_FLOW_OK : GST_FLOW_ERROR);
    if (!cases[i].fits)
      fixture_expect_error (rig->bus, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "24 x 16");
    rig_free (rig);
  }
}

/* decoders' buffers may be larger than their pictures */
static void
test_padded_buffer (void)
{
  Rig *rig = rig_new (NULL, "normal", "raw", NULL), *plain = rig_new (NULL, "normal", "raw", NULL);
  GstBuffer *frame = rig_frame (3), *padded = gst_buffer_new_allocate (NULL, 32 * 4 * 20, NULL);
  gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 };
  gint strides[GST_VIDEO_MAX_PLANES] = { 32 * 4 };
  GstMapInfo from, to;

  gst_buffer_map (frame, &from, GST_MAP_READ);
  gst_buffer_map (padded, &to, GST_MAP_WRITE);
  memset (to.data, 77, to.size);
  for (int y = 0; y < 16; y++)
    memcpy (to.data + y * strides[0], from.data + y * 24 * 4, 24 * 4);
  gst_buffer_unmap (frame, &from);
  gst_buffer_unmap (padded, &to);
  gst_buffer_add_video_meta_full (padded, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGBA, 32, 20, 1, offsets, strides);
  rig_set_caps (rig, RIG_CAPS);
  rig_set_caps (plain, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, padded), ==, GST_FLOW_OK);
  g_assert_cmpint (rig_push (plain, frame), ==, GST_FLOW_OK);
  g_autoptr (GstBuffer) got = rig_pull (rig, 0), want = rig_pull (plain, 0);
  gst_buffer_map (want, &from, GST_MAP_READ);
  g_assert_cmpint (gst_buffer_memcmp (got, 0, from.data, from.size), ==, 0);
  gst_buffer_unmap (want, &from);
  rig_free (rig);
  rig_free (plain);
}

static gint stop_pushing; /* atomic */

/* Pushes frames until it is told to stop; the flow that ended it before. */
static gpointer
push_frames (gpointer rig)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint n = 0; !g_atomic_int_get (&stop_pushing) && (flow == GST_FLOW_OK || flow == GST_FLOW_NOT_LINKED); n++)
    flow = rig_push (rig, rig_frame (n));
  return GINT_TO_POINTER (flow == GST_FLOW_NOT_LINKED ? GST_FLOW_OK : flow);
}

/* A pad that is linked to somebody who wants other caps, while frames are in flight: these are lost, and the stream goes on. */
static void
test_relinked_otherwise (void)
{
  static const char *const views[] = { "raw", "map" };
  static const char *const bins[] = { "capsfilter caps=video/x-raw,format=GRAY8 ! fakesink sync=false async=false",
    "capsfilter caps=video/x-raw,format=RGBA ! fakesink sync=false async=false" };
  Rig *rig = rig_new ("max-in-flight=4", "segmentation", "raw", NULL);
  g_autoptr (GstPad) pad = gst_pad_get_peer (rig->out[0]->sinkpad);
  GstElement *bin[2];
  GstPad *sink[2];

  for (int i = 0; i < 2; i++) {
    bin[i] = gst_object_ref_sink (gst_parse_bin_from_description (bins[i], TRUE, NULL));
    gst_element_set_state (bin[i], GST_STATE_PLAYING);
    sink[i] = gst_element_get_static_pad (bin[i], "sink");
  }
  rig_set_caps (rig, RIG_CAPS);
  gst_pad_unlink (pad, rig->out[0]->sinkpad);
  gst_pad_link (pad, sink[0]);
  GThread *thread = g_thread_new ("frames", push_frames, rig);
  for (int i = 1; i <= 200; i++) {
    g_usleep (1000 + i * 677 % 8000); /* now between frames, now while it is agreed on what they are to be */
    gst_pad_unlink (pad, sink[(i - 1) % 2]);
    gst_util_set_object_arg (G_OBJECT (pad), "view", views[i % 2]);
    gst_pad_link (pad, sink[i % 2]);
  }
  g_atomic_int_set (&stop_pushing, TRUE);
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_OK);
  gst_pad_unlink (pad, sink[0]);
  gst_pad_link (pad, rig->out[0]->sinkpad);
  rig_free (rig);
  for (int i = 0; i < 2; i++) {
    gst_element_set_state (bin[i], GST_STATE_NULL);
    gst_object_unref (sink[i]);
    gst_object_unref (bin[i]);
  }
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/buffers/metas", test_metas);
  g_test_add_func ("/element/buffers/custom-metas", test_custom_metas);
  g_test_add_func ("/element/buffers/allocation", test_allocation);
  g_test_add_func ("/element/buffers/custom-allocator", test_custom_allocator);
  g_test_add_func ("/element/buffers/failing-pool", test_failing_pool);
  g_test_add_func ("/element/buffers/empty-pool", test_empty_pool);
  g_test_add_func ("/element/buffers/unlinked-pool", test_unlinked_pool);
  g_test_add_data_func ("/element/buffers/relinked-pool/early", "early", test_relinked_pool);
  g_test_add_data_func ("/element/buffers/relinked-pool/quietly", NULL, test_relinked_pool);
  g_test_add_func ("/element/buffers/relinked", test_relinked);
  g_test_add_func ("/element/buffers/relinked/otherwise", test_relinked_otherwise);
  g_test_add_func ("/element/buffers/short-buffer", test_short_buffer);
  g_test_add_func ("/element/buffers/short-meta", test_short_meta);
  g_test_add_func ("/element/buffers/padded-buffer", test_padded_buffer);
  return fixture_run ();
}
