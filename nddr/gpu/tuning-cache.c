/* Tunings on disk: see tuning-cache.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/tuning-cache.h>

#include <nddr/gpu/cache-file.h>
#include <nddr/whole-file.h>

void
nddr_tuning_cache_init (NddrDevice *device)
{
  g_autofree char *path = nddr_cache_file_path (device, "tuning"), *text = NULL;
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

/* (transfer full): where it is kept, in a folder that is there; NULL with @error */
static char *
begin (const NddrDevice *device, NddrWholeFile *whole, GError **error)
{
  g_autofree char *to = nddr_cache_file_path (device, "tuning");

  if (nddr_cache_file_make_folder (to, error) && nddr_whole_file_begin (whole, to, error))
    return g_steal_pointer (&to);
  g_prefix_error (error, "keeping what is fastest: ");
  return NULL;
}

gboolean
nddr_device_can_save_tuning (const NddrDevice *device, GError **error)
{
  NddrWholeFile whole;
  g_autofree char *to = begin (device, &whole, error);

  if (to != NULL)
    nddr_whole_file_end (&whole, FALSE, NULL); /* what is there stays */
  return to != NULL;
}

gboolean
nddr_device_save_tuning (NddrDevice *device, char **path, GError **error)
{
  NddrWholeFile whole;
  g_autofree char *to = begin (device, &whole, error), *text = NULL;
  gsize bytes;

  if (to == NULL)
    return FALSE;
  text = nddr_tuning_print (device->tuning, &bytes);
  if (!nddr_whole_file_end (&whole, fwrite (text, 1, bytes, whole.file) == bytes, error)) {
    g_prefix_error (error, "keeping what is fastest: ");
    return FALSE;
  }
  *path = g_steal_pointer (&to);
  return TRUE;
}
