/* Dense convolution for software drivers: forward, and the gradient of its input, which is a convolution again: of the output's
 * gradient with the transposed weights.  Both become products, and a product becomes steps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <nddr/ops/convolution-software.h>

#define MAX_SOURCES 6 /* of one step: conv_direct.comp's bindings and push constants */
#define PIXELS NDDR_PRODUCT_PIXELS
/* Kernels divide pixel numbers in floating point: exact up to here, with a margin. */
#define MAX_PIXELS (1 << 20)
#define MAX_CACHED (1 << 20) /* of Winograd's parts, where an algorithm says */

/** What a workgroup of @block channels costs, in instructions, where @quads texels are summed. */
static gint64
block_cost (int block, int quads)
{
  /* a quad: 4 + block / 8 loads; a shuffle and 32 multiply-adds for each channel.  Then the stores, and what comes before */
  return (gint64) quads * (50 * (4 + block / 8) + 36 * block) + 100 * block + 800;
}

int
nddr_product_block (int channels, int quads)
{
  int best = 32;
  for (int block = 24; block >= 8; block -= 8)
    if ((channels + block - 1) / block * block_cost (block, quads) < (channels + best - 1) / best * block_cost (best, quads))
      best = block;
  return best;
}

/** Leaves out the taps that no grid position reads inside the input. */
static void
trim (NddrTaps *taps, int grid, int in_stride, int in_size)
{
#define OUTSIDE(i) (taps->first + (i) * taps->step + in_stride * (grid - 1) < 0 || taps->first + (i) * taps->step >= in_size)
  while (taps->n > 0 && OUTSIDE (taps->n - 1))
    taps->n--;
  while (taps->n > 0 && OUTSIDE (0)) {
    taps->first += taps->step;
    taps->weight_first += taps->weight_step;
    taps->n--;
  }
#undef OUTSIDE
}

/* conv_pack.comp's constant. */
static int
layout (const NddrPack *p)
{
  if (p->kernel != NDDR_KERNEL_CONV_PACK || p->taps_y * p->taps_x > 1 || p->start % 4 || p->branch_stride % 4)
    return 0;
  return p->column_stride == 1 && p->row_stride % 4 == 0 ? 1 : p->row_stride == 1 && p->column_stride % 4 == 0 ? 2 : 0;
}

/** Steps for branches @first .. @first + @branches - 1. */
static void
pack_branches (NddrPlan *plan, const NddrPack *p, int first, int branches)
{
  int quads = (p->columns + 3) / 4, per_group = MIN (quads, 16);
  NddrStep *step = nddr_plan_step (plan, p->kernel, p->n_blocks, (quads + per_group - 1) / per_group, branches);
  gsize low = (gsize) first * p->to_branch / 16 * 16; /* texels; bindings start at multiples of 256 bytes */

  nddr_step_read (step, 0, p->from);
  nddr_step_write (step, 1, p->to);
  nddr_step_range (step, 1, low * 16, ((gsize) (first + branches) * p->to_branch - low) * 16);
  nddr_step_read (step, 2, p->bias ? p->bias : p->from); /* something that is not written meanwhile */
  if (p->kernel == NDDR_KERNEL_CONV_PACK)
    nddr_step_spec (step, layout (p));
  nddr_step_push_base (step, p->from, 0);
  nddr_step_push_i (step, p->start + first * p->branch_stride);
  nddr_step_push_i (step, p->branch_stride);
  nddr_step_push_i (step, p->row_stride);
  nddr_step_push_i (step, p->column_stride);
  nddr_step_push_i (step, p->tap_y_stride);
  nddr_step_push_i (step, p->tap_x_stride);
  nddr_step_push_i (step, p->rows);
  nddr_step_push_i (step, p->columns);
  nddr_step_push_i (step, p->taps_y);
  nddr_step_push_i (step, p->taps_x);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, per_group);
  nddr_step_push_i (step, p->block);
  nddr_step_push_i (step, p->to_start + (gint32) ((gsize) first * p->to_branch - low));
  nddr_step_push_i (step, p->to_branch);
  nddr_step_push_i (step, p->to_block);
  if (p->bias)
    nddr_step_push_base (step, p->bias, 0);
  else
    nddr_step_push_i (step, 0);
  nddr_step_push_i (step, p->with_bias);
  nddr_step_push_i (step, first * p->bias_channels);
  nddr_step_push_i (step, p->bias_channels);
  nddr_step_push_i (step, p->bias_start + (gint32) ((gsize) first * p->to_branch - low));
  nddr_step_push_i (step, p->bias_block);
  if (p->kernel != NDDR_KERNEL_WINOGRAD_PACK)
    return;
  nddr_step_read_ahead (step, 3, p->to);
  nddr_step_push_i (step, p->to_point);
  nddr_step_push_base (step, p->to, (gint32) low);
  nddr_step_push_i (step, 0);
}

void
nddr_pack (NddrPlan *plan, const NddrPack *p)
{
  int branches = p->to->bytes <= plan->traits.max_storage_range ? p->branches : 1;

  for (int branch = 0; branch < p->branches; branch += branches)
    pack_branches (plan, p, branch, branches);
}

NddrPack
nddr_product_weights (const NddrProduct *p, int s)
{
  return (NddrPack){ .kernel = NDDR_KERNEL_CONV_PACK,
    .from = p->weight,
    .start = p->sources[s].weight_start + p->y.weight_first * p->kernel + p->x.weight_first,
    .branch_stride = p->weight_branch,
    .row_stride = p->weight_row,
    .column_stride = p->weight_column,
    .tap_y_stride = p->y.weight_step * p->kernel,
    .tap_x_stride = p->x.weight_step,
    .rows = p->empty ? 0 : p->output.tensor->channels,
    .columns = p->sources[s].tensor->channels,
    .taps_y = p->y.n,
    .taps_x = p->x.n,
    .branches = p->branches,
    .with_bias = s == 0,
    .bias = s == 0 ? p->bias : NULL,
    .bias_channels = s == 0 && p->bias ? p->output.tensor->channels : 0 };
}

NddrDirectWeights
nddr_direct_weights (NddrPlan *plan, const NddrProduct *p)
{
  NddrDirectWeights packed = { 0 };
  int phase = plan->phase, rows = p->output.tensor->channels, taps = p->y.n * p->x.n, quads = 0, at;

  for (int s = 0; s < p->n_sources; s++)
    quads += nddr_source_quads (p->sources[s].tensor) * taps;
  packed.block = p->algorithm.a;
  packed.n_blocks = (rows + packed.block - 1) / packed.block;
  packed.block_texels = (quads + 1) * packed.block;
  packed.branch_texels = packed.n_blocks * packed.block_texels;
  packed.n_segments = p->n_sources * taps;
  packed.tensor = nddr_plan_flat (
      plan, "packed weights", NDDR_SPACE_WEIGHTS, NDDR_F32, (gsize) p->branches * packed.branch_texels * 4);

  plan->phase = p->pack_phase;
  at = packed.block; /* behind the biases */
  for (int s = 0; s < p->n_sources; s++) {
    NddrPack part = nddr_product_weights (p, s);
    part.to = packed.tensor;
    part.block = packed.block;
    part.n_blocks = packed.n_blocks;
    part.to_start = at;
    part.to_branch = packed.branch_texels;
    part.to_block = part.bias_block = packed.block_texels;
    nddr_pack (plan, &part);
    at += nddr_source_quads (p->sources[s].tensor) * taps * packed.block;
  }
  plan->phase = phase;
  return packed;
}

/** The segments of a grid that starts at @row and @column. */
static NddrTensor *
segments_table (NddrPlan *plan, const NddrProduct *p, int row, int column)
{
  int n = p->n_sources * p->y.n * p->x.n;
  g_autofree gint32 (*segments)[4] = g_malloc (n * sizeof *segments);
  int t = 0;

  for (int s = 0; s < p->n_sources; s++)
    for (int i = 0; i < p->y.n; i++)
      for (int j = 0; j < p->x.n; j++, t++) {
        int dy = row * p->in_stride + p->y.first + i * p->y.step, dx = column * p->in_stride + p->x.first + j * p->x.step;
        g_assert (dy == (gint16) dy && dx == (gint16) dx);
        segments[t][0] = (gint32) ((guint32) dy << 16 | (dx & 0xffff));
        segments[t][1] = s | nddr_source_quads (p->sources[s].tensor) << 3;
        segments[t][2] = nddr_tensor_texels (p->sources[s].tensor);
        segments[t][3] = p->sources[s].step * (gint32) nddr_tensor_branch_texels (p->sources[s].tensor);
      }
  return nddr_plan_table (plan, "segments", segments, n * sizeof *segments);
}

/** Some branches and images of a region of a product's grid: what one step can do. */
typedef struct
{
  int branch, branches, image, images;
  NddrRegion grid;
} Part;

static void
direct_part (NddrPlan *plan, const NddrProduct *p, const NddrDirectWeights *packed, NddrTensor *segments, const Part *part)
{
  const NddrTensor *x = p->sources[0].tensor, *y = p->output.tensor, *r = p->residual.tensor;
  int grid = part->grid.rows * part->grid.columns, total = part->images * grid;
  int texels = nddr_tensor_texels (y), branch_texels = nddr_tensor_branch_texels (y);
  /* from the start of a branch to the part's first texel, and past its last */
  int row = part->grid.row * p->out_stride + p->out_y, column = part->grid.column * p->out_stride + p->out_x;
  gint64 start = (((gint64) part->image * y->height + row) * y->width + column) * texels;
  gint64 end = ((((gint64) part->image + part->images - 1) * y->height + row + (part->grid.rows - 1) * p->out_stride + 1)
                * y->width)
            * texels;
  NddrStep *step = nddr_plan_step (
      plan, NDDR_KERNEL_CONV_DIRECT, packed->n_blocks, (total + PIXELS - 1) / PIXELS, part->branches);

  for (int s = 0; s < MAX_SOURCES; s++)
    nddr_step_read (step, s, s < p->n_sources ? p->sources[s].tensor : NULL);
  nddr_step_read (step, 6, packed->tensor);
  nddr_step_read (step, 7, segments);
  nddr_step_read (step, 8, p->residual.tensor);
  nddr_step_write (step, 9, p->output.tensor);
  nddr_step_spec (step, packed->block);
  nddr_step_spec (step, texels % 2 == 0);
  nddr_step_spec (step, r != NULL);

  gint64 first = (gint64) (p->output.first + p->output.step * part->branch) * branch_texels + start;
  if (y->bytes > plan->traits.max_storage_range) {
    gint64 low = first / 16 * 16; /* bindings start at multiples of 256 bytes */
    nddr_step_range (step, 9, low * 16,
        (gsize) (first - low + (gint64) p->output.step * (part->branches - 1) * branch_texels + end - start) * 16);
    first -= low;
  }

  nddr_step_push_i (step, 0);
  nddr_step_push_i (step, part->grid.columns);
  nddr_step_push_i (step, grid);
  nddr_step_push_i (step, total);
  nddr_step_push_f (step, 1.0f / part->grid.columns);
  nddr_step_push_f (step, 1.0f / grid);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, p->in_stride);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, y->height * y->width);
  nddr_step_push_i (step, p->out_stride);
  nddr_step_push_i (step, first);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, packed->n_segments);
  nddr_step_push_base (step, segments, 0);
  nddr_step_push_base (step, packed->tensor, part->branch * packed->branch_texels);
  nddr_step_push_i (step, packed->branch_texels);
  nddr_step_push_i (step, packed->block_texels);
  if (r)
    nddr_step_push_base (step, p->residual.tensor, (p->residual.first + p->residual.step * part->branch) * branch_texels + start);
  else
    nddr_step_push_i (step, 0);
  nddr_step_push_i (step, p->residual.step * branch_texels);
  nddr_step_push_i (step, p->output.step * branch_texels);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  for (int s = 0; s < p->n_sources; s++) {
    const NddrProductSource *source = &p->sources[s];
    int image_texels = x->height * x->width * nddr_tensor_texels (source->tensor);
    nddr_step_push_base (step, source->tensor,
        (source->first + source->step * part->branch) * (gint32) nddr_tensor_branch_texels (source->tensor)
            + part->image * image_texels);
  }
  for (int s = p->n_sources; s < MAX_SOURCES; s++)
    nddr_step_push_i (step, 0);
}

/** The steps of a region, as few as the device's limits allow. */
static void
direct_region (NddrPlan *plan, const NddrProduct *p, const NddrDirectWeights *packed, const NddrRegion *region)
{
  const NddrTensor *y = p->output.tensor;
  gsize limit = plan->traits.max_storage_range - 256, row_bytes = (gsize) y->width * y->stride * sizeof (float);
  int max_pixels = MIN (MAX_PIXELS, (gint64) plan->traits.max_groups[1] * PIXELS), end = region->row + region->rows;
  int branches = y->bytes <= plan->traits.max_storage_range ? p->branches : 1;
  int images = CLAMP (MIN (limit / (row_bytes * y->height), max_pixels / (region->rows * region->columns)), 1, y->batch);
  int rows = CLAMP (MIN (limit / (row_bytes * p->out_stride), max_pixels / region->columns), 1, region->rows);

  for (int row = region->row; row < end; row += rows) {
    NddrTensor *segments = segments_table (plan, p, row, region->column);
    for (int branch = 0; branch < p->branches; branch += branches)
      for (int image = 0; image < y->batch; image += images) {
        Part part = { branch, MIN (branches, p->branches - branch), image, MIN (images, y->batch - image),
          { row, MIN (rows, end - row), region->column, region->columns } };
        direct_part (plan, p, packed, segments, &part);
      }
  }
}

/** One product of at most MAX_SOURCES sources. */
static void
direct (NddrPlan *plan, const NddrProduct *p)
{
  NddrDirectWeights packed = nddr_direct_weights (plan, p);
  NddrRegion regions[NDDR_MAX_REGIONS];
  double share;
  int n = nddr_product_regions (p, regions, &share);

  for (int i = 0; i < n; i++)
    direct_region (plan, p, &packed, &regions[i]);
}

/* Whether @p can be done as its algorithm says. */
static gboolean
algorithm_fits (const NddrPlan *plan, const NddrProduct *p)
{
  switch (p->algorithm.kind) {
    case NDDR_ALGORITHM_DIRECT:
      return p->algorithm.a >= 8 && p->algorithm.a <= 32 && p->algorithm.a % 8 == 0
          && (p->algorithm.b == 0 || (p->algorithm.b == 1 && nddr_spread_fits (plan, p)));
    case NDDR_ALGORITHM_WINOGRAD:
      return p->algorithm.a > 0 && p->algorithm.a <= MAX_CACHED && p->algorithm.b == 0 && nddr_winograd_fits (plan, p);
    default:
      return FALSE;
  }
}

/* The block of a direct product whose taps are trimmed. */
static int
estimated_block (const NddrProduct *p)
{
  int quads = 0;

  for (int s = 0; s < MIN (p->n_sources, MAX_SOURCES); s++)
    quads += nddr_source_quads (p->sources[s].tensor) * p->y.n * p->x.n;
  return nddr_product_block (p->output.tensor->channels, quads);
}

/* Returns the algorithm. */
static NddrAlgorithm
product (NddrPlan *plan, NddrProduct *p)
{
  float low = p->low, high = p->high;
  const NddrProductSource *sources = p->sources;
  g_autofree NddrProductSource *spread = NULL;
  int n = p->n_sources;

  if (!algorithm_fits (plan, p)) {
    p->algorithm = (NddrAlgorithm){ NDDR_ALGORITHM_CHOOSE };
    if (nddr_winograd_fits (plan, p) && nddr_winograd_pays (p))
      p->algorithm = nddr_winograd_estimate (p);
  }
  if (p->algorithm.kind == NDDR_ALGORITHM_WINOGRAD) {
    nddr_winograd (plan, p);
    return p->algorithm;
  }
  trim (&p->y, p->grid_height, p->in_stride, sources[0].tensor->height);
  trim (&p->x, p->grid_width, p->in_stride, sources[0].tensor->width);
  if (p->y.n == 0 || p->x.n == 0) {
    p->empty = TRUE;
    p->y = p->x = (NddrTaps){ .n = 1 };
    n = 1;
    p->algorithm.b = 0;
  }
  if (p->algorithm.kind == NDDR_ALGORITHM_CHOOSE)
    p->algorithm = (NddrAlgorithm){ NDDR_ALGORITHM_DIRECT, estimated_block (p), nddr_spread_pays (plan, p) };
  if (p->algorithm.b)
    sources = spread = nddr_spread_sources (plan, p);
  /* more sources than a step takes: the rest is added to the output */
  for (int s = 0; s < n; s += MAX_SOURCES) {
    p->sources = sources + s;
    p->n_sources = MIN (MAX_SOURCES, n - s);
    p->low = s + MAX_SOURCES < n ? -INFINITY : low;
    p->high = s + MAX_SOURCES < n ? INFINITY : high;
    direct (plan, p);
    p->bias = NULL;
    p->residual = p->output;
  }
  return p->algorithm;
}

NddrAlgorithm
nddr_convolution_software_forward (NddrPlan *plan, const NddrConvolution *op)
{
  const NddrTensor *y = op->output.tensor;
  int taps = op->kernel * op->kernel, in = nddr_convolution_in_channels (op), start = 0;
  g_autofree NddrProductSource *sources = g_new0 (NddrProductSource, op->n_inputs);
  NddrTaps axis = { .n = op->kernel, .first = -op->dilation * (op->kernel / 2), .step = op->dilation, .weight_step = 1 };

  for (int s = 0; s < op->n_inputs; s++) {
    const NddrBranches *input = &op->inputs[s];
    sources[s] = (NddrProductSource){ input->tensor, input->first, input->step, start };
    start += input->tensor->channels * taps;
  }
  NddrProduct p = { .output = op->output,
    .residual = op->residual,
    .branches = op->branches,
    .sources = sources,
    .n_sources = op->n_inputs,
    .weight = op->weight,
    .bias = op->bias,
    .kernel = op->kernel,
    .weight_branch = y->channels * in * taps,
    .weight_row = in * taps,
    .weight_column = taps,
    .y = axis,
    .x = axis,
    .in_stride = op->stride,
    .out_stride = 1,
    .grid_height = y->height,
    .grid_width = y->width,
    .low = op->low,
    .high = op->high,
    .pack_phase = op->pack_phase,
    .repacked = op->repacked,
    .algorithm = op->algorithm };
  return product (plan, &p);
}

/** The taps that reach the input's positions @residue + stride * i: output positions i + first + j * step.  None: n = 0. */
static NddrTaps
residue_taps (const NddrConvolution *op, int residue)
{
  NddrTaps taps = { 0 };
  int previous = 0;
  for (int tap = 0; tap < op->kernel; tap++) {
    int at = residue + op->dilation * (op->kernel / 2 - tap);
    if (at % op->stride != 0)
      continue;
    if (taps.n == 0) {
      taps.first = at / op->stride;
      taps.weight_first = tap;
    } else {
      taps.step = at / op->stride - previous;
      taps.weight_step = tap - (taps.weight_first + (taps.n - 1) * taps.weight_step);
    }
    previous = at / op->stride;
    taps.n++;
  }
  return taps;
}

void
nddr_convolution_software_backward_data (
    NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  const NddrTensor *x = dx.tensor;
  int taps = op->kernel * op->kernel, in = nddr_convolution_in_channels (op), weights = dy.tensor->channels * in * taps,
      before = 0;
  gboolean shared = op->inputs[s].step == 0; /* every branch read it: the gradient is a sum over branches */
  g_autofree NddrProductSource *sources = g_new0 (NddrProductSource, op->branches);

  for (int i = 0; i < s; i++)
    before += op->inputs[i].tensor->channels * taps;
  if (shared)
    for (int b = 0; b < op->branches; b++)
      sources[b] = (NddrProductSource){ dy.tensor, dy.first + b * dy.step, 0, b * weights + before };
  else
    sources[0] = (NddrProductSource){ dy.tensor, dy.first, dy.step, before };
  if (shared)
    dx.step = 1;

  for (int ry = 0; ry < MIN (op->stride, x->height); ry++)
    for (int rx = 0; rx < MIN (op->stride, x->width); rx++) {
      NddrProduct p = { .output = dx,
        .branches = shared ? count : op->branches,
        .sources = sources,
        .n_sources = shared ? op->branches : 1,
        .weight = op->weight,
        .kernel = op->kernel,
        .weight_branch = shared ? x->channels * taps : weights,
        .weight_row = taps,
        .weight_column = in * taps,
        .y = residue_taps (op, ry),
        .x = residue_taps (op, rx),
        .in_stride = 1,
        .out_stride = op->stride,
        .out_y = ry,
        .out_x = rx,
        .grid_height = (x->height - ry + op->stride - 1) / op->stride,
        .grid_width = (x->width - rx + op->stride - 1) / op->stride,
        .low = -INFINITY,
        .high = INFINITY,
        .pack_phase = op->pack_phase,
        .repacked = op->repacked };
      if (accumulate)
        p.residual = dx;
      if (accumulate && (p.y.n == 0 || p.x.n == 0))
        continue; /* nothing to add */
      product (plan, &p);
    }
}
