/* What a teacher gives, as a loss besides that of a task's labels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>
#include <nddr/ops/sum.h>

void
nddr_distillation (NddrPlan *plan, const NddrDistillation *op)
{
  static const NddrKernelId kernels[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_KERNEL_DISTILL_SEGMENTATION,
    [NDDR_TASK_NORMAL] = NDDR_KERNEL_DISTILL_NORMAL,
    [NDDR_TASK_DEPTH] = NDDR_KERNEL_DISTILL_DEPTH,
  };
  NddrTensor *x = op->prediction.tensor, *teacher = op->teacher, *gradient = op->gradient.tensor, *parts;
  int pixels = x->batch * x->height * x->width, local = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  int run = nddr_lanes (&plan->traits, 1, pixels, 32).run, groups = (pixels + local * run - 1) / (local * run);
  NddrStep *step;

  parts = nddr_sum_parts_new (plan, (guint64) groups * local);
  step = nddr_plan_step (plan, kernels[op->kind], groups, 1, 1);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, teacher);
  nddr_step_read (step, 2, gradient);
  nddr_step_read (step, 3, op->scale);
  nddr_step_read (step, 4, op->shown);
  nddr_step_write (step, 5, gradient);
  nddr_step_write (step, 6, parts);
  nddr_step_push_base (step, x, op->prediction.first * nddr_branch_quads (x));
  nddr_step_push_base (step, teacher, 0);
  nddr_step_push_base (step, gradient, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, x->height);
  nddr_step_push_inverse (step, x->width);
  nddr_step_push_inverse (step, x->height);
  nddr_step_push_f (step, (float) (1 / op->temperature));
  nddr_sum_parts (plan, parts, groups * local, op->scale, op->loss);
}
