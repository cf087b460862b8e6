/* A device whose cached memory is not coherent, as some GPUs have: a program that links this sees one.
 *
 * The driver's one type of memory, of a software driver, becomes two: one that is coherent and not cached, and one that is cached and not coherent.
 * Of the second the host sees a copy, which vkInvalidateMappedMemoryRanges() and vkFlushMappedMemoryRanges() alone bring up to date.  What is
 * submitted while the host has written there and not flushed is an error: caches write such lines back whenever they like.  Devices with
 * several types of memory stay as they are.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <glib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define INCOHERENT 1 /* the type that is added */

/* memory of that type */
typedef struct
{
  gsize size;
  guint8 *real, *seen; /* what the device and what the host sees; NULL: not mapped */
  guint8 *known;       /* of the latter when it was last brought up to date */
  GThread *maker;      /* who mapped it, and may still be writing to it for the first time; NULL: it was brought up to date since */
} Memory;

static GHashTable *memories; /* VkDeviceMemory -> Memory */
static GMutex mutex;         /* around it and what is in it */
static gboolean added;       /* the type */

#define NEXT(function) ((PFN_##function) dlsym (RTLD_NEXT, #function))

static void
memory_free (gpointer data)
{
  Memory *memory = data;

  g_free (memory->seen);
  g_free (memory->known);
  g_free (memory);
}

static Memory *
find (VkDeviceMemory handle)
{
  return memories ? g_hash_table_lookup (memories, handle) : NULL;
}

VKAPI_ATTR void VKAPI_CALL
vkGetPhysicalDeviceMemoryProperties (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *properties)
{
  NEXT (vkGetPhysicalDeviceMemoryProperties) (physical, properties);
  added = properties->memoryTypeCount == INCOHERENT;
  if (!added)
    return;
  properties->memoryTypes[properties->memoryTypeCount++] = (VkMemoryType){ VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 0 };
  properties->memoryTypes[0].propertyFlags &= ~(VkMemoryPropertyFlags) VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
}

VKAPI_ATTR void VKAPI_CALL
vkGetBufferMemoryRequirements (VkDevice device, VkBuffer buffer, VkMemoryRequirements *requirements)
{
  NEXT (vkGetBufferMemoryRequirements) (device, buffer, requirements);
  if (added)
    requirements->memoryTypeBits |= 1 << INCOHERENT;
}

VKAPI_ATTR VkResult VKAPI_CALL
vkAllocateMemory (VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *allocator, VkDeviceMemory *handle)
{
  VkMemoryAllocateInfo real = *info;
  gboolean incoherent = added && info->memoryTypeIndex == INCOHERENT;
  VkResult result;

  if (incoherent)
    real.memoryTypeIndex = 0;
  result = NEXT (vkAllocateMemory) (device, &real, allocator, handle);
  if (result == VK_SUCCESS && incoherent) {
    Memory *memory = g_new0 (Memory, 1);

    memory->size = info->allocationSize;
    g_mutex_lock (&mutex);
    if (!memories)
      memories = g_hash_table_new_full (NULL, NULL, NULL, memory_free);
    g_hash_table_insert (memories, *handle, memory);
    g_mutex_unlock (&mutex);
  }
  return result;
}

VKAPI_ATTR void VKAPI_CALL
vkFreeMemory (VkDevice device, VkDeviceMemory handle, const VkAllocationCallbacks *allocator)
{
  g_mutex_lock (&mutex);
  if (memories)
    g_hash_table_remove (memories, handle);
  g_mutex_unlock (&mutex);
  NEXT (vkFreeMemory) (device, handle, allocator);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkMapMemory (VkDevice device, VkDeviceMemory handle, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags, void **map)
{
  VkResult result = NEXT (vkMapMemory) (device, handle, offset, size, flags, map);
  Memory *memory;

  g_mutex_lock (&mutex);
  memory = find (handle);
  if (result == VK_SUCCESS && memory) {
    g_assert_true (offset == 0 && size == VK_WHOLE_SIZE);
    memory->real = *map;
    *map = memory->seen = g_malloc (memory->size);
    memset (memory->seen, 0xa5, memory->size);
    memory->known = g_memdup2 (memory->seen, memory->size);
    memory->maker = g_thread_self ();
  }
  g_mutex_unlock (&mutex);
  return result;
}

static void
bring_up (const VkMappedMemoryRange *range, gboolean to_device)
{
  Memory *memory;

  g_mutex_lock (&mutex);
  memory = find (range->memory);
  if (memory) {
    g_assert_true (memory->seen && range->offset == 0 && range->size == VK_WHOLE_SIZE);
    memcpy (to_device ? memory->real : memory->seen, to_device ? memory->seen : memory->real, memory->size);
    memcpy (memory->known, memory->seen, memory->size);
    memory->maker = NULL;
  }
  g_mutex_unlock (&mutex);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkInvalidateMappedMemoryRanges (VkDevice device, uint32_t n, const VkMappedMemoryRange *ranges)
{
  for (uint32_t i = 0; i < n; i++)
    bring_up (&ranges[i], FALSE);
  return NEXT (vkInvalidateMappedMemoryRanges) (device, n, ranges);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkFlushMappedMemoryRanges (VkDevice device, uint32_t n, const VkMappedMemoryRange *ranges)
{
  for (uint32_t i = 0; i < n; i++)
    bring_up (&ranges[i], TRUE);
  return NEXT (vkFlushMappedMemoryRanges) (device, n, ranges);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence)
{
  GHashTableIter iter;
  gpointer value;

  g_mutex_lock (&mutex);
  if (memories) {
    g_hash_table_iter_init (&iter, memories);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
      const Memory *memory = value;

      if (memory->maker && memory->maker != g_thread_self ())
        continue;
      if (memory->seen && memcmp (memory->seen, memory->known, memory->size) != 0)
        g_error ("the host wrote to memory that is not coherent, and did not flush it");
    }
  }
  g_mutex_unlock (&mutex);
  return NEXT (vkQueueSubmit) (queue, n, submits, fence);
}
