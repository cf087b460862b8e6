/* What a physical device can do: see capabilities.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/capabilities.h>

#include <nddr/gpu/matrix.h>
#include <nddr/gpu/vulkan.h>

#include <math.h>

static void
query_driver (VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties, NddrCapabilities *c)
{
  VkPhysicalDeviceDriverProperties driver = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver };

  if (properties->apiVersion < VK_API_VERSION_1_2) {
    c->info.driver = g_strdup_printf ("driver 0x%x", properties->driverVersion);
    return;
  }
  vkGetPhysicalDeviceProperties2 (physical, &query);
  c->info.driver = g_strdup_printf ("%s %s", driver.driverName, driver.driverInfo);
  c->compiles_late = driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE;
}

gboolean
nddr_find_queue_family (VkPhysicalDevice physical, guint32 first, guint32 last, guint32 *family, guint32 *timestamp_bits)
{
  VkQueueFamilyProperties families[32];
  guint32 n;

  vkGetPhysicalDeviceQueueFamilyProperties (physical, &n, NULL); /* or SwiftShader fills as many as there is room for */
  n = MIN (n, G_N_ELEMENTS (families));
  vkGetPhysicalDeviceQueueFamilyProperties (physical, &n, families);
  for (guint32 i = first; i < n && i <= last; i++)
    if (families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) {
      *family = i;
      *timestamp_bits = families[i].timestampValidBits;
      return TRUE;
    }
  return FALSE;
}

/* The software family's kernels are made for subgroups of exactly eight lanes that can shuffle, 64-bit words, and rgba32f texel
 * buffers: what llvmpipe offers. */
static gboolean
fits_software_family (VkPhysicalDevice physical, const VkPhysicalDeviceProperties *properties,
    const VkPhysicalDeviceSubgroupProperties *subgroup, gboolean int64)
{
  VkFormatProperties format, uint_format;
  VkSubgroupFeatureFlags needed = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;

  vkGetPhysicalDeviceFormatProperties (physical, VK_FORMAT_R32G32B32A32_SFLOAT, &format);
  vkGetPhysicalDeviceFormatProperties (physical, VK_FORMAT_R32G32B32A32_UINT, &uint_format);
  return properties->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU && subgroup->subgroupSize == 8 && int64 &&
      (subgroup->supportedOperations & needed) == needed && (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
      (format.bufferFeatures & VK_FORMAT_FEATURE_STORAGE_TEXEL_BUFFER_BIT) &&
      (uint_format.bufferFeatures & VK_FORMAT_FEATURE_STORAGE_TEXEL_BUFFER_BIT);
}

/* how many cores take workgroups, where the maker says it */
static guint32
count_cores (VkPhysicalDevice physical)
{
  VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV };
  VkPhysicalDeviceShaderCorePropertiesAMD amd = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };

  if (nddr_vk_has_extension (physical, VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME))
    query.pNext = &nvidia;
  else if (nddr_vk_has_extension (physical, VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME))
    query.pNext = &amd;
  else
    return 0;
  vkGetPhysicalDeviceProperties2 (physical, &query);
  return nvidia.shaderSMCount + amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
}

void
nddr_capabilities_query (VkInstance instance, VkPhysicalDevice physical, NddrCapabilities *c)
{
  VkPhysicalDeviceProperties properties;
  VkPhysicalDeviceMemoryProperties memory;
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup };
  VkPhysicalDevice16BitStorageFeatures half = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };

  *c = (NddrCapabilities){ 0 };
  vkGetPhysicalDeviceProperties (physical, &properties);
  vkGetPhysicalDeviceMemoryProperties (physical, &memory);
  c->info.name = g_strdup (properties.deviceName);
  c->info.type = properties.deviceType;
  c->info.api_version = properties.apiVersion;
  for (guint32 i = 0; i < memory.memoryHeapCount; i++)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      c->info.memory = MAX (c->info.memory, memory.memoryHeaps[i].size);
  c->info.driver = g_strdup ("");
  if (properties.apiVersion < VK_API_VERSION_1_1) {
    c->info.unusable_because = g_strdup ("offers Vulkan 1.0 alone; 1.1 is needed");
    return;
  }
  g_free (c->info.driver);
  query_driver (physical, &properties, c);
  vkGetPhysicalDeviceProperties2 (physical, &query);
  vkGetPhysicalDeviceFeatures2 (physical, &features);
  c->info.subgroup_size = subgroup.subgroupSize;
  c->info.fp16 = half.storageBuffer16BitAccess;
  c->info.software = fits_software_family (physical, &properties, &subgroup, features.features.shaderInt64);
  c->traits = (NddrTraits){
    .family = c->info.software ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU,
    .fp16 = c->info.fp16,
    .subgroup_size = subgroup.subgroupSize,
    .max_storage_range = properties.limits.maxStorageBufferRange,
    .max_texel_elements = properties.limits.maxTexelBufferElements,
    .max_groups = { properties.limits.maxComputeWorkGroupCount[0], properties.limits.maxComputeWorkGroupCount[1],
        properties.limits.maxComputeWorkGroupCount[2] },
    .max_shared = properties.limits.maxComputeSharedMemorySize,
    .max_invocations = properties.limits.maxComputeWorkGroupInvocations,
    .max_work = properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ? INFINITY : NDDR_MAX_WORK, /* nobody waits for a processor */
    .matrix = nddr_matrix_query (instance, physical),
    .cores = count_cores (physical),
    .memory = c->info.memory,
    .cached = NDDR_CACHED,
  };
  c->info.matrix[0] = c->traits.matrix.m;
  c->info.matrix[1] = c->traits.matrix.n;
  c->info.matrix[2] = c->traits.matrix.k;
  guint buffers = MIN (properties.limits.maxPerStageDescriptorStorageBuffers, properties.limits.maxDescriptorSetStorageBuffers);
  guint needed = nddr_kernel_most_buffers ();
  if (!nddr_find_queue_family (physical, 0, G_MAXUINT32, &c->queue_family, &c->timestamp_bits))
    c->info.unusable_because = g_strdup ("has no queue that computes");
  else if (buffers < needed)
    c->info.unusable_because = g_strdup_printf ("lets a shader bind %u storage buffers; %u are needed", buffers, needed);
  c->info.usable = !c->info.unusable_because;
}

void
nddr_device_info_clear (NddrDeviceInfo *info)
{
  g_free (info->name);
  g_free (info->driver);
  g_free (info->unusable_because);
}
