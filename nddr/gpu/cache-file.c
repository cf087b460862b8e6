/* See cache-file.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/cache-file.h>

#include <errno.h>
#include <nddr/error.h>
#include <nddr/whole-file.h>

char *
nddr_cache_file_path (const NddrDevice *device, const char *kind)
{
  const VkPhysicalDeviceProperties *p = &device->properties;
  const char *folder = g_getenv ("NDDR_CACHE");
  g_autofree char *user = g_build_filename (g_get_user_cache_dir (), "nddr", NULL);
  g_autoptr (GString) name = g_string_new (NULL);

  g_string_printf (name, "%s-%04x-%04x-%08x-", kind, p->vendorID, p->deviceID, p->driverVersion);
  for (int i = 0; i < VK_UUID_SIZE; i++)
    g_string_append_printf (name, "%02x", p->pipelineCacheUUID[i]);
  return g_build_filename (folder && *folder ? folder : user, name->str, NULL);
}

gboolean
nddr_cache_file_make_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);

  if (g_mkdir_with_parents (folder, 0700) != 0)
    return nddr_fail (error, NDDR_ERROR_FILE, "making the folder %s: %s", folder, g_strerror (errno));
  return TRUE;
}

gboolean
nddr_cache_file_write (const char *path, gconstpointer data, gsize bytes, GError **error)
{
  return nddr_cache_file_make_folder (path, error) && nddr_whole_file_write (path, data, bytes, error);
}
