/* A run under way: what preparing it and training share.  trainer-prepare.c makes all that a run needs, trainer.c takes its steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/checkpoint.h>
#include <train/journal.h>
#include <train/learner.h>
#include <train/progress.h>
#include <train/trainer.h>

G_BEGIN_DECLS

typedef struct
{
  NddrDevice *device;
  NddrRecipe *recipe;
  const NddrTrainerOptions *options;
  NddrRanks *ranks;
  NddrDataset *pictures, *validation; /* validation: NULL: none */
  NddrCheckpoint *checkpoint;         /* that it goes on from; NULL */
  NddrStart *start;
  NddrLearner *learner;
  NddrLoader *loader;
  NddrJournal *journal;
  NddrProgress progress;
  char *recipe_text;
  char *teacher;                      /* its checksum; NULL: there is none */
  gint64 step;                        /* done */
  gint64 saved;                       /* the checkpoint's */
  gboolean model_saved;               /* by this process, with it */
  double best;                        /* NAN: none yet */
  int lock;                           /* the run's folder, locked; -1: it is not */
  double waited;                      /* seconds, by the last step, for its pictures */
  guint n_skipped;                    /* pictures of the last step that stand for broken ones */
  guint stale;                        /* validations since */
  gboolean more_is_better;
} NddrTrainer;

/** All that comes before the first step: the run's folder, its data and where it starts or goes on from; on each rank, and all of them agree. */
gboolean nddr_trainer_prepare (NddrTrainer *t, GError **error);
/** (transfer full): where the run's file @name is. */
static inline char *
nddr_trainer_path (const NddrTrainer *t, const char *name)
{
  return g_build_filename (t->options->run, name, NULL);
}

/** Names on standard error the broken samples that were met since the last call. @key: of [data], whose data set @dataset is. */
void nddr_trainer_report_broken (NddrTrainer *t, NddrDataset *dataset, const char *key);

G_END_DECLS
