/* A run's folder while it is trained.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-error.h>

#include <stdio.h>

G_BEGIN_DECLS

/** Takes the folder for this process.  FALSE where another trains in it; where the file system knows no locks, nothing is known.
 * @lock: (out): to be closed when the run ends; -1: there is no lock */
gboolean nddr_run_folder_lock (const char *run, int *lock, GError **error);
/** Removes what a run that was killed left beside its files: half of one of them, under a name that mkstemp() made.  Copies that somebody made
 * stay. */
void nddr_run_folder_clean (const char *run);
/** Whether what is written to is what others find at @path: a run takes long enough for its files to be moved or removed.  @file: (nullable) */
gboolean nddr_run_folder_has (FILE *file, const char *path);

G_END_DECLS
