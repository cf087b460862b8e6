/* The pipelines' cache on disk: what the driver gave, and a digest of it.  See pipeline-cache.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/pipeline-cache.h>

#include <nddr/gpu/cache-file.h>
#include <string.h>

#define DIGEST 32

static void
digest (const char *data, gsize size, guint8 result[DIGEST])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = DIGEST;

  g_checksum_update (checksum, (const guint8 *) data, size);
  g_checksum_get_digest (checksum, result, &length);
}

/* Whether this driver wrote the first @size bytes of @data (VkPipelineCacheHeaderVersionOne), and they still are what it wrote: a
 * driver may trust them blindly (VUID-VkPipelineCacheCreateInfo-initialDataSize-00769). */
static gboolean
is_ours (const NddrDevice *device, const char *data, gsize size)
{
  VkPipelineCacheHeaderVersionOne header;
  guint8 expected[DIGEST];

  if (size < sizeof header)
    return FALSE;
  digest (data, size, expected);
  if (memcmp (data + size, expected, DIGEST) != 0)
    return FALSE;
  memcpy (&header, data, sizeof header);
  return header.headerSize >= sizeof header && header.headerSize <= size &&
      header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == device->properties.vendorID &&
      header.deviceID == device->properties.deviceID &&
      memcmp (header.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE) == 0;
}

void
nddr_pipeline_cache_init (NddrDevice *device)
{
  VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };
  g_autofree char *data = NULL;
  gsize size = 0;

  device->pipeline_cache_path = nddr_cache_file_path (device, "pipelines");
  if (g_file_get_contents (device->pipeline_cache_path, &data, &size, NULL) && size > DIGEST && is_ours (device, data, size - DIGEST)) {
    info.initialDataSize = device->pipeline_cache_size = size - DIGEST;
    info.pInitialData = data;
  }
  if (vkCreatePipelineCache (device->device, &info, NULL, &device->pipeline_cache) != VK_SUCCESS) {
    info.initialDataSize = device->pipeline_cache_size = 0;
    if (vkCreatePipelineCache (device->device, &info, NULL, &device->pipeline_cache) != VK_SUCCESS)
      device->pipeline_cache = VK_NULL_HANDLE;
  }
}

static void
save (NddrDevice *device)
{
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  size_t size = 0;

  if (vkGetPipelineCacheData (device->device, device->pipeline_cache, &size, NULL) != VK_SUCCESS || size == 0 ||
      size == device->pipeline_cache_size)
    return;
  data = g_malloc (size + DIGEST);
  if (vkGetPipelineCacheData (device->device, device->pipeline_cache, &size, data) != VK_SUCCESS)
    return;
  digest (data, size, (guint8 *) data + size);
  if (!nddr_cache_file_write (device->pipeline_cache_path, data, size + DIGEST, &error))
    g_debug ("the pipeline cache was not kept: %s", error->message);
}

void
nddr_pipeline_cache_clear (NddrDevice *device)
{
  if (device->pipeline_cache && device->pipeline_cache_dirty)
    save (device);
  vkDestroyPipelineCache (device->device, device->pipeline_cache, NULL);
  g_free (device->pipeline_cache_path);
}
