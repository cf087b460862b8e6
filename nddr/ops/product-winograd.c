/* 3x3 convolution of stride 1 for software drivers by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144.
 *
 * Tiles of 4x4 outputs, eight to a block, go through three kernels: patches of the input are transformed, multiplied with the
 * transformed weights at each of 36 points, and transformed back.  They go in parts whose transforms stay near the second-level
 * cache.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/product.h>
#include <nddr/ops/winograd.h>

#define POINTS NDDR_WINOGRAD_POINTS
#define LANES NDDR_WINOGRAD_LANES
#define MIN_BLOCKS 16
/* Transformed weights are four times as large, and a texel view of them all ends at 2 GiB: beyond this, layers are computed directly. */
#define MAX_WEIGHTS ((gsize) 1 << 30)

static NddrWinogradTiling
tiling_of (const NddrProduct *p)
{
  return nddr_winograd_tiling (p->output.tensor, ABS (p->y.step));
}

/** Texels of the packed weights of one branch, without the bias. */
static gint64
weight_texels (const NddrProduct *p, int block)
{
  int rows = (p->output.tensor->channels + block - 1) / block * block;
  return (gint64) POINTS * rows * nddr_tensor_texels (p->sources[0].tensor);
}

static gsize
bytes_in_weights (const NddrPlan *plan)
{
  gsize bytes = 0;
  for (guint i = 0; i < plan->tensors->len; i++) {
    const NddrTensor *t = g_ptr_array_index (plan->tensors, i);
    bytes += t->space == NDDR_SPACE_WEIGHTS && !t->whole ? t->bytes : 0;
  }
  return bytes;
}

gboolean
nddr_winograd_fits (const NddrPlan *plan, const NddrProduct *p)
{
  const NddrTensor *x = p->sources[0].tensor, *y = p->output.tensor;
  gsize limit = plan->traits.max_storage_range - 256;

  if (p->n_sources != 1 || p->y.n != 3 || p->x.n != 3 || p->in_stride != 1 || p->out_stride != 1 || p->empty)
    return FALSE;
  /* a part's output, at most two images, and a branch's weights must fit a binding */
  if ((y->bytes > limit && 2 * (y->bytes / y->batch / y->branches) > limit)
      || (weight_texels (p, 8) + 32 * POINTS * x->stride / 4) * 16 > limit)
    return FALSE;
  return bytes_in_weights (plan) + (gsize) p->branches * weight_texels (p, 32) * 16 <= MIN (MAX_WEIGHTS, plan->traits.max_texel_elements * 8);
}

/** Blocks of tiles that a workgroup multiplies, 1 to 6, where there are @blocks: the more, up to four, the less each costs, but the last ones may be in
 * vain. */
static int
octets_for (int blocks)
{
  static const int cost[] = { 0, 722, 1136, 1550, 1964, 2455, 2946 }; /* instructions of the innermost step; beyond four as measured */
  int best = 4;

  for (int octets = G_N_ELEMENTS (cost) - 1; octets > 0; octets--)
    if ((blocks + octets - 1) / octets * cost[octets] < (blocks + best - 1) / best * cost[best])
      best = octets;
  return best;
}

gboolean
nddr_winograd_pays (const NddrProduct *p)
{
  const NddrTensor *x = p->sources[0].tensor, *y = p->output.tensor;
  int blocks = (tiling_of (p).total + LANES - 1) / LANES, octets = octets_for (blocks);
  NddrRegion regions[NDDR_MAX_REGIONS];
  double share;

  nddr_product_regions (p, regions, &share);
  /* processor cycles, roughly: sums, transforms and their stores, two more dispatches, the weights' own transform; direct: sums, stores */
  double in = x->channels, out = y->channels, pixels = (double) y->batch * y->height * y->width;
  double tiles = (blocks + octets - 1) / octets * octets * LANES;
  double winograd = 4.7 * tiles * in * out + 190 * tiles * in + 155 * tiles * out + 4e5 / p->branches + (p->repacked ? 100 * in * out : 0);
  double direct = pixels * in * out * share + 6 * pixels * out;
  return winograd < 0.9 * direct;
}

/* About 3 MB of transforms stay in the second cache.  With few channels that is so little work that each part's three dispatches, some 0.1 ms each, take
 * longer than what larger parts wait for the third cache. */
NddrAlgorithm
nddr_winograd_estimate (const NddrProduct *p)
{
  int channels = p->sources[0].tensor->stride + p->output.tensor->stride;

  return (NddrAlgorithm){ NDDR_ALGORITHM_WINOGRAD, channels <= 192 ? 10400 : 2600 };
}

/** Everything that the parts share. */
typedef struct
{
  const NddrProduct *p;
  NddrWinogradTiling tiling;
  NddrTensor *tiles, *weights, *patches, *products;
  int block, n_blocks;            /* of output channels */
  int octets;                     /* blocks of tiles to a workgroup of products */
  int weights_branch, bias_start; /* texels */
  int branch, branches;           /* those of a part */
} Job;

static void
part (NddrPlan *plan, const Job *job, int first, int blocks)
{
  const NddrProduct *p = job->p;
  NddrTensor *x = p->sources[0].tensor, *y = p->output.tensor, *r = p->residual.tensor;
  int quads = nddr_tensor_texels (x), out_quads = nddr_tensor_texels (y), octets = job->n_blocks * job->block / 8;
  int branch_texels = nddr_tensor_branch_texels (y), image_texels = y->height * y->width * out_quads;
  int images = job->tiling.total / job->tiling.images; /* tiles in one */
  NddrStep *step;

  NddrBranches source = { x, p->sources[0].first + p->sources[0].step * job->branch, p->sources[0].step };
  nddr_winograd_transform (plan, NDDR_KERNEL_WINOGRAD_IN, source, job->branches, job->tiles, first, blocks, job->tiling.dilation, job->patches);

  step = nddr_plan_step (plan, NDDR_KERNEL_WINOGRAD_GEMM, job->n_blocks, blocks / job->octets, job->branches * POINTS);
  nddr_step_read (step, 0, job->patches);
  nddr_step_read (step, 1, job->weights);
  nddr_step_write (step, 2, job->products);
  nddr_step_spec (step, job->block);
  nddr_step_spec (step, job->octets);
  nddr_step_push_i (step, 0);
  nddr_step_push_base (step, job->patches, 0);
  nddr_step_push_base (step, job->weights, job->branch * job->weights_branch);
  nddr_step_push_i (step, job->weights_branch);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, blocks);
  nddr_step_push_i (step, job->n_blocks);

  step = nddr_plan_step (plan, NDDR_KERNEL_WINOGRAD_OUT, out_quads, blocks, job->branches);
  nddr_step_read (step, 0, job->products);
  nddr_step_read (step, 1, job->tiles);
  nddr_step_read (step, 2, job->weights);
  nddr_step_read (step, 3, r);
  nddr_step_write (step, 4, y);
  nddr_step_spec (step, r != NULL);
  gint64 start = (gint64) (p->output.first + p->output.step * job->branch) * branch_texels;
  if (y->bytes > plan->traits.max_storage_range) { /* the images that the part touches */
    int image = first * LANES / images, last = MIN ((first + blocks) * LANES, job->tiling.total) - 1;
    gint64 low = (start + (gint64) image * image_texels) / 16 * 16, end = start + (gint64) (last / images + 1) * image_texels;
    nddr_step_range (step, 4, low * 16, (end - low) * 16);
    start -= low;
  }
  nddr_step_push_base (step, job->products, 0);
  nddr_step_push_base (step, job->tiles, first * LANES);
  nddr_step_push_base (step, job->weights, job->branch * job->weights_branch + job->bias_start);
  if (r)
    nddr_step_push_base (step, r, (p->residual.first + p->residual.step * job->branch) * branch_texels);
  else
    nddr_step_push_i (step, 0);
  nddr_step_push_i (step, job->weights_branch);
  nddr_step_push_i (step, p->residual.step * branch_texels);
  nddr_step_push_i (step, p->output.step * branch_texels);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, out_quads);
  nddr_step_push_i (step, job->tiling.dilation);
  nddr_step_push_i (step, blocks);
  nddr_step_push_i (step, octets);
  nddr_step_push_i (step, start);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
}

/** The weights' transforms: [branch]: [36 points][block of channels][input channels / 4][block], then [channel]: bias, 0, 0, 0.
 */
static void
pack_weights (NddrPlan *plan, Job *job)
{
  const NddrProduct *p = job->p;
  int phase = plan->phase, rows = job->n_blocks * job->block, quads = nddr_tensor_texels (p->sources[0].tensor);

  job->bias_start = weight_texels (p, job->block);
  job->weights_branch = job->bias_start + rows;
  job->weights = nddr_plan_flat (
      plan, "transformed weights", NDDR_SPACE_WEIGHTS, NDDR_F32, (gsize) p->branches * job->weights_branch * 4);
  plan->phase = p->pack_phase;

  NddrPack pack = nddr_product_weights (p, 0);
  pack.kernel = NDDR_KERNEL_WINOGRAD_PACK;
  pack.to = job->weights;
  pack.block = job->block;
  pack.n_blocks = job->n_blocks;
  pack.to_branch = job->weights_branch;
  pack.to_block = quads * job->block;
  pack.to_point = quads * rows;
  pack.bias_start = job->bias_start;
  pack.bias_block = job->block;
  nddr_pack (plan, &pack);
  plan->phase = phase;
}

void
nddr_winograd (NddrPlan *plan, const NddrProduct *product)
{
  NddrProduct p = *product;
  const NddrTensor *x = p.sources[0].tensor, *y = p.output.tensor;
  Job job = { .p = &p, .tiling = tiling_of (&p) };
  int blocks = (job.tiling.total + LANES - 1) / LANES, most = MAX (MIN_BLOCKS, p.algorithm.a / (x->stride + y->stride) / 4 * 4);

  /* what few blocks there are go in workgroups that fit them; of all branches together where they are no more than a part, and can be bound */
  job.octets = blocks <= most ? octets_for (blocks) : 4;
  blocks = (blocks + job.octets - 1) / job.octets * job.octets;
  job.branches = blocks * p.branches <= most && y->bytes <= plan->traits.max_storage_range ? p.branches : 1;
  int parts = (blocks + most - 1) / most, size = (blocks / job.octets + parts - 1) / parts * job.octets; /* blocks of a part: whole workgroups */

  /* the gradient's taps come in falling order */
  NddrTaps *axes[] = { &p.y, &p.x };
  for (int i = 0; i < 2; i++)
    if (axes[i]->step < 0)
      *axes[i] = (NddrTaps){ 3, axes[i]->first + 2 * axes[i]->step, -axes[i]->step,
        axes[i]->weight_first + 2 * axes[i]->weight_step, -axes[i]->weight_step };

  job.block = nddr_product_block (y->channels, nddr_tensor_texels (x));
  job.n_blocks = (y->channels + job.block - 1) / job.block;
  pack_weights (plan, &job);
  job.tiles = nddr_winograd_tiles (plan, &job.tiling, blocks);
  job.patches = nddr_plan_flat (plan, "patches", NDDR_SPACE_ARENA, NDDR_F32, (gsize) job.branches * POINTS * size * LANES * x->stride);
  job.products = nddr_plan_flat (
      plan, "products", NDDR_SPACE_ARENA, NDDR_F32, (gsize) job.branches * POINTS * size * LANES * job.n_blocks * job.block);
  for (job.branch = 0; job.branch < p.branches; job.branch += job.branches)
    for (int first = 0; first < blocks; first += size)
      part (plan, &job, first, MIN (size, blocks - first));
}
