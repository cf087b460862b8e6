/* Pads that come and go: their names, properties, caps and children.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <string.h>

static gboolean
can_request (GstElement *element, const char *name)
{
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (element, name);

  return pad != NULL;
}

static void
test_names_in_null (void)
{
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));

  /* there is no model to say which tasks there are */
  g_assert_true (can_request (element, "src_segmentation"));
  g_assert_true (can_request (element, "src_heat_map_2"));
  g_assert_false (can_request (element, "src_Normal"));
  g_assert_false (can_request (element, "src_2d"));
  g_assert_false (can_request (element, "src_a-b"));
  g_assert_false (can_request (element, "segmentation"));
  gst_object_unref (element);
}

static void
test_names_from_ready_on (void)
{
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));

  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_true (can_request (element, "src_normal"));
  g_assert_false (can_request (element, "src_heat_map"));
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_true (can_request (element, "src_heat_map"));
  gst_object_unref (element);
}

static void
test_task_that_the_model_lacks (void)
{
  GstElement *pipeline = gst_pipeline_new (NULL), *element = fixture_element (NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_bin_add (GST_BIN (pipeline), element);
  g_assert_true (can_request (element, "src_heat_map"));
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
  fixture_expect_error (bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "segmentation, normal, depth");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
test_links_without_a_name (void)
{
  static const char *const expected[] = { "src_segmentation", "src_normal", "src_depth" };
  GstElement *pipeline = gst_pipeline_new (NULL), *element = fixture_element (NULL);

  gst_bin_add (GST_BIN (pipeline), element);
  for (guint i = 0; i <= G_N_ELEMENTS (expected); i++) {
    GstElement *sink = gst_element_factory_make ("fakesink", NULL);

    gst_bin_add (GST_BIN (pipeline), sink);
    g_assert_cmpint (gst_element_link (element, sink), ==, i < G_N_ELEMENTS (expected));
    if (i < G_N_ELEMENTS (expected)) {
      g_autoptr (GstPad) pad = gst_element_get_static_pad (element, expected[i]);
      g_assert_true (pad && gst_pad_is_linked (pad));
    }
  }
  gst_object_unref (pipeline);
}

/* What takes no overlay gets no frames instead: a link without a name never means the pad src. */
static void
test_links_to_other_formats (void)
{
  GstElement *pipeline = gst_pipeline_new (NULL), *element = fixture_element (NULL), *next = gst_element_factory_make ("capsfilter", NULL);

  gst_util_set_object_arg (G_OBJECT (next), "caps", "video/x-raw,format=I420");
  gst_bin_add_many (GST_BIN (pipeline), element, next, NULL);
  g_assert_false (gst_element_link (element, next));
  g_assert_cmpuint (element->numsrcpads, ==, 0);
  g_assert_true (gst_element_link_pads (element, "src", next, "sink"));
  gst_object_unref (pipeline);
}

static void
on_child (GstChildProxy *proxy, GObject *child, const char *name, gpointer data)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (GST_ELEMENT (proxy), name);

  if (GST_OBJECT_PARENT (child)) {
    g_assert_true (G_OBJECT (pad) == child);
    ++*(int *) data;
  } else {
    g_assert_null (pad);
    --*(int *) data;
  }
}

static void
test_children (void)
{
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));
  int children = 0, view;
  double opacity;

  g_signal_connect (element, "child-added", G_CALLBACK (on_child), &children);
  g_signal_connect (element, "child-removed", G_CALLBACK (on_child), &children);
  GstPad *pad = gst_element_request_pad_simple (element, "src_normal");
  g_assert_cmpint (children, ==, 1);
  g_assert_cmpint (gst_child_proxy_get_children_count (GST_CHILD_PROXY (element)), ==, 1);

  gst_child_proxy_set (GST_CHILD_PROXY (element), "src_normal::view", 2, "src_normal::opacity", 0.25, NULL);
  gst_child_proxy_get (GST_CHILD_PROXY (element), "src_normal::view", &view, "src_normal::opacity", &opacity, NULL);
  g_assert_cmpint (view, ==, 2);
  g_assert_cmpfloat (opacity, ==, 0.25);

  gst_element_release_request_pad (element, pad);
  gst_object_unref (pad);
  g_assert_cmpint (children, ==, 0);
  g_assert_cmpint (gst_child_proxy_get_children_count (GST_CHILD_PROXY (element)), ==, 0);
  gst_object_unref (element);
}

/* gst-launch sets a pad's properties when it sees the pad */
static void
test_launch_syntax (void)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (
      "nddrcnn name=n src_segmentation::view=raw src_normal::opacity=1.0 n.src_segmentation ! fakesink  n.src_normal ! fakesink",
      &error);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "n");
  int view;
  double opacity;

  g_assert_no_error (error);
  gst_child_proxy_get (GST_CHILD_PROXY (element), "src_segmentation::view", &view, "src_normal::opacity", &opacity, NULL);
  g_assert_cmpint (view, ==, 2);
  g_assert_cmpfloat (opacity, ==, 1);
  gst_object_unref (pipeline);
}

static int views_logged, frames_logged;

static void
count_views (GstDebugCategory *category, GstDebugLevel level, const char *file, const char *function, int line,
    GObject *object, GstDebugMessage *message, gpointer data)
{
  const char *text = gst_debug_message_get (message);

  if (level == GST_LEVEL_INFO && GST_IS_PAD (object) && strstr (text, "view=raw"))
    g_atomic_int_inc (&views_logged);
  if (level == GST_LEVEL_INFO && GST_IS_PAD (object) && strstr (text, "passes the frames"))
    g_atomic_int_inc (&frames_logged);
}

static void
test_views_are_logged (void)
{
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (element, "src_normal"), frames = gst_element_request_pad_simple (element, "src");

  gst_util_set_object_arg (G_OBJECT (pad), "view", "raw");
  gst_debug_set_threshold_from_string ("nddr*:4", FALSE);
  gst_debug_add_log_function (count_views, NULL, NULL);
  gst_element_set_state (element, GST_STATE_READY);
  gst_debug_remove_log_function (count_views);
  gst_debug_set_threshold_from_string ("nddr*:0", FALSE);
  g_assert_cmpint (views_logged, >=, 1);
  g_assert_cmpint (frames_logged, >=, 1);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
}

static gpointer
request_any (gpointer element)
{
  return gst_element_request_pad_simple (element, "src_%s");
}

static gboolean asks_meanwhile;
static GstPad *asked_meanwhile;

/* While one is asked for, which is said before it is there: asks for another, on a thread of its own.  Log functions cannot be removed from within one. */
static void
ask_meanwhile (GstDebugCategory *category, GstDebugLevel level, const gchar *file, const gchar *function, gint line, GObject *object,
    GstDebugMessage *message, gpointer element)
{
  if (!GST_IS_PAD (object) || asks_meanwhile || !strstr (gst_debug_message_get (message), "shows task"))
    return;
  asks_meanwhile = TRUE;
  asked_meanwhile = g_thread_join (g_thread_new ("request", request_any, element));
}

/* whoever asks for any pad gets one of its own, whoever else is asking */
static void
test_requests_at_once (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (fixture_element (NULL));

  gst_element_set_state (element, GST_STATE_READY);
  gst_debug_set_threshold_from_string ("nddr*:4", FALSE);
  gst_debug_add_log_function (ask_meanwhile, element, NULL);
  g_autoptr (GstPad) pad = request_any (element), other = asked_meanwhile;
  gst_debug_remove_log_function (ask_meanwhile);
  gst_debug_set_threshold_from_string ("nddr*:0", FALSE);
  g_assert_nonnull (pad);
  g_assert_nonnull (other);
  g_assert_true (pad != other);
  g_assert_cmpuint (element->numsrcpads, ==, 2);
  gst_element_set_state (element, GST_STATE_NULL);
}

/* a source pad's caps once there is a model: its view's formats; and sizes go through in both directions */
static void
test_caps_queries (void)
{
  static const struct
  {
    const char *task, *view, *formats;
  } rows[] = {
    { "segmentation", "raw", "GRAY8" },
    { "normal", "raw", "RGB" },
    { "depth", "raw", "GRAY16_LE" },
    { "segmentation", "map", "{ RGBA, BGRA, RGBx, BGRx }" },
    { "depth", "overlay", "{ RGBA, BGRA, RGBx, BGRx }" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Rig *rig = rig_new (NULL, rows[i].task, rows[i].view, NULL);
    g_autofree char *name = g_strconcat ("src_", rows[i].task, NULL);
    g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, name);
    g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
    g_autofree char *text = g_strdup_printf ("video/x-raw,format=%s", rows[i].formats);
    g_autoptr (GstCaps) formats = gst_caps_from_string (text);
    g_autoptr (GstCaps) got = gst_pad_query_caps (src, NULL);

    g_assert_true (gst_caps_is_subset (got, formats));
    for (guint f = 0; f < gst_caps_get_size (formats); f++) {
      g_autoptr (GstCaps) one = gst_caps_copy_nth (formats, f);
      g_assert_true (gst_caps_can_intersect (got, one));
    }

    /* what a branch takes, the sink takes, in any format */
    gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw,width=320,height=[16,240],framerate=25/1");
    g_autoptr (GstCaps) taken = gst_pad_query_caps (sink, NULL);
    g_autoptr (GstCaps) good = gst_caps_from_string ("video/x-raw,format=NV12,width=320,height=200,framerate=25/1");
    g_autoptr (GstCaps) wide = gst_caps_from_string ("video/x-raw,format=NV12,width=322,height=200,framerate=25/1");
    g_autoptr (GstCaps) fast = gst_caps_from_string ("video/x-raw,format=NV12,width=320,height=200,framerate=30/1");
    g_assert_true (gst_caps_can_intersect (taken, good));
    g_assert_false (gst_caps_can_intersect (taken, wide));
    g_assert_false (gst_caps_can_intersect (taken, fast));
    rig_free (rig);
  }
}

static gboolean
sink_takes (Rig *rig, const char *field, const char *value)
{
  g_autofree char *text = g_strdup_printf ("video/x-raw,format=NV12,%s=%s", field, value);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");
  g_autoptr (GstCaps) taken = gst_pad_query_caps (sink, NULL);

  return gst_caps_can_intersect (taken, caps);
}

/* pictures have their frame's shape: frames of one that a branch cannot take are not asked for */
static void
test_shapes (void)
{
  static const struct
  {
    const char *field, *taken, *other;
  } rows[] = {
    { "width", "320", "322" },
    { "height", "240", "242" },
    { "framerate", "25/1", "30/1" },
    { "max-framerate", "25/1", "30/1" },
    { "pixel-aspect-ratio", "4/3", "1/1" },
    { "interlace-mode", "interleaved", "progressive" },
    { "field-order", "top-field-first", "bottom-field-first" },
    { "views", "2", "1" },
    { "multiview-mode", "left", "right" },
  };

  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *takes = g_strdup_printf ("video/x-raw,%s=%s", rows[i].field, rows[i].taken);

    gst_harness_set_sink_caps_str (rig->out[0], takes);
    g_assert_true (sink_takes (rig, rows[i].field, rows[i].taken));
    if (sink_takes (rig, rows[i].field, rows[i].other))
      g_error ("frames of %s=%s are asked for, but what follows takes %s", rows[i].field, rows[i].other, takes);
  }
  rig_free (rig);
}

/* what the element cannot take it does not offer to */
static void
test_largest (void)
{
  Rig *rig = rig_new (NULL, "normal", "overlay", NULL);
  g_autoptr (GstCaps) fits = gst_caps_from_string ("video/x-raw,format=RGBA,width=16384,height=2,framerate=25/1");
  g_autoptr (GstCaps) wide = gst_caps_from_string ("video/x-raw,format=RGBA,width=16385,height=2,framerate=25/1");
  g_autoptr (GstCaps) high = gst_caps_from_string ("video/x-raw,format=RGBA,width=2,height=16385,framerate=25/1");

  g_assert_true (gst_pad_peer_query_accept_caps (rig->in->srcpad, fits));
  g_assert_false (gst_pad_peer_query_accept_caps (rig->in->srcpad, wide));
  g_assert_false (gst_pad_peer_query_accept_caps (rig->in->srcpad, high));
  rig_free (rig);
}

/* the properties of the interface, their ranges and defaults */
static void
test_properties (void)
{
  GstElement *element = gst_object_ref_sink (gst_element_factory_make ("nddrcnn", NULL));
  g_autofree char *model = NULL, *device = NULL, *input = NULL;
  g_autoptr (GstStructure) stats = NULL;
  int precision;
  guint interval, in_flight;
  gboolean qos;

  g_object_get (element, "model", &model, "device", &device, "input", &input, "precision", &precision, "interval", &interval, "max-in-flight",
      &in_flight, "qos", &qos, "stats", &stats, NULL);
  g_assert_null (model);
  g_assert_cmpstr (device, ==, "auto");
  g_assert_null (input);
  g_assert_cmpint (precision, ==, 0);
  g_assert_cmpuint (interval, ==, 0);
  g_assert_cmpuint (in_flight, ==, 2);
  g_assert_true (qos);
  g_assert_true (gst_structure_has_field_typed (stats, "frames", G_TYPE_UINT64));
  g_assert_true (gst_structure_has_field_typed (stats, "dropped", G_TYPE_UINT64));
  g_assert_cmpstr (gst_element_get_metadata (element, GST_ELEMENT_METADATA_KLASS), ==, "Filter/Analyzer/Video");
  g_assert_cmpuint (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (gst_element_get_factory (element))), ==, GST_RANK_NONE);
  gst_object_unref (element);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/pads/names-in-null", test_names_in_null);
  g_test_add_func ("/element/pads/names-from-ready-on", test_names_from_ready_on);
  g_test_add_func ("/element/pads/task-that-the-model-lacks", test_task_that_the_model_lacks);
  g_test_add_func ("/element/pads/links-without-a-name", test_links_without_a_name);
  g_test_add_func ("/element/pads/links-to-other-formats", test_links_to_other_formats);
  g_test_add_func ("/element/pads/children", test_children);
  g_test_add_func ("/element/pads/launch-syntax", test_launch_syntax);
  g_test_add_func ("/element/pads/views-are-logged", test_views_are_logged);
  g_test_add_func ("/element/pads/requests-at-once", test_requests_at_once);
  g_test_add_func ("/element/pads/caps-queries", test_caps_queries);
  g_test_add_func ("/element/pads/shapes", test_shapes);
  g_test_add_func ("/element/pads/largest", test_largest);
  g_test_add_func ("/element/pads/properties", test_properties);
  return fixture_run ();
}
