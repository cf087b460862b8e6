/* See weight-product.h, and shaders/wgrad.comp for the method.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/product.h>
#include <nddr/ops/weight-product.h>

#define LANES 8
#define CUT_REACH 0.9 /* leaving rows out costs a tenth where kernels are thin */

NddrWeightTiling
nddr_weight_tiling (int x_quads, int dy_quads, int taps, gboolean may_swap)
{
  NddrWeightTiling best = { 0 };
  int best_cost = G_MAXINT;

  for (int swap = 0; swap <= may_swap; swap++)
    for (int shared = 4; shared <= 8; shared += 4) {
      int on_lanes = swap ? dy_quads : x_quads * taps, across = swap ? x_quads : dy_quads;
      NddrWeightTiling tiling = { shared, swap, (on_lanes + LANES - 1) / LANES };
      tiling.tiles = tiling.lane_tiles * ((across + shared - 1) / shared);
      /* loads and addresses cost about what four quads' products do */
      int cost = tiling.tiles * (4 + shared);
      if (cost < best_cost) {
        best_cost = cost;
        best = tiling;
      }
    }
  return best;
}

/* The share of an axis of @count outputs and @size inputs that a tap reaches the input from, on average. */
static double
reach (const NddrConvolution *op, int size, int count)
{
  int reached = 0;

  for (int tap = 0; tap < op->kernel; tap++) {
    int low, high;
    nddr_tap_reach ((tap - op->kernel / 2) * op->dilation, op->stride, size, count, &low, &high);
    reached += MAX (high - low, 0);
  }
  return (double) reached / (op->kernel * count);
}

double
nddr_weight_reach (const NddrConvolution *op)
{
  const NddrTensor *x = op->inputs[0].tensor, *y = op->output.tensor;
  double share = reach (op, x->height, y->height);

  if (nddr_quads (x) >= LANES) /* or most workgroups have taps of all columns */
    share *= reach (op, x->width, y->width);
  return share < CUT_REACH ? share : 1;
}

void
nddr_weight_product (NddrPlan *plan, const NddrWeightProduct *p)
{
  const NddrConvolution *op = p->op;
  const NddrTensor *x = op ? op->inputs[0].tensor : NULL, *y = op ? op->output.tensor : NULL;
  int kernel = op ? op->kernel : 1, stride = op ? op->stride : 1, dilation = op ? op->dilation : 1;
  int width = y ? y->width : p->pixels, height = y ? y->height : 1;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_WGRAD, p->tiling.tiles, p->splits, p->branches * p->sources);

  nddr_step_read (step, 0, p->x);
  nddr_step_read (step, 1, p->dy);
  nddr_step_write (step, 2, p->sums);
  nddr_step_spec (step, p->tiling.shared_quads);
  nddr_step_spec (step, p->tiling.swap);
  nddr_step_spec (step, kernel == 1 && stride == 1);
  nddr_step_spec (step, op == NULL);
  nddr_step_spec (step, op && nddr_weight_reach (op) < 1);
  nddr_step_push_i (step, p->x_quads);
  nddr_step_push_i (step, p->dy_quads);
  nddr_step_push_i (step, p->pixels);
  nddr_step_push_i (step, p->steps);
  nddr_step_push_i (step, p->rounds);
  nddr_step_push_base (step, p->x, p->x_first);
  nddr_step_push_i (step, p->x_branch);
  nddr_step_push_i (step, p->x_source);
  nddr_step_push_i (step, p->sources);
  nddr_step_push_base (step, p->dy, p->dy_first);
  nddr_step_push_i (step, p->dy_branch);
  nddr_step_push_i (step, p->tiling.tiles);
  nddr_step_push_i (step, p->tiling.lane_tiles);
  nddr_step_push_i (step, x ? x->height : 1);
  nddr_step_push_i (step, x ? x->width : p->pixels);
  nddr_step_push_i (step, height);
  nddr_step_push_i (step, width);
  nddr_step_push_i (step, kernel);
  nddr_step_push_i (step, stride);
  nddr_step_push_i (step, dilation);
  nddr_step_push_i (step, dilation * (kernel - 1) / 2);
  nddr_step_push_i (step, p->add);
  nddr_step_push_i (step, 0);
  nddr_step_push_f (step, 1.0f / p->tiling.lane_tiles);
  nddr_step_push_f (step, 1.0f / p->x_quads);
  nddr_step_push_f (step, 1.0f / kernel);
  nddr_step_push_f (step, 1.0f / height);
  nddr_step_push_f (step, 1.0f / width);
}
