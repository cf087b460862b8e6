/* A dense convolution's gradients to its weights and bias on software drivers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/weight-product.h>

#define LANES 8
#define STEP_PIXELS 4     /* a turn of the kernel's inner loop */
#define SUM_PIXELS 1024   /* that one chain of additions takes: more would cost accuracy */
#define MIN_GROUPS 256    /* that keep two to eight cores evenly busy */
#define MIN_PIXELS 64     /* of a split, or storing its sums costs more than making them */
#define MAX_PIXELS 250000 /* of a split: llvmpipe ends a shader's loops after 65535 turns in all, and says nothing */

static inline gint32
branch_texels (const NddrTensor *t)
{
  return (gint32) nddr_tensor_branch_texels (t);
}

static inline int
divide_up (int n, int by)
{
  return (n + by - 1) / by;
}

/* Inputs @s .. @s + count - 1 lie at equal distances in one tensor: one step does them all. */
static int
count_alike (const NddrConvolution *op, int s)
{
  const NddrBranches *first = &op->inputs[s];
  int count = 1;

  while (s + count < op->n_inputs) {
    const NddrBranches *next = &op->inputs[s + count];
    if (next->tensor != first->tensor || next->step != first->step || next->first - first->first != count * (first[1].first - first->first))
      break;
    count++;
  }
  return count;
}

/* dw's columns of inputs @s .. @s + @count - 1; the first of them is channel @first_channel of a row. */
static void
append_sources (NddrPlan *plan, const NddrConvolution *op, int s, int count, int first_channel, NddrBranches dy, NddrTensor *dw)
{
  const NddrBranches *in = &op->inputs[s];
  NddrTensor *x = in->tensor, *y = dy.tensor;
  int x_quads = nddr_quads (x), dy_quads = nddr_quads (y), pixels = y->batch * y->height * y->width, depth = op->branches * count;
  NddrWeightTiling tiling = nddr_weight_tiling (x_quads, dy_quads, op->kernel * op->kernel, op->kernel == 1);
  int wanted = MAX (divide_up (MIN_GROUPS, tiling.tiles * depth), divide_up (pixels, MAX_PIXELS));
  int splits = CLAMP (wanted, 1, divide_up (pixels, MIN_PIXELS));
  int rounds = divide_up (divide_up (pixels, splits), SUM_PIXELS), steps = divide_up (divide_up (pixels, splits * rounds), STEP_PIXELS);

  splits = divide_up (pixels, rounds * steps * STEP_PIXELS);
  NddrTensor *part = nddr_plan_flat (plan, "weight gradient sums", NDDR_SPACE_ARENA, NDDR_F32,
      (gsize) depth * splits * tiling.tiles * tiling.shared_quads * 4 * LANES * 4);
  NddrWeightProduct product = {
    .x = x,
    .dy = y,
    .sums = part,
    .x_first = in->first * branch_texels (x),
    .x_branch = in->step * branch_texels (x),
    .x_source = count > 1 ? (in[1].first - in->first) * branch_texels (x) : 0,
    .dy_first = dy.first * branch_texels (y),
    .dy_branch = dy.step * branch_texels (y),
    .branches = op->branches,
    .sources = count,
    .x_quads = x_quads,
    .dy_quads = dy_quads,
    .pixels = pixels,
    .splits = splits,
    .rounds = rounds,
    .steps = steps,
    .tiling = tiling,
    .op = op,
  };
  nddr_weight_product (plan, &product);

  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_WGRAD_REDUCE, tiling.shared_quads / 2, tiling.tiles, depth);
  nddr_step_read (step, 0, part);
  nddr_step_write (step, 1, dw);
  nddr_step_spec (step, tiling.shared_quads);
  nddr_step_spec (step, tiling.swap);
  nddr_step_push_base (step, part, 0);
  nddr_step_push_i (step, splits);
  nddr_step_push_i (step, tiling.tiles);
  nddr_step_push_i (step, tiling.lane_tiles);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, x_quads);
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, y->channels);
  nddr_step_push_i (step, nddr_convolution_in_channels (op));
  nddr_step_push_i (step, first_channel);
  nddr_step_push_i (step, op->kernel * op->kernel);
}

/* db: the sum of dy over batch and pixels. */
static void
append_bias (NddrPlan *plan, int branches, NddrBranches dy, NddrTensor *db)
{
  NddrTensor *y = dy.tensor;
  int c4 = nddr_quads (y), pixels = y->batch * y->height * y->width;
  int run = CLAMP (divide_up (pixels, MAX (1, MIN_GROUPS * LANES / c4)) & ~3, MIN_PIXELS, SUM_PIXELS), splits = divide_up (pixels, run);
  NddrTensor *part = nddr_plan_flat (plan, "bias gradient sums", NDDR_SPACE_ARENA, NDDR_F32, (gsize) branches * splits * c4 * 4);

  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_CHANNEL_SUM, divide_up (splits * c4, LANES), 1, branches);
  nddr_step_read (step, 0, y);
  nddr_step_write (step, 1, part);
  nddr_step_push_i (step, c4);
  nddr_step_push_base (step, y, dy.first * branch_texels (y));
  nddr_step_push_i (step, dy.step * branch_texels (y));
  nddr_step_push_i (step, splits);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, pixels);
  nddr_step_push_f (step, 1.0f / c4);

  step = nddr_plan_step (plan, NDDR_KERNEL_TAP_REDUCE, divide_up (branches * c4, LANES), 1, 1);
  nddr_step_read (step, 0, part);
  nddr_step_write (step, 2, db);
  nddr_step_push_i (step, branches * c4);
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, y->channels);
  nddr_step_push_i (step, 1);
  nddr_step_push_i (step, splits);
  nddr_step_push_base (step, part, 0);
  nddr_step_push_i (step, TRUE);
}

void
nddr_convolution_software_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db)
{
  int first_channel = 0;

  if (nddr_winograd_weight_pays (plan, op))
    nddr_winograd_weight (plan, op, dy, dw);
  else
    for (int s = 0, count; s < op->n_inputs; s += count) {
      count = count_alike (op, s);
      append_sources (plan, op, s, count, first_channel, dy, dw);
      first_channel += count * op->inputs[s].tensor->channels;
    }
  if (db)
    append_bias (plan, op->branches, dy, db);
}
