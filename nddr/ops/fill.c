/* Filling tensors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

void
nddr_zero (NddrPlan *plan, NddrTensor *tensor)
{
  gint32 texels = tensor->bytes / 16;
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_ZERO, texels, 1);

  nddr_step_write (step, 0, tensor);
  nddr_step_push_i (step, texels);
}
