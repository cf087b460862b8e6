/* A task's loss, and the gradient of its prediction.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

#include <math.h>

/* More partial sums than this are added in two stages. */
#define SOFTWARE_PARTS 256
#define GPU_PARTS 64

static NddrTensor *
new_parts (NddrPlan *plan, guint64 n)
{
  return nddr_plan_flat (plan, "loss.parts", NDDR_SPACE_ARENA, NDDR_F32, 4 * n);
}

/* Adds @n parts of a texel each. */
static void
sum_parts (NddrPlan *plan, const NddrLoss *op, NddrTensor *parts, int n)
{
  int most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? SOFTWARE_PARTS : GPU_PARTS;
  int count = n <= most ? n : (int) ceil (sqrt (n)), groups = (n + count - 1) / count;
  gboolean finish = groups == 1;
  NddrTensor *result = finish ? NULL : new_parts (plan, groups);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_LOSS_SUM, groups, 1);

  nddr_step_read (step, 0, parts);
  nddr_step_read (step, 1, op->scale);
  nddr_step_write (step, 2, finish ? op->loss : result);
  nddr_step_write (step, 3, finish ? op->loss : result);
  nddr_step_spec (step, finish);
  nddr_step_push_base (step, parts, 0);
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, groups);
  if (!finish)
    sum_parts (plan, op, result, groups);
}

void
nddr_loss (NddrPlan *plan, const NddrLoss *op)
{
  static const NddrKernelId kernels[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_KERNEL_LOSS_SEGMENTATION,
    [NDDR_TASK_NORMAL] = NDDR_KERNEL_LOSS_NORMAL,
    [NDDR_TASK_DEPTH] = NDDR_KERNEL_LOSS_DEPTH,
  };
  NddrTensor *x = op->prediction.tensor, *gradient = op->gradient.tensor, *parts;
  int pixels = x->batch * x->height * x->width, local = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  int run = nddr_lanes (&plan->traits, 1, pixels, 32).run, groups = (pixels + local * run - 1) / (local * run);
  NddrStep *step;

  parts = new_parts (plan, (guint64) groups * local);
  step = nddr_plan_step (plan, kernels[op->kind], groups, 1, 1);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, op->label);
  nddr_step_read (step, 2, op->scale);
  nddr_step_write (step, 3, gradient);
  nddr_step_write (step, 4, parts);
  nddr_step_push_base (step, x, op->prediction.first * nddr_branch_quads (x));
  nddr_step_push_i (step, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, run);
  sum_parts (plan, op, parts, groups * local);
}
