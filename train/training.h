/* A network at one size, as a plan that trains it: the layers forward with batch statistics, the tasks' losses, every layer's
 * gradient in reverse, and the optimiser.
 *
 *   image ─► layers ─► heads ─► losses ─► gradients of values, back to the first layer
 *                                            └─► gradients of parameters ─► (their total) ─► their norm ─► parameters
 *
 * Where a teacher's outputs are given, they are learnt besides the labels: a second loss of a task, whose gradient is added to the first one's.
 *
 * Without learning it is the forward pass alone, which is what measuring activations needs.
 *
 * Where several ranks train together, each has such a plan for its share of the batch, with marks (see nddr_plan_mark()) at which they exchange what
 * they have: gradients in buckets, from the last layers' on, while those of the layers before are computed; and, where they are synchronised, each
 * normalisation's statistics and sums.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/parameters.h>
#include <train/teacher.h>

#include <nddr/config.h>
#include <nddr/ops/ops.h>

G_BEGIN_DECLS

/* Phases, in the order in which a step runs them.  Where a step accumulates the gradients of several batches, FIRST or ADD go along with
 * each BACKWARD, before UPDATE; where there are several ranks SEND does with the last. */
enum
{
  NDDR_TRAINING_PACK, NDDR_TRAINING_FORWARD, NDDR_TRAINING_BACKWARD, NDDR_TRAINING_UPDATE, NDDR_TRAINING_FIRST, NDDR_TRAINING_ADD, NDDR_TRAINING_SEND
};
#define NDDR_TRAINING_STEP 0xf /* the first four */

typedef struct
{
  int batch, width, height;  /* of what the network sees */
  NddrShare share;           /* of the whole batch: the rank's */
  gboolean learn;            /* else the forward pass alone */
  gboolean input_resolution; /* losses at the image's size, heads' outputs upsampled; else at the heads' size */
  gboolean class_weights;    /* classes of segmentation count with weights */
  gboolean normal_angle;     /* losses of normals are angles: see NddrLoss */
  const NddrTeacherOutput *teacher; /* of each task; NULL: none is taught */
  double temperature;        /* see NddrDistillation */
  double dropout, bn_momentum;
  gboolean penalty;          /* what the network penalises is part of the loss */
  gboolean bn_running;       /* normalisations use running statistics and keep them */
  gboolean bn_fixed;         /* and are not learnt: their gradients stay as they are, zero */
  gboolean bn_trunk;         /* the above is about trunks' layers alone */
  gboolean bn_synchronised;  /* batch statistics are the whole batch's, not the rank's share's */
  int segments;              /* of the layers: activations within all but the last are computed again in the backward pass; 0 or 1: none */
  gboolean accumulate;       /* a step's gradients are those of several batches */
  double clip_norm;          /* of all gradients together; 0: any */
  gboolean mixed;            /* dense convolutions multiply halves, and losses are scaled; on GPUs with 16-bit storage */
  gboolean adamw;            /* else SGD with momentum */
  double momentum, beta1, beta2, adam_eps;
} NddrTrainingOptions;

typedef struct
{
  NddrTensor *label;  /* INPUT, [batch][height][width]: see NddrLoss */
  NddrTensor *scale;  /* INPUT: 1 / valid pixels, weight */
  NddrTensor *loss;   /* OUTPUT, one float */
  int width, height;  /* of the labels */
  NddrTensor *teacher;       /* INPUT, [1][batch][height][width][channels]: what the teacher gives, at its own size; NULL: nothing */
  NddrTensor *teacher_scale; /* INPUT: 1 / shown pixels, weight; */
  NddrTensor *teacher_loss;  /* OUTPUT, one float; both NULL where `teacher` is */
} NddrTrainingTask;

/* What UPDATE leaves the sum of squares of: of gradients as they are, scaled or not. */
typedef enum { NDDR_SUM_GRADIENTS, NDDR_SUM_PARAMS, NDDR_SUM_RUNNING, NDDR_N_SUMS } NddrSum;

/* What the ranks do when the plan comes to a mark. */
typedef enum
{
  NDDR_COLLECTIVE_BUCKET,      /* begin to sum it into `result`: nothing before the last bucket's mark needs that */
  NDDR_COLLECTIVE_LAST_BUCKET, /* and have all of them summed before what is behind it */
  NDDR_COLLECTIVE_SUM,         /* have it summed, in place */
  NDDR_COLLECTIVE_GATHER,      /* put those of all ranks into `result`: for each branch, one after the other */
} NddrCollectiveKind;

typedef struct
{
  NddrCollectiveKind kind;
  NddrTensor *tensor; /* EXCHANGE, floats */
  NddrTensor *result; /* likewise; NULL: in place */
} NddrCollective;

typedef struct
{
  NddrParameters *parameters;
  GArray *collectives;     /* of NddrCollective: of each mark, in order */
  NddrTensor *image;       /* INPUT, [1][batch][height][width][3], normalised */
  NddrTensor *random;      /* INPUT, 4 words: seed, step; NULL without dropout */
  NddrTensor *rates;       /* INPUT, [NDDR_N_GROUPS + 1][4]: see NddrOptimizer */
  NddrTrainingTask *tasks; /* for each task of the config */
  NddrTensor *sums[NDDR_N_SUMS]; /* OUTPUT, one float each: of squares: of the gradients before clipping, of what UPDATE left; NULL: there are none */
  NddrTensor *unscale;     /* INPUT, one float: 1 / what losses' and penalties' scales are multiplied by; NULL where those are not scaled */
  NddrTensor **raw;        /* for each layer: what its convolution gives, before normalisation and activation; fusion layers' are kept where !learn */
  NddrTensor *class_weights; /* INPUT, [classes]: see NddrLoss; NULL: all alike */
  NddrTensor *shown;       /* INPUT, [batch][2]: see NddrDistillation; NULL: no task is taught */
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
