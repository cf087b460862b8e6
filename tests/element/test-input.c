/* The network's input by the property `input`: what a model that was made for that size gives.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* (transfer full): the fixture's model, made for 96 x 64 */
static char *
larger_model (void)
{
  return fixture_variant ("larger.safetensors", "\"width\": 64, \"height\": 48", "\"width\": 96, \"height\": 64");
}

/* (transfer full): what frame @n becomes */
static GstBuffer *
show (Rig *rig, guint n)
{
  g_assert_cmpint (rig_push (rig, rig_frame (n)), ==, GST_FLOW_OK);
  return rig_pull (rig, 0);
}

/* (transfer full): frame 0 with @model and @properties (nullable) */
static GstBuffer *
alone (const char *model, const char *properties)
{
  g_autofree char *all = g_strdup_printf ("model=%s %s", model, properties ? properties : "");
  Rig *rig = rig_new (all, "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  GstBuffer *picture = show (rig, 0);
  rig_free (rig);
  return picture;
}

static void
test_size (void)
{
  g_autofree char *larger = larger_model ();
  g_autoptr (GstBuffer) own = alone (fixture_model (), NULL), want = alone (larger, NULL), empty = alone (fixture_model (), "input=\"\"");
  g_autoptr (GstBuffer) got = alone (fixture_model (), "input=96x64"), back = alone (larger, "input=64x48");

  g_assert_false (fixture_same_bytes (own, want));
  g_assert_true (fixture_same_bytes (got, want));
  g_assert_true (fixture_same_bytes (back, own));
  g_assert_true (fixture_same_bytes (empty, own));
  g_unlink (larger);
}

/* While playing it holds from the next frame on. */
static void
test_while_playing (void)
{
  g_autofree char *larger = larger_model ();
  g_autoptr (GstBuffer) own = alone (fixture_model (), NULL), other = alone (larger, NULL);
  Rig *rig = rig_new (NULL, "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  for (guint i = 0; i < 3; i++) {
    g_autoptr (GstBuffer) before = show (rig, 0);
    g_assert_true (fixture_same_bytes (before, own));
    g_object_set (rig->element, "input", "96x64", NULL);
    g_autoptr (GstBuffer) after = show (rig, 0);
    g_assert_true (fixture_same_bytes (after, other));
    g_object_set (rig->element, "input", i ? NULL : "", NULL);
  }
  rig_free (rig);
  g_unlink (larger);
}

static const char *const no_sizes[] = { "320", "x", "320x", "x240", "320x240x3", "320 x 240", "-320x240", "31x240", "320x16385", "0x0", "large" };

/* Nothing opens with what is no size. */
static void
test_no_size (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (no_sizes); i++) {
    GstElement *element = fixture_element (NULL), *pipeline = gst_pipeline_new (NULL);
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

    g_object_set (element, "input", no_sizes[i], NULL);
    gst_bin_add (GST_BIN (pipeline), element);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
    fixture_expect_error (bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "expected WIDTHxHEIGHT");
    /* once it is one, all is well, until it is none again */
    g_object_set (element, "input", "32x32", NULL);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
    g_object_set (element, "input", no_sizes[i], NULL);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    fixture_expect_error (bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "expected WIDTHxHEIGHT");
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
}

/* What is no size changes nothing while frames flow: a warning says so. */
static void
test_no_size_while_playing (void)
{
  Rig *rig = rig_new ("input=96x64", "normal", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_autoptr (GstBuffer) before = show (rig, 0);
  for (guint i = 0; i < G_N_ELEMENTS (no_sizes); i++) {
    g_autofree char *input = NULL;
    g_autoptr (GError) error = NULL;

    g_object_set (rig->element, "input", no_sizes[i], NULL);
    g_autoptr (GstMessage) message = fixture_message (rig->bus, GST_MESSAGE_WARNING);
    gst_message_parse_warning (message, &error, NULL);
    g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull (strstr (error->message, no_sizes[i]));
    g_object_get (rig->element, "input", &input, NULL);
    g_assert_cmpstr (input, ==, "96x64");
    g_autoptr (GstBuffer) after = show (rig, 0);
    g_assert_true (fixture_same_bytes (after, before));
  }
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/input/size", test_size);
  g_test_add_func ("/element/input/while-playing", test_while_playing);
  g_test_add_func ("/element/input/no-size", test_no_size);
  g_test_add_func ("/element/input/no-size-while-playing", test_no_size_while_playing);
  return fixture_run ();
}
