/* Buffers: one allocation each; a program has a dozen.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/memory.h>

#include <nddr/gpu/vulkan.h>

#define HOST (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
#define CACHED (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT)

/* the first type that has all of @wanted and of @needed, else the first that has all of @needed; -1: none */
static int
find_type (const NddrDevice *device, guint32 allowed, VkMemoryPropertyFlags wanted, VkMemoryPropertyFlags needed)
{
  const VkPhysicalDeviceMemoryProperties *memory = &device->memory;

  for (int pass = 0; pass < 2; pass++)
    for (guint32 i = 0; i < memory->memoryTypeCount; i++) {
      VkMemoryPropertyFlags flags = pass ? needed : wanted | needed;

      if ((allowed & (1u << i)) && (memory->memoryTypes[i].propertyFlags & flags) == flags)
        return i;
    }
  return -1;
}

static int
choose_type (const NddrDevice *device, guint32 allowed, NddrMemoryUse use)
{
  gboolean shared = device->info.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU || device->info.type == VK_PHYSICAL_DEVICE_TYPE_CPU;

  switch (use) {
    case NDDR_MEMORY_UPLOAD:
      return find_type (device, allowed, 0, HOST);
    case NDDR_MEMORY_EXCHANGE:
      return find_type (device, allowed, CACHED, HOST);
    case NDDR_MEMORY_DOWNLOAD: { /* some GPUs have memory that is cached or coherent, not both */
      int type = find_type (device, allowed, HOST, CACHED);

      return type >= 0 ? type : find_type (device, allowed, 0, HOST);
    }
    case NDDR_MEMORY_DEVICE:
    default: {
      int type = find_type (device, allowed, shared ? HOST : 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);

      return type >= 0 ? type : find_type (device, allowed, 0, 0);
    }
  }
}

gboolean
nddr_buffer_init (NddrDevice *device, NddrBuffer *buffer, gsize size, NddrMemoryUse use, GError **error)
{
  g_autofree char *doing = g_strdup_printf ("allocating %.1f MiB of device memory", size / 1048576.0);
  VkBufferCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
    .size = size,
    .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT |
        VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
  };
  VkMemoryRequirements needs;
  VkMemoryAllocateInfo allocate = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
  VkMemoryPropertyFlags flags;
  int type;

  *buffer = (NddrBuffer){ .size = size };
  if (!nddr_vk_check (vkCreateBuffer (device->device, &info, NULL, &buffer->buffer), doing, error))
    goto fail;
  vkGetBufferMemoryRequirements (device->device, buffer->buffer, &needs);
  type = choose_type (device, needs.memoryTypeBits, use);
  if (type < 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s: %s has no host-visible, coherent memory", doing, device->info.name);
    goto fail;
  }
  flags = device->memory.memoryTypes[type].propertyFlags;
  buffer->cached = (flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
  buffer->coherent = (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = type;
  if (!nddr_vk_check (vkAllocateMemory (device->device, &allocate, NULL, &buffer->memory), doing, error) ||
      !nddr_vk_check (vkBindBufferMemory (device->device, buffer->buffer, buffer->memory, 0), doing, error))
    goto fail;
  if (((flags & HOST) == HOST || use == NDDR_MEMORY_DOWNLOAD) &&
      !nddr_vk_check (vkMapMemory (device->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, (void **) &buffer->map), "mapping memory", error))
    goto fail;
  return TRUE;

fail:
  nddr_buffer_clear (device, buffer);
  return FALSE;
}

static VkMappedMemoryRange
whole (const NddrBuffer *buffer)
{
  return (VkMappedMemoryRange){ .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE, .memory = buffer->memory, .size = VK_WHOLE_SIZE };
}

gboolean
nddr_buffer_invalidate (NddrDevice *device, const NddrBuffer *buffer, GError **error)
{
  VkMappedMemoryRange range = whole (buffer);

  return buffer->coherent || nddr_vk_check (vkInvalidateMappedMemoryRanges (device->device, 1, &range), "reading what the device wrote", error);
}

gboolean
nddr_buffer_flush (NddrDevice *device, const NddrBuffer *buffer, GError **error)
{
  VkMappedMemoryRange range = whole (buffer);

  return buffer->coherent || nddr_vk_check (vkFlushMappedMemoryRanges (device->device, 1, &range), "writing for the device", error);
}

void
nddr_buffer_clear (NddrDevice *device, NddrBuffer *buffer)
{
  vkDestroyBuffer (device->device, buffer->buffer, NULL);
  vkFreeMemory (device->device, buffer->memory, NULL);
  *buffer = (NddrBuffer){ 0 };
}
