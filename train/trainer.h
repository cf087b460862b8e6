/* A trainer: a run from its recipe to its model, with its log, validations and checkpoints.
 *
 * A run's folder holds config.ini, log.jsonl, checkpoint.safetensors, model.safetensors and best.safetensors; when it is
 * finished also report.html.  Where several ranks train together it is the first one's: the others only read it to go on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <train/ranks.h>
#include <train/recipe.h>

#include <signal.h>

G_BEGIN_DECLS

typedef struct
{
  const char *run;           /* the folder; made where it is not there */
  const char *const *inits;  /* (nullable): see nddr_start_new() */
  gboolean resume;           /* go on from the folder's checkpoint */
  const volatile sig_atomic_t *stop; /* (nullable): not 0: finish the step, write a checkpoint, return */
  NddrRanks *ranks;          /* (nullable): that train together; all of them call, and any may be told to stop */
} NddrTrainerOptions;

/**
 * Trains until the recipe's last step, until its patience is over, or until told to stop.  A step that leaves anything that is not finite ends the
 * run with an error that names the step and the tensor; the last checkpoint stays.
 * @recipe: fusion_norm_init is resolved in it
 * @finished: (out): FALSE where it was told to stop
 * Returns: FALSE with @error; where another rank failed, and this one did not, with NDDR_RANKS_ERROR_ELSEWHERE
 */
gboolean nddr_trainer_run (NddrDevice *device, NddrRecipe *recipe, const NddrTrainerOptions *options, gboolean *finished, GError **error);

G_END_DECLS
