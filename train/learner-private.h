/* A learner's inside: what its parts share.  learner.c makes it, copies to it and from it, learner-program.c plans a step for the device's
 * memory, learner-step.c takes steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/learner.h>

G_BEGIN_DECLS

struct _NddrLearner
{
  const NddrStart *start;
  const NddrRecipe *recipe;
  NddrRanks *ranks; /* NULL: there is one */
  NddrTeacher *teacher; /* NULL: there is none */
  double *distilled;    /* [tasks]: its losses of the last step */
  NddrTraining *training;
  NddrProgram *program;
  NddrTaskWeighting *weighting;
  gboolean mixed;
  NddrScaler scaler;   /* stands still where it is not mixed */
  NddrOutcome outcome; /* of the last step */
  NddrFootprint footprint;
  double *class_weights; /* [n_classes]; NULL: none */
  guint n_classes;
};

/* ---- learner-program.c */

/** What the recipe says of the training plan, for the rank's share of a batch; but for segments and precision. */
NddrTrainingOptions nddr_learner_training_options (const NddrLearner *learner);
/** Gives @learner its training plan, its program and its footprint. Needs the teacher, where there is one.
 * @traits: what to plan for, with the memory that is left */
gboolean nddr_learner_make_program (NddrLearner *learner, NddrDevice *device, const NddrTraits *traits, GError **error);

/* ---- learner-step.c */

/** Has gradients divided by what losses are multiplied by. */
void nddr_learner_write_unscale (const NddrLearner *learner);

G_END_DECLS
