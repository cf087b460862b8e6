/* Weights of products on their way into the layouts of their kernels: see product.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/product.h>

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
