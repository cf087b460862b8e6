/* Sources: the kinds of data sets.  Each is one file that lists its samples and reads one of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/sample.h>

G_BEGIN_DECLS

typedef struct _NddrSource NddrSource;

/** One part of a data set.  A kind embeds it as its first member and fills it. */
struct _NddrSource
{
  guint size;       /* samples, at least 1 */
  NddrLabels labels;
  NddrClass *classes; /* of segmentation labels; owned; NULL without them */
  guint n_classes;
  /* (transfer full); index < size.  Thread-safe. */
  NddrSample *(*load) (const NddrSource *source, guint index, NddrLabels labels, GError **error);
  char *(*name) (const NddrSource *source, guint index);
  void (*free) (NddrSource *source); /* all but `classes` */
};

/** Whether @split can name a folder in a data set's: one level down, and not the data set's own. */
gboolean nddr_folder_is_split (const char *split);
/** Whether a file of that name in image/ is one of its pictures. */
gboolean nddr_folder_is_picture (const char *file);

/** "DIR" or "DIR,SPLIT". */
NddrSource *nddr_folder_open (const char *where, const char *default_split, GError **error);

/** "DIR,LIST": the layout of the published NDDR-CNN code, described in published.c. */
NddrSource *nddr_published_open (const char *where, GError **error);

/** "FILE.mat[,SPLIT][,CLASSES]": NYU Depth v2, described in nyuv2.c. */
NddrSource *nddr_nyuv2_open (const char *where, const char *default_split, GError **error);

G_END_DECLS
