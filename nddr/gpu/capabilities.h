/* What a physical device can do, asked before anything is made on it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/plan.h>

G_BEGIN_DECLS

/** Where @info is of one that is not usable, the rest may be zero. */
typedef struct
{
  NddrDeviceInfo info; /* its texts are the holder's: nddr_device_info_clear() */
  NddrTraits traits;
  guint32 queue_family;   /* the first that computes */
  guint32 timestamp_bits; /* of that family; 0: it has no timestamps */
  gboolean compiles_late; /* the driver compiles a pipeline when it is first dispatched, and keeps the result in a cache on disk */
} NddrCapabilities;

/** @c: (out): overwritten. @instance: @physical's.  No errors: NddrDeviceInfo.unusable_because says what is missing.  Thread-safe. */
void nddr_capabilities_query (VkInstance instance, VkPhysicalDevice physical, NddrCapabilities *c);

/** From family @first to @last, the first one that computes.  FALSE: none does, and nothing is set. */
gboolean nddr_find_queue_family (VkPhysicalDevice physical, guint32 first, guint32 last, guint32 *family, guint32 *timestamp_bits);

/** Frees what @info points to, not itself. */
void nddr_device_info_clear (NddrDeviceInfo *info);

G_END_DECLS
