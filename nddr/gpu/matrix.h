/* Cooperative matrices (VK_KHR_cooperative_matrix): whether a device multiplies 16-bit floats into 32-bit sums with them, and what must be
 * enabled for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/plan.h>
#include <vulkan/vulkan.h>

G_BEGIN_DECLS

/** Headers older than 1.3.255, Debian 12's, lack the extension: its numbers and layouts are the registry's. */
#ifndef VK_KHR_cooperative_matrix
#define VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME "VK_KHR_cooperative_matrix"
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR ((VkStructureType) 1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR ((VkStructureType) 1000506001)
typedef enum { VK_COMPONENT_TYPE_FLOAT16_KHR = 0, VK_COMPONENT_TYPE_FLOAT32_KHR = 1 } VkComponentTypeKHR;
typedef enum { VK_SCOPE_SUBGROUP_KHR = 3 } VkScopeKHR;
typedef struct
{
  VkStructureType sType;
  void *pNext;
  VkBool32 cooperativeMatrix;
  VkBool32 cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;
typedef struct
{
  VkStructureType sType;
  void *pNext;
  guint32 MSize, NSize, KSize;
  VkComponentTypeKHR AType, BType, CType, ResultType;
  VkBool32 saturatingAccumulation;
  VkScopeKHR scope;
} VkCooperativeMatrixPropertiesKHR;
typedef VkResult (VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) (VkPhysicalDevice physicalDevice, guint32 *pPropertyCount,
    VkCooperativeMatrixPropertiesKHR *pProperties);
#endif

/** Features to chain into VkDeviceCreateInfo, and the extensions that have them. */
typedef struct
{
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
  VkPhysicalDeviceShaderFloat16Int8Features float16;
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroup_size;
} NddrMatrixFeatures;

#define NDDR_N_MATRIX_EXTENSIONS 4
extern const char *const nddr_matrix_extensions[NDDR_N_MATRIX_EXTENSIONS];

/** Links @features in front of @next, all of them FALSE; @returns the chain's start. */
void *nddr_matrix_features_chain (NddrMatrixFeatures *features, void *next);
/** Sets what is needed, to be enabled. */
void nddr_matrix_features_enable (NddrMatrixFeatures *features);
/** Of the @n sizes that a driver lists the largest that the kernels can use; all 0: none.  @device: vendor and type count. */
NddrMatrixSize nddr_matrix_choose (const VkPhysicalDeviceProperties *device, const VkCooperativeMatrixPropertiesKHR *all, guint32 n);
/** The device's sizes for the kernels (NddrTraits.matrix); all 0 where it lacks anything that they need. @physical offers Vulkan 1.1. */
NddrMatrixSize nddr_matrix_query (VkInstance instance, VkPhysicalDevice physical);

G_END_DECLS
