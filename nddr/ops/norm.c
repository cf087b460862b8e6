/* Batch normalisation with batch or running statistics, forward and backward.
 *
 * Statistics and sums are taken over runs of pixels and then combined in the order of the runs: the same bits every run of
 * the program.  Where a batch is shared out among processes, what each of them has is one more run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/dropout.h>
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

#include <math.h>

/* More runs than this are combined in two stages: one lane adds so many parts one after the other. */
#define SOFTWARE_PARTS 256
#define GPU_PARTS 64

static int
pixels_of (const NddrTensor *map)
{
  return map->batch * map->height * map->width;
}

/* Processes that have a share of the batch that statistics are of. */
static int
processes (const NddrNorm *op)
{
  return op->synchronised && !op->frozen ? MAX (op->share.count, 1) : 1;
}

/* Two vectors of the channels for each of @runs runs and each branch of @map. */
static NddrTensor *
new_parts_in (NddrPlan *plan, NddrSpace space, const NddrTensor *map, int runs)
{
  return nddr_plan_tensor (plan, "norm.parts", space, NDDR_F32, map->branches, 1, runs, 2, map->channels);
}

static NddrTensor *
new_parts (NddrPlan *plan, const NddrTensor *map, int runs)
{
  return new_parts_in (plan, NDDR_SPACE_ARENA, map, runs);
}

static NddrTensor *
new_saved (NddrPlan *plan, const NddrTensor *x)
{
  return nddr_plan_tensor (plan, "norm.saved", NDDR_SPACE_ARENA, NDDR_F32, x->branches, 1, 1, 4, x->channels);
}

/* How many parts go into one next: all of them, or about as many as there will be sums of them. */
static int
parts_at_once (NddrPlan *plan, int runs)
{
  int most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? SOFTWARE_PARTS : GPU_PARTS;

  return runs <= most ? runs : (int) ceil (sqrt (runs));
}

/* Where a lane's texels are and how many pixels it walks along.  @runs: whether the kernel has to know how many runs there are */
static void
push_tiles (NddrStep *step, const NddrTiles *tiles, gboolean runs)
{
  nddr_step_push_i (step, tiles->quads);
  nddr_step_push_i (step, tiles->columns);
  nddr_step_push_i (step, tiles->step);
  nddr_step_push_i (step, tiles->pixels);
  nddr_step_push_i (step, tiles->run);
  if (runs)
    nddr_step_push_i (step, tiles->runs);
  nddr_step_push_i (step, tiles->lanes);
}

static void
push_inverses (NddrStep *step, const NddrTiles *tiles)
{
  nddr_step_push_inverse (step, tiles->columns);
  nddr_step_push_inverse (step, tiles->step);
}

/* What is dropped, and where it is clamped. */
static void
push_dropout_and_clamp (NddrStep *step, const NddrNorm *op)
{
  nddr_step_push_i (step, op->dropout_layer);
  nddr_step_push_i (step, nddr_dropout_threshold (op->dropout));
  nddr_step_push_f (step, op->low);
  nddr_step_push_f (step, op->high);
  nddr_step_push_f (step, nddr_dropout_scale (op->dropout));
}

static NddrTensor *
statistics (NddrPlan *plan, NddrTensor *x, int *runs, int *run)
{
  NddrTiles tiles = nddr_tiles (&plan->traits, x, 1024);
  NddrTensor *parts = new_parts (plan, x, tiles.runs);
  NddrStep *step = nddr_plan_step_tiles (plan, NDDR_KERNEL_NORM_STATS, &tiles, x->branches);

  nddr_step_read (step, 0, x);
  nddr_step_write (step, 1, parts);
  nddr_step_push_base (step, x, 0);
  push_tiles (step, &tiles, TRUE);
  push_inverses (step, &tiles);
  *runs = tiles.runs;
  *run = tiles.run;
  return parts;
}

/* Makes op->saved and updates the running statistics from the parts of @runs runs of @run pixels, @pixels together; where these are not all of the
 * batch's, with what the other processes make of theirs. */
static void
combine_statistics (NddrPlan *plan, NddrNorm *op, NddrTensor *parts, int runs, int run, int pixels)
{
  const NddrTensor *x = op->input;
  int count = parts_at_once (plan, runs), groups = (runs + count - 1) / count, all = pixels_of (x) * processes (op);
  gboolean finish = groups == 1 && pixels == all, meet = groups == 1 && pixels < all;
  NddrTensor *result;
  NddrStep *step;

  if (finish)
    result = op->saved = new_saved (plan, x);
  else if (meet)
    result = op->statistics = new_parts_in (plan, NDDR_SPACE_EXCHANGE, x, 1);
  else
    result = new_parts (plan, x, groups);
  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_NORM_COMBINE, (guint64) groups * nddr_quads (x), x->branches);
  nddr_step_read (step, 0, parts);
  nddr_step_write (step, 1, result);
  nddr_step_read (step, 2, finish ? op->weight : NULL);
  nddr_step_read (step, 3, finish ? op->bias : NULL);
  if (finish) {
    nddr_step_update (step, 4, op->running_mean);
    nddr_step_update (step, 5, op->running_var);
  } else { /* never touched */
    nddr_step_write (step, 4, result);
    nddr_step_write (step, 5, result);
  }
  nddr_step_spec (step, finish);
  nddr_step_push_base (step, parts, 0);
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, runs);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, groups);
  nddr_step_push_i (step, x->channels);
  nddr_step_push_f (step, op->eps);
  nddr_step_push_f (step, op->momentum);
  if (meet) {
    op->all_statistics = new_parts_in (plan, NDDR_SPACE_EXCHANGE, x, processes (op));
    nddr_plan_mark (plan, TRUE);
    combine_statistics (plan, op, op->all_statistics, processes (op), pixels, all);
  } else if (!finish) {
    combine_statistics (plan, op, result, groups, run * count, pixels);
  }
}

static void
apply (NddrPlan *plan, const NddrNorm *op)
{
  NddrTensor *x = op->input, *z = op->output, *residual = op->residual.tensor;
  int pitch = residual ? op->residual.step * nddr_branch_quads (residual) : 0;
  NddrTiles tiles = nddr_tiles (&plan->traits, x, 64);
  NddrStep *step = nddr_plan_step_tiles (plan, NDDR_KERNEL_NORM_APPLY, &tiles, x->branches);

  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, op->saved);
  nddr_step_read (step, 2, residual);
  nddr_step_read (step, 3, op->dropout > 0 ? op->random : NULL);
  nddr_step_write (step, 4, z);
  nddr_step_spec (step, residual != NULL);
  nddr_step_spec (step, nddr_dropout_kind (op->dropout, op->share));
  nddr_step_push_base (step, x, 0);
  nddr_step_push_base (step, op->saved, 0);
  nddr_step_push_base (step, residual ? residual : x, residual ? op->residual.first * nddr_branch_quads (residual) : 0);
  nddr_step_push_i (step, pitch);
  push_tiles (step, &tiles, FALSE);
  push_dropout_and_clamp (step, op);
  push_inverses (step, &tiles);
  nddr_dropout_push_share (step, op->share, nddr_branch_quads (x));
}

/* Makes op->saved from the running statistics. */
static void
take_running (NddrPlan *plan, NddrNorm *op)
{
  const NddrTensor *x = op->input;
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_NORM_RUNNING, nddr_quads (x), x->branches);

  op->saved = new_saved (plan, x);
  nddr_step_read (step, 0, op->weight);
  nddr_step_read (step, 1, op->bias);
  nddr_step_read (step, 2, op->running_mean);
  nddr_step_read (step, 3, op->running_var);
  nddr_step_write (step, 4, op->saved);
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, x->channels);
  nddr_step_push_f (step, op->eps);
}

void
nddr_norm_forward (NddrPlan *plan, NddrNorm *op)
{
  int runs, run;
  NddrTensor *parts;

  if (op->frozen) {
    take_running (plan, op);
  } else {
    parts = statistics (plan, op->input, &runs, &run);
    combine_statistics (plan, op, parts, runs, run, pixels_of (op->input));
  }
  apply (plan, op);
}

/* ---- backward */

/* What both passes over the pixels bind first and specialise by. */
static void
bind_backward (NddrStep *step, const NddrNorm *op, NddrTensor *dz)
{
  gboolean clamps = op->low > -INFINITY || op->high < INFINITY;

  nddr_step_read (step, 0, op->input);
  nddr_step_read (step, 1, dz);
  nddr_step_read (step, 2, op->saved);
  nddr_step_read (step, 3, clamps ? op->residual.tensor : NULL);
  nddr_step_read (step, 4, op->dropout > 0 ? op->random : NULL);
  nddr_step_spec (step, op->residual.tensor != NULL);
  nddr_step_spec (step, nddr_dropout_kind (op->dropout, op->share));
  nddr_step_spec (step, clamps);
}

static void
push_backward_bases (NddrStep *step, const NddrNorm *op, NddrTensor *dz)
{
  NddrTensor *residual = op->residual.tensor;

  nddr_step_push_base (step, op->input, 0);
  nddr_step_push_base (step, dz, 0);
  nddr_step_push_base (step, op->saved, 0);
  nddr_step_push_base (step, residual ? residual : op->input, residual ? op->residual.first * nddr_branch_quads (residual) : 0);
  nddr_step_push_i (step, residual ? op->residual.step * nddr_branch_quads (residual) : 0);
}

static NddrTensor *
backward_sums (NddrPlan *plan, const NddrNorm *op, NddrTensor *dz, int *runs)
{
  NddrTiles tiles = nddr_tiles (&plan->traits, dz, 1024);
  NddrTensor *parts = new_parts (plan, dz, tiles.runs);
  NddrStep *step = nddr_plan_step_tiles (plan, NDDR_KERNEL_NORM_BACKWARD_SUMS, &tiles, dz->branches);

  bind_backward (step, op, dz);
  nddr_step_write (step, 5, parts);
  push_backward_bases (step, op, dz);
  push_tiles (step, &tiles, TRUE);
  push_dropout_and_clamp (step, op);
  push_inverses (step, &tiles);
  nddr_dropout_push_share (step, op->share, nddr_branch_quads (dz));
  *runs = tiles.runs;
  return parts;
}

/* The gradients of weight and bias from the parts of @runs runs; returns the two sums over the number of pixels, of all processes' together. */
static NddrTensor *
combine_sums (NddrPlan *plan, NddrNorm *op, NddrTensor *parts, int runs, NddrTensor *dweight, NddrTensor *dbias)
{
  const NddrTensor *x = op->input;
  int count = parts_at_once (plan, runs), groups = (runs + count - 1) / count;
  gboolean finish = groups == 1, meet = finish && processes (op) > 1;
  NddrTensor *result = new_parts_in (plan, meet ? NDDR_SPACE_EXCHANGE : NDDR_SPACE_ARENA, x, groups);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_NORM_BACKWARD_COMBINE, (guint64) groups * nddr_quads (x), x->branches);

  nddr_step_read (step, 0, parts);
  nddr_step_write (step, 1, result);
  nddr_step_write (step, 2, finish ? dweight : result);
  nddr_step_write (step, 3, finish ? dbias : result);
  nddr_step_spec (step, finish);
  nddr_step_push_base (step, parts, 0);
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, pixels_of (x) * processes (op));
  nddr_step_push_i (step, runs);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, groups);
  nddr_step_push_i (step, x->channels);
  if (meet) {
    op->sums = result;
    nddr_plan_mark (plan, TRUE);
    result = new_parts (plan, x, 1); /* every lane of the next step reads it: nearer to the device */
    nddr_gradients_add (plan, result, op->sums, FALSE);
  }
  return finish ? result : combine_sums (plan, op, result, groups, dweight, dbias);
}

void
nddr_norm_backward (NddrPlan *plan, NddrNorm *op, NddrTensor *dy, NddrTensor *dz, NddrTensor *dweight, NddrTensor *dbias,
    NddrBranches dresidual, gboolean accumulate)
{
  NddrTensor *out = dresidual.tensor, *parts, *means = NULL;
  NddrTiles tiles = nddr_tiles (&plan->traits, dz, 64);
  NddrStep *step;
  int runs;

  if (dweight) {
    parts = backward_sums (plan, op, dz, &runs);
    means = combine_sums (plan, op, parts, runs, dweight, dbias);
  }
  step = nddr_plan_step_tiles (plan, NDDR_KERNEL_NORM_BACKWARD_APPLY, &tiles, dz->branches);
  bind_backward (step, op, dz);
  nddr_step_read (step, 5, op->frozen ? NULL : means);
  nddr_step_read (step, 6, out && accumulate ? out : NULL);
  nddr_step_write (step, 7, out ? out : dy);
  nddr_step_write (step, 8, dy);
  nddr_step_spec (step, out ? accumulate ? 2 : 1 : 0);
  nddr_step_spec (step, op->frozen);
  push_backward_bases (step, op, dz);
  nddr_step_push_base (step, op->frozen ? dz : means, 0);
  nddr_step_push_base (step, out ? out : dy, out ? dresidual.first * nddr_branch_quads (out) : 0);
  nddr_step_push_i (step, out ? dresidual.first * nddr_branch_quads (out) : 0);
  nddr_step_push_i (step, out ? dresidual.step * nddr_branch_quads (out) : 0);
  push_tiles (step, &tiles, FALSE);
  push_dropout_and_clamp (step, op);
  push_inverses (step, &tiles);
  nddr_dropout_push_share (step, op->share, nddr_branch_quads (dz));
}
