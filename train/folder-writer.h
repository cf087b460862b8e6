/* Writing folder data sets: what folder.c reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/sample.h>

G_BEGIN_DECLS

/** Makes the folder with classes.txt and an empty @split; what is there stays.  A classes.txt that says otherwise is an error. */
gboolean nddr_folder_writer_begin (const char *dir, const char *split, const NddrClass *classes, guint n_classes, GError **error);

/** Writes @sample's picture and the labels that it has as NAME.png.  Thread-safe, for different names. */
gboolean nddr_folder_writer_add (const char *dir, const char *split, const char *name, const NddrSample *sample, GError **error);

G_END_DECLS
