/* A 1x1 convolution and the depthwise one behind it in one step, for software drivers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/depthwise.h>
#include <nddr/ops/lanes.h>
#include <nddr/ops/product.h>

/* Texels of an input pixel: with more the kernel's loop leaves the cache of instructions, and is slower than two steps. */
#define MAX_QUADS 8
/* Columns of the result that a strip has, and the pixels of a row that they read: conv_depthwise.comp's. */
#define COLUMNS 8
#define PIXELS(stride) ((COLUMNS - 1) * (stride) + 3)

/* Vectors of 8 channels that a workgroup does: three pay, but for the longer rows that a stride of two makes. */
static int
vectors (const NddrDepthwise *op)
{
  int channels = op->output.tensor->channels;

  if (op->stride == 1 && channels % 24 == 0)
    return 3;
  return channels % 16 == 0 ? 2 : 1;
}

gboolean
nddr_convolution_depthwise_fits (const NddrPlan *plan, const NddrConvolutionDepthwise *op)
{
  const NddrConvolution *c = &op->convolution;
  const NddrDepthwise *d = &op->depthwise;
  const NddrTensor *y = d->output.tensor;

  return plan->traits.family == NDDR_FAMILY_SOFTWARE && c->n_inputs == 1 && c->residual.tensor == NULL && c->kernel == 1 && c->stride == 1
      && nddr_quads (c->inputs[0].tensor) <= MAX_QUADS && d->stride <= 2 && d->dilation == 1 && y->channels % 8 == 0
      && y->space == NDDR_SPACE_ARENA && y->bytes <= plan->traits.max_storage_range;
}

gboolean
nddr_convolution_depthwise_pays (const NddrPlan *plan, const NddrConvolutionDepthwise *op)
{
  const NddrTensor *x = op->convolution.inputs[0].tensor;
  gsize between = (gsize) op->depthwise.branches * x->batch * x->height * x->width * op->depthwise.output.tensor->stride * sizeof (float);

  /* there is less to gain where caches keep it, and each shape takes a driver a third of a second to compile */
  return between >= plan->traits.cached;
}

void
nddr_convolution_depthwise_forward (NddrPlan *plan, const NddrConvolutionDepthwise *op)
{
  const NddrConvolution *c = &op->convolution;
  const NddrDepthwise *d = &op->depthwise;
  NddrTensor *x = c->inputs[0].tensor, *y = d->output.tensor;
  int strips = (y->width + COLUMNS - 1) / COLUMNS;
  gint32 in_branch = nddr_branch_quads (x), out_branch = nddr_branch_quads (y);

  g_assert (nddr_convolution_depthwise_fits (plan, op));
  NddrProductSource source = { .tensor = x };
  NddrDirectWeights weights = nddr_direct_weights (plan,
      &(NddrProduct){ .output = d->output, .branches = d->branches, .sources = &source, .n_sources = 1, .weight = c->weight, .bias = c->bias,
          .kernel = 1, .weight_branch = y->channels * x->channels, .weight_row = x->channels, .weight_column = 1, .y = { .n = 1 }, .x = { .n = 1 },
          .pack_phase = c->pack_phase, .algorithm = { NDDR_ALGORITHM_DIRECT, 8 * vectors (d) } });
  NddrTensor *rows = nddr_depthwise_weights (plan, d);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_CONV_DEPTHWISE, weights.n_blocks, strips * y->batch, d->branches);

  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, weights.tensor);
  nddr_step_read (step, 2, rows);
  nddr_step_write (step, 3, y);
  nddr_step_spec (step, nddr_quads (x));
  nddr_step_spec (step, vectors (d));
  nddr_step_spec (step, d->stride);
  nddr_step_spec (step, PIXELS (d->stride));
  nddr_step_spec (step, (PIXELS (d->stride) * nddr_quads (x) + 7) / 8);
  nddr_step_push_i (step, 0);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, strips);
  nddr_step_push_inverse (step, strips);
  nddr_step_push_base (step, x, c->inputs[0].first * in_branch);
  nddr_step_push_i (step, c->inputs[0].step * in_branch);
  nddr_step_push_base (step, weights.tensor, 0);
  nddr_step_push_i (step, weights.branch_texels);
  nddr_step_push_i (step, weights.block_texels);
  nddr_step_push_base (step, rows, 0);
  nddr_step_push_i (step, d->output.first * out_branch);
  nddr_step_push_i (step, d->output.step * out_branch);
  nddr_step_push_i (step, nddr_quads (y));
  nddr_step_push_f (step, c->low);
  nddr_step_push_f (step, c->high);
  nddr_step_push_f (step, d->low);
  nddr_step_push_f (step, d->high);
}
