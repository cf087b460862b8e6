/* What a run says of itself: log.jsonl, one JSON object a line, and for TensorBoard the same numbers, and pictures.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/config.h>
#include <train/gallery.h>

G_BEGIN_DECLS

typedef struct _NddrJournal NddrJournal;

/** Opens @folder's log to append; lines of steps behind @last_step, which a run that stopped left, go first.  What is moved or removed later is
 * begun anew. */
NddrJournal *nddr_journal_open (const char *folder, gint64 last_step, GError **error);
/** Whether the validation of @last_step was in the log when it was opened. */
gboolean nddr_journal_was_validated (const NddrJournal *journal);
void nddr_journal_close (NddrJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrJournal, nddr_journal_close)

/** A number with its name. */
typedef struct
{
  const char *name;
  double value;
} NddrFigure;

/** A step's line.
 * @losses: of the tasks, before their weights
 * @data_wait_s: how long it waited for its pictures
 * @n_skipped: its pictures that stand for broken ones; not written where 0
 * @more: what else is worth saying, in its order */
gboolean nddr_journal_step (NddrJournal *journal, gint64 step, double loss, const NddrTask *tasks, guint n_tasks, const double *losses, double rate,
    double images_per_s, double data_wait_s, guint n_skipped, const NddrFigure *more, guint n_more, GError **error);
/** A validation's line. @metrics: as nddr_metrics_to_json(); @best: (nullable): what made its model the best so far: "loss" or a score's name */
gboolean nddr_journal_validation (NddrJournal *journal, gint64 step, double loss, JsonNode *metrics, const char *best, GError **error);
/** What a model sees in a few pictures, for TensorBoard; the first time with the pictures themselves and their labels. */
gboolean nddr_journal_pictures (NddrJournal *journal, gint64 step, const NddrTask *tasks, guint n_tasks, const NddrGallery *gallery, GError **error);

G_END_DECLS
