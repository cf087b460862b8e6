/* What a device can do at most: its multiply-adds, its matrix products, its memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/ops.h>

#define SUBGROUPS 4 /* a workgroup on matrices */

static int
lanes_of (const NddrPlan *plan)
{
  return plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
}

double
nddr_measure_fma (NddrPlan *plan, NddrTensor *output, int rounds)
{
  int invocations = output->channels / 4, local = lanes_of (plan);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_MEASURE_FMA, invocations / local, 1, 1);

  g_assert (output->channels % (4 * local) == 0);
  nddr_step_write (step, 0, output);
  nddr_step_push_i (step, rounds);
  nddr_step_push_f (step, NDDR_MEASURE_FACTOR);
  nddr_step_push_f (step, NDDR_MEASURE_SHIFT);
  return 2.0 * 16 * 32 * rounds * invocations;
}

double
nddr_measure_matrix (NddrPlan *plan, NddrTensor *output, NddrTensor *input, int rounds)
{
  NddrMatrixSize size = plan->traits.matrix;
  int subgroups = output->channels / (size.m * size.n);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_MEASURE_MATRIX, subgroups / SUBGROUPS, 1, 1);

  g_assert (subgroups % SUBGROUPS == 0 && input->type == NDDR_F16 && input->channels == (int) ((size.m + size.n) * size.k));
  nddr_step_spec (step, SUBGROUPS * plan->traits.subgroup_size);
  nddr_step_spec (step, size.m);
  nddr_step_spec (step, size.n);
  nddr_step_spec (step, size.k);
  nddr_step_read (step, 0, input);
  nddr_step_write (step, 1, output);
  nddr_step_push_i (step, rounds);
  return 2.0 * size.m * size.n * size.k * 8 * 4 * rounds * subgroups;
}

double
nddr_measure_copy (NddrPlan *plan, NddrTensor *output, NddrTensor *input)
{
  int texels = input->channels / 4, local = lanes_of (plan), groups = CLAMP (texels / local / 16, 1, 16384);
  int steps = (texels + groups * local - 1) / (groups * local);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_MEASURE_COPY, groups, 1, 1);

  g_assert (input->bytes == output->bytes && input->channels % 4 == 0);
  nddr_step_read (step, 0, input);
  nddr_step_write (step, 1, output);
  nddr_step_push_base (step, input, 0);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, (steps + 3) / 4 * 4);
  return (double) input->bytes + output->bytes;
}
