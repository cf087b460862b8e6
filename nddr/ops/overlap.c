/* The overlap of the two halves of a layer's filters, and its gradient.
 *
 * Sluice networks (Ruder et al., AAAI 2019, section 3.1) ask for subspaces that differ: with the halves' filters as the rows of A and B, the
 * penalty is the squared Frobenius norm of P = A B^T, whose gradients are 2 P B and 2 P^T A.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>
#include <nddr/ops/sum.h>

static void
check (const NddrOverlap *op)
{
  g_assert (op->rows > 0 && op->rows % 8 == 0 && op->columns > 0 && op->branches > 0);
  g_assert (op->weight->bytes >= sizeof (float) * op->branches * op->rows * op->columns);
}

/* Filters as [branch][column][row quad] texels. */
static NddrTensor *
turn (NddrPlan *plan, const NddrOverlap *op)
{
  int total = op->branches * op->rows / 4 * op->columns;
  NddrTensor *turned = nddr_plan_flat (plan, "turned filters", NDDR_SPACE_ARENA, NDDR_F32, (gsize) total * 4);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_OVERLAP_PACK, total, 1);

  nddr_step_read (step, 0, op->weight);
  nddr_step_write (step, 1, turned);
  nddr_step_push_i (step, total);
  nddr_step_push_i (step, op->rows / 4);
  nddr_step_push_i (step, op->columns);
  return turned;
}

void
nddr_overlap (NddrPlan *plan, const NddrOverlap *op)
{
  int quads = op->rows / 8, lanes = quads * quads, column_quads = (op->columns + 3) / 4;
  NddrTensor *turned, *products, *parts;
  NddrStep *step;

  check (op);
  turned = turn (plan, op);
  products = nddr_plan_flat (plan, "halves' products", NDDR_SPACE_ARENA, NDDR_F32, (gsize) op->branches * 2 * lanes * 16);
  parts = nddr_sum_parts_new (plan, (guint64) op->branches * lanes);

  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_OVERLAP_PRODUCT, lanes, op->branches);
  nddr_step_read (step, 0, turned);
  nddr_step_write (step, 1, products);
  nddr_step_write (step, 2, parts);
  nddr_step_push_base (step, turned, 0);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, op->columns);
  nddr_step_push_i (step, lanes);
  nddr_step_push_inverse (step, quads);
  nddr_sum_parts (plan, parts, op->branches * lanes, op->scale, op->overlap);

  lanes = quads * column_quads;
  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_OVERLAP_GRADIENT, lanes, 2 * op->branches);
  nddr_step_read (step, 0, turned);
  nddr_step_read (step, 1, products);
  nddr_step_read (step, 2, op->scale);
  nddr_step_update (step, 3, op->dweight);
  nddr_step_push_base (step, turned, 0);
  nddr_step_push_base (step, products, 0);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, op->columns);
  nddr_step_push_i (step, column_quads);
  nddr_step_push_i (step, lanes);
  nddr_step_push_inverse (step, column_quads);
}
