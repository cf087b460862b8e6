/* What the files of the training plan share: a walk along the network, which appends what each layer does.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/training.h>

G_BEGIN_DECLS

/* What a layer does, forward; its gradient is of the same. */
typedef struct
{
  NddrConvolution convolution;
  NddrDepthwise depthwise;
  NddrNorm norm;
  NddrActivate activate;
  NddrPool pool;
  NddrResize resize;
  NddrMix mix;
  NddrBlend blend;
  NddrBranches *inputs; /* convolution's, blend's */
  gboolean activated;   /* an activate step follows a convolution without normalisation */
} NddrLayerOps;

/* The network on its way into the plan: what its values and layers have got so far. */
typedef struct
{
  NddrPlan *plan;
  const NddrNetwork *network;
  const NddrTrainingOptions *options;
  NddrTraining *training;
  int *widths, *heights;  /* of values */
  int *root;              /* for each value: itself, or the value that a resize to the same size leaves as it is */
  NddrTensor **values, **gradients;
  NddrTensor **halves;    /* for each value: it as products take it; NULL: nobody did so far */
  guint64 *written;       /* for each value: the branches whose gradient has been written */
  gboolean *zeroed;       /* for each value: its gradient starts at zero */
  NddrLayerOps *ops;
  guint32 n_dropouts;
} NddrWalk;

/* ---- training.c */

/** Whether @layer is a resize that changes nothing, and is left out: see NddrWalk.root. */
gboolean nddr_walk_is_alias (const NddrWalk *walk, const NddrLayer *layer);
/** What ranks do at the mark made last. @tensor: NULL: none was made */
void nddr_walk_add_collective (NddrWalk *walk, NddrCollectiveKind kind, NddrTensor *tensor, NddrTensor *result);
/** @map as halves. */
NddrTensor *nddr_walk_cast (NddrWalk *walk, NddrTensor *map);

/* ---- training-loss.c */

/** The loss of task @t: forward, and the gradient of its head. */
void nddr_walk_append_loss (NddrWalk *walk, const NddrConfig *config, int t);

/* ---- training-backward.c */

/** Which gradients start at zero: before anything is appended. */
void nddr_walk_find_zeroed (NddrWalk *walk);
/** The gradient of @value, about to be written on some branches; *accumulate (nullable): whether they hold a part already. */
NddrTensor *nddr_walk_gradient_of (NddrWalk *walk, int value, int first, int count, gboolean *accumulate);
/** Layer @i's gradients, behind those of all that reads its output: of its parameters and of what it reads. */
void nddr_walk_append_backward (NddrWalk *walk, int i);

/* ---- training-update.c */

/** Adds @count gradients to those of the batches before, from element @from on. */
void nddr_walk_append_total (NddrWalk *walk, gsize from, gsize count);
/** Layer @i's gradients are complete, as are those of the layers behind it, of which those from element *end on are in buckets. */
void nddr_walk_fill_bucket (NddrWalk *walk, int i, gsize *end);
/** Parameters by their gradients' totals, and the sums of squares. */
void nddr_walk_append_update (NddrWalk *walk);

G_END_DECLS
