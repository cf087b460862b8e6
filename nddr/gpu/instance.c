/* Instances: see instance.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/instance.h>
#include <nddr/error.h>

#include <nddr/gpu/vulkan.h>

static gint n_instances; /* that somebody holds, those that are lent too; atomic */

gboolean
nddr_instance_is_validated (void)
{
  const char *value = g_getenv ("NDDR_VALIDATION");

  return value && *value && !g_str_equal (value, "0");
}

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message (VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user_data)
{
  g_critical ("Vulkan validation: %s", data->pMessage);
  return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
  .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
  .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
  .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
  .pfnUserCallback = on_message,
};

gboolean
nddr_instance_create (VkInstance *instance, GError **error)
{
  static const VkValidationFeatureEnableEXT enables[] = { VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT };
  static const char *const layers[] = { "VK_LAYER_KHRONOS_validation" };
  const char *extensions[2];
  VkValidationFeaturesEXT features = {
    .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
    .pNext = &messenger_info,
    .enabledValidationFeatureCount = G_N_ELEMENTS (enables),
    .pEnabledValidationFeatures = enables,
  };
  VkApplicationInfo application = {
    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
    .pEngineName = "nddr",
    .apiVersion = VK_API_VERSION_1_1,
  };
  VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &application, .ppEnabledExtensionNames = extensions };
  PFN_vkEnumerateInstanceVersion enumerate_version = (PFN_vkEnumerateInstanceVersion)
      vkGetInstanceProcAddr (NULL, "vkEnumerateInstanceVersion");
  VkResult result;

  if (!enumerate_version)
    return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "the Vulkan loader knows Vulkan 1.0 alone; 1.1 is needed: install a newer libvulkan1");
  if (nddr_instance_is_validated ()) {
    info.pNext = &features;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = layers;
    extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  }
  /* loaders hide drivers that stand on another interface, as MoltenVK does on Metal, from those who do not ask */
  if (nddr_vk_instance_has_extension (VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
    info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
  }
  result = vkCreateInstance (&info, NULL, instance);
  if (result == VK_SUCCESS)
    g_atomic_int_inc (&n_instances);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    return nddr_fail (error, NDDR_ERROR_NO_DEVICE,
        "no Vulkan driver was found, or none could be loaded: install the GPU's, or mesa-vulkan-drivers for the processor's own (lavapipe)");
  if (result == VK_ERROR_LAYER_NOT_PRESENT)
    return nddr_fail (error, NDDR_ERROR_FAILED,
        "NDDR_VALIDATION is set, but there is no validation layer: install vulkan-validationlayers, or unset it");
  return nddr_vk_check (result, "creating a Vulkan instance", error);
}

/* Drivers are unloaded with the last instance, and some cannot be loaded again and again: the libraries of one are said to take a little of a process's
 * static thread-local memory each time and to give back less, until no driver is found.  So the last one that would go stays: one a process. */
void
nddr_instance_destroy (VkInstance instance)
{
  static gint kept;

  if (g_atomic_int_dec_and_test (&n_instances) && g_atomic_int_compare_and_exchange (&kept, 0, 1))
    return;
  vkDestroyInstance (instance, NULL);
}

void
nddr_instance_borrow (void)
{
  g_atomic_int_inc (&n_instances);
}

void
nddr_instance_return (void)
{
  g_atomic_int_add (&n_instances, -1);
}

GArray *
nddr_instance_physical_devices (VkInstance instance, GError **error)
{
  GArray *devices = g_array_new (FALSE, TRUE, sizeof (VkPhysicalDevice));
  guint32 n = 0;
  VkResult result = vkEnumeratePhysicalDevices (instance, &n, NULL);

  if (result == VK_SUCCESS && n > 0) {
    g_array_set_size (devices, n);
    result = vkEnumeratePhysicalDevices (instance, &n, (VkPhysicalDevice *) devices->data);
    g_array_set_size (devices, n);
  }
  if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
    nddr_vk_check (result, "listing Vulkan devices", error);
    g_array_unref (devices);
    return NULL;
  }
  return devices;
}

VkDebugUtilsMessengerEXT
nddr_messenger_create (VkInstance instance)
{
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;

  if (nddr_instance_is_validated ()) {
    PFN_vkCreateDebugUtilsMessengerEXT create =
        (PFN_vkCreateDebugUtilsMessengerEXT) vkGetInstanceProcAddr (instance, "vkCreateDebugUtilsMessengerEXT");

    create (instance, &messenger_info, NULL, &messenger);
  }
  return messenger;
}

void
nddr_messenger_destroy (VkInstance instance, VkDebugUtilsMessengerEXT messenger)
{
  if (messenger) {
    PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        (PFN_vkDestroyDebugUtilsMessengerEXT) vkGetInstanceProcAddr (instance, "vkDestroyDebugUtilsMessengerEXT");

    destroy (instance, messenger, NULL);
  }
}
