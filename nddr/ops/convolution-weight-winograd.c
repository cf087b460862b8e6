/* The gradient to the weights of a 3x3 convolution of stride 1, on software drivers: G^T [sum over tiles of (B^T x B) * (A dy A^T)] G, the transpose of
 * what Winograd's algorithm does forward (Lavin and Gray, arXiv 1509.09308).
 *
 * Patches of the input and tiles of the gradient are transformed and multiplied at each of 36 points, in parts that stay near the second-level
 * cache and add their sums to the last one's; the sums are transformed back once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/weight-product.h>
#include <nddr/ops/winograd.h>

#define POINTS NDDR_WINOGRAD_POINTS
#define LANES NDDR_WINOGRAD_LANES
#define CACHED 10400 /* blocks of a part times channels, as nddr_winograd_estimate() has them where channels are few */
#define MIN_BLOCKS 16
#define STEP_TILES 4
#define SUM_TILES 1024 /* that one chain of additions takes: more would cost accuracy */

static NddrWeightTiling
tiling_of (const NddrTensor *x, const NddrTensor *y)
{
  return nddr_weight_tiling (nddr_quads (x), nddr_quads (y), 1, FALSE);
}

/* Blocks of tiles that go at once, of all branches. */
static int
most_blocks (const NddrConvolution *op)
{
  return MAX (MIN_BLOCKS, CACHED / (op->inputs[0].tensor->stride + op->output.tensor->stride) / op->branches);
}

/* Floats of @map's transforms at the tiles of @blocks. */
static gsize
count_transforms (const NddrConvolution *op, const NddrTensor *map, int blocks)
{
  return (gsize) op->branches * POINTS * blocks * LANES * map->stride;
}

/* Floats of the sums at all points. */
static gsize
count_sums (const NddrConvolution *op, const NddrTensor *x)
{
  NddrWeightTiling tiling = tiling_of (x, op->output.tensor);

  return (gsize) op->branches * POINTS * tiling.tiles * tiling.shared_quads * 4 * LANES * 4;
}

gboolean
nddr_winograd_weight_pays (const NddrPlan *plan, const NddrConvolution *op)
{
  const NddrTensor *y = op->output.tensor;
  gsize most = MIN (plan->traits.max_storage_range, plan->traits.max_texel_elements * 16);
  double out = y->channels, pixels = (double) y->batch * y->height * y->width, winograd = 0, direct = 0;

  if (op->kernel != 3 || op->stride != 1)
    return FALSE;
  int blocks = (nddr_winograd_tiling (y, op->dilation).total + LANES - 1) / LANES, part = MIN (blocks, most_blocks (op));
  if (count_transforms (op, y, part) * sizeof (float) > most)
    return FALSE;
  for (int s = 0; s < op->n_inputs; s++) {
    const NddrTensor *x = op->inputs[s].tensor;
    double in = x->channels, tiles = blocks * LANES;

    if (count_sums (op, x) * sizeof (float) > most || count_transforms (op, x, part) * sizeof (float) > most)
      return FALSE;
    /* processor cycles, roughly: products, transforms, sums */
    winograd += 6.1 * tiles * in * out + tiles * (190 * in + 175 * out) + 70 * in * out + 6e5 / op->branches;
    direct += 1.53 * pixels * nddr_weight_reach (op) * in * out + 20 * in * out;
  }
  return winograd < 0.9 * direct;
}

void
nddr_winograd_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw)
{
  const NddrTensor *y = dy.tensor;
  NddrWinogradTiling tiling = nddr_winograd_tiling (y, op->dilation);
  int blocks = (tiling.total + LANES - 1) / LANES, most = most_blocks (op), parts = (blocks + most - 1) / most;
  int size = (blocks + parts - 1) / parts, first_channel = 0;
  NddrTensor *tiles = nddr_winograd_tiles (plan, &tiling, blocks);
  NddrTensor *gradients = nddr_plan_flat (plan, "gradients", NDDR_SPACE_ARENA, NDDR_F32, count_transforms (op, y, size));
  g_autofree NddrTensor **sums = g_new (NddrTensor *, op->n_inputs);

  for (int first = 0; first < blocks; first += size) {
    int count = MIN (size, blocks - first);

    nddr_winograd_transform (plan, NDDR_KERNEL_WINOGRAD_GRADIENT, dy, op->branches, tiles, first, count, op->dilation, gradients);
    for (int s = 0; s < op->n_inputs; s++) {
      NddrTensor *x = op->inputs[s].tensor;
      NddrTensor *patches = nddr_plan_flat (plan, "patches", NDDR_SPACE_ARENA, NDDR_F32, count_transforms (op, x, size));
      int steps = MIN (count * LANES, SUM_TILES) / STEP_TILES;

      if (first == 0)
        sums[s] = nddr_plan_flat (plan, "weight gradient sums", NDDR_SPACE_ARENA, NDDR_F32, count_sums (op, x));
      nddr_winograd_transform (plan, NDDR_KERNEL_WINOGRAD_IN, op->inputs[s], op->branches, tiles, first, count, op->dilation, patches);
      NddrWeightProduct product = {
        .x = patches,
        .dy = gradients,
        .sums = sums[s],
        .x_branch = count * LANES * nddr_quads (x),
        .dy_branch = count * LANES * nddr_quads (y),
        .branches = op->branches * POINTS,
        .sources = 1,
        .x_quads = nddr_quads (x),
        .dy_quads = nddr_quads (y),
        .pixels = count * LANES,
        .splits = 1,
        .rounds = (count * LANES + steps * STEP_TILES - 1) / (steps * STEP_TILES),
        .steps = steps,
        .tiling = tiling_of (x, y),
        .add = first > 0,
      };
      nddr_weight_product (plan, &product);
    }
  }

  for (int s = 0; s < op->n_inputs; s++) {
    const NddrTensor *x = op->inputs[s].tensor;
    NddrWeightTiling t = tiling_of (x, y);
    NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_WINOGRAD_WEIGHT, t.shared_quads / 2, t.tiles, op->branches);

    nddr_step_read (step, 0, sums[s]);
    nddr_step_write (step, 1, dw);
    nddr_step_spec (step, t.shared_quads);
    nddr_step_spec (step, x->channels % 4 == 0 && first_channel % 4 == 0 && nddr_convolution_in_channels (op) % 4 == 0);
    nddr_step_push_base (step, sums[s], 0);
    nddr_step_push_i (step, t.tiles);
    nddr_step_push_i (step, t.lane_tiles);
    nddr_step_push_i (step, x->channels);
    nddr_step_push_i (step, y->channels);
    nddr_step_push_i (step, nddr_convolution_in_channels (op));
    nddr_step_push_i (step, first_channel);
    first_channel += x->channels;
  }
}
