/* Files that are read as they are, and files that appear whole or not at all: written beside their name, then renamed over it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

#include <stdio.h>

G_BEGIN_DECLS

/** Whether nothing is at @path.  What cannot be reached, such as in a folder that may not be read, is not absent. */
gboolean nddr_is_absent (const char *path);
/** Opens a file to be read.  Anything else, such as a pipe, which would be waited for, is an error.  errno: why the system does not open it; 0: it does */
FILE *nddr_open_file (const char *path, GError **error);
/** Sets @error: an open file cannot be read, for the reason @number (errno).  That is the machine's failure, and says nothing of the file. */
void nddr_set_read_error (const char *path, int number, GError **error);
/** (transfer full) (nullable): all of a text file, opened as nddr_open_file() does, without the mark (U+FEFF) that some editors begin
 * files with. */
char *nddr_read_text (const char *path, GError **error);

typedef struct
{
  FILE *file; /* to be written to */
  char *path, *beside;
} NddrWholeFile;

/** Opens a file beside @path or, where that is a symbolic link, beside what it leads to, which need not be there yet.  What is there and no file, such as
 * a device or a pipe, is not replaced: an error.  On error there is nothing to end. */
gboolean nddr_whole_file_begin (NddrWholeFile *whole, const char *path, GError **error);

/** Closes it.  @ok: whether all was written; errno says why not.  Then it is brought to the disk and takes the place of what was at
 * the path; otherwise, and on an error, it is removed and what was there stays. */
gboolean nddr_whole_file_end (NddrWholeFile *whole, gboolean ok, GError **error);

/** Both at once: a file that holds @data. */
gboolean nddr_whole_file_write (const char *path, gconstpointer data, gsize bytes, GError **error);

G_END_DECLS
