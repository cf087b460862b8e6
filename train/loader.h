/* A loader: a data set's samples as batches, made ahead of time by threads.
 *
 * Batches come in a fixed order that depends on nothing but the options, whatever the number of threads: batch t holds the samples
 * t * batch … of the epochs' permutations written one after the other.  So a run that stopped goes on where it was by
 * starting at its step.  That holds where broken samples are skipped, too: what takes a sample's place follows from the files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/augment.h>
#include <train/dataset.h>

G_BEGIN_DECLS

/** Not thread-safe: one thread takes and returns batches. */
typedef struct _NddrLoader NddrLoader;

typedef struct
{
  NddrAugment augment;
  guint batch;       /* samples in a batch, at least 1 */
  NddrLabels labels; /* wanted */
  gboolean repeat;   /* epoch after epoch without end; else one pass in the data set's order */
  gboolean shuffle;  /* a new order each epoch */
  double cutmix;     /* how many of the samples, 0 to 1, get a box of another over them: see cutmix.h */
  guint64 seed;
  guint64 first;     /* the batch to start with, from 0 */
  guint threads;     /* 0: as nddr_dataset_threads() says */
  guint prefetch;    /* batches made ahead; 0: 2 */
  /* Of each batch's `parts` equal runs of samples, one after the other, the share-th of `shares` alone: what several loaders make is together what one
   * would, sample for sample.  With repeat. 0: 1 */
  guint parts, share, shares;
} NddrLoaderOptions;

/** A batch; of one loader. */
typedef struct
{
  guint64 number;       /* from 0 */
  /* as many as asked for, but in the last batch of a single pass; then the slices behind them are the mean's colour, their labels
   * ignored */
  guint n_samples;
  guint *indices;       /* [batch]: of the samples; as all below, of the loader's share of the batch */
  guint n_skipped;      /* samples, boxes' too, that were broken, in whose place others are: see nddr_dataset_load_sound() */
  float *image;         /* [batch][height][width][4] */
  guint8 *segmentation; /* [batch][label_height][label_width]; NULL where not wanted, as the next two */
  float *normal;        /* [batch][label_height][label_width][4] */
  float *depth;         /* [batch][label_height][label_width] */
  gint32 (*shown)[2];   /* [batch]: width and height of what of each picture's labels is no padding; 0, 0 where there is no picture */
  guint64 valid[3];     /* for each NddrTaskKind: pixels of the whole batch that are not ignored */
} NddrBatch;

/** Host memory that the batches of such a loader take at most: those made ahead, and one that was taken. */
guint64 nddr_loader_bytes (const NddrLoaderOptions *options);
/** @dataset must outlive the loader. */
NddrLoader *nddr_loader_new (NddrDataset *dataset, const NddrLoaderOptions *options);
/** Waits for what is being made.  Frees batches that were not returned, too. */
void nddr_loader_free (NddrLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrLoader, nddr_loader_free)

/** The next batch, to be given back with nddr_loader_return(): its memory is used again.  NULL with @error where a sample cannot be
 * read; NULL without it after the last batch of a single pass. */
NddrBatch *nddr_loader_next (NddrLoader *loader, GError **error);
void nddr_loader_return (NddrLoader *loader, NddrBatch *batch);

G_END_DECLS
