/* Writing folder data sets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/folder-writer.h"
#include <nddr/error.h>
#include <nddr/whole-file.h>

#include <errno.h>

#include <glib/gstdio.h>

#include "train/image.h"

static const char *const folders[] = { "image", "segmentation", "normal", "depth" };

gboolean
nddr_folder_writer_begin (const char *dir, const char *split, const NddrClass *classes, guint n_classes, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *path = g_build_filename (dir, split, folders[i], NULL);
    if (g_mkdir_with_parents (path, 0777) != 0)
      return nddr_fail (error, NDDR_ERROR_FILE, "The folder %s cannot be made: %s", path, g_strerror (errno));
  }
  g_autoptr (GString) text = g_string_new (NULL);
  for (guint i = 0; i < n_classes; i++)
    g_string_append_printf (text, "%s #%06x\n", classes[i].name, classes[i].color);
  g_autofree char *path = g_build_filename (dir, "classes.txt", NULL), *old = NULL;
  gboolean there = !nddr_is_absent (path);
  if (there && !(old = nddr_read_text (path, error)))
    return FALSE;
  if (there && !g_str_equal (old, text->str))
    return nddr_fail (error, NDDR_ERROR_FILE,
        "%s is there and names other classes: choose another folder, or remove that file", path);
  return nddr_whole_file_write (path, text->str, text->len, error);
}

gboolean
nddr_folder_writer_add (const char *dir, const char *split, const char *name, const NddrSample *sample, GError **error)
{
  const struct { gconstpointer data; guint channels, bits; } planes[] = {
    { sample->rgb, 3, 8 }, { sample->segmentation, 1, 8 }, { sample->normal, 3, 8 }, { sample->depth, 1, 16 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (planes); i++) {
    g_autofree char *file = g_strconcat (name, ".png", NULL),
                    *path = g_build_filename (dir, split, folders[i], file, NULL);
    if (planes[i].data
        && !nddr_image_write_png (path, sample->width, sample->height, planes[i].channels, planes[i].bits, planes[i].data,
            0, error))
      return FALSE;
  }
  return TRUE;
}
