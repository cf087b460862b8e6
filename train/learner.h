/* A learner: a network's training plan on a device, fed with batches.
 *
 * Among ranks each has a learner for its share of every batch.  They start alike (nddr_learner_broadcast()) and stay so, for each steps by the
 * gradients of all.
 *
 * Not thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/task-weighting.h>
#include <train/loader.h>
#include <train/ranks.h>
#include <train/recipe.h>
#include <train/scaler.h>
#include <train/start.h>
#include <train/training.h>

G_BEGIN_DECLS

typedef struct _NddrLearner NddrLearner;

/** Uploads @start's tensors.  @start and @recipe must outlive the learner.  Where keeping all activations would take more than the device's heap
 * has, or than can be addressed, some are computed again in the backward pass, to the same bits, as the recipe allows.  Reads the recipe's teacher.
 * @traits: (nullable): what to plan for, where that is not what the device has
 * @ranks: (nullable): that the recipe's batch is shared out among, which must come out even; outlives the learner */
NddrLearner *nddr_learner_new (NddrDevice *device, const NddrTraits *traits, NddrRanks *ranks, const NddrStart *start, const NddrRecipe *recipe,
    GError **error);
void nddr_learner_free (NddrLearner *learner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrLearner, nddr_learner_free)

const NddrTraining *nddr_learner_get_training (const NddrLearner *learner);
NddrProgram *nddr_learner_get_program (const NddrLearner *learner);

/** How a step's memory was planned for. */
typedef struct
{
  int segments;     /* of the layers, the activations of all but the last of which are computed again in the backward pass; 1: of none */
  guint64 bytes;    /* that the step takes on the device; */
  guint64 all_kept; /* that it would, were all activations kept; */
  guint64 most;     /* that it was allowed; 0: any */
} NddrFootprint;

const NddrFootprint *nddr_learner_get_footprint (const NddrLearner *learner);

/** What the tasks' losses count with; its epochs are the caller's to set. */
NddrTaskWeighting *nddr_learner_get_task_weighting (const NddrLearner *learner);

/** Whether it multiplies halves: the recipe says mixed precision, and the device can. */
gboolean nddr_learner_is_mixed (const NddrLearner *learner);

/** What losses are scaled by; the caller may set it before a step.  On a device that cannot it stands still, and is kept for one that can.  NULL: the
 * recipe does not say mixed precision. */
NddrScaler *nddr_learner_get_scaler (NddrLearner *learner);

/** [*n]: what each class of segmentation counts with, as PyTorch's CrossEntropyLoss has it; at first 1, the caller may set it before a step.  NULL: all alike,
 * for the recipe does not balance classes or there is no segmentation. */
double *nddr_learner_get_class_weights (NddrLearner *learner, guint *n);

/** The size of the labels that a batch must have, and what batches must hold. */
void nddr_learner_get_label_size (const NddrLearner *learner, guint *width, guint *height);
NddrLabels nddr_learner_get_labels (const NddrLearner *learner);

/** What the last step's gradients had of task @k's teacher: the loss before the task's weight and the recipe's; NAN where it has none. */
double nddr_learner_get_distillation (const NddrLearner *learner, guint k);

/** What the last step came to. */
typedef struct
{
  double loss;            /* the weighted sum, with what the weighting adds */
  double gradient_norm;   /* of all parameters' gradients, before clipping; not finite where one of them is not */
  double sums[NDDR_N_SUMS]; /* of squares; 0 where there is nothing of the kind */
  double loss_scale;      /* what the losses were multiplied by */
  gboolean skipped;       /* gradients overflowed with that, and the step changed no parameter: the next one has less of it */
} NddrOutcome;

const NddrOutcome *nddr_learner_get_outcome (const NddrLearner *learner);

/**
 * One step, t = 0, 1, …: losses, gradients and update.  Waits for the device.
 * @batch: the pictures of all the recipe's `accumulate` batches, one after the other; the rank's share of each
 * @phases: bits of NDDR_TRAINING_*; NDDR_TRAINING_STEP: all
 * @losses: (out): each task's over all of @batch and of the other ranks', before its weight; of what is taught the recipe's share of the teacher's and of
 *   the labels'
 * Returns: FALSE with @error where the device fails, after which ranks have nothing to say to each other; a loss that is not finite is no error here
 */
gboolean nddr_learner_step (NddrLearner *learner, const NddrBatch *batch, gint64 t, guint phases, double *losses, GError **error);

/** What the last step's gradients had besides the tasks' losses: a sluice network's penalty, times its factor; else 0. */
double nddr_learner_get_penalty (const NddrLearner *learner);

/** Adds to @tensors the parameters and running statistics under their names; @moments: and the moments, under "moment1/NAME" and
 * "moment2/NAME". */
gboolean nddr_learner_read (NddrLearner *learner, gboolean moments, NddrArrays *tensors, GError **error);
/** The way back, moments and all: goes on where another learner was read. */
gboolean nddr_learner_restore (NddrLearner *learner, const NddrArrays *tensors, GError **error);
/** Gives all ranks the first one's parameters, running statistics and moments. */
gboolean nddr_learner_broadcast (NddrLearner *learner, GError **error);

G_END_DECLS
