/* classes.txt: a line a class, `name #rrggbb`; the first is class 0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/classes.h"

#include <nddr/whole-file.h>

#include <string.h>

void
nddr_classes_free (NddrClass *classes, guint n)
{
  for (guint i = 0; i < n; i++)
    g_free (classes[i].name);
  g_free (classes);
}

char *
nddr_classes_difference (const NddrClass *a, guint n_a, const char *a_owner, const NddrClass *b, guint n_b, const char *b_owner)
{
  if (n_a != n_b)
    return g_strdup_printf ("%s has %u classes, and %s %u", a_owner, n_a, b_owner, n_b);
  for (guint i = 0; i < n_a; i++)
    if (!g_str_equal (a[i].name, b[i].name))
      return g_strdup_printf ("class %u of %s is \"%s\", and of %s \"%s\"", i, a_owner, a[i].name, b_owner, b[i].name);
  return NULL;
}

static gboolean
parse_line (const char *line, NddrClass *class)
{
  const char *hash = strrchr (line, '#');
  if (!hash || hash == line || !g_ascii_isspace (hash[-1]) || strlen (hash + 1) != 6)
    return FALSE;
  for (int i = 1; i <= 6; i++)
    if (!g_ascii_isxdigit (hash[i]))
      return FALSE;
  g_autofree char *name = g_strndup (line, hash - line);
  g_strstrip (name);
  if (!*name || !g_utf8_validate (name, -1, NULL))
    return FALSE;
  class->name = g_steal_pointer (&name);
  class->color = g_ascii_strtoull (hash + 1, NULL, 16);
  return TRUE;
}

NddrClass *
nddr_classes_read (const char *path, guint *n, GError **error)
{
  g_autoptr (GError) file_error = NULL;
  g_autofree char *text = nddr_read_text (path, &file_error);
  *n = 0;
  if (!text) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE,
        "%s: a data set with segmentation needs its classes there, a line `name #rrggbb` for each id from 0",
        file_error->message);
    return NULL;
  }

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GArray) classes = g_array_new (FALSE, TRUE, sizeof (NddrClass));
  const char *wrong = NULL;
  guint number = 0;
  for (char **line = lines; *line && !wrong; line++) {
    NddrClass class = { 0 };
    number++;
    if (!*g_strstrip (*line))
      continue;
    if (!parse_line (*line, &class)) {
      wrong = "a class's name and its colour as #rrggbb were expected";
      break;
    }
    for (guint i = 0; i < classes->len; i++)
      if (!strcmp (g_array_index (classes, NddrClass, i).name, class.name))
        wrong = "that class has a line already";
    g_array_append_val (classes, class);
  }
  if (!wrong && classes->len == 0)
    wrong = "there is no class";
  if (!wrong && classes->len > 255)
    wrong = "there are more than 255 classes";
  guint n_read = classes->len;
  NddrClass *read = (NddrClass *) g_array_free (g_steal_pointer (&classes), FALSE);
  if (!wrong) {
    *n = n_read;
    return read;
  }
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s, line %u: %s", path, number, wrong);
  nddr_classes_free (read, n_read);
  return NULL;
}
