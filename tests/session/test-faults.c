/* When Vulkan fails: each kind of call in turn, at the first, a middle and the last time that it is made.  What was asked for fails with an error of
 * the right code and leaks nothing (the validation layers count what a device still has when it is destroyed), and the device goes on afterwards,
 * unless it is lost.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"
#include "generator.h"

#include <dlfcn.h>
#include <nddr/gpu/device.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>
#include <string.h>

#define CONFIG \
  "{ \"backbone\": \"vgg16\", \"width\": 0.0625, \"head_width\": 0.0078125, \"tasks\": [" \
  "{ \"name\": \"depth\", \"kind\": \"depth\" } ]," \
  "\"input\": { \"width\": 32, \"height\": 32, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }"

#define WIDTH 8
#define HEIGHT 4

static NddrModel *model;
static guint all_calls[FAULTS_N];

/* Nothing is worked on side by side: calls are counted, and what fails there is not missed. */
static NddrDevice *
open_device (GError **error)
{
  NddrDevice *device = nddr_device_open (NULL, error);

  if (device)
    device->max_twins = 0;
  return device;
}

static void
make_model (void)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (CONFIG, &error);

  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
}

static const NddrFrameFormat input = { NDDR_PIXEL_RGBA, WIDTH, HEIGHT, .full_range = TRUE };
static const NddrOutput outputs[] = {
  { "depth", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
  { "depth", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY16_LE },
};

/* As many frames as there are slots, and their pictures, of the outputs that were set. */
static gboolean
show_frames (NddrSession *session, GError **error)
{
  guint8 pixels[WIDTH * HEIGHT * 4] = { 0 }, overlay[sizeof pixels], depth[WIDTH * HEIGHT * 2];
  NddrFrame frame = { { pixels }, { WIDTH * 4 } };
  NddrFrame results[] = { { { overlay }, { WIDTH * 4 } }, { { depth }, { WIDTH * 2 } } };
  guint64 tickets[2];
  NddrTiming timing;

  for (guint i = 0; i < G_N_ELEMENTS (tickets); i++)
    if (!(tickets[i] = nddr_session_submit (session, &frame, NULL, FALSE, error)))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (tickets); i++)
    if (!nddr_session_wait (session, tickets[i], results, &timing, error))
      return FALSE;
  return TRUE;
}

/* Everything that a session does on @device. */
static gboolean
use (NddrDevice *device, GError **error)
{
  g_autoptr (NddrSession) session = nddr_session_new (device, model, NULL, error);

  return session && nddr_session_set_frames (session, &input, outputs, 2, error) && show_frames (session, error)
      && nddr_session_set_frames (session, &input, outputs, 1, error) && show_frames (session, error);
}

/* Opens a device, uses it; and, where something failed that is not the device, uses it again. */
static gboolean
open_and_use (GError **error)
{
  g_autoptr (NddrDevice) device = open_device (error);
  g_autoptr (GError) again = NULL;
  gboolean ok = device && use (device, error);

  if (ok || !device || g_error_matches (*error, NDDR_ERROR, NDDR_ERROR_DEVICE_LOST))
    return ok;
  faults_set (NULL, 0, VK_SUCCESS);
  use (device, &again);
  g_assert_no_error (again);
  return FALSE;
}

/* Calls whose failure costs time, not the result. */
static gboolean
is_forgivable (const char *name)
{
  static const char *const names[] = { "vkCreatePipelineCache", "vkGetPipelineCacheData", "vkQueueWaitIdle", NULL };

  return g_strv_contains (names, name);
}

static void
try_fault (const char *name, guint nth, VkResult result, NddrError code)
{
  g_autoptr (GError) error = NULL;

  faults_set (name, nth, result);
  gboolean ok = open_and_use (&error);
  if (ok != is_forgivable (name) || (error && error->code != code))
    g_error ("%s failed at call %u with %d: %s", name, nth, result, error ? error->message : "nobody noticed");
}

/* Two functions need a device that is not lost, and say so when it is. */
static gboolean
may_lose (const char *name)
{
  return g_str_equal (name, "vkQueueSubmit") || g_str_equal (name, "vkWaitForFences");
}

static void
test_calls (gconstpointer data)
{
  const char *name = data;
  guint n = all_calls[faults_index (name)], last = 0;
  const guint nths[] = { 1, (n + 1) / 2, n };

  if (g_str_equal (name, "vkCreateBufferView") && n == 0) {
    g_test_skip ("kernels for GPUs have no texel buffers");
    return;
  }
  g_assert_cmpuint (n, >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (nths); last = nths[i++])
    if (nths[i] != last) {
      try_fault (name, nths[i], VK_ERROR_OUT_OF_DEVICE_MEMORY, NDDR_ERROR_NO_MEMORY);
      if (may_lose (name))
        try_fault (name, nths[i], VK_ERROR_DEVICE_LOST, NDDR_ERROR_DEVICE_LOST);
    }
  faults_set (NULL, 0, VK_SUCCESS);
}

/* How often each call is made where none fails, nor anything is left to be compiled ahead. */
static void
count_calls (void)
{
  g_autoptr (GError) error = NULL;

  open_and_use (&error);
  g_assert_no_error (error);
  faults_set (NULL, 0, VK_SUCCESS);
  open_and_use (&error);
  g_assert_no_error (error);
  for (guint i = 0; i < FAULTS_N; i++)
    all_calls[i] = faults_count (faults_names[i]);
}

/* One that takes both outputs' frames. */
static NddrSession *
make_session (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device (&error);
  NddrSession *session = device ? nddr_session_new (device, model, NULL, &error) : NULL;

  g_assert_no_error (error);
  nddr_session_set_frames (session, &input, outputs, 2, &error);
  g_assert_no_error (error);
  return session;
}

/* The memory for other frames is not there: the session keeps what it had. */
static void
test_set_frames_keeps (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSession) session = make_session ();

  /* the same frames need none */
  faults_set ("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  nddr_session_set_frames (session, &input, outputs, 2, &error);
  g_assert_no_error (error);
  show_frames (session, &error);
  g_assert_no_error (error);
  faults_set ("vkAllocateMemory", 3, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  g_assert_false (nddr_session_set_frames (session, &input, outputs, 1, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  g_clear_error (&error);
  show_frames (session, &error);
  g_assert_no_error (error);
  faults_set (NULL, 0, VK_SUCCESS);
}

/* A frame that could not be waited for ends the session, even where Vulkan would go on. */
static void
test_failure_stays (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSession) session = make_session ();

  faults_set ("vkWaitForFences", 1, VK_ERROR_OUT_OF_HOST_MEMORY);
  g_assert_false (show_frames (session, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  g_clear_error (&error);
  faults_set (NULL, 0, VK_SUCCESS);
  g_assert_false (show_frames (session, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
}

/* ---- what else of the loader's is stood before here: how many instances there are, and a device that binds few buffers */

static guint destroyed, storage_buffers;

VKAPI_ATTR void VKAPI_CALL
vkDestroyInstance (VkInstance instance, const VkAllocationCallbacks *allocator)
{
  destroyed++;
  ((PFN_vkDestroyInstance) dlsym (RTLD_NEXT, __func__)) (instance, allocator);
}

VKAPI_ATTR void VKAPI_CALL
vkGetPhysicalDeviceProperties (VkPhysicalDevice physical, VkPhysicalDeviceProperties *properties)
{
  ((PFN_vkGetPhysicalDeviceProperties) dlsym (RTLD_NEXT, __func__)) (physical, properties);
  if (storage_buffers)
    properties->limits.maxPerStageDescriptorStorageBuffers = storage_buffers;
}

static gboolean first_stayed;

static void
open_first (void)
{
  nddr_device_unref (nddr_device_open (NULL, NULL));
  first_stayed = destroyed == 0;
}

/* However often devices are opened, the drivers stay loaded: from the first on there is always an instance. */
static void
test_instances (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (first_stayed);
  faults_set (NULL, 0, VK_SUCCESS);
  guint before = destroyed;
  for (guint i = 0; i < 3; i++) {
    g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
    g_assert_no_error (error);
    g_autoptr (GPtrArray) list = nddr_device_list (&error);
    g_assert_no_error (error);
  }
  g_assert_cmpuint (faults_count ("vkCreateInstance"), ==, 6);
  g_assert_cmpuint (destroyed - before, ==, 6);
}

static void
test_few_buffers (void)
{
  g_autoptr (GError) error = NULL;

  storage_buffers = 4; /* what Vulkan promises */
  g_autoptr (GPtrArray) list = nddr_device_list (&error);
  g_assert_no_error (error);
  for (guint i = 0; i < list->len; i++) {
    const NddrDeviceInfo *info = list->pdata[i];
    g_assert_false (info->usable);
    g_assert_nonnull (strstr (info->unusable_because, "4 storage buffers"));
  }
  g_assert_null (nddr_device_open (NULL, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
  storage_buffers = 0;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make_model ();
  open_first ();
  count_calls ();
  for (guint i = 0; i < FAULTS_N; i++) {
    g_autofree char *path = g_strconcat ("/faults/", faults_names[i], NULL);
    g_test_add_data_func (path, faults_names[i], test_calls);
  }
  g_test_add_func ("/faults/set-frames-keeps", test_set_frames_keeps);
  g_test_add_func ("/faults/failure-stays", test_failure_stays);
  g_test_add_func ("/faults/instances", test_instances);
  g_test_add_func ("/faults/few-buffers", test_few_buffers);
  int status = g_test_run ();
  nddr_model_unref (model);
  return status;
}
