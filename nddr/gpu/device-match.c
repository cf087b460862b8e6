/* Listing devices, and choosing among them by the user's words: see nddr-device.h and device.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/device.h>

#include <nddr/gpu/capabilities.h>
#include <nddr/gpu/instance.h>

#include <string.h>

static void
info_free (gpointer data)
{
  nddr_device_info_clear (data);
  g_free (data);
}

GPtrArray *
nddr_device_list_of (VkInstance instance, const GArray *devices)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (info_free);

  for (guint i = 0; i < devices->len; i++) {
    NddrCapabilities c;

    nddr_capabilities_query (instance, g_array_index (devices, VkPhysicalDevice, i), &c);
    g_ptr_array_add (list, g_memdup2 (&c.info, sizeof c.info));
  }
  return list;
}

GPtrArray *
nddr_device_list (GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) devices = NULL;
  GPtrArray *list = NULL;

  if (!nddr_instance_create (&instance, error))
    return NULL;
  devices = nddr_instance_physical_devices (instance, error);
  if (devices)
    list = nddr_device_list_of (instance, devices);
  nddr_instance_destroy (instance);
  return list;
}

/* ---- choosing */

static int
type_rank (VkPhysicalDeviceType type)
{
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return 3;
    default: return 4;
  }
}

/* the usable devices of the best type there is */
static void
match_best (const GPtrArray *list, GArray *matches)
{
  int best = G_MAXINT;

  for (guint i = 0; i < list->len; i++) {
    const NddrDeviceInfo *info = g_ptr_array_index (list, i);

    if (!info->usable || type_rank (info->type) > best)
      continue;
    if (type_rank (info->type) < best)
      g_array_set_size (matches, 0);
    best = type_rank (info->type);
    g_array_append_val (matches, i);
  }
}

/* Whether @name has @part; where that is a number, as one: 15 is no part of 1504. */
static gboolean
has_part (const char *name, const char *part)
{
  gboolean is_number = strspn (part, "0123456789") == strlen (part);

  for (const char *at = strstr (name, part); at; at = strstr (at + 1, part))
    if (!is_number || !((at > name && g_ascii_isdigit (at[-1])) || g_ascii_isdigit (at[strlen (part)])))
      return TRUE;
  return FALSE;
}

static void
match_name (const GPtrArray *list, const char *which, GArray *matches)
{
  g_autofree char *wanted = g_utf8_casefold (which, -1);

  for (guint i = 0; i < list->len; i++) {
    g_autofree char *name = g_utf8_casefold (((NddrDeviceInfo *) g_ptr_array_index (list, i))->name, -1);

    if (has_part (name, wanted))
      g_array_append_val (matches, i);
  }
}

static char *
describe_list (const GPtrArray *list)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    g_string_append_printf (text, "%s%u: %s", i ? "; " : "", i, ((NddrDeviceInfo *) g_ptr_array_index (list, i))->name);
  return g_string_free (text, FALSE);
}

GArray *
nddr_device_match_among (const GPtrArray *list, const char *which, GError **error)
{
  g_autofree char *there = describe_list (list);
  g_autoptr (GArray) matches = g_array_new (FALSE, FALSE, sizeof (guint));
  const NddrDeviceInfo *first;
  const char *from = "";
  guint64 index;

  if (!which || !*which || g_str_equal (which, "auto")) {
    which = g_getenv ("NDDR_DEVICE");
    from = " (from the environment's NDDR_DEVICE)";
  }
  if (list->len == 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_DEVICE,
        "the Vulkan drivers offer no device: install the GPU's driver, or mesa-vulkan-drivers for the processor's own (lavapipe)");
    return NULL;
  }
  if (!which || !*which || g_str_equal (which, "auto")) {
    match_best (list, matches);
    if (matches->len > 0)
      return g_steal_pointer (&matches);
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "none of the Vulkan devices can be used (%s): `nddr devices` says why", there);
    return NULL;
  }
  if (g_ascii_string_to_unsigned (which, 10, 0, G_MAXUINT, &index, NULL) && index < list->len)
    g_array_append_vals (matches, &(guint){ index }, 1);
  else /* a number, too, may be part of a name */
    match_name (list, which, matches);
  if (matches->len == 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_DEVICE, "no Vulkan device \"%s\"%s; the devices are %s", which, from, there);
    return NULL;
  }
  first = g_ptr_array_index (list, g_array_index (matches, guint, 0));
  if (!first->usable) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s %s", first->name, first->unusable_because);
    return NULL;
  }
  for (guint i = matches->len; i-- > 1;)
    if (!((NddrDeviceInfo *) g_ptr_array_index (list, g_array_index (matches, guint, i)))->usable)
      g_array_remove_index (matches, i);
  return g_steal_pointer (&matches);
}

GArray *
nddr_device_match (const char *which, GError **error)
{
  g_autoptr (GPtrArray) list = nddr_device_list (error);

  return list ? nddr_device_match_among (list, which, error) : NULL;
}
