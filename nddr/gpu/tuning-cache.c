/* Tunings on disk: see tuning-cache.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/tuning-cache.h>
#include <nddr/error.h>

#include <nddr/gpu/device.h>

#include <errno.h>

void
nddr_tuning_cache_init (NddrDevice *device)
{
  g_autofree char *path = nddr_device_cache_path (device, "tuning"), *text = NULL;
  gsize bytes;

  if (!g_file_get_contents (path, &text, &bytes, NULL))
    return;
  device->tuning = nddr_tuning_parse (text, bytes);
  if (!device->tuning)
    g_info ("%s is damaged or another version's, and is ignored: nddr bench MODEL --tune writes it anew", path);
}

const NddrTuning *
nddr_device_get_tuning (const NddrDevice *device)
{
  return device->tuning;
}

void
nddr_device_set_tuning (NddrDevice *device, NddrTuning *tuning)
{
  nddr_tuning_free (device->tuning);
  device->tuning = tuning;
}

gboolean
nddr_device_save_tuning (NddrDevice *device, char **path, GError **error)
{
  g_autofree char *to = nddr_device_cache_path (device, "tuning"), *folder = g_path_get_dirname (to), *text = NULL;
  gsize bytes;

  text = nddr_tuning_print (device->tuning, &bytes);
  if (g_mkdir_with_parents (folder, 0700) != 0)
    return nddr_fail (error, NDDR_ERROR_FILE, "making the folder %s: %s", folder, g_strerror (errno));
  if (!g_file_set_contents (to, text, bytes, error)) {
    g_prefix_error (error, "keeping what was fastest: ");
    return FALSE;
  }
  *path = g_steal_pointer (&to);
  return TRUE;
}
