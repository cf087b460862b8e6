/* A checkpoint: all that going on with a run needs, in one safetensors file.
 *
 * Parameters and running statistics have their model file's names, moments lie under "moment1/" and "moment2/"; the metadata says how
 * far the run is, with which recipe and teacher, what its best score was, and what the tasks' losses and their classes count with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/learner.h>

G_BEGIN_DECLS

typedef struct
{
  gint64 step;     /* steps done */
  double best;     /* score of best.safetensors; NAN: none yet */
  guint stale;     /* validations since */
  char *recipe;    /* as nddr_recipe_to_text() */
  char *config;    /* as nddr_config_to_json() */
  char *weighting; /* (nullable): as nddr_task_weighting_to_text() */
  char *scaler;    /* (nullable): as nddr_scaler_to_text() */
  char *classes;   /* (nullable): as nddr_class_balance_to_text() */
  char *teacher;   /* (nullable): as nddr_teacher_checksum() */
  NddrArrays *tensors;
} NddrCheckpoint;

/** Written beside @path, then renamed.  @teacher: (nullable) */
gboolean nddr_checkpoint_save (const char *path, NddrLearner *learner, gint64 step, double best, guint stale, const char *recipe,
    const NddrConfig *config, const char *teacher, GError **error);
NddrCheckpoint *nddr_checkpoint_load (const char *path, GError **error);
void nddr_checkpoint_free (NddrCheckpoint *checkpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrCheckpoint, nddr_checkpoint_free)

G_END_DECLS
