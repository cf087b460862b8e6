/* Vulkan's results and extensions: see vulkan.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/vulkan.h>
#include <nddr/error.h>

#include <string.h>

static const char *
result_name (VkResult result)
{
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialization failed";
    case VK_ERROR_DEVICE_LOST: return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED: return "memory map failed";
    case VK_ERROR_LAYER_NOT_PRESENT: return "layer not present";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "incompatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_TIMEOUT: return "timeout";
    default: return "Vulkan error";
  }
}

gboolean
nddr_vk_check (VkResult result, const char *doing, GError **error)
{
  NddrError code = NDDR_ERROR_FAILED;

  if (result == VK_SUCCESS)
    return TRUE;
  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS)
    code = NDDR_ERROR_NO_MEMORY;
  else if (result == VK_ERROR_DEVICE_LOST)
    code = NDDR_ERROR_DEVICE_LOST;
  else if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    code = NDDR_ERROR_NO_DEVICE;
  return nddr_fail (error, code, "%s: %s (VkResult %d)", doing, result_name (result), result);
}

static gboolean
is_among (const VkExtensionProperties *extensions, guint32 n, const char *name)
{
  for (guint32 i = 0; i < n; i++)
    if (strcmp (extensions[i].extensionName, name) == 0)
      return TRUE;
  return FALSE;
}

gboolean
nddr_vk_has_extension (VkPhysicalDevice physical, const char *name)
{
  g_autofree VkExtensionProperties *extensions = NULL;
  guint32 n = 0;

  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, NULL) != VK_SUCCESS)
    return FALSE;
  extensions = g_new0 (VkExtensionProperties, n + 1);
  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, extensions) != VK_SUCCESS)
    return FALSE;
  return is_among (extensions, n, name);
}

gboolean
nddr_vk_instance_has_extension (const char *name)
{
  guint32 n = 0;
  g_autofree VkExtensionProperties *extensions = NULL;

  if (vkEnumerateInstanceExtensionProperties (NULL, &n, NULL) != VK_SUCCESS)
    return FALSE;
  extensions = g_new0 (VkExtensionProperties, n + 1);
  if (vkEnumerateInstanceExtensionProperties (NULL, &n, extensions) < VK_SUCCESS)
    return FALSE;
  return is_among (extensions, n, name);
}
