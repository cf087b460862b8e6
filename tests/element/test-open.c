/* Going to READY: which model is found, and what is said where a device or a model is not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <glib/gstdio.h>
#include <nddr/nddr-device.h>
#include <string.h>

/* (transfer full): a pipeline of the element alone, @model NULL for the default one */
static GstElement *
pipeline_with (const char *model)
{
  GstElement *pipeline = gst_pipeline_new (NULL), *element = fixture_element (NULL);

  g_object_set (element, "model", model, NULL);
  gst_bin_add (GST_BIN (pipeline), element);
  return pipeline;
}

static void
expect_failure (GstElement *pipeline, GQuark domain, int code, const char *text)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
  fixture_expect_error (bus, domain, code, text);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
test_no_device (void)
{
  if (g_test_subprocess ()) {
    g_setenv ("VK_ICD_FILENAMES", "/nonexistent/icd.json", TRUE);
    g_setenv ("VK_DRIVER_FILES", "/nonexistent/icd.json", TRUE);
    expect_failure (pipeline_with (fixture_model ()), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
        "mesa-vulkan-drivers");
    return;
  }
  g_test_trap_subprocess (NULL, 300 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

static void
test_no_such_device (void)
{
  GstElement *pipeline = pipeline_with (fixture_model ());
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), GST_OBJECT_NAME (GST_BIN_CHILDREN (pipeline)->data));

  g_object_set (element, "device", "no device is named like this", NULL);
  expect_failure (pipeline, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "nddr devices");
}

/* (transfer full) (nullable): a string of the element's statistics */
static char *
loaded (GstElement *element, const char *what)
{
  GstStructure *stats;

  g_object_get (element, "stats", &stats, NULL);
  char *text = g_strdup (gst_structure_get_string (stats, what));
  gst_structure_free (stats);
  return text;
}

/* by its index, and by a part of its name in any case, whatever the environment's default is */
static void
test_device_by_index_and_name (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) devices = nddr_device_list (&error);

  g_assert_no_error (error);
  g_setenv ("NDDR_DEVICE", "no device is named like this", TRUE);
  for (guint i = 0; i < devices->len; i++) {
    const NddrDeviceInfo *info = devices->pdata[i];
    g_autofree char *index = g_strdup_printf ("%u", i), *upper = g_ascii_strup (info->name, -1);
    const char *const ways[] = { index, info->name, upper };

    for (guint w = 0; info->usable && w < G_N_ELEMENTS (ways); w++) {
      GstElement *element = gst_object_ref_sink (fixture_element (NULL));
      g_object_set (element, "device", ways[w], NULL);
      g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
      g_autofree char *name = loaded (element, "device");
      g_assert_cmpstr (name, ==, info->name);
      gst_element_set_state (element, GST_STATE_NULL);
      gst_object_unref (element);
    }
  }
  g_unsetenv ("NDDR_DEVICE");
}

/* a file's name is bytes; statistics are text, and say it as it can be shown */
static void
test_name_of_bytes (void)
{
  g_autofree char *path = fixture_variant ("caf\xe9.safetensors", "\"name\": \"normal\"", "\"name\": \"surface\"");
  g_autoptr (GstElement) element = gst_object_ref_sink (fixture_element (NULL));

  g_object_set (element, "model", path, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  g_autofree char *model = loaded (element, "model"), *shown = g_filename_display_name (path);
  g_assert_cmpstr (model, ==, shown);
  gst_element_set_state (element, GST_STATE_NULL);
  g_unlink (path);
}

static void
test_no_such_model (void)
{
  expect_failure (pipeline_with ("/nonexistent/room.safetensors"), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "/nonexistent/room.safetensors");
}

/* half of a model file */
static void
test_bad_model (void)
{
  g_autofree char *folder = g_dir_make_tmp ("nddr-bad-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "half.safetensors", NULL);
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (fixture_model (), &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (path, bytes, size / 2, NULL));
  expect_failure (pipeline_with (path), GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "half.safetensors");
  g_remove (path);
  g_rmdir (folder);
}

/* NDDR_MODELS says where the default models are; where only one of the two is there, it serves every device */
static void
test_default_model (void)
{
  g_autofree char *folder = g_dir_make_tmp ("nddr-models-XXXXXX", NULL);
  g_autofree char *before = g_strdup (g_getenv ("NDDR_MODELS"));
  static const char *const names[] = { "nddr-small.safetensors", "nddr-base.safetensors" };
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (fixture_model (), &bytes, &size, NULL));
  g_setenv ("NDDR_MODELS", folder, TRUE);
  for (guint there = 1; there < 4; there++) {
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);
      g_remove (path);
      if (there & (1 << i))
        g_assert_true (g_file_set_contents (path, bytes, size, NULL));
    }
    GstElement *element = gst_object_ref_sink (fixture_element (NULL));
    g_object_set (element, "model", NULL, NULL);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
    g_autofree char *model = loaded (element, "model");
    if (there == 3)
      g_assert_true (g_str_has_prefix (model, folder));
    else
      g_assert_true (g_str_has_suffix (model, "nddr-small.safetensors") || g_str_has_suffix (model, "nddr-base.safetensors"));
    gst_element_set_state (element, GST_STATE_NULL);
    g_autofree char *none = loaded (element, "model");
    g_assert_null (none);
    gst_object_unref (element);
  }

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_remove (path);
  }
  g_rmdir (folder);
  if (before)
    g_setenv ("NDDR_MODELS", before, TRUE);
  else
    g_unsetenv ("NDDR_MODELS");
}

/* a plugin that is not installed looks for the models among its sources, with no variable set */
static void
test_default_model_of_the_sources (void)
{
  g_autofree char *sources = g_strdup (g_getenv ("NDDR_MODELS"));
  GstElement *pipeline = pipeline_with (NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  g_unsetenv ("NDDR_MODELS");
  if (gst_element_set_state (pipeline, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS) {
    g_autofree char *model = loaded (GST_BIN_CHILDREN (pipeline)->data, "model");
    g_assert_true (g_str_has_prefix (model, sources));
  } else {
    /* sources without models: the error says that it was looked for there */
    fixture_expect_error (bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, sources);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  g_setenv ("NDDR_MODELS", sources, TRUE);
}

/* a model that is set in READY is loaded before the next frame */
static void
test_model_changes_in_ready (void)
{
  g_autofree char *folder = g_dir_make_tmp ("nddr-models-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "other.safetensors", NULL);
  g_autofree char *bytes = NULL;
  gsize size;
  GstElement *element = gst_object_ref_sink (fixture_element (NULL));

  g_assert_true (g_file_get_contents (fixture_model (), &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (path, bytes, size, NULL));
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  g_object_set (element, "model", path, NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  g_autofree char *model = loaded (element, "model");
  g_assert_cmpstr (model, ==, path);

  /* one that does not load keeps the element from PAUSED, and leaves nothing half open */
  gst_element_set_state (element, GST_STATE_READY);
  g_remove (path);
  g_object_set (element, "model", "/nonexistent/room.safetensors", NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  g_object_set (element, "model", fixture_model (), NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/open/no-device", test_no_device);
  g_test_add_func ("/element/open/no-such-device", test_no_such_device);
  g_test_add_func ("/element/open/device-by-index-and-name", test_device_by_index_and_name);
  g_test_add_func ("/element/open/name-of-bytes", test_name_of_bytes);
  g_test_add_func ("/element/open/no-such-model", test_no_such_model);
  g_test_add_func ("/element/open/bad-model", test_bad_model);
  g_test_add_func ("/element/open/default-model", test_default_model);
  g_test_add_func ("/element/open/default-model-of-the-sources", test_default_model_of_the_sources);
  g_test_add_func ("/element/open/model-changes-in-ready", test_model_changes_in_ready);
  return fixture_run ();
}
