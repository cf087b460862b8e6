/* A reader: one pass over a data set's samples, in their order, read ahead by threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/dataset.h>

G_BEGIN_DECLS

/** Not thread-safe: one thread takes samples. */
typedef struct _NddrReader NddrReader;

/** @threads: 0: as nddr_dataset_threads() says.  @dataset must outlive the reader. */
NddrReader *nddr_reader_new (NddrDataset *dataset, NddrLabels labels, guint threads);
/** Waits for what is being read. */
void nddr_reader_free (NddrReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrReader, nddr_reader_free)

/** (transfer full): the next sample, *@index its number; broken ones are left out where the data set skips them.  NULL with @error: it cannot be
 * read; without: that was the last. */
NddrSample *nddr_reader_next (NddrReader *reader, guint *index, GError **error);

G_END_DECLS
