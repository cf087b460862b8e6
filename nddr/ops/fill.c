/* Filling tensors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/ops.h>

void
nddr_zero (NddrPlan *plan, NddrTensor *tensor)
{
  gint32 texels = tensor->bytes / 16;
  int lanes = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_ZERO, (texels + lanes - 1) / lanes, 1, 1);

  nddr_step_write (step, 0, tensor);
  nddr_step_push_i (step, texels);
}
