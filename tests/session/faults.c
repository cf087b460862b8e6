/* See faults.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

#include <dlfcn.h>

const char *const faults_names[FAULTS_N] = {
  "vkAllocateCommandBuffers", "vkAllocateDescriptorSets", "vkAllocateMemory", "vkBeginCommandBuffer",
  "vkBindBufferMemory", "vkCreateBuffer", "vkCreateBufferView", "vkCreateCommandPool", "vkCreateComputePipelines",
  "vkCreateDescriptorPool", "vkCreateDescriptorSetLayout", "vkCreateDevice", "vkCreateFence", "vkCreateInstance",
  "vkCreatePipelineCache", "vkCreatePipelineLayout", "vkCreateQueryPool", "vkCreateShaderModule", "vkEndCommandBuffer",
  "vkEnumeratePhysicalDevices", "vkGetPipelineCacheData", "vkGetQueryPoolResults", "vkMapMemory", "vkQueueSubmit",
  "vkQueueWaitIdle", "vkResetFences", "vkWaitForFences",
};

static gint counts[FAULTS_N];    /* atomic: pipelines are made by several threads */
static gint elsewhere[FAULTS_N]; /* likewise: of these on other threads than this one */
static GThread *here;
static const char *chosen;
static guint chosen_nth;
static VkResult chosen_result;
static gint happened;         /* it failed; atomic */
static guint slow_ms;

guint
faults_index (const char *name)
{
  guint i = 0;

  while (!g_str_equal (faults_names[i], name)) {
    i++;
    g_assert_cmpuint (i, <, FAULTS_N);
  }
  return i;
}

void
faults_set (const char *name, guint nth, VkResult result)
{
  for (guint i = 0; i < FAULTS_N; i++) {
    g_atomic_int_set (&counts[i], 0);
    g_atomic_int_set (&elsewhere[i], 0);
  }
  here = g_thread_self ();
  chosen = name;
  chosen_nth = nth;
  chosen_result = result;
  g_atomic_int_set (&happened, FALSE);
}

void
faults_slow (guint ms)
{
  slow_ms = ms;
}

guint
faults_count (const char *name)
{
  return g_atomic_int_get (&counts[faults_index (name)]);
}

guint
faults_count_elsewhere (const char *name)
{
  return g_atomic_int_get (&elsewhere[faults_index (name)]);
}

/* The function of that name that this one stands before: the loader's. */
static gpointer
next (const char *name)
{
  gpointer function = dlsym (RTLD_NEXT, name);

  g_assert_nonnull (function);
  return function;
}

/* Counts a call of @name; TRUE: it is the one to fail. */
static gboolean
fails (const char *name)
{
  guint n = g_atomic_int_add (&counts[faults_index (name)], 1) + 1;

  if (g_thread_self () != here)
    g_atomic_int_inc (&elsewhere[faults_index (name)]);
  if (!chosen || !g_str_equal (chosen, name) || n != chosen_nth)
    return FALSE;
  g_atomic_int_set (&happened, TRUE);
  return TRUE;
}

/* The same for calls that need a device that is not lost. */
static gboolean
fails_when_lost (const char *name)
{
  return fails (name) || (g_atomic_int_get (&happened) && chosen_result == VK_ERROR_DEVICE_LOST);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkAllocateCommandBuffers (VkDevice device, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *commands)
{
  return fails (__func__) ? chosen_result : ((PFN_vkAllocateCommandBuffers) next (__func__)) (device, info, commands);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkAllocateDescriptorSets (VkDevice device, const VkDescriptorSetAllocateInfo *info, VkDescriptorSet *sets)
{
  return fails (__func__) ? chosen_result : ((PFN_vkAllocateDescriptorSets) next (__func__)) (device, info, sets);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkAllocateMemory (VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *allocator, VkDeviceMemory *memory)
{
  return fails (__func__) ? chosen_result : ((PFN_vkAllocateMemory) next (__func__)) (device, info, allocator, memory);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkBeginCommandBuffer (VkCommandBuffer commands, const VkCommandBufferBeginInfo *info)
{
  return fails (__func__) ? chosen_result : ((PFN_vkBeginCommandBuffer) next (__func__)) (commands, info);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkBindBufferMemory (VkDevice device, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset)
{
  return fails (__func__) ? chosen_result : ((PFN_vkBindBufferMemory) next (__func__)) (device, buffer, memory, offset);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateBuffer (VkDevice device, const VkBufferCreateInfo *info, const VkAllocationCallbacks *allocator, VkBuffer *buffer)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateBuffer) next (__func__)) (device, info, allocator, buffer);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateBufferView (VkDevice device, const VkBufferViewCreateInfo *info, const VkAllocationCallbacks *allocator, VkBufferView *view)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateBufferView) next (__func__)) (device, info, allocator, view);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateCommandPool (VkDevice device, const VkCommandPoolCreateInfo *info, const VkAllocationCallbacks *allocator, VkCommandPool *pool)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateCommandPool) next (__func__)) (device, info, allocator, pool);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateComputePipelines (VkDevice device, VkPipelineCache cache, uint32_t n, const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *allocator,
    VkPipeline *pipelines)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateComputePipelines) next (__func__)) (device, cache, n, infos, allocator, pipelines);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateDescriptorPool (VkDevice device, const VkDescriptorPoolCreateInfo *info, const VkAllocationCallbacks *allocator, VkDescriptorPool *pool)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateDescriptorPool) next (__func__)) (device, info, allocator, pool);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateDescriptorSetLayout (VkDevice device, const VkDescriptorSetLayoutCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkDescriptorSetLayout *layout)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateDescriptorSetLayout) next (__func__)) (device, info, allocator, layout);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateDevice (VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *device)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateDevice) next (__func__)) (physical, info, allocator, device);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateFence (VkDevice device, const VkFenceCreateInfo *info, const VkAllocationCallbacks *allocator, VkFence *fence)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateFence) next (__func__)) (device, info, allocator, fence);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateInstance (const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *instance)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateInstance) next (__func__)) (info, allocator, instance);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreatePipelineCache (VkDevice device, const VkPipelineCacheCreateInfo *info, const VkAllocationCallbacks *allocator, VkPipelineCache *cache)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreatePipelineCache) next (__func__)) (device, info, allocator, cache);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreatePipelineLayout (VkDevice device, const VkPipelineLayoutCreateInfo *info, const VkAllocationCallbacks *allocator, VkPipelineLayout *layout)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreatePipelineLayout) next (__func__)) (device, info, allocator, layout);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateQueryPool (VkDevice device, const VkQueryPoolCreateInfo *info, const VkAllocationCallbacks *allocator, VkQueryPool *pool)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateQueryPool) next (__func__)) (device, info, allocator, pool);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateShaderModule (VkDevice device, const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator, VkShaderModule *module)
{
  return fails (__func__) ? chosen_result : ((PFN_vkCreateShaderModule) next (__func__)) (device, info, allocator, module);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkEndCommandBuffer (VkCommandBuffer commands)
{
  return fails (__func__) ? chosen_result : ((PFN_vkEndCommandBuffer) next (__func__)) (commands);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkEnumeratePhysicalDevices (VkInstance instance, uint32_t *n, VkPhysicalDevice *devices)
{
  return fails (__func__) ? chosen_result : ((PFN_vkEnumeratePhysicalDevices) next (__func__)) (instance, n, devices);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkGetPipelineCacheData (VkDevice device, VkPipelineCache cache, size_t *size, void *data)
{
  return fails (__func__) ? chosen_result : ((PFN_vkGetPipelineCacheData) next (__func__)) (device, cache, size, data);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkGetQueryPoolResults (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n, size_t size, void *data, VkDeviceSize stride, VkQueryResultFlags flags)
{
  return fails_when_lost (__func__) ? chosen_result : ((PFN_vkGetQueryPoolResults) next (__func__)) (device, pool, first, n, size, data, stride, flags);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkMapMemory (VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags, void **map)
{
  return fails (__func__) ? chosen_result : ((PFN_vkMapMemory) next (__func__)) (device, memory, offset, size, flags, map);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence)
{
  return fails_when_lost (__func__) ? chosen_result : ((PFN_vkQueueSubmit) next (__func__)) (queue, n, submits, fence);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkResetFences (VkDevice device, uint32_t n, const VkFence *fences)
{
  return fails (__func__) ? chosen_result : ((PFN_vkResetFences) next (__func__)) (device, n, fences);
}

/* even a device that is said to be lost has really finished: what it worked on is destroyed next */
VKAPI_ATTR VkResult VKAPI_CALL
vkWaitForFences (VkDevice device, uint32_t n, const VkFence *fences, VkBool32 all, uint64_t timeout)
{
  VkResult result = ((PFN_vkWaitForFences) next (__func__)) (device, n, fences, all, timeout);

  g_usleep (slow_ms * 1000);
  return fails_when_lost (__func__) ? chosen_result : result;
}

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueWaitIdle (VkQueue queue)
{
  VkResult result = ((PFN_vkQueueWaitIdle) next (__func__)) (queue);

  return fails_when_lost (__func__) ? chosen_result : result;
}
