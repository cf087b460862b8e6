/* A data set: samples by number, from wherever they come.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/sample.h>

G_BEGIN_DECLS

/** Thread-safe once opened. */
typedef struct _NddrDataset NddrDataset;

/**
 * nddr_dataset_open:
 * @spec: "folder:DIR[,SPLIT]", "nddr:DIR,LIST", "nyuv2:FILE.mat[,SPLIT][,CLASSES]" or "synth:SEED,COUNT,WxH"; several joined by '+' are one
 *   data set after another
 * @default_split: what a folder without SPLIT means: "train" or "val", which is "test" for nyuv2
 *
 * Lists what is there and checks that each picture has its labels; the files themselves are read by nddr_dataset_load().  Parts with
 * segmentation must agree on their classes.
 */
NddrDataset *nddr_dataset_open (const char *spec, const char *default_split, GError **error);
void nddr_dataset_free (NddrDataset *dataset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrDataset, nddr_dataset_free)

/** At least 1. */
guint nddr_dataset_size (const NddrDataset *dataset);
/** The labels that at least one part has. */
NddrLabels nddr_dataset_labels (const NddrDataset *dataset);
/** The classes of segmentation labels, owned by the data set; NULL where none is known. */
const NddrClass *nddr_dataset_classes (const NddrDataset *dataset, guint *n_classes);
/** (transfer full): sample @index's name, to be printed. */
char *nddr_dataset_name (const NddrDataset *dataset, guint index);

/** Keeps up to @bytes of loaded samples in memory, from now on; 0, the start, keeps none.  What was kept is kept until the data set is
 * freed, or until the same sample comes with more labels. */
void nddr_dataset_set_cache (NddrDataset *dataset, gsize bytes);

#define NDDR_DATASET_MOST_THREADS 16
/** How many threads read where their maker does not say, from now on; 0, the start: one for each processor, at most the above. */
void nddr_dataset_set_threads (NddrDataset *dataset, guint threads);
guint nddr_dataset_threads (NddrDataset *dataset);

/** (transfer full): sample @index with those of @labels that it has.  Errors name the file. */
NddrSample *nddr_dataset_load (NddrDataset *dataset, guint index, NddrLabels labels, GError **error);

/* ---- broken samples: those with a file that cannot be read or is not what it should be */

/** Whether the functions below skip broken samples; at first they do not. */
void nddr_dataset_set_skip (NddrDataset *dataset, gboolean skip);

/** (transfer full): sample *@index, or in place of a broken one the first behind it that is not; after the last comes the first.  *@index becomes
 * its number.  Which one that is depends on the files alone.  A hundred broken ones in a row are an error, and so are all. */
NddrSample *nddr_dataset_load_sound (NddrDataset *dataset, guint *index, NddrLabels labels, GError **error);

/** (transfer full): sample @index; NULL without @error: it is broken, and to be skipped. */
NddrSample *nddr_dataset_load_if_sound (NddrDataset *dataset, guint index, NddrLabels labels, GError **error);

/** How many were found and skipped so far.
 * @news: (out) (optional) (transfer full): what is wrong with those found since it was last asked for, a line each; NULL: there are none */
guint nddr_dataset_count_broken (NddrDataset *dataset, char **news);

G_END_DECLS
