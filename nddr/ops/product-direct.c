/* Direct products: all taps of all sources, multiplied and added one after the other.  See conv_direct.comp for the method.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/product.h>

/* Kernels divide pixel numbers in floating point: exact up to here, with a margin. */
#define MAX_PIXELS (1 << 20)

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
      plan, NDDR_KERNEL_CONV_DIRECT, packed->n_blocks, (total + NDDR_PRODUCT_PIXELS - 1) / NDDR_PRODUCT_PIXELS, part->branches);

  for (int s = 0; s < NDDR_PRODUCT_SOURCES; s++)
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
  for (int s = p->n_sources; s < NDDR_PRODUCT_SOURCES; s++)
    nddr_step_push_i (step, 0);
}

/** The steps of a region, as few as the device's limits allow. */
static void
direct_region (NddrPlan *plan, const NddrProduct *p, const NddrDirectWeights *packed, const NddrRegion *region)
{
  const NddrTensor *y = p->output.tensor;
  gsize limit = plan->traits.max_storage_range - 256, row_bytes = (gsize) y->width * y->stride * sizeof (float);
  int max_pixels = MIN (MAX_PIXELS, (gint64) plan->traits.max_groups[1] * NDDR_PRODUCT_PIXELS), end = region->row + region->rows;
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

void
nddr_direct (NddrPlan *plan, const NddrProduct *p)
{
  NddrDirectWeights packed = nddr_direct_weights (plan, p);
  NddrRegion regions[NDDR_MAX_REGIONS];
  double share;
  int n = nddr_product_regions (p, regions, &share);

  for (int i = 0; i < n; i++)
    direct_region (plan, p, &packed, &regions[i]);
}
