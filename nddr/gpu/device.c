/* Devices: opening and importing them, their queue, their end.  See nddr-device.h and device.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/device.h>
#include <nddr/error.h>

#include <nddr/gpu/capabilities.h>
#include <nddr/gpu/device-pipelines.h>
#include <nddr/gpu/instance.h>
#include <nddr/gpu/matrix.h>
#include <nddr/gpu/tuning-cache.h>
#include <nddr/gpu/vulkan.h>

#include <string.h>

#define PORTABILITY_SUBSET "VK_KHR_portability_subset" /* of a header of its own, for what is in beta */

static NddrDevice *
device_alloc (VkInstance instance, VkPhysicalDevice physical)
{
  NddrDevice *device = g_new0 (NddrDevice, 1);
  NddrCapabilities c;

  g_atomic_ref_count_init (&device->refs);
  g_mutex_init (&device->queue_mutex);
  g_mutex_init (&device->twin_mutex);
  nddr_capabilities_query (instance, physical, &c);
  device->physical_device = physical;
  device->info = c.info;
  device->traits = c.traits;
  device->queue_family = c.queue_family;
  device->timestamp_bits = c.timestamp_bits;
  device->compiles_late = c.compiles_late;
  vkGetPhysicalDeviceProperties (physical, &device->properties);
  vkGetPhysicalDeviceMemoryProperties (physical, &device->memory);
  device->timestamp_period = device->properties.limits.timestampPeriod;
  return device;
}

static gboolean
create_device (NddrDevice *device, GError **error)
{
  float priority = 1;
  VkPhysicalDevice16BitStorageFeatures half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
    .storageBuffer16BitAccess = device->info.fp16,
  };
  NddrMatrixFeatures matrix;
  const char *extensions[NDDR_N_MATRIX_EXTENSIONS + 1];
  VkPhysicalDeviceFeatures supported;
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };
  VkDeviceQueueCreateInfo queue = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueFamilyIndex = device->queue_family,
    .queueCount = 1,
    .pQueuePriorities = &priority,
  };
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue,
    .ppEnabledExtensionNames = extensions,
  };

  vkGetPhysicalDeviceFeatures (device->physical_device, &supported);
  features.features.shaderInt64 = supported.shaderInt64;
  if (device->traits.matrix.m) {
    features.pNext = nddr_matrix_features_chain (&matrix, &half);
    nddr_matrix_features_enable (&matrix);
    for (guint i = 0; i < NDDR_N_MATRIX_EXTENSIONS; i++)
      extensions[info.enabledExtensionCount++] = nddr_matrix_extensions[i];
  }
  if (nddr_vk_has_extension (device->physical_device, PORTABILITY_SUBSET)) /* which then must be enabled */
    extensions[info.enabledExtensionCount++] = PORTABILITY_SUBSET;
  if (!nddr_vk_check (vkCreateDevice (device->physical_device, &info, NULL, &device->device), "creating a Vulkan device", error))
    return FALSE;
  vkGetDeviceQueue (device->device, device->queue_family, 0, &device->queue);
  return TRUE;
}

/* @instance: taken, also on error */
static NddrDevice *
open_physical (VkInstance instance, VkPhysicalDevice physical, GError **error)
{
  NddrDevice *device = device_alloc (instance, physical);

  device->instance = instance;
  device->messenger = nddr_messenger_create (instance);
  if (create_device (device, error))
    return device;
  nddr_device_unref (device);
  return NULL;
}

NddrDevice *
nddr_device_open (const char *which, GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) devices = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GArray) matches = NULL;
  NddrDevice *device;

  if (!nddr_instance_create (&instance, error))
    return NULL;
  devices = nddr_instance_physical_devices (instance, error);
  if (devices) {
    list = nddr_device_list_of (instance, devices);
    matches = nddr_device_match_among (list, which, error);
  }
  if (!matches) {
    nddr_instance_destroy (instance);
    return NULL;
  }
  device = open_physical (instance, g_array_index (devices, VkPhysicalDevice, g_array_index (matches, guint, 0)), error);
  if (device) {
    nddr_pipelines_init (device);
    nddr_tuning_cache_init (device);
    device->max_twins = device->traits.family == NDDR_FAMILY_SOFTWARE ? NDDR_DEVICE_MAX_TWINS : 0;
  }
  return device;
}

NddrDevice *
nddr_device_open_again (const NddrDevice *device, GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) devices = NULL;

  if (!nddr_instance_create (&instance, error))
    return NULL;
  devices = nddr_instance_physical_devices (instance, error);
  for (guint i = 0; devices && i < devices->len; i++) {
    VkPhysicalDevice physical = g_array_index (devices, VkPhysicalDevice, i);
    VkPhysicalDeviceProperties properties;

    vkGetPhysicalDeviceProperties (physical, &properties);
    if (properties.driverVersion == device->properties.driverVersion && properties.vendorID == device->properties.vendorID &&
        properties.deviceID == device->properties.deviceID &&
        memcmp (properties.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE) == 0)
      return open_physical (instance, physical, error);
  }
  nddr_instance_destroy (instance);
  if (devices)
    nddr_fail (error, NDDR_ERROR_NO_DEVICE, "%s is not there any more", device->info.name);
  return NULL;
}

NddrDevice *
nddr_device_get_twin (NddrDevice *device, guint i, GError **error)
{
  NddrDevice *twin;

  g_assert (i < device->max_twins);
  g_mutex_lock (&device->twin_mutex);
  twin = device->twins[i];
  if (!twin && (twin = nddr_device_open_again (device, error))) {
    nddr_pipelines_init (twin);
    device->twins[i] = twin;
  }
  g_mutex_unlock (&device->twin_mutex);
  return twin;
}

NddrDevice *
nddr_device_import (const NddrDeviceImport *import, GError **error)
{
  NddrDevice *device = device_alloc (import->instance, import->physical_device);

  nddr_instance_borrow ();
  device->lent = TRUE;
  device->import = *import;
  device->instance = import->instance;
  device->device = import->device;
  device->queue = import->queue;
  device->traits.fp16 = device->info.fp16 = import->storage_16bit && device->info.fp16;
  device->traits.matrix = (NddrMatrixSize){ 0 }; /* their features are not enabled there */
  memset (device->info.matrix, 0, sizeof device->info.matrix);
  if (!import->shader_int64 && device->traits.family == NDDR_FAMILY_SOFTWARE) {
    device->traits.family = NDDR_FAMILY_GPU;
    device->info.software = FALSE;
  }
  if (!device->info.usable) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s %s", device->info.name, device->info.unusable_because);
    nddr_device_unref (device);
    return NULL;
  }
  if (!nddr_find_queue_family (import->physical_device, import->queue_family, import->queue_family, &device->queue_family, &device->timestamp_bits)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s: the given queue is of family %u, which does not compute", device->info.name,
        import->queue_family);
    nddr_device_unref (device);
    return NULL;
  }
  nddr_pipelines_init (device);
  nddr_tuning_cache_init (device);
  return device;
}

NddrDevice *
nddr_device_ref (NddrDevice *device)
{
  g_atomic_ref_count_inc (&device->refs);
  return device;
}

static void
lock_queue (NddrDevice *device)
{
  g_mutex_lock (&device->queue_mutex);
  if (device->import.lock_queue)
    device->import.lock_queue (device->import.user_data);
}

static void
unlock_queue (NddrDevice *device)
{
  if (device->import.unlock_queue)
    device->import.unlock_queue (device->import.user_data);
  g_mutex_unlock (&device->queue_mutex);
}

void
nddr_device_wait_idle (NddrDevice *device)
{
  lock_queue (device);
  vkQueueWaitIdle (device->queue);
  unlock_queue (device);
}

void
nddr_device_unref (NddrDevice *device)
{
  if (!device || !g_atomic_ref_count_dec (&device->refs))
    return;
  for (guint i = 0; i < NDDR_DEVICE_MAX_TWINS; i++)
    nddr_device_unref (device->twins[i]);
  if (device->device) {
    nddr_device_wait_idle (device);
    nddr_pipelines_clear (device);
  }
  if (device->lent) {
    nddr_instance_return ();
  } else {
    vkDestroyDevice (device->device, NULL);
    nddr_messenger_destroy (device->instance, device->messenger);
    nddr_instance_destroy (device->instance);
  }
  nddr_tuning_free (device->tuning);
  nddr_device_info_clear (&device->info);
  g_mutex_clear (&device->queue_mutex);
  g_mutex_clear (&device->twin_mutex);
  g_free (device);
}

const NddrDeviceInfo *
nddr_device_get_info (const NddrDevice *device)
{
  return &device->info;
}

const NddrTraits *
nddr_device_get_traits (const NddrDevice *device)
{
  return &device->traits;
}

gboolean
nddr_device_submit (NddrDevice *device, const VkSubmitInfo *submit, VkFence fence, GError **error)
{
  VkResult result;

  lock_queue (device);
  result = vkQueueSubmit (device->queue, 1, submit, fence);
  unlock_queue (device);
  return nddr_vk_check (result, "submitting to the device", error);
}
