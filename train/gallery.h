/* A gallery: a few pictures of a data set, with their labels and what a model sees in them, in colours: for TensorBoard and for reports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <train/dataset.h>
#include <train/metrics.h>

G_BEGIN_DECLS

/** A picture as a file's bytes. */
typedef struct
{
  GBytes *bytes;    /* NULL: there is none */
  const char *mime; /* "image/png", with alpha 0 where a label is ignored, or "image/jpeg" */
  guint channels;   /* 4 or 3 */
} NddrPicture;

/** One sample. Owned by its gallery. */
typedef struct
{
  char *name;
  guint width, height;      /* of all its pictures */
  NddrPicture input;
  NddrPicture *labels;      /* for each task; there is none where the sample lacks it */
  NddrPicture *predictions; /* for each task */
} NddrGalleryItem;

/** Not thread-safe. */
typedef struct _NddrGallery NddrGallery;

/** Chooses up to @n samples, evenly spread over the data set.
 * @config, @dataset: must outlive the gallery
 * @max_size: width and height that pictures are brought down to */
NddrGallery *nddr_gallery_new (const NddrConfig *config, const NddrDataset *dataset, guint n, guint max_size);
void nddr_gallery_free (NddrGallery *gallery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrGallery, nddr_gallery_free)

/** Draws sample @index of the data set, where it is a chosen one, or the first one behind a chosen one that was not shown, being broken.
 * @heads: of all tasks, for @truth */
gboolean nddr_gallery_show (NddrGallery *gallery, guint index, const NddrSample *truth, const NddrHeadOutput *heads, GError **error);

guint nddr_gallery_get_size (const NddrGallery *gallery);
/** NULL where it was not shown. */
const NddrGalleryItem *nddr_gallery_get (const NddrGallery *gallery, guint i);

G_END_DECLS
