/* Partial sums: see sum.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/sum.h>

#include <math.h>

/* More than this are added in two stages. */
#define SOFTWARE_PARTS 256
#define GPU_PARTS 64

NddrTensor *
nddr_sum_parts_new (NddrPlan *plan, guint64 n)
{
  return nddr_plan_flat (plan, "parts", NDDR_SPACE_ARENA, NDDR_F32, 4 * n);
}

void
nddr_sum_parts (NddrPlan *plan, NddrTensor *parts, int n, NddrTensor *scale, NddrTensor *result)
{
  int most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? SOFTWARE_PARTS : GPU_PARTS;
  int count = n <= most ? n : (int) ceil (sqrt (n)), groups = (n + count - 1) / count;
  gboolean finish = groups == 1;
  NddrTensor *sums = finish ? NULL : nddr_sum_parts_new (plan, groups);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_LOSS_SUM, groups, 1);

  nddr_step_read (step, 0, parts);
  nddr_step_read (step, 1, scale);
  nddr_step_write (step, 2, finish ? result : sums);
  nddr_step_write (step, 3, finish ? result : sums);
  nddr_step_spec (step, finish);
  nddr_step_push_base (step, parts, 0);
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, groups);
  if (!finish)
    nddr_sum_parts (plan, sums, groups, scale, result);
}
