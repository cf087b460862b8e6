/* Cooperative matrices: see matrix.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/matrix.h>

#include <nddr/gpu/vulkan.h>

#define VENDOR_INTEL 0x8086

/* Shaders with cooperative matrices are written for Vulkan's memory model, and a matrix is spread over a subgroup: its size must be
 * known, and no invocation may be missing. */
const char *const nddr_matrix_extensions[NDDR_N_MATRIX_EXTENSIONS] = {
  VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME,
  VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME,
  VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME,
  VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME,
};

void *
nddr_matrix_features_chain (NddrMatrixFeatures *features, void *next)
{
  *features = (NddrMatrixFeatures){
    .matrix = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, .pNext = &features->memory_model },
    .memory_model = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, .pNext = &features->float16 },
    .float16 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, .pNext = &features->subgroup_size },
    .subgroup_size = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT, .pNext = next },
  };
  return &features->matrix;
}

void
nddr_matrix_features_enable (NddrMatrixFeatures *features)
{
  features->matrix.cooperativeMatrix = VK_TRUE;
  features->memory_model.vulkanMemoryModel = VK_TRUE;
  features->float16.shaderFloat16 = VK_TRUE;
  features->subgroup_size.subgroupSizeControl = VK_TRUE;
  features->subgroup_size.computeFullSubgroups = VK_TRUE;
}

static gboolean
has_extensions (VkPhysicalDevice physical)
{
  for (guint i = 0; i < NDDR_N_MATRIX_EXTENSIONS; i++)
    if (!nddr_vk_has_extension (physical, nddr_matrix_extensions[i]))
      return FALSE;
  return TRUE;
}

static gboolean
has_features (VkPhysicalDevice physical)
{
  NddrMatrixFeatures offered;
  VkPhysicalDevice16BitStorageFeatures half = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES };
  VkPhysicalDeviceFeatures2 features = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
    .pNext = nddr_matrix_features_chain (&offered, &half),
  };

  vkGetPhysicalDeviceFeatures2 (physical, &features);
  return half.storageBuffer16BitAccess && offered.matrix.cooperativeMatrix && offered.memory_model.vulkanMemoryModel &&
      offered.float16.shaderFloat16 && offered.subgroup_size.subgroupSizeControl && offered.subgroup_size.computeFullSubgroups;
}

/* of the subgroup's size, which pipelines ask for */
static gboolean
has_subgroups (VkPhysicalDevice physical)
{
  VkPhysicalDeviceSubgroupSizeControlPropertiesEXT control = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT };
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &control };
  VkPhysicalDeviceProperties2 query = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup };

  vkGetPhysicalDeviceProperties2 (physical, &query);
  return (control.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) && subgroup.subgroupSize >= control.minSubgroupSize &&
      subgroup.subgroupSize <= control.maxSubgroupSize;
}

/* what the kernels can use: they load and store eight channels at a time */
static gboolean
is_usable (const VkCooperativeMatrixPropertiesKHR *p)
{
  return p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
      p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && !p->saturatingAccumulation &&
      p->scope == VK_SCOPE_SUBGROUP_KHR && p->MSize <= 16 && (p->NSize == 8 || p->NSize == 16) && (p->KSize == 8 || p->KSize == 16);
}

/* Before Xe2, whose matrices have 16 columns, Mesa computes Intel's by other instructions, whose 16 products are summed in 16 bits first
 * (brw_lower_dpas.cpp); where such hardware has its own, they are slower than without, as others found. */
static gboolean
is_real (const VkPhysicalDeviceProperties *device, const VkCooperativeMatrixPropertiesKHR *p)
{
  return device->vendorID != VENDOR_INTEL || p->NSize > 8;
}

NddrMatrixSize
nddr_matrix_choose (const VkPhysicalDeviceProperties *device, const VkCooperativeMatrixPropertiesKHR *all, guint32 n)
{
  NddrMatrixSize best = { 0 };

  for (guint32 i = 0; i < n; i++) {
    const VkCooperativeMatrixPropertiesKHR *p = &all[i];

    if (is_usable (p) && is_real (device, p) && p->MSize * p->NSize * p->KSize > best.m * best.n * best.k)
      best = (NddrMatrixSize){ p->MSize, p->NSize, p->KSize, device->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU };
  }
  return best;
}

NddrMatrixSize
nddr_matrix_query (VkInstance instance, VkPhysicalDevice physical)
{
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get = (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)
      vkGetInstanceProcAddr (instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  g_autofree VkCooperativeMatrixPropertiesKHR *all = NULL;
  VkPhysicalDeviceProperties properties;
  guint32 n = 0;

  if (!get || !has_extensions (physical) || !has_features (physical) || !has_subgroups (physical) || get (physical, &n, NULL) != VK_SUCCESS)
    return (NddrMatrixSize){ 0 };
  all = g_new0 (VkCooperativeMatrixPropertiesKHR, n + 1);
  vkGetPhysicalDeviceProperties (physical, &properties);
  for (guint32 i = 0; i < n; i++)
    all[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (get (physical, &n, all) != VK_SUCCESS)
    return (NddrMatrixSize){ 0 };
  return nddr_matrix_choose (&properties, all, n);
}
