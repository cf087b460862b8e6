/* One step of SGD or AdamW.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

#define BLOCK 64 /* parameters of one group */

/* Binds @tensor's texels from @first on, as many as a storage binding spans: to read through @binding, and to write unless @to < 0. */
static void
bind_part (NddrPlan *plan, NddrStep *step, int binding, int to, NddrTensor *tensor, guint64 first, guint64 texels)
{
  nddr_step_read (step, binding, tensor);
  if (plan->traits.family == NDDR_FAMILY_GPU)
    nddr_step_range (step, binding, 16 * first, 16 * texels);
  if (to < 0)
    return;
  nddr_step_write (step, to, tensor);
  nddr_step_range (step, to, 16 * first, 16 * texels);
}

static void
update_part (NddrPlan *plan, const NddrOptimizer *op, guint64 first, guint64 texels, int n_blocks)
{
  guint64 per_lane = BLOCK / 4;
  gint32 add = plan->traits.family == NDDR_FAMILY_SOFTWARE ? first : 0; /* a GPU's bindings begin at the part */
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_OPTIMIZER, (texels + per_lane - 1) / per_lane, 1);

  bind_part (plan, step, 0, 6, op->params, first, texels);
  bind_part (plan, step, 1, -1, op->gradients, first, texels);
  bind_part (plan, step, 2, 7, op->moment1, first, texels);
  bind_part (plan, step, 3, 8, op->adamw ? op->moment2 : op->moment1, first, texels); /* SGD touches neither */
  nddr_step_read (step, 4, op->groups);
  nddr_step_read (step, 5, op->rates);
  nddr_step_read (step, 9, op->clip);
  nddr_step_spec (step, op->adamw);
  nddr_step_spec (step, op->clip ? op->guarded ? 2 : 1 : 0);
  nddr_step_push_base (step, op->params, add);
  nddr_step_push_base (step, op->gradients, add);
  nddr_step_push_base (step, op->moment1, add);
  nddr_step_push_base (step, op->adamw ? op->moment2 : op->moment1, add);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, first * 4 / BLOCK);
  nddr_step_push_i (step, n_blocks - 1);
  nddr_step_push_i (step, op->n_groups);
  nddr_step_push_f (step, op->adamw ? op->beta1 : op->momentum);
  nddr_step_push_f (step, 1 - op->beta1);
  nddr_step_push_f (step, op->beta2);
  nddr_step_push_f (step, 1 - op->beta2);
  nddr_step_push_f (step, op->adam_eps);
}

void
nddr_optimizer_step (NddrPlan *plan, const NddrOptimizer *op)
{
  guint64 texels = op->params->bytes / 16, n = 4 * texels;
  guint64 most = plan->traits.max_storage_range / 16 / BLOCK * BLOCK; /* whole blocks, at multiples of 256 bytes */

  for (guint64 first = 0; first < texels; first += most)
    update_part (plan, op, first, MIN (most, texels - first), (n + BLOCK - 1) / BLOCK);
}
