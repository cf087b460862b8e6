/* See run-folder.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/run-folder.h>
#include <nddr/error.h>

#include <train/run.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
nddr_run_folder_lock (const char *run, int *lock, GError **error)
{
  *lock = g_open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (*lock < 0 || flock (*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FILE, "%s is being trained by another process: wait for its end, or stop it", run);
}

/* Whether @suffix is what mkstemp() makes of XXXXXX, six letters and digits by chance.  A word, a date or a word with a number, which somebody gave a copy, is
 * not: those have no capital behind the first letter, or nothing but capitals, as one in thirteen has by chance. */
static gboolean
is_mkstemp_suffix (const char *suffix)
{
  guint n = 0, upper = 0;
  for (; g_ascii_isalnum (suffix[n]); n++)
    upper += n > 0 && g_ascii_isupper (suffix[n]);
  return n == 6 && suffix[n] == '\0' && upper > 0 && upper < 5;
}

void
nddr_run_folder_clean (const char *run)
{
  g_autoptr (GDir) dir = g_dir_open (run, 0, NULL);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    for (guint i = 0; nddr_run_files[i]; i++) {
      gsize length = strlen (nddr_run_files[i]);
      if (g_str_has_prefix (name, nddr_run_files[i]) && name[length] == '.' && is_mkstemp_suffix (name + length + 1)) {
        g_autofree char *path = g_build_filename (run, name, NULL);
        g_unlink (path);
      }
    }
}

gboolean
nddr_run_folder_has (FILE *file, const char *path)
{
  struct stat ours, theirs;
  return file && fstat (fileno (file), &ours) == 0 && stat (path, &theirs) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}
