/* A Vulkan device: ours, or lent by whoever created it.
 *
 * Reference counted and safe to share between threads; submissions are serialised inside.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>
#include <vulkan/vulkan.h>

G_BEGIN_DECLS

typedef struct _NddrDevice NddrDevice;

/** What `nddr devices` prints of one device.  Since: 0.1 */
typedef struct
{
  char *name;                /* the driver's name for it */
  char *driver;              /* driver name and version */
  VkPhysicalDeviceType type; /* discrete, integrated, virtual, CPU */
  guint32 api_version;
  guint64 memory;         /* the largest device-local heap, in bytes */
  guint32 subgroup_size;
  gboolean software;      /* a software driver: the other family of kernels */
  gboolean fp16;          /* can store 16-bit floats in buffers */
  guint32 matrix[3];      /* cooperative matrices of 16-bit floats with 32-bit sums: rows, columns, depth; 0: none */
  gboolean usable;        /* meets what libnddr needs */
  char *unusable_because; /* or NULL */
} NddrDeviceInfo;

/**
 * nddr_device_list:
 *
 * Lists the Vulkan devices in the order that indices count: the loader's.
 *
 * Returns: (transfer full) (element-type NddrDeviceInfo): free with g_ptr_array_unref();
 * NULL with @error NDDR_ERROR_NO_DEVICE where there is no Vulkan driver, or as of
 * nddr_device_open().
 * Since: 0.1
 */
NDDR_API GPtrArray *nddr_device_list (GError **error);

/**
 * nddr_device_open:
 * @which: (nullable): "auto" or NULL (the environment's NDDR_DEVICE, else discrete,
 *   integrated, virtual, CPU, in this order), an index, or a part of the name; a number
 *   that is no device's index is looked for in names, as a whole number
 *
 * Returns: (transfer full): the device, or NULL with @error NDDR_ERROR_NO_DEVICE,
 * listing what there is, NDDR_ERROR_UNSUPPORTED, NDDR_ERROR_NO_MEMORY, or
 * NDDR_ERROR_FAILED where its driver, or the validation layer that NDDR_VALIDATION asks
 * for, does not start.
 * Since: 0.1
 */
NDDR_API NddrDevice *nddr_device_open (const char *which, GError **error);

/** Describes a device that somebody else created.  Since: 0.1 */
typedef struct
{
  VkInstance instance;
  VkPhysicalDevice physical_device;
  VkDevice device;
  VkQueue queue;          /* with compute */
  guint32 queue_family;
  /* what was enabled on @device; all false is always correct */
  gboolean storage_16bit;
  gboolean shader_int64;
  /* called around every use of @queue; NULL where nobody else uses it */
  void (*lock_queue) (gpointer user_data);
  void (*unlock_queue) (gpointer user_data);
  gpointer user_data;
} NddrDeviceImport;

/**
 * nddr_device_import:
 *
 * Wraps somebody else's device.  Nothing of @import is destroyed here; all of it must
 * outlive the returned device.
 *
 * Returns: (transfer full): the device, or NULL with @error NDDR_ERROR_UNSUPPORTED.
 * Since: 0.1
 */
NDDR_API NddrDevice *nddr_device_import (const NddrDeviceImport *import, GError **error);

/** Thread-safe.  Since: 0.1 */
NDDR_API NddrDevice *nddr_device_ref (NddrDevice *device);
/** Thread-safe; the last one waits for the device to be idle.  Since: 0.1 */
NDDR_API void nddr_device_unref (NddrDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrDevice, nddr_device_unref)

/** What nddr_device_list() says of this one; owned by the device.  Since: 0.1 */
NDDR_API const NddrDeviceInfo *nddr_device_get_info (const NddrDevice *device);

G_END_DECLS
