/* Instances of Vulkan, with the validation layer where NDDR_VALIDATION=1 asks for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <vulkan/vulkan.h>

G_BEGIN_DECLS

/** Whether NDDR_VALIDATION asks for the validation layer. */
gboolean nddr_instance_is_validated (void);

/** @instance: (out): for nddr_instance_destroy().  FALSE with NDDR_ERROR_NO_DEVICE where there is no driver, NDDR_ERROR_UNSUPPORTED
 * where the loader is too old, NDDR_ERROR_FAILED where the layer is missing, or as of nddr_vk_check().  Thread-safe. */
gboolean nddr_instance_create (VkInstance *instance, GError **error);
/** Its devices and its messenger must be gone.  Thread-safe. */
void nddr_instance_destroy (VkInstance instance);
/** An instance of somebody else's keeps the drivers loaded from now on, or no longer.  Thread-safe. */
void nddr_instance_borrow (void);
void nddr_instance_return (void);

/** (transfer full): of VkPhysicalDevice, which are the instance's, in the loader's order; may be empty; NULL with @error. */
GArray *nddr_instance_physical_devices (VkInstance instance, GError **error);

/** From now on what the validation layer finds is g_critical(), on whatever thread it is found.  VK_NULL_HANDLE where NDDR_VALIDATION
 * does not ask for it. */
VkDebugUtilsMessengerEXT nddr_messenger_create (VkInstance instance);
/** VK_NULL_HANDLE is fine. */
void nddr_messenger_destroy (VkInstance instance, VkDebugUtilsMessengerEXT messenger);

G_END_DECLS
