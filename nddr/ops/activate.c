/* Clamp and dropout without normalisation, forward and backward.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/dropout.h>
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

/* @result: z, or with @dz dy. */
static void
activate (NddrPlan *plan, const NddrActivate *op, NddrTensor *result, NddrTensor *dz)
{
  guint64 texels = nddr_branch_quads (result) * result->branches;
  int run = (nddr_lanes (&plan->traits, 1, texels, 32).run + 3) / 4 * 4; /* the shader takes four at a time */
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_ACTIVATE, (texels + run - 1) / run, 1);

  nddr_step_read (step, 0, op->input);
  nddr_step_read (step, 1, dz);
  nddr_step_read (step, 2, op->dropout > 0 ? op->random : NULL);
  nddr_step_write (step, 3, result);
  nddr_step_spec (step, dz != NULL);
  nddr_step_spec (step, nddr_dropout_kind (op->dropout, op->share));
  nddr_step_push_base (step, op->input, 0);
  nddr_step_push_base (step, dz ? dz : op->input, 0);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, op->dropout_layer);
  nddr_step_push_i (step, nddr_dropout_threshold (op->dropout));
  nddr_step_push_f (step, op->low);
  nddr_step_push_f (step, op->high);
  nddr_step_push_f (step, nddr_dropout_scale (op->dropout));
  nddr_dropout_push_share (step, op->share, nddr_branch_quads (result));
  nddr_step_push_i (step, nddr_branch_quads (result));
}

void
nddr_activate_forward (NddrPlan *plan, const NddrActivate *op)
{
  activate (plan, op, op->output, NULL);
}

void
nddr_activate_backward (NddrPlan *plan, const NddrActivate *op, NddrTensor *dy, NddrTensor *dz)
{
  activate (plan, op, dy, dz);
}
