/* Dense convolution for software drivers: forward, and the gradient of its input, which is a convolution again: of the output's
 * gradient with the transposed weights.  Both become products (product.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include <nddr/ops/product.h>

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
  return nddr_product (plan, &p);
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
      nddr_product (plan, &p);
    }
}
