/* Buffers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/gpu/device.h>

G_BEGIN_DECLS

/** Who touches a buffer's memory most. */
typedef enum
{
  NDDR_MEMORY_DEVICE,   /* the device alone; host-visible as well only where device and host share their memory */
  NDDR_MEMORY_UPLOAD,   /* the host writes, the device reads: mapped, coherent */
  NDDR_MEMORY_DOWNLOAD, /* the device writes, the host reads, after nddr_buffer_invalidate(): mapped, cached where there is such */
  NDDR_MEMORY_EXCHANGE, /* both do both: mapped, coherent, cached where there is such that is coherent */
} NddrMemoryUse;

typedef struct
{
  VkBuffer buffer; /* VK_NULL_HANDLE: none */
  VkDeviceMemory memory;
  gsize size;
  guint8 *map; /* NULL where not host-visible */
  gboolean cached;   /* the host reads it as fast as its own memory; else some hundred times slower */
  gboolean coherent; /* what one writes the other reads; else between nddr_buffer_flush() and nddr_buffer_invalidate() */
} NddrBuffer;

/** Storage, storage-texel and transfer use.  On error @buffer is zeroed. */
gboolean nddr_buffer_init (NddrDevice *device, NddrBuffer *buffer, gsize size, NddrMemoryUse use, GError **error);
/** The device has written, and was waited for: the host may read.  Nothing where memory is coherent. */
gboolean nddr_buffer_invalidate (NddrDevice *device, const NddrBuffer *buffer, GError **error);
/** The host has written: the device may follow.  Nothing where memory is coherent. */
gboolean nddr_buffer_flush (NddrDevice *device, const NddrBuffer *buffer, GError **error);
/** The device must have finished with it.  A zeroed buffer is fine. */
void nddr_buffer_clear (NddrDevice *device, NddrBuffer *buffer);

G_END_DECLS
