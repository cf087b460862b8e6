/* A device that somebody else made, with nothing enabled on it: GStreamer 1.22 lends such ones.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator.h"

#include <nddr/model.h>
#include <nddr/nddr-session.h>

#include <math.h>

static const char config_json[] =
    "{ \"backbone\": \"mobilenet_v2\", \"width\": 0.25, \"head_width\": 0.03125, \"fusion\": \"nddr\", \"shortcut\": true, \"output_stride\": 16,"
    "  \"tasks\": [ { \"name\": \"normal\", \"kind\": \"normal\" }, { \"name\": \"depth\", \"kind\": \"depth\" } ],"
    "  \"input\": { \"width\": 64, \"height\": 48, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }";

#define WIDTH 19
#define HEIGHT 13
#define N_NORMALS (4 * 3 * 3) /* 64 x 48 over 16, three channels */

static NddrModel *model;

/* ---- the owner */

typedef struct
{
  NddrDeviceImport import;
  VkDebugUtilsMessengerEXT messenger;
  GMutex mutex;
  int locked; /* how often */
} Owner;

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message (VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user_data)
{
  g_critical ("Vulkan validation: %s", data->pMessage);
  return VK_FALSE;
}

static void
create_instance (Owner *owner)
{
  static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" }, *const extensions[] = { VK_EXT_DEBUG_UTILS_EXTENSION_NAME };
  gboolean validate = g_getenv ("NDDR_VALIDATION") != NULL;
  VkApplicationInfo application = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_1 };
  VkInstanceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
    .pApplicationInfo = &application,
    .enabledLayerCount = validate,
    .ppEnabledLayerNames = layers,
    .enabledExtensionCount = validate,
    .ppEnabledExtensionNames = extensions,
  };
  VkDebugUtilsMessengerCreateInfoEXT messenger = {
    .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
    .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
    .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
    .pfnUserCallback = on_message,
  };

  g_assert_cmpint (vkCreateInstance (&info, NULL, &owner->import.instance), ==, VK_SUCCESS);
  if (validate) {
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT) vkGetInstanceProcAddr (owner->import.instance, "vkCreateDebugUtilsMessengerEXT");
    g_assert_cmpint (create (owner->import.instance, &messenger, NULL, &owner->messenger), ==, VK_SUCCESS);
  }
}

/* @halves: 16-bit storage is enabled, and lent. */
static void
create_device (Owner *owner, gboolean halves)
{
  NddrDeviceImport *import = &owner->import;
  VkQueueFamilyProperties families[16];
  guint32 n = 1, n_families = G_N_ELEMENTS (families);
  float priority = 1;

  g_assert_cmpint (vkEnumeratePhysicalDevices (import->instance, &n, &import->physical_device), >=, VK_SUCCESS);
  vkGetPhysicalDeviceQueueFamilyProperties (import->physical_device, &n_families, families);
  while (import->queue_family < n_families && !(families[import->queue_family].queueFlags & VK_QUEUE_COMPUTE_BIT))
    import->queue_family++;
  g_assert_cmpuint (import->queue_family, <, n_families);

  VkDeviceQueueCreateInfo queue = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueFamilyIndex = import->queue_family,
    .queueCount = 1,
    .pQueuePriorities = &priority,
  };
  VkPhysicalDevice16BitStorageFeatures storage = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, .storageBuffer16BitAccess = halves };
  VkDeviceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &storage, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue };
  import->storage_16bit = halves;
  g_assert_cmpint (vkCreateDevice (import->physical_device, &info, NULL, &import->device), ==, VK_SUCCESS);
  vkGetDeviceQueue (import->device, import->queue_family, 0, &import->queue);
}

static void
lock (gpointer user_data)
{
  Owner *owner = user_data;

  g_assert_true (g_mutex_trylock (&owner->mutex)); /* one thread: it must be free */
  owner->locked++;
}

static void
unlock (gpointer user_data)
{
  g_mutex_unlock (&((Owner *) user_data)->mutex);
}

static void
owner_init (Owner *owner, gboolean halves)
{
  *owner = (Owner) { .import = { .lock_queue = lock, .unlock_queue = unlock, .user_data = owner } };
  g_mutex_init (&owner->mutex);
  create_instance (owner);
  create_device (owner, halves);
}

/* All that it lent must still be there, and nothing else: the validation layers count. */
static void
owner_clear (Owner *owner)
{
  g_assert_cmpint (vkDeviceWaitIdle (owner->import.device), ==, VK_SUCCESS);
  g_assert_true (g_mutex_trylock (&owner->mutex));
  g_mutex_unlock (&owner->mutex);
  g_mutex_clear (&owner->mutex);
  vkDestroyDevice (owner->import.device, NULL);
  if (owner->messenger) {
    PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        (PFN_vkDestroyDebugUtilsMessengerEXT) vkGetInstanceProcAddr (owner->import.instance, "vkDestroyDebugUtilsMessengerEXT");
    destroy (owner->import.instance, owner->messenger, NULL);
  }
  vkDestroyInstance (owner->import.instance, NULL);
}

/* ---- the borrower */

/* The normals' head for a frame, and an overlay over it. */
static void
infer (NddrDevice *device, NddrPrecision precision, float *head, guint8 *overlay)
{
  static const NddrFrameFormat input = { NDDR_PIXEL_RGB, WIDTH, HEIGHT, .full_range = TRUE };
  static const NddrOutput outputs[] = {
    { "normal", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT },
    { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
  };
  NddrSessionOptions options = { .precision = precision };
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSession) session = nddr_session_new (device, model, &options, &error);
  guint8 pixels[WIDTH * HEIGHT * 3];
  NddrFrame frame = { { pixels }, { WIDTH * 3 } };
  NddrFrame results[] = { { { (guint8 *) head }, { 4 * 3 * sizeof (float) } }, { { overlay }, { WIDTH * 4 } } };

  g_assert_no_error (error);
  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = i * 2654435761u >> 24;
  nddr_session_set_frames (session, &input, outputs, G_N_ELEMENTS (outputs), &error);
  g_assert_no_error (error);
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, &error);
  g_assert_no_error (error);
  nddr_session_wait (session, ticket, results, NULL, &error);
  g_assert_no_error (error);
}

/* What it computes is what it computes on a device of its own, where everything is enabled. */
static void
test_results (void)
{
  Owner owner;
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) own = nddr_device_open ("0", &error);
  float lent_head[N_NORMALS], own_head[N_NORMALS];
  guint8 lent_overlay[WIDTH * HEIGHT * 4], own_overlay[WIDTH * HEIGHT * 4];
  double difference = 0, norm = 0;

  g_assert_no_error (error);
  infer (own, NDDR_PRECISION_FP32, own_head, own_overlay);
  owner_init (&owner, FALSE);
  NddrDevice *lent = nddr_device_import (&owner.import, &error);
  g_assert_no_error (error);
  infer (lent, NDDR_PRECISION_FP32, lent_head, lent_overlay);
  nddr_device_unref (lent);
  g_assert_cmpint (owner.locked, >, 0);
  owner_clear (&owner);

  for (guint i = 0; i < N_NORMALS; i++) {
    difference += pow (lent_head[i] - own_head[i], 2);
    norm += pow (own_head[i], 2);
  }
  g_assert_cmpfloat (norm, >, 0);
  g_assert_cmpfloat (sqrt (difference / norm), <, 1e-5);
  for (guint i = 0; i < sizeof own_overlay; i++)
    g_assert_cmpint (ABS (lent_overlay[i] - own_overlay[i]), <=, 1);
}

/* What was not enabled is not used, and said to be missing where it is asked for. */
static void
test_missing_features (void)
{
  Owner owner;
  g_autoptr (GError) error = NULL;
  NddrSessionOptions half = { .precision = NDDR_PRECISION_FP16 };

  owner_init (&owner, FALSE);
  NddrDevice *lent = nddr_device_import (&owner.import, &error);
  g_assert_no_error (error);
  g_assert_false (nddr_device_get_info (lent)->fp16);
  g_assert_false (nddr_device_get_info (lent)->software);
  g_assert_null (nddr_session_new (lent, model, &half, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
  nddr_device_unref (lent);
  owner_clear (&owner);
}

/* Halves are not chosen for a processor because it runs the kernels for GPUs. */
static void
test_auto (void)
{
  Owner owner;
  g_autoptr (GError) error = NULL;
  float heads[3][N_NORMALS];
  guint8 overlay[WIDTH * HEIGHT * 4];

  owner_init (&owner, TRUE);
  NddrDevice *lent = nddr_device_import (&owner.import, &error);
  g_assert_no_error (error);
  g_assert_cmpint (nddr_device_get_info (lent)->type, ==, VK_PHYSICAL_DEVICE_TYPE_CPU);
  g_assert_true (nddr_device_get_info (lent)->fp16);
  for (int precision = 0; precision < 3; precision++)
    infer (lent, precision, heads[precision], overlay);
  g_assert_cmpmem (heads[NDDR_PRECISION_AUTO], sizeof *heads, heads[NDDR_PRECISION_FP32], sizeof *heads);
  g_assert_cmpint (memcmp (heads[NDDR_PRECISION_AUTO], heads[NDDR_PRECISION_FP16], sizeof *heads), !=, 0);
  nddr_device_unref (lent);
  owner_clear (&owner);
}

static void
test_wrong_family (void)
{
  Owner owner;
  g_autoptr (GError) error = NULL;

  owner_init (&owner, FALSE);
  owner.import.queue_family = 31;
  g_assert_null (nddr_device_import (&owner.import, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
  owner_clear (&owner);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config;

  g_test_init (&argc, &argv, NULL);
  config = nddr_config_parse (config_json, &error);
  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  g_test_add_func ("/lent/results", test_results);
  g_test_add_func ("/lent/missing-features", test_missing_features);
  g_test_add_func ("/lent/auto", test_auto);
  g_test_add_func ("/lent/wrong-family", test_wrong_family);
  int status = g_test_run ();
  nddr_model_unref (model);
  return status;
}
