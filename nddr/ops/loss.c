/* The two losses of a task: of its labels, and of what a teacher gives; and the gradients of its prediction.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>
#include <nddr/ops/sum.h>

/* How the pixels of a prediction are shared out: a group's lanes take `run` each, and leave a partial sum in `parts`. */
typedef struct
{
  int pixels, run, groups, lanes;
  NddrTensor *parts;
} Pixels;

static Pixels
share_pixels (NddrPlan *plan, const NddrTensor *x)
{
  int pixels = x->batch * x->height * x->width, local = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
  int run = nddr_lanes (&plan->traits, 1, pixels, 32).run, groups = (pixels + local * run - 1) / (local * run);

  return (Pixels){ pixels, run, groups, groups * local, nddr_sum_parts_new (plan, (guint64) groups * local) };
}

void
nddr_loss (NddrPlan *plan, const NddrLoss *op)
{
  static const NddrKernelId kernels[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_KERNEL_LOSS_SEGMENTATION,
    [NDDR_TASK_NORMAL] = NDDR_KERNEL_LOSS_NORMAL,
    [NDDR_TASK_DEPTH] = NDDR_KERNEL_LOSS_DEPTH,
  };
  NddrTensor *x = op->prediction.tensor, *gradient = op->gradient.tensor;
  Pixels p = share_pixels (plan, x);
  NddrStep *step = nddr_plan_step (plan, kernels[op->kind], p.groups, 1, 1);

  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, op->label);
  nddr_step_read (step, 2, op->scale);
  nddr_step_write (step, 3, gradient);
  nddr_step_write (step, 4, p.parts);
  if (op->kind == NDDR_TASK_SEGMENTATION) {
    nddr_step_read (step, 5, op->class_weights ? op->class_weights : op->scale);
    nddr_step_spec (step, op->class_weights != NULL);
  }
  if (op->kind == NDDR_TASK_NORMAL)
    nddr_step_spec (step, op->angle);
  nddr_step_push_base (step, x, op->prediction.first * nddr_branch_quads (x));
  nddr_step_push_i (step, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, p.pixels);
  nddr_step_push_i (step, p.run);
  nddr_sum_parts (plan, p.parts, p.lanes, op->scale, op->loss);
}

void
nddr_distillation (NddrPlan *plan, const NddrDistillation *op)
{
  static const NddrKernelId kernels[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_KERNEL_DISTILL_SEGMENTATION,
    [NDDR_TASK_NORMAL] = NDDR_KERNEL_DISTILL_NORMAL,
    [NDDR_TASK_DEPTH] = NDDR_KERNEL_DISTILL_DEPTH,
  };
  NddrTensor *x = op->prediction.tensor, *teacher = op->teacher, *gradient = op->gradient.tensor;
  Pixels p = share_pixels (plan, x);
  NddrStep *step = nddr_plan_step (plan, kernels[op->kind], p.groups, 1, 1);

  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, teacher);
  nddr_step_read (step, 2, gradient);
  nddr_step_read (step, 3, op->scale);
  nddr_step_read (step, 4, op->shown);
  nddr_step_write (step, 5, gradient);
  nddr_step_write (step, 6, p.parts);
  if (op->kind == NDDR_TASK_NORMAL)
    nddr_step_spec (step, op->angle);
  nddr_step_push_base (step, x, op->prediction.first * nddr_branch_quads (x));
  nddr_step_push_base (step, teacher, 0);
  nddr_step_push_base (step, gradient, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, op->gradient.first * nddr_branch_quads (gradient));
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, x->channels);
  nddr_step_push_i (step, p.pixels);
  nddr_step_push_i (step, p.run);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, x->height);
  nddr_step_push_inverse (step, x->width);
  nddr_step_push_inverse (step, x->height);
  nddr_step_push_f (step, (float) (1 / op->temperature));
  nddr_sum_parts (plan, p.parts, p.lanes, op->scale, op->loss);
}
