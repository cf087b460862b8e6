/* A dense convolution's gradients to its weights and bias, on GPUs.  Two kernels make that to the weights, as forward: gpu_wgrad counts in quads,
 * matrix_wgrad, for halves where the device has cooperative matrices, in octs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution-gpu.h>
#include <nddr/ops/lanes.h>

/* Pixels are summed in ranges of about a thousand, which keeps the sums exact enough; a range's partial sums take memory. */
static int
range_pixels (int pixels, gsize part_bytes)
{
  int ranges = CLAMP (pixels / 1024, 1, 64);

  while (ranges > 1 && ranges * part_bytes > (64u << 20))
    ranges /= 2;
  return groups (groups (pixels, ranges), 8) * 8;
}

static void
append_weight_gradient (NddrPlan *plan, const NddrConvolution *op, int s, NddrBranches dy, NddrTensor *dw)
{
  const NddrBranches *input = &op->inputs[s];
  NddrTensor *x = input->tensor, *y = dy.tensor, *part;
  int taps = op->kernel * op->kernel, pixels = y->batch * y->height * y->width, out = y->channels;
  gsize part_elements = (gsize) op->branches * out * taps * x->stride;
  int range = range_pixels (pixels, part_elements * 4), ranges = groups (pixels, range);
  int n = op->branches * out * x->channels * taps;
  NddrMatrixGradientTile tile = x->type == NDDR_F16 ? nddr_matrix_gradient_tile (&plan->traits, y->stride, x->stride) : (NddrMatrixGradientTile){ 0 };
  int unit = tile.m ? 8 : 4;
  NddrStep *step;

  g_assert (x->type == y->type);
  part = nddr_plan_flat (plan, "weight gradient's ranges", NDDR_SPACE_ARENA, NDDR_F32, part_elements * ranges);
  if (tile.m) {
    step = nddr_plan_step (plan, NDDR_KERNEL_MATRIX_WGRAD, groups (out, tile.m), groups (x->stride, tile.n) * taps, op->branches * ranges);
    for (guint i = 0; i < G_N_ELEMENTS (tile.spec); i++)
      nddr_step_spec (step, tile.spec[i]);
  } else
    step = nddr_plan_step (plan, NDDR_KERNEL_GPU_WGRAD, groups (out, 64), groups (nddr_quads (x), 8) * taps, op->branches * ranges);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, y);
  nddr_step_write (step, 2, part);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, x->stride / unit);
  nddr_step_push_i (step, y->stride / unit);
  nddr_step_push_i (step, out);
  nddr_step_push_i (step, op->kernel);
  nddr_step_push_i (step, op->stride);
  nddr_step_push_i (step, op->dilation);
  nddr_step_push_i (step, range);
  nddr_step_push_i (step, op->branches);
  nddr_step_push_i (step, input->first * branch_units (x, unit));
  nddr_step_push_i (step, input->step * branch_units (x, unit));
  nddr_step_push_i (step, dy.first * branch_units (y, unit));
  nddr_step_push_i (step, dy.step * branch_units (y, unit));

  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_GPU_WGRAD_REDUCE, n, 1);
  nddr_step_read (step, 0, part);
  nddr_step_write_part (step, 1, dw); /* its source's */
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, ranges);
  nddr_step_push_i (step, (int) part_elements);
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, x->stride);
  nddr_step_push_i (step, taps);
  nddr_step_push_i (step, first_channel (op, s));
  nddr_step_push_i (step, nddr_convolution_in_channels (op));
}

static void
append_bias_gradient (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *db)
{
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_GPU_BIAS_GRAD, nddr_quads (dy.tensor), op->branches, 1);

  nddr_step_read (step, 0, dy.tensor);
  nddr_step_write (step, 1, db);
  nddr_step_push_i (step, dy.tensor->batch * dy.tensor->height * dy.tensor->width);
  nddr_step_push_i (step, dy.tensor->channels);
  nddr_step_push_i (step, nddr_quads (dy.tensor));
  nddr_step_push_i (step, dy.first * branch_quads (dy.tensor));
  nddr_step_push_i (step, dy.step * branch_quads (dy.tensor));
}

void
nddr_convolution_gpu_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db)
{
  plan->mixed = dy.tensor->type == NDDR_F16;
  for (int s = 0; s < op->n_inputs; s++)
    append_weight_gradient (plan, op, s, dy, dw);
  if (db)
    append_bias_gradient (plan, op, dy, db);
  plan->mixed = FALSE;
}
