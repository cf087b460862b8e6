/* A network at one size, as a plan that trains it: the layers forward with batch statistics, the tasks' losses, every layer's
 * gradient in reverse, and the optimiser.
 *
 *   image ─► layers ─► heads ─► losses ─► gradients of values, back to the first layer
 *                                            └─► gradients of parameters ─► (their total) ─► their norm ─► parameters
 *
 * Without learning it is the forward pass alone, which is what measuring activations needs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/parameters.h>

#include <nddr/config.h>
#include <nddr/ops/ops.h>

G_BEGIN_DECLS

/* Phases, in the order in which a step runs them.  Where a step accumulates the gradients of several batches, FIRST or ADD come behind
 * each BACKWARD, before UPDATE. */
enum { NDDR_TRAINING_PACK, NDDR_TRAINING_FORWARD, NDDR_TRAINING_BACKWARD, NDDR_TRAINING_UPDATE, NDDR_TRAINING_FIRST, NDDR_TRAINING_ADD };
#define NDDR_TRAINING_STEP 0xf /* the first four */

typedef struct
{
  int batch, width, height;  /* of what the network sees */
  gboolean learn;            /* else the forward pass alone */
  gboolean input_resolution; /* losses at the image's size, heads' outputs upsampled; else at the heads' size */
  double dropout, bn_momentum;
  gboolean penalty;          /* what the network penalises is part of the loss */
  gboolean bn_running;       /* normalisations use running statistics and keep them */
  gboolean bn_fixed;         /* and are not learnt: their gradients stay as they are, zero */
  gboolean bn_trunk;         /* the above is about trunks' layers alone */
  int segments;              /* of the layers: activations within all but the last are computed again in the backward pass; 0 or 1: none */
  gboolean accumulate;       /* a step's gradients are those of several batches */
  double clip_norm;          /* of all gradients together; 0: any */
  gboolean adamw;            /* else SGD with momentum */
  double momentum, beta1, beta2, adam_eps;
} NddrTrainingOptions;

typedef struct
{
  NddrTensor *label;  /* INPUT, [batch][height][width]: see NddrLoss */
  NddrTensor *scale;  /* INPUT: 1 / valid pixels, weight */
  NddrTensor *loss;   /* OUTPUT, one float */
  int width, height;  /* of the labels */
} NddrTrainingTask;

/* What UPDATE leaves the sum of squares of. */
typedef enum { NDDR_SUM_GRADIENTS, NDDR_SUM_PARAMS, NDDR_SUM_RUNNING, NDDR_N_SUMS } NddrSum;

typedef struct
{
  NddrParameters *parameters;
  NddrTensor *image;       /* INPUT, [1][batch][height][width][3], normalised */
  NddrTensor *random;      /* INPUT, 4 words: seed, step; NULL without dropout */
  NddrTensor *rates;       /* INPUT, [NDDR_N_GROUPS + 1][4]: see NddrOptimizer */
  NddrTrainingTask *tasks; /* for each task of the config */
  NddrTensor *sums[NDDR_N_SUMS]; /* OUTPUT, one float each: of squares: of the gradients before clipping, of what UPDATE left; NULL: there are none */
  NddrTensor **raw;        /* for each layer: what its convolution gives, before normalisation and activation; fusion layers' are kept where !learn */
  NddrTensor *penalty_scale; /* INPUT: 1, the penalty's factor; NULL where nothing is penalised */
  NddrTensor **penalties;  /* for each layer: OUTPUT, one float: its overlap before the factor, see NddrOverlap; NULL: none */
  int n_layers, n_tasks;
} NddrTraining;

/** Appends to @plan.  @network must outlive the training. */
NddrTraining *nddr_training_append (NddrPlan *plan, const NddrNetwork *network, const NddrConfig *config, const NddrTrainingOptions *options,
    GError **error);
void nddr_training_free (NddrTraining *training);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrTraining, nddr_training_free)

G_END_DECLS
