/* Another model while playing: what it shows from when on, and what is said where it cannot.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* how often to look for a model that loads, and how long */
#define POLL_US 5000
#define PATIENCE_US (120 * G_USEC_PER_SEC)

/* (transfer full): the model that runs */
static char *
running_model (Rig *rig)
{
  GstStructure *stats;

  g_object_get (rig->element, "stats", &stats, NULL);
  char *path = g_strdup (gst_structure_get_string (stats, "model"));
  gst_structure_free (stats);
  return path;
}

static guint64
get_stat (Rig *rig, const char *name)
{
  GstStructure *stats;
  guint64 value;

  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  gst_structure_free (stats);
  return value;
}

/* (transfer full): what frame @n becomes at pad @pad; others' pictures are thrown away */
static GstBuffer *
show (Rig *rig, guint n, int pad)
{
  GstBuffer *shown = NULL;

  g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  for (int i = 0; i < rig->n_out; i++) {
    GstBuffer *picture = rig_pull (rig, i);

    g_assert_cmpuint (GST_BUFFER_PTS (picture), ==, n * 40 * GST_MSECOND);
    if (i == pad)
      shown = picture;
    else
      gst_buffer_unref (picture);
  }
  return shown;
}

/* Pushes frames until @path runs; the number of the next one. */
static guint
wait_for (Rig *rig, guint n, const char *path)
{
  for (gint64 end = g_get_monotonic_time () + PATIENCE_US; g_get_monotonic_time () < end; g_usleep (POLL_US)) {
    gst_buffer_unref (show (rig, n++, 0));
    g_autofree char *running = running_model (rig);
    if (g_str_equal (running, path))
      return n;
  }
  g_error ("%s never ran", path);
}

/* Frame @n in a pipeline that never had another model than @path. */
static GstBuffer *
alone (const char *path, guint n)
{
  Rig *rig = rig_new (NULL, "segmentation", "overlay", NULL);

  gst_element_set_state (rig->element, GST_STATE_READY);
  g_object_set (rig->element, "model", path, NULL);
  gst_element_set_state (rig->element, GST_STATE_PLAYING);
  gst_harness_push_event (rig->in, gst_event_new_stream_start ("alone"));
  rig_set_caps (rig, RIG_CAPS);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
  GstBuffer *picture = show (rig, n, 0);
  rig_free (rig);
  return picture;
}

static void
expect_warning (Rig *rig, const char *text)
{
  g_autoptr (GstMessage) message = fixture_message (rig->bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, text));
  g_assert_nonnull (strstr (error->message, "go on with "));
}

/* (transfer full): a model whose "normal" is a depth, and the other way round */
static char *
other_kinds (void)
{
  return fixture_variant ("kinds.safetensors", "\"name\": \"normal\", \"kind\": \"normal\" },    { \"name\": \"depth\", \"kind\": \"depth\" }",
      "\"name\": \"normal\", \"kind\": \"depth\" },    { \"name\": \"depth\", \"kind\": \"normal\" }");
}

/* Frames go on, without a gap, through the one and then through the other. */
static void
test_takes_over (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\"");
  Rig *rig = rig_new (NULL, "segmentation", "overlay", "normal", "raw", NULL);
  g_autoptr (GstBuffer) mine = alone (fixture_model (), 0), others = alone (other, 0);

  g_assert_false (fixture_same_bytes (mine, others));
  rig_set_caps (rig, RIG_CAPS);
  GstBuffer *before = show (rig, 0, 0);
  g_assert_true (fixture_same_bytes (before, mine));
  gst_buffer_unref (before);
  g_object_set (rig->element, "model", other, NULL);
  guint n = wait_for (rig, 1, other);
  /* of one frame, as it has shown one: times of the other model tell nothing of it, but frames are frames */
  g_assert_cmpuint (get_stat (rig, "inference-last"), >, 0);
  g_assert_cmpuint (get_stat (rig, "inference-mean"), ==, get_stat (rig, "inference-last"));
  g_assert_cmpuint (get_stat (rig, "inference-p99"), ==, get_stat (rig, "inference-last"));
  g_assert_cmpuint (get_stat (rig, "frames"), ==, n);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) after = show (rig, n + i, 0), want = alone (other, n + i);
    g_assert_true (fixture_same_bytes (after, want));
  }
  /* and back */
  g_object_set (rig->element, "model", fixture_model (), NULL);
  n = wait_for (rig, n + 3, fixture_model ());
  GstBuffer *again = show (rig, n, 0);
  g_autoptr (GstBuffer) want = alone (fixture_model (), n);
  g_assert_true (fixture_same_bytes (again, want));
  gst_buffer_unref (again);
  g_autoptr (GstMessage) said = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  g_assert_null (said);
  rig_free (rig);
  g_remove (other);
}

/* The size that was asked for is the next model's, too, also where another is asked for while it loads. */
static void
test_input (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\""), *both = g_strdup_printf ("model=%s input=80x72", other);
  Rig *rig = rig_new ("input=96x64", "segmentation", "overlay", NULL), *alike = rig_new (both, "segmentation", "overlay", NULL);

  rig_set_caps (rig, RIG_CAPS);
  rig_set_caps (alike, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", other, "input", "80x72", NULL);
  guint n = wait_for (rig, 1, other);
  g_autoptr (GstBuffer) got = show (rig, n, 0), want = show (alike, n, 0);
  g_assert_true (fixture_same_bytes (got, want));
  g_object_set (rig->element, "input", "96x64", NULL);
  g_object_set (alike->element, "input", "96x64", NULL);
  g_autoptr (GstBuffer) next = show (rig, n + 1, 0), want_next = show (alike, n + 1, 0);
  g_assert_true (fixture_same_bytes (next, want_next));
  rig_free (alike);
  rig_free (rig);
  g_remove (other);
}

/* A task of the same name may be of another kind: its pad agrees anew on what it shows. */
static void
test_other_kind (void)
{
  g_autofree char *other = other_kinds ();
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", other, NULL);
  wait_for (rig, 1, other);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (rig->element, "src_normal");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "format"), ==, "GRAY16_LE");
  rig_free (rig);
  g_remove (other);
}

/* What cannot take over says why, and the old one goes on. */
static void
test_cannot (void)
{
  g_autofree char *lacking = fixture_variant ("lacking.safetensors", "\"name\": \"normal\"", "\"name\": \"surface\"");
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", "/nonexistent/room.safetensors", NULL);
  expect_warning (rig, "/nonexistent/room.safetensors");
  g_object_set (rig->element, "model", lacking, NULL);
  expect_warning (rig, "no task \"normal\"");
  gst_buffer_unref (show (rig, 1, 0));
  g_autofree char *running = running_model (rig), *said = NULL;
  g_assert_cmpstr (running, ==, fixture_model ());
  /* the property says what runs, and that is what starts again */
  g_object_get (rig->element, "model", &said, NULL);
  g_assert_cmpstr (said, ==, fixture_model ());
  gst_element_set_state (rig->element, GST_STATE_READY);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
  rig_free (rig);
  g_remove (lacking);
}

/* A task of another kind that what follows cannot take. */
static void
test_other_format (void)
{
  g_autofree char *other = other_kinds ();
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  gst_harness_set_sink_caps_str (rig->out[0], "video/x-raw,format=RGB");
  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", other, NULL);
  expect_warning (rig, "GRAY16_LE");
  gst_buffer_unref (show (rig, 1, 0));
  rig_free (rig);
  g_remove (other);
}

/* Who hears of it, on the thread that says so, may set the next one, or end it all. */
static GstBusSyncReply
set_next (GstBus *bus, GstMessage *message, gpointer data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    g_object_set (GST_MESSAGE_SRC (message), "model", data, NULL);
  return GST_BUS_PASS;
}

static GstBusSyncReply
end_all (GstBus *bus, GstMessage *message, gpointer data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    gst_element_set_state (GST_ELEMENT (GST_MESSAGE_SRC (message)), GST_STATE_READY);
  return GST_BUS_PASS;
}

static void
test_handlers (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\"");
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  gst_bus_set_sync_handler (rig->bus, set_next, other, NULL);
  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", "/nonexistent/room.safetensors", NULL);
  wait_for (rig, 1, other);
  gst_bus_set_sync_handler (rig->bus, NULL, NULL, NULL);
  gst_bus_set_sync_handler (rig->bus, end_all, NULL, NULL);
  gst_bus_set_flushing (rig->bus, TRUE);
  gst_bus_set_flushing (rig->bus, FALSE);
  g_object_set (rig->element, "model", "/nonexistent/room.safetensors", NULL);
  expect_warning (rig, "/nonexistent/room.safetensors");
  gst_element_get_state (rig->element, NULL, NULL, GST_CLOCK_TIME_NONE);
  g_assert_cmpint (GST_STATE (rig->element), ==, GST_STATE_READY);
  gst_bus_set_sync_handler (rig->bus, NULL, NULL, NULL);
  rig_free (rig);
  g_remove (other);
}

/* The last of several that are asked for one after the other; none, where that is the one that runs. */
static void
test_last_wins (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\"");
  g_autofree char *third = fixture_variant ("third.safetensors", "\"nddr\"", "\"shared\"");
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  for (guint i = 0; i < 5; i++)
    g_object_set (rig->element, "model", i % 2 ? third : other, NULL);
  guint n = wait_for (rig, 1, other);
  g_object_set (rig->element, "model", third, NULL);
  g_object_set (rig->element, "model", other, NULL);
  for (guint i = 0; i < 20; i++) {
    gst_buffer_unref (show (rig, n + i, 0));
    g_usleep (POLL_US);
    g_autofree char *running = running_model (rig);
    g_assert_cmpstr (running, ==, other);
  }
  rig_free (rig);
  g_remove (other);
  g_remove (third);
}

/* Ending while a model loads waits for it, and it is the one from READY on. */
static void
test_ends_while_loading (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\"");
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  gst_buffer_unref (show (rig, 0, 0));
  g_object_set (rig->element, "model", other, NULL);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
  g_autofree char *running = running_model (rig);
  g_assert_cmpstr (running, ==, other);
  rig_free (rig);
  g_remove (other);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/swap/takes-over", test_takes_over);
  g_test_add_func ("/element/swap/input", test_input);
  g_test_add_func ("/element/swap/other-kind", test_other_kind);
  g_test_add_func ("/element/swap/cannot", test_cannot);
  g_test_add_func ("/element/swap/other-format", test_other_format);
  g_test_add_func ("/element/swap/handlers", test_handlers);
  g_test_add_func ("/element/swap/last-wins", test_last_wins);
  g_test_add_func ("/element/swap/ends-while-loading", test_ends_while_loading);
  return fixture_run ();
}
