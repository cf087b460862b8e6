/* A map cast to fp16, for products of halves between maps of floats.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

#define LONGEST 32 /* quads that a lane takes */

void
nddr_cast (NddrPlan *plan, NddrTensor *output, NddrTensor *input)
{
  guint64 quads = nddr_branch_quads (output) * output->branches;
  int run = nddr_lanes (&plan->traits, 1, quads, LONGEST).run;
  NddrStep *step;

  g_assert (input->type == NDDR_F32 && output->type == NDDR_F16 && input->channels == output->channels && input->branches == output->branches
            && input->batch == output->batch && input->height == output->height && input->width == output->width);
  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_CAST, (quads + run - 1) / run, 1);
  nddr_step_read (step, 0, input);
  nddr_step_write (step, 1, output);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, nddr_quads (input));
  nddr_step_push_i (step, nddr_quads (output));
  nddr_step_push_i (step, run);
}
