/* Whole pipelines: from NULL to PLAYING and back, seeks, branches that come and go, one muxer behind both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <glib/gstdio.h>
#include <gst/app/app.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* (transfer full): @format with the model's path in place of its one %s */
static GstElement *
parse (const char *before, const char *after)
{
  g_autofree char *line = g_strdup_printf ("%s nddrcnn name=n model=%s %s", before, fixture_model (), after);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  return pipeline;
}

/* Waits for a message of @type, at most two minutes; an error fails the test. */
static GstMessage *
wait_for (GstElement *pipeline, GstMessageType type)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND, type | GST_MESSAGE_ERROR);

  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_error (message, &error, NULL);
    g_assert_no_error (error);
  }
  return message;
}

static void
finish (GstElement *pipeline)
{
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (pipeline);
}

static void
play_to_the_end (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (wait_for (pipeline, GST_MESSAGE_EOS));
  finish (pipeline);
}

static void
test_hundred_rounds (void)
{
  GstElement *pipeline = parse ("videotestsrc ! video/x-raw,width=32,height=24 !",
      "n.src_segmentation ! queue ! fakesink  n.src_normal ! queue ! fakesink");

  for (guint round = 0; round < 100; round++) {
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    /* every other round is cut off while it starts */
    if (round % 2 == 0)
      g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  }
  gst_object_unref (pipeline);
}

/* both branches into one muxer, behind the shortest queues there are */
static void
test_one_muxer (void)
{
  play_to_the_end (parse ("videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=33,height=25 !",
      "src_segmentation::view=raw src_normal::view=raw matroskamux name=m ! fakesink sync=false "
      "n.src_segmentation ! queue max-size-buffers=1 ! m.  n.src_normal ! queue max-size-buffers=1 ! m."));
}

static void
test_three_sinks (void)
{
  play_to_the_end (parse ("videotestsrc num-buffers=10 ! video/x-raw,format=NV12,width=32,height=24 !",
      "src_depth::view=map  n. ! queue ! fakesink  n. ! queue ! videoconvert ! fakesink  n. ! queue ! fakesink"));
}

/* a branch that ends early does not end the others */
static void
test_branch_that_ends_early (void)
{
  play_to_the_end (parse ("videotestsrc num-buffers=20 ! video/x-raw,width=32,height=24 !",
      "n.src_segmentation ! identity eos-after=4 ! queue ! fakesink  n.src_normal ! queue ! fakesink"));
}

static void
test_seek (void)
{
  GstElement *pipeline = parse ("videotestsrc ! video/x-raw,width=32,height=24,framerate=25/1 !",
      "n.src_segmentation ! queue ! appsink name=a sync=false max-buffers=4  "
      "n.src_normal ! queue ! appsink name=b sync=false max-buffers=4");
  g_autoptr (GstElement) a = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  g_autoptr (GstElement) b = gst_bin_get_by_name (GST_BIN (pipeline), "b");
  GstElement *sinks[] = { a, b };

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  for (guint round = 0; round < 5; round++) {
    GstClockTime to = (round * 7 % 5) * 200 * GST_MSECOND;

    g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND), ==, GST_STATE_CHANGE_SUCCESS);
    g_assert_true (gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, to));
    for (guint i = 0; i < G_N_ELEMENTS (sinks); i++) {
      g_autoptr (GstSample) sample = gst_app_sink_pull_preroll (GST_APP_SINK (sinks[i]));
      g_assert_cmpuint (GST_BUFFER_PTS (gst_sample_get_buffer (sample)), ==, to);
    }
  }
  /* and once more while it plays */
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 3; i++)
    gst_sample_unref (gst_app_sink_pull_sample (GST_APP_SINK (a)));
  g_assert_true (gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SECOND));
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (GST_APP_SINK (b));
  g_assert_cmpuint (GST_BUFFER_PTS (gst_sample_get_buffer (sample)), >=, GST_SECOND);
  finish (pipeline);
}

static GstPadProbeReturn
unlink_idle (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);

  gst_pad_unlink (pad, peer);
  g_atomic_int_set ((int *) data, TRUE);
  return GST_PAD_PROBE_REMOVE;
}

/* a second branch that comes and goes while the first plays on */
static void
test_branch_that_comes_and_goes (void)
{
  GstElement *pipeline = parse ("videotestsrc is-live=true ! video/x-raw,width=32,height=24,framerate=100/1 !",
      "n.src_segmentation ! queue ! fakesink name=first sync=false");
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "n");

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND), !=, GST_STATE_CHANGE_FAILURE);
  for (guint round = 0; round < 5; round++) {
    GstElement *queue = gst_element_factory_make ("queue", NULL), *sink = gst_element_factory_make ("appsink", NULL);
    int unlinked = FALSE;

    g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
    gst_bin_add_many (GST_BIN (pipeline), queue, sink, NULL);
    gst_element_link (queue, sink);
    gst_element_sync_state_with_parent (sink);
    gst_element_sync_state_with_parent (queue);
    GstPad *pad = gst_element_request_pad_simple (element, "src_normal");
    g_autoptr (GstPad) queue_sink = gst_element_get_static_pad (queue, "sink");
    g_assert_cmpint (gst_pad_link (pad, queue_sink), ==, GST_PAD_LINK_OK);
    for (guint i = 0; i < 2; i++) {
      g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 120 * GST_SECOND);
      g_assert_nonnull (sample);
      g_assert_nonnull (gst_sample_get_caps (sample));
    }

    /* in turn: unlinked at rest, then released; or released as it runs */
    if (round % 2 == 0) {
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, unlink_idle, &unlinked, NULL);
      while (!g_atomic_int_get (&unlinked))
        g_usleep (1000);
    }
    gst_element_release_request_pad (element, pad);
    gst_object_unref (pad);
    gst_element_set_state (sink, GST_STATE_NULL);
    gst_element_set_state (queue, GST_STATE_NULL);
    gst_bin_remove_many (GST_BIN (pipeline), queue, sink, NULL);
  }

  /* the first branch is still alive */
  GstElement *first = gst_bin_get_by_name (GST_BIN (pipeline), "first");
  GstStructure *stats;
  guint64 before, after;
  g_object_get (first, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "rendered", &before);
  gst_structure_free (stats);
  for (guint i = 0; i < 12000; i++) {
    g_object_get (first, "stats", &stats, NULL);
    gst_structure_get_uint64 (stats, "rendered", &after);
    gst_structure_free (stats);
    if (after > before + 3)
      break;
    g_usleep (10000);
  }
  g_assert_cmpuint (after, >, before + 3);
  gst_object_unref (first);
  finish (pipeline);
}

/* a live pipeline hears of the latency, and plays */
static void
test_live (void)
{
  GstElement *pipeline = parse ("videotestsrc is-live=true num-buffers=100 ! video/x-raw,width=32,height=24,framerate=50/1 !",
      "n.src_segmentation ! queue ! fakesink sync=true");
  gboolean live;
  GstClockTime min;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (wait_for (pipeline, GST_MESSAGE_LATENCY));
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND), ==, GST_STATE_CHANGE_SUCCESS);
  GstQuery *query = gst_query_new_latency ();
  g_assert_true (gst_element_query (pipeline, query));
  gst_query_parse_latency (query, &live, &min, NULL);
  g_assert_true (live);
  g_assert_cmpuint (min, >, 20 * GST_MSECOND); /* the source's own is one frame */
  gst_query_unref (query);
  gst_message_unref (wait_for (pipeline, GST_MESSAGE_EOS));
  finish (pipeline);
}

/* Runs the test @path of this program with GStreamer's own leak tracer, which counts from the process's start. */
static void
trap_with_tracer (const char *path)
{
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_setenv ("GST_DEBUG_NO_COLOR", "1", TRUE);
  g_test_trap_subprocess (path, 600 * G_USEC_PER_SEC, 0);
  g_unsetenv ("GST_TRACERS");
  g_unsetenv ("GST_DEBUG");
}

#define ALIVE "*object-alive, type-name=(string)Gst*"

static void
test_leaks_everything_once (void)
{
  GstElement *pipeline;

  play_to_the_end (parse ("videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=33,height=25 !",
      "src_normal::view=raw  n.src_segmentation ! queue ! fakesink  n.src_normal ! queue ! fakesink"));
  pipeline = parse ("videotestsrc ! video/x-raw,width=33,height=25 !", "n. ! queue ! fakesink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND);
  gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SECOND);
  finish (pipeline);
}

static void
test_leaks_one_element (void)
{
  gst_object_ref_sink (fixture_element (NULL));
}

/* no object is left over; where one is, this would see it */
static void
test_leaks (void)
{
  trap_with_tracer ("/element/pipelines/leaks/subprocess/everything-once");
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched (ALIVE);
  trap_with_tracer ("/element/pipelines/leaks/subprocess/one-element");
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr (ALIVE);
}

/* Runs the example on @video, in at most a minute; its exit status. */
static int
run_example (const char *video, char **out, char **err)
{
  const char *program = g_getenv ("NDDR_EXAMPLE");
  int status;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (program);
  const char *const line[] = { "timeout", "60", program, video, fixture_model (), NULL };
  g_spawn_sync (NULL, (char **) line, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, out, err, &status, &error);
  g_assert_no_error (error);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

/* The program that others start from: a line a frame; and what is no video, or what nothing here decodes, which never reaches the network, ends it
 * with a message. */
static void
test_example (void)
{
  g_autofree char *video = g_build_filename (g_get_tmp_dir (), "nddr-example-XXXXXX.avi", NULL), *out = NULL, *err = NULL, *nothing = NULL, *why = NULL;
  int file = g_mkstemp (video);
  g_autofree char *line = g_strdup_printf ("videotestsrc num-buffers=5 ! video/x-raw,width=32,height=24 ! jpegenc ! avimux ! filesink location=%s", video);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (file, >=, 0);
  close (file);
  GstElement *writer = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  play_to_the_end (writer);
  int status = run_example (video, &out, &err);
  g_unlink (video);
  g_assert_cmpint (status, ==, 0);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (out), "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  for (int i = 0; i < 5; i++)
    g_assert_nonnull (strstr (lines[i], "% faces up"));

  g_assert_cmpint (run_example (fixture_model (), &nothing, &why), ==, 1);
  g_assert_cmpstr (nothing, ==, "");
  g_assert_cmpstr (why, !=, "");
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/pipelines/one-muxer", test_one_muxer);
  g_test_add_func ("/element/pipelines/three-sinks", test_three_sinks);
  g_test_add_func ("/element/pipelines/branch-that-ends-early", test_branch_that_ends_early);
  g_test_add_func ("/element/pipelines/seek", test_seek);
  g_test_add_func ("/element/pipelines/branch-that-comes-and-goes", test_branch_that_comes_and_goes);
  g_test_add_func ("/element/pipelines/live", test_live);
  g_test_add_func ("/element/pipelines/leaks", test_leaks);
  g_test_add_func ("/element/pipelines/leaks/subprocess/everything-once", test_leaks_everything_once);
  g_test_add_func ("/element/pipelines/leaks/subprocess/one-element", test_leaks_one_element);
  g_test_add_func ("/element/pipelines/example", test_example);
  g_test_add_func ("/element/pipelines/hundred-rounds", test_hundred_rounds);
  return fixture_run ();
}
