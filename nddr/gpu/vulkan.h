/* What Vulkan answers: results as errors, and which extensions there are.  Thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>
#include <vulkan/vulkan.h>

G_BEGIN_DECLS

/** FALSE with @error set where @result is not VK_SUCCESS. @doing: what was being done, as in "allocating 4 MiB". */
gboolean nddr_vk_check (VkResult result, const char *doing, GError **error);

/** Whether the driver offers a device extension. */
gboolean nddr_vk_has_extension (VkPhysicalDevice physical, const char *name);
/** Whether the loader, or a driver through it, offers an instance extension. */
gboolean nddr_vk_instance_has_extension (const char *name);

G_END_DECLS
