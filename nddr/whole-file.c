/* See whole-file.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/whole-file.h>
#include <nddr/error.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINKS 40 /* one after the other, as Linux says */

/* What kind of error it is that a file cannot be opened: where the process or the machine lacks something, the file is not at fault. */
static NddrError
open_error (int number)
{
  switch (number) {
    case ENOMEM:
      return NDDR_ERROR_NO_MEMORY;
    case EMFILE:
    case ENFILE:
    case EIO:
    case ESTALE:
      return NDDR_ERROR_FAILED;
    default:
      return NDDR_ERROR_FILE;
  }
}

gboolean
nddr_is_absent (const char *path)
{
  struct stat info;

  return stat (path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

FILE *
nddr_open_file (const char *path, GError **error)
{
  int fd = g_open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0), number = fd < 0 ? errno : 0;
  struct stat info = { 0 };
  FILE *file = NULL;

  if (fd < 0)
    g_set_error (error, NDDR_ERROR, open_error (number), "%s: cannot be opened: %s", path, g_strerror (number));
  else if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode))
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, S_ISDIR (info.st_mode) ? "%s: is a folder: expected a file" : "%s: is not a file that can be read", path);
  else if ((file = fdopen (fd, "rb")) == NULL)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s: cannot be opened: %s", path, g_strerror (errno));
  if (fd >= 0 && file == NULL)
    close (fd);
  errno = number;
  return file;
}

void
nddr_set_read_error (const char *path, int number, GError **error)
{
  g_set_error (error, NDDR_ERROR, number == ENOMEM ? NDDR_ERROR_NO_MEMORY : NDDR_ERROR_FAILED, "%s: cannot be read: %s", path, g_strerror (number));
}

char *
nddr_read_text (const char *path, GError **error)
{
  static const char mark[] = "\xef\xbb\xbf";
  g_autoptr (GString) text = g_string_new (NULL);
  FILE *file = nddr_open_file (path, error);
  char part[4096];
  gsize n;

  if (file == NULL)
    return NULL;
  while ((n = fread (part, 1, sizeof part, file)) > 0)
    g_string_append_len (text, part, n);
  gboolean whole = !ferror (file);
  int number = errno;
  fclose (file);
  if (!whole) {
    nddr_set_read_error (path, number, error);
    return NULL;
  }
  if (g_str_has_prefix (text->str, mark))
    g_string_erase (text, 0, strlen (mark));
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static gboolean
fail (const char *path, int number, GError **error)
{
  return nddr_fail (error, NDDR_ERROR_FILE, "%s: cannot be written: %s", path, g_strerror (number));
}

/* (transfer full): where @path leads, which need not be there: realpath() wants that it is. */
static char *
follow_links (const char *path)
{
  char *to = g_strdup (path), *target;

  for (guint n = 0; n < MOST_LINKS && (target = g_file_read_link (to, NULL)) != NULL; n++) {
    g_autofree char *link = to, *folder = g_path_get_dirname (to);

    to = g_path_is_absolute (target) ? g_steal_pointer (&target) : g_build_filename (folder, target, NULL);
    g_free (target);
  }
  return to;
}

gboolean
nddr_whole_file_begin (NddrWholeFile *whole, const char *path, GError **error)
{
  struct stat info;
  gboolean there = stat (path, &info) == 0;
  g_autofree char *to = NULL, *beside = NULL;
  FILE *file = NULL;
  char *real = NULL;
  int fd, saved;

  if (!there && errno == ELOOP)
    return fail (path, ELOOP, error);
  if (there && !S_ISREG (info.st_mode))
    return nddr_fail (error, NDDR_ERROR_FILE, "%s: is not a file that can be replaced", path);
  if (there && (real = realpath (path, NULL)) == NULL && errno != ENAMETOOLONG) /* of the whole path, which far down is longer than any may be */
    return fail (path, errno, error);
  to = real != NULL ? g_strdup (real) : follow_links (path); /* a link stays one */
  free (real);
  beside = g_strconcat (to, ".XXXXXX", NULL);
  fd = g_mkstemp_full (beside, O_RDWR | O_CLOEXEC, 0666);
  if (fd >= 0)
    file = fdopen (fd, "wb");
  if (file == NULL) {
    saved = errno;
    if (fd >= 0) {
      close (fd);
      g_unlink (beside);
    }
    if (there || g_str_equal (to, path))
      return fail (path, saved, error);
    return nddr_fail (error, NDDR_ERROR_FILE, "%s: cannot be written: it leads to %s: %s", path, to, g_strerror (saved));
  }
  *whole = (NddrWholeFile){ file, g_steal_pointer (&to), g_steal_pointer (&beside) };
  return TRUE;
}

gboolean
nddr_whole_file_end (NddrWholeFile *whole, gboolean ok, GError **error)
{
  g_autofree char *path = g_steal_pointer (&whole->path), *beside = g_steal_pointer (&whole->beside);
  FILE *file = g_steal_pointer (&whole->file);
  int saved;

  ok = ok && fflush (file) == 0 && fsync (fileno (file)) == 0;
  saved = errno;
  if (fclose (file) != 0 && ok) {
    ok = FALSE;
    saved = errno;
  }
  if (ok && g_rename (beside, path) != 0) {
    ok = FALSE;
    saved = errno;
  }
  if (ok)
    return TRUE;
  g_unlink (beside);
  return fail (path, saved, error);
}

gboolean
nddr_whole_file_write (const char *path, gconstpointer data, gsize bytes, GError **error)
{
  NddrWholeFile whole;

  return nddr_whole_file_begin (&whole, path, error) && nddr_whole_file_end (&whole, fwrite (data, 1, bytes, whole.file) == bytes, error);
}
