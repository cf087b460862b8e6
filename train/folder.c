/* A folder data set:
 *
 *   DIR/SPLIT/image/NAME.png|jpg         DIR/SPLIT/segmentation/NAME.png   8-bit class ids, 255 ignored
 *   DIR/SPLIT/normal/NAME.png   8-bit    DIR/SPLIT/depth/NAME.png          16-bit millimetres, 0 ignored
 *   DIR/classes.txt
 *
 * A kind of labels whose folder is absent is unknown; where the folder is there, each picture must have its label.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/classes.h"
#include "train/image.h"
#include "train/label.h"
#include "train/source.h"

#include <nddr/error.h>
#include <nddr/whole-file.h>
#include <string.h>

static const char *const label_folders[] = {
  [NDDR_TASK_SEGMENTATION] = "segmentation",
  [NDDR_TASK_NORMAL] = "normal",
  [NDDR_TASK_DEPTH] = "depth",
};

typedef struct
{
  NddrSource base;
  char *folder;     /* DIR/SPLIT */
  GPtrArray *files; /* of char*: the pictures' file names, sorted */
} NddrFolder;

/** @file without its ending. */
static char *
stem (const char *file)
{
  const char *dot = strrchr (file, '.');
  return g_strndup (file, dot ? dot - file : strlen (file));
}

gboolean
nddr_folder_is_picture (const char *file)
{
  g_autofree char *lower = g_ascii_strdown (file, -1);
  return file[0] != '.' && (g_str_has_suffix (lower, ".png") || g_str_has_suffix (lower, ".jpg") || g_str_has_suffix (lower, ".jpeg"));
}

static char *
label_path (const NddrFolder *folder, guint index, NddrTaskKind kind)
{
  g_autofree char *name = stem (folder->files->pdata[index]);
  g_autofree char *file = g_strconcat (name, ".png", NULL);
  return g_build_filename (folder->folder, label_folders[kind], file, NULL);
}

static NddrSample *
folder_load (const NddrSource *source, guint index, NddrLabels labels, GError **error)
{
  const NddrFolder *folder = (const NddrFolder *) source;
  g_autofree char *path = g_build_filename (folder->folder, "image", folder->files->pdata[index], NULL);
  g_autoptr (NddrImage) picture = nddr_image_read (path, NDDR_IMAGE_RGB, error);
  if (!picture)
    return NULL;

  g_autoptr (NddrSample) sample = nddr_sample_new (picture->width, picture->height);
  sample->rgb = g_steal_pointer (&picture->data);
  for (NddrTaskKind kind = 0; kind < G_N_ELEMENTS (label_folders); kind++) {
    if (!(labels & source->labels & NDDR_LABEL (kind)))
      continue;
    g_autofree char *label = label_path (folder, index, kind);
    gpointer plane = nddr_label_read (label, kind, picture->width, picture->height, path, source->n_classes, error);
    if (!plane)
      return NULL;
    nddr_label_take (sample, kind, plane);
  }
  return g_steal_pointer (&sample);
}

static char *
folder_name (const NddrSource *source, guint index)
{
  const NddrFolder *folder = (const NddrFolder *) source;
  return stem (folder->files->pdata[index]);
}

static void
folder_free (NddrSource *source)
{
  NddrFolder *folder = (NddrFolder *) source;
  g_free (folder->folder);
  g_clear_pointer (&folder->files, g_ptr_array_unref);
  g_free (folder);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/** The names of the folders in @dir, to tell a user what there is instead. */
static char *
list_folders (const char *dir)
{
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GDir) listing = g_dir_open (dir, 0, NULL);
  const char *name;
  while (listing && (name = g_dir_read_name (listing))) {
    g_autofree char *path = g_build_filename (dir, name, "image", NULL);
    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", name);
  }
  return g_string_free (g_steal_pointer (&names), FALSE);
}

static gboolean
list_pictures (NddrFolder *folder, GError **error)
{
  g_autofree char *path = g_build_filename (folder->folder, "image", NULL);
  g_autoptr (GError) dir_error = NULL;
  g_autoptr (GDir) listing = g_dir_open (path, 0, &dir_error);
  if (!listing && !nddr_is_absent (path))
    return nddr_fail (error, NDDR_ERROR_FILE, "%s cannot be read: %s", path, dir_error->message);
  if (!listing) {
    g_autofree char *dir = g_path_get_dirname (folder->folder);
    g_autofree char *split = g_path_get_basename (folder->folder);
    g_autofree char *splits = list_folders (dir);
    if (*splits)
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s has no split %s (no folder %s); its splits are: %s", dir, split,
          path, splits);
    else
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s is not a folder data set: there is no folder %s", dir, path);
    return FALSE;
  }

  const char *name;
  while ((name = g_dir_read_name (listing)))
    if (nddr_folder_is_picture (name))
      g_ptr_array_add (folder->files, g_strdup (name));
  g_ptr_array_sort (folder->files, compare_names);
  folder->base.size = folder->files->len;
  if (folder->files->len == 0)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s has no pictures: NAME.png or NAME.jpg were expected", path);
  g_autoptr (GHashTable) stems = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < folder->files->len; i++)
    if (!g_hash_table_add (stems, stem (folder->files->pdata[i])))
      return nddr_fail (error, NDDR_ERROR_FORMAT,
          "%s has two pictures with one name, that of %s: their labels could not be told apart", path,
          (const char *) folder->files->pdata[i]);
  return TRUE;
}

/** Notes that there are labels of @kind where their folder is, and checks that no picture lacks one. */
static gboolean
check_labels (NddrFolder *folder, NddrTaskKind kind, GError **error)
{
  g_autofree char *path = g_build_filename (folder->folder, label_folders[kind], NULL);
  if (nddr_is_absent (path))
    return TRUE;
  g_autoptr (GError) dir_error = NULL;
  g_autoptr (GDir) listing = g_dir_open (path, 0, &dir_error);
  if (!listing)
    return nddr_fail (error, NDDR_ERROR_FILE, "%s cannot be read: %s", path, dir_error->message);
  g_autoptr (GHashTable) present = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *name;
  while ((name = g_dir_read_name (listing)))
    g_hash_table_add (present, g_strdup (name));
  for (guint i = 0; i < folder->files->len; i++) {
    g_autofree char *label = label_path (folder, i, kind);
    g_autofree char *file = g_path_get_basename (label);
    if (!g_hash_table_contains (present, file))
      return nddr_fail (error, NDDR_ERROR_FILE,
          "%s is missing: the picture image/%s has no %s label (without the folder %s "
          "the data set would be one without such labels)",
          label, (const char *) folder->files->pdata[i], label_folders[kind], path);
  }
  folder->base.labels |= NDDR_LABEL (kind);
  return TRUE;
}

static gboolean
open_parts (NddrFolder *folder, const char *dir, GError **error)
{
  if (!list_pictures (folder, error))
    return FALSE;
  for (NddrTaskKind kind = 0; kind < G_N_ELEMENTS (label_folders); kind++)
    if (!check_labels (folder, kind, error))
      return FALSE;
  if (folder->base.labels & NDDR_LABEL (NDDR_TASK_SEGMENTATION)) {
    g_autofree char *path = g_build_filename (dir, "classes.txt", NULL);
    folder->base.classes = nddr_classes_read (path, &folder->base.n_classes, error);
    if (!folder->base.classes)
      return FALSE;
  }
  return TRUE;
}

gboolean
nddr_folder_is_split (const char *split)
{
  return *split && !strchr (split, '/') && !g_str_equal (split, ".") && !g_str_equal (split, "..");
}

NddrSource *
nddr_folder_open (const char *where, const char *default_split, GError **error)
{
  g_autofree char *dir = g_strdup (where);
  const char *split = default_split;
  char *comma = strrchr (dir, ',');
  if (comma && !g_file_test (where, G_FILE_TEST_IS_DIR)) {
    *comma = '\0';
    split = comma + 1;
  }
  if (!*dir || !nddr_folder_is_split (split)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "\"folder:%s\" is not of the form folder:DIR or folder:DIR,SPLIT",
        where);
    return NULL;
  }
  NddrFolder *folder = g_new0 (NddrFolder, 1);
  folder->base.load = folder_load;
  folder->base.name = folder_name;
  folder->base.free = folder_free;
  folder->folder = g_build_filename (dir, split, NULL);
  folder->files = g_ptr_array_new_with_free_func (g_free);
  if (open_parts (folder, dir, error))
    return &folder->base;
  folder_free (&folder->base);
  return NULL;
}
