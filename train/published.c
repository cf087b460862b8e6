/* The data set of the published NDDR-CNN code: two lists, of pictures with their class ids and of pictures with their normals.
 *
 *   DIR/list/LIST_seg.txt           lines `PICTURE LABEL`; paths start in DIR, with or without a slash before them
 *   DIR/list/LIST_normal_mask.txt   the same pictures in the same order; one of the two files may be absent
 *   DIR/classes.txt                 optional; without it the classes are NYU Depth v2's 40
 *
 * Segmentation: gray PNGs with 8-bit ids, 255 ignored.  Normals: RGB PNGs with floor ((n + 1) / 2 * 255) of a vector whose red is
 * to the right, green away from the camera, blue up; (255, 255, 255) is unknown, and so in truth is (127, 127, 127), the zero vector.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <nddr/error.h>
#include <nddr/whole-file.h>
#include <string.h>

#include "train/classes.h"
#include "train/image.h"
#include "train/label.h"
#include "train/published-normals.h"
#include "train/source.h"

/* A line of a list. */
typedef struct
{
  char *picture, *label; /* with DIR before them */
  guint line;            /* its number, from 1 */
} Entry;

typedef struct
{
  char *path;
  GArray *entries; /* of Entry; NULL: there is no such file */
} List;

static const struct
{
  NddrTaskKind kind;
  const char *suffix;
} list_kinds[] = {
  { NDDR_TASK_SEGMENTATION, "_seg.txt" },
  { NDDR_TASK_NORMAL, "_normal_mask.txt" },
};

typedef struct
{
  NddrSource base;
  char *dir;
  List lists[G_N_ELEMENTS (list_kinds)];
  const List *pictures; /* the one that the pictures are taken from */
} NddrPublished;

static const Entry *
entry (const List *list, guint index)
{
  return &g_array_index (list->entries, Entry, index);
}

static void
clear_entry (gpointer data)
{
  Entry *e = data;
  g_free (e->picture);
  g_free (e->label);
}

/* ---- reading a sample */

static NddrSample *
published_load (const NddrSource *source, guint index, NddrLabels labels, GError **error)
{
  const NddrPublished *published = (const NddrPublished *) source;
  const Entry *first = entry (published->pictures, index);
  g_autoptr (NddrImage) picture = nddr_image_read (first->picture, NDDR_IMAGE_RGB, error);
  if (!picture) {
    g_prefix_error (error, "%s, line %u: ", published->pictures->path, first->line);
    return NULL;
  }

  g_autoptr (NddrSample) sample = nddr_sample_new (picture->width, picture->height);
  sample->rgb = g_steal_pointer (&picture->data);
  for (guint i = 0; i < G_N_ELEMENTS (list_kinds); i++) {
    const List *list = &published->lists[i];
    NddrTaskKind kind = list_kinds[i].kind;
    if (!list->entries || !(labels & NDDR_LABEL (kind)))
      continue;
    const Entry *e = entry (list, index);
    guint8 *plane = nddr_label_read (e->label, kind, picture->width, picture->height, e->picture, source->n_classes, error);
    if (!plane) {
      g_prefix_error (error, "%s, line %u: ", list->path, e->line);
      return NULL;
    }
    if (kind == NDDR_TASK_NORMAL)
      for (gsize p = 0; p < (gsize) picture->width * picture->height; p++)
        nddr_published_normal_decode (plane + 3 * p, plane + 3 * p);
    nddr_label_take (sample, kind, plane);
  }
  return g_steal_pointer (&sample);
}

static char *
published_name (const NddrSource *source, guint index)
{
  const NddrPublished *published = (const NddrPublished *) source;
  char *name = g_path_get_basename (entry (published->pictures, index)->picture);
  char *dot = strrchr (name, '.');
  if (dot && dot != name)
    *dot = '\0';
  return name;
}

static void
published_free (NddrSource *source)
{
  NddrPublished *published = (NddrPublished *) source;
  for (guint i = 0; i < G_N_ELEMENTS (published->lists); i++) {
    g_free (published->lists[i].path);
    g_clear_pointer (&published->lists[i].entries, g_array_unref);
  }
  g_free (published->dir);
  g_free (published);
}

/* ---- opening */

/** Splits @line at white space into @e's two paths and checks that both files are there.  Returns what is wrong, or NULL. */
static char *
parse_line (const char *dir, const char *line, Entry *e)
{
  g_auto (GStrv) words = g_strsplit_set (line, " \t", -1);
  const char *paths[2] = { NULL, NULL };
  guint n = 0;
  for (char **word = words; *word; word++)
    if (**word) {
      if (n < 2)
        paths[n] = *word;
      n++;
    }
  if (n != 2)
    return g_strdup_printf ("%u words, but a picture and its label were expected, with white space between: \"%s\"", n, line);
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename (dir, paths[i], NULL);
    const char *what = i ? "label" : "picture";
    GStatBuf info;
    if (nddr_is_absent (path))
      return g_strdup_printf ("the %s %s is not there", what, path);
    if (g_stat (path, &info) != 0)
      return g_strdup_printf ("the %s %s cannot be read: %s", what, path, g_strerror (errno));
    if (!S_ISREG (info.st_mode))
      return g_strdup_printf ("the %s %s is no file", what, path);
    *(i ? &e->label : &e->picture) = g_steal_pointer (&path);
  }
  return NULL;
}

static gboolean
read_list (const char *dir, List *list, GError **error)
{
  if (nddr_is_absent (list->path))
    return TRUE;
  g_autofree char *text = nddr_read_text (list->path, error);
  if (!text)
    return FALSE;
  list->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (list->entries, clear_entry);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!*g_strstrip (lines[i]))
      continue;
    Entry e = { .line = i + 1 };
    g_autofree char *wrong = parse_line (dir, lines[i], &e);
    g_array_append_val (list->entries, e);
    if (wrong)
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s, line %u: %s", list->path, e.line, wrong);
  }
  if (list->entries->len)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "%s names no pictures: lines `PICTURE LABEL` were expected", list->path);
}

/** The lists go side by side: the same pictures in the same order. */
static gboolean
compare_lists (const List *a, const List *b, GError **error)
{
  for (guint i = 0; i < MIN (a->entries->len, b->entries->len); i++)
    if (strcmp (entry (a, i)->picture, entry (b, i)->picture))
      return nddr_fail (error, NDDR_ERROR_FORMAT,
          "%s, line %u: the picture is %s, but %s has %s there (line %u): the lists must name the same pictures in the same order",
          b->path, entry (b, i)->line, entry (b, i)->picture, a->path, entry (a, i)->picture, entry (a, i)->line);
  if (a->entries->len == b->entries->len)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT,
      "%s names %u pictures, but %s names %u: the lists must name the same pictures in the same order", b->path, b->entries->len,
      a->path, a->entries->len);
}

static gboolean
open_lists (NddrPublished *published, const char *name, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (list_kinds); i++) {
    List *list = &published->lists[i];
    g_autofree char *file = g_strconcat (name, list_kinds[i].suffix, NULL);
    list->path = g_build_filename (published->dir, "list", file, NULL);
    if (!read_list (published->dir, list, error))
      return FALSE;
    if (!list->entries)
      continue;
    published->base.labels |= NDDR_LABEL (list_kinds[i].kind);
    if (!published->pictures)
      published->pictures = list;
    else if (!compare_lists (published->pictures, list, error))
      return FALSE;
  }
  if (!published->pictures)
    return nddr_fail (error, NDDR_ERROR_FILE, "neither %s nor %s is there: a list of pictures and their labels was expected",
        published->lists[0].path, published->lists[1].path);
  published->base.size = published->pictures->entries->len;
  if (!published->lists[0].entries)
    return TRUE;

  g_autofree char *classes = g_build_filename (published->dir, "classes.txt", NULL);
  published->base.classes = !nddr_is_absent (classes)
      ? nddr_classes_read (classes, &published->base.n_classes, error)
      : nddr_classes_nyu40 (&published->base.n_classes);
  return published->base.classes != NULL;
}

NddrSource *
nddr_published_open (const char *where, GError **error)
{
  const char *comma = strrchr (where, ',');
  if (!comma || comma == where || !comma[1] || strchr (comma + 1, '/')) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
        "\"nddr:%s\" is not of the form nddr:DIR,LIST: LIST is what the files DIR/list/LIST_seg.txt and "
        "DIR/list/LIST_normal_mask.txt are called by, such as training", where);
    return NULL;
  }
  NddrPublished *published = g_new0 (NddrPublished, 1);
  published->base.load = published_load;
  published->base.name = published_name;
  published->base.free = published_free;
  published->dir = g_strndup (where, comma - where);
  if (open_lists (published, comma + 1, error))
    return &published->base;
  nddr_classes_free (published->base.classes, published->base.n_classes);
  published_free (&published->base);
  return NULL;
}
