/* Finding the models that come with the plugin: see nddrdefault.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrdefault.h"

#include <nddr/nddr.h>

/* The build writes this file beside the plugin, with the path of the sources' models in it.  It is not installed:
 * a plugin that is has no such neighbour. */
#define POINTER_FILE "nddr-models.path"

static char *
source_models (GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  g_autoptr (GstPlugin) plugin = factory ? gst_plugin_feature_get_plugin (GST_PLUGIN_FEATURE (factory)) : NULL;
  const char *filename = plugin ? gst_plugin_get_filename (plugin) : NULL;
  char *folder = NULL;

  if (!filename)
    return NULL;
  g_autofree char *beside = g_path_get_dirname (filename);
  g_autofree char *pointer = g_build_filename (beside, POINTER_FILE, NULL);
  if (!g_file_get_contents (pointer, &folder, NULL, NULL))
    return NULL;
  return g_strchomp (folder);
}

char *
gst_nddr_default_model (GstElement *element, gboolean small, GError **error)
{
  /* the one that suits the device, else the other: a distribution may leave one of them out */
  const char *names[] = { small ? "nddr-small.safetensors" : "nddr-base.safetensors", small ? "nddr-base.safetensors" : "nddr-small.safetensors" };
  g_autofree char *sources = source_models (element);
  const char *folders[] = { g_getenv ("NDDR_MODELS"), NDDR_MODELS_DIR, sources };
  g_autoptr (GString) looked = g_string_new (NULL);

  for (guint n = 0; n < G_N_ELEMENTS (names); n++)
    for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
      if (!folders[i] || !*folders[i])
        continue;
      char *path = g_build_filename (folders[i], names[n], NULL);
      if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return path;
      g_string_append_printf (looked, "%s%s", looked->len ? ", " : "", path);
      g_free (path);
    }
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE,
      "no model was named, and the default one is not installed (looked for %s)", looked->str);
  return NULL;
}
