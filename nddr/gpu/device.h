/* A device's inside: see nddr-device.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/plan.h>

G_BEGIN_DECLS

typedef struct _NddrPipeline NddrPipeline;

#define NDDR_DEVICE_MAX_TWINS 7

struct _NddrDevice
{
  gatomicrefcount refs;
  gboolean lent; /* instance and device belong to somebody else */
  NddrDeviceImport import;
  VkInstance instance;
  VkDebugUtilsMessengerEXT messenger; /* with NDDR_VALIDATION=1 */
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue;
  guint32 queue_family;
  guint32 timestamp_bits;
  float timestamp_period; /* ns a tick */
  gboolean compiles_late; /* as NddrCapabilities has it */
  VkPhysicalDeviceMemoryProperties memory;
  VkPhysicalDeviceProperties properties;
  NddrDeviceInfo info;
  NddrTraits traits;
  GMutex queue_mutex; /* around vkQueueSubmit and vkQueueWaitIdle */
  /* device-pipelines.c */
  GMutex pipeline_mutex; /* around what follows */
  GHashTable *pipelines; /* NddrPipeline* -> itself, by kernel and constants */
  /* pipeline-cache.c */
  VkPipelineCache pipeline_cache;
  char *pipeline_cache_path; /* NULL: nowhere to keep it */
  gsize pipeline_cache_size; /* of what was read from there */
  gboolean pipeline_cache_dirty;
  NddrTuning *tuning; /* tuning-cache.c; NULL: none */
  guint max_twins;    /* see nddr_device_get_twin() */
  GMutex twin_mutex;  /* around what follows */
  NddrDevice *twins[NDDR_DEVICE_MAX_TWINS]; /* NULL: not opened yet */
};

/** (transfer full): the same physical device opened once more, on an instance of its own; it has no pipelines, no cache and no tuning. */
NddrDevice *nddr_device_open_again (const NddrDevice *device, GError **error);

/**
 * (transfer none): the @i-th twin of @device, opened by the first who asks: the same driver's device once more, which works beside it.  It has pipelines
 * of its own, and no tuning; whoever uses it keeps @device.
 *
 * Only software drivers' devices have any, as many as max_twins: each runs its dispatches one after the other, and each of these waits for its
 * slowest thread.  A device that was lent has none.  Thread-safe.
 */
NddrDevice *nddr_device_get_twin (NddrDevice *device, guint i, GError **error);

/** What a plan must know of @device; owned by the device, which does not change it. */
const NddrTraits *nddr_device_get_traits (const NddrDevice *device);

/** (transfer full): the indices (guint) of all devices that @which means to nddr_device_open(), which would take the first; at least one, all usable;
 * NULL with its @error. */
GArray *nddr_device_match (const char *which, GError **error);

/** Likewise, among @list, as nddr_device_list() gives it. */
GArray *nddr_device_match_among (const GPtrArray *list, const char *which, GError **error);
/** (transfer full): what nddr_device_list() gives, of @devices (VkPhysicalDevice, @instance's) in their order. */
GPtrArray *nddr_device_list_of (VkInstance instance, const GArray *devices);

/** Submits under the queue's lock, its owner's too where it is lent. */
gboolean nddr_device_submit (NddrDevice *device, const VkSubmitInfo *submit, VkFence fence, GError **error);
/** Likewise; waits for all that was submitted, or for the device to be lost. */
void nddr_device_wait_idle (NddrDevice *device);

G_END_DECLS
