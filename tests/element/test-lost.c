/* A device that is lost: whenever that is, going to READY opens another.  And threads that cannot be had.
 *
 * The functions below stand before the libraries', for the program exports them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <vulkan/vulkan.h>

static gint lost; /* until a device is made */

static gpointer
in_loader (const char *name)
{
  return dlsym (dlopen ("libvulkan.so.1", RTLD_NOW), name); /* loaded already */
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateDevice (VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *device)
{
  PFN_vkCreateDevice next = (PFN_vkCreateDevice) in_loader ("vkCreateDevice");

  g_atomic_int_set (&lost, FALSE);
  return next (physical, info, allocator, device);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *infos, VkFence fence)
{
  PFN_vkQueueSubmit next = (PFN_vkQueueSubmit) in_loader ("vkQueueSubmit");

  return g_atomic_int_get (&lost) ? VK_ERROR_DEVICE_LOST : next (queue, n, infos, fence);
}

static gint no_threads; /* atomic */

/* What GLib starts threads by. */
int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*function) (void *), void *argument)
{
  int (*next) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) = dlsym (RTLD_NEXT, __func__);

  return g_atomic_int_get (&no_threads) ? EAGAIN : next (thread, attributes, function, argument);
}

static void
start_stream (Rig *rig)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (rig->in, gst_event_new_stream_start ("again"));
  rig_set_caps (rig, RIG_CAPS);
  gst_harness_push_event (rig->in, gst_event_new_segment (&segment));
}

/* @in_frame: while a frame is handed over; else while other frames are prepared for */
static void
check_lost (gboolean in_frame)
{
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  g_atomic_int_set (&lost, TRUE);
  if (!in_frame)
    rig_set_caps (rig, "video/x-raw,format=RGBA,width=32,height=16,framerate=25/1");
  g_assert_cmpint (rig_push (rig, rig_frame (1)), ==, GST_FLOW_ERROR);
  fixture_expect_error (rig->bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "opens the device anew");

  gst_element_set_state (rig->element, GST_STATE_READY);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  start_stream (rig);
  g_assert_false (g_atomic_int_get (&lost));
  g_assert_cmpint (rig_push (rig, rig_frame (2)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  rig_free (rig);
}

static void
test_in_a_frame (void)
{
  check_lost (TRUE);
}

static void
test_between_frames (void)
{
  check_lost (FALSE);
}

static void
expect_no_error (Rig *rig)
{
  g_assert_null (gst_bus_timed_pop_filtered (rig->bus, 200 * GST_MSECOND, GST_MESSAGE_ERROR));
}

/* While another model loads, and no frame comes to find out: the element opens the device anew all the same.
 * @after: a frame comes after all, which says nothing new */
static void
check_another_model (gboolean after)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\""), *said = NULL;
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  g_atomic_int_set (&lost, TRUE);
  g_object_set (rig->element, "model", other, NULL);
  fixture_expect_error (rig->bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "opens the device anew");
  g_object_get (rig->element, "model", &said, NULL);
  g_assert_cmpstr (said, ==, fixture_model ());
  if (after) {
    GstFlowReturn flow = rig_push (rig, rig_frame (1));
    g_assert_true (flow == GST_FLOW_ERROR || flow == GST_FLOW_FLUSHING); /* who tells has just told */
    expect_no_error (rig);
  }

  gst_element_set_state (rig->element, GST_STATE_READY);
  g_assert_cmpint (gst_element_set_state (rig->element, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
  start_stream (rig);
  g_assert_cmpint (rig_push (rig, rig_frame (2)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  rig_free (rig);
  g_remove (other);
}

static void
test_in_another_model (void)
{
  check_another_model (FALSE);
}

static void
test_before_a_frame (void)
{
  check_another_model (TRUE);
}

static gint returned; /* atomic: what upstream was told + 1000 */

static gpointer
push_one (gpointer rig)
{
  g_atomic_int_set (&returned, 1000 + rig_push (rig, rig_frame (1)));
  return NULL;
}

/* Who hears of it on the thread that tells, and stops upstream there, which waits for the frame that it is in. */
static GstBusSyncReply
stop_upstream (GstBus *bus, GstMessage *message, gpointer rig)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GThread *thread = g_thread_new ("frame", push_one, rig);

    for (guint n = 0; n < 20000 && !g_atomic_int_get (&returned); n++)
      g_usleep (1000);
    g_assert_cmpint (g_atomic_int_get (&returned), ==, 1000 + GST_FLOW_FLUSHING); /* which is no error that would be told of before its cause */
    g_thread_join (thread);
  }
  return GST_BUS_PASS;
}

static void
test_handler (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\"");
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_OK);
  gst_buffer_unref (rig_pull (rig, 0));
  gst_bus_set_sync_handler (rig->bus, stop_upstream, rig, NULL);
  g_atomic_int_set (&lost, TRUE);
  g_object_set (rig->element, "model", other, NULL);
  fixture_expect_error (rig->bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "opens the device anew");
  expect_no_error (rig);
  rig_free (rig);
  g_remove (other);
}

/* a frame has found out when another model is asked for, which takes itself back without another word */
static void
test_before_another_model (void)
{
  g_autofree char *other = fixture_variant ("other.safetensors", "\"nddr\"", "\"none\""), *said = NULL;
  Rig *rig = rig_new (NULL, "segmentation", "raw", NULL);

  rig_set_caps (rig, RIG_CAPS);
  g_atomic_int_set (&lost, TRUE);
  g_assert_cmpint (rig_push (rig, rig_frame (0)), ==, GST_FLOW_ERROR);
  fixture_expect_error (rig->bus, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "opens the device anew");
  g_object_set (rig->element, "model", other, NULL);
  for (guint n = 0; n < 12000 && g_strcmp0 (said, fixture_model ()) != 0; n++) {
    g_usleep (5000);
    g_free (said);
    g_object_get (rig->element, "model", &said, NULL);
  }
  g_assert_cmpstr (said, ==, fixture_model ());
  expect_no_error (rig);
  rig_free (rig);
  g_remove (other);
}

static void
keep_model (GObject *element, GParamSpec *pspec, gpointer kept)
{
  g_free (*(char **) kept);
  g_object_get (element, "model", kept, NULL);
}

static void
test_no_thread (void)
{
  g_autofree char *said = NULL;
  g_autoptr (GstElement) element = gst_object_ref_sink (fixture_element (NULL));
  g_autoptr (GstBus) bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), ==, GST_STATE_CHANGE_SUCCESS);
  g_atomic_int_set (&no_threads, TRUE);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  g_atomic_int_set (&no_threads, FALSE);
  fixture_expect_error (bus, GST_CORE_ERROR, GST_CORE_ERROR_THREAD, "No thread can be started");

  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  g_signal_connect (element, "notify::model", G_CALLBACK (keep_model), &said);
  g_atomic_int_set (&no_threads, TRUE);
  g_object_set (element, "model", "/nonexistent/room.safetensors", NULL);
  g_atomic_int_set (&no_threads, FALSE);
  g_autoptr (GstMessage) warning = fixture_message (bus, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;
  gst_message_parse_warning (warning, &error, NULL);
  g_assert_error (error, GST_CORE_ERROR, GST_CORE_ERROR_THREAD);
  g_assert_cmpstr (said, ==, fixture_model ()); /* the property says what goes on, and that is what starts again */
  gst_element_set_state (element, GST_STATE_READY);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/element/lost/in-a-frame", test_in_a_frame);
  g_test_add_func ("/element/lost/between-frames", test_between_frames);
  g_test_add_func ("/element/lost/in-another-model", test_in_another_model);
  g_test_add_func ("/element/lost/in-another-model/before-a-frame", test_before_a_frame);
  g_test_add_func ("/element/lost/handler", test_handler);
  g_test_add_func ("/element/lost/before-another-model", test_before_another_model);
  g_test_add_func ("/element/lost/no-thread", test_no_thread);
  return fixture_run ();
}
