/* Gradients between the backward pass and the optimiser: adding those of several batches, and their norm.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

#include <math.h>

#define LONGEST 1024 /* texels that a lane takes: its sum's error stays near the last bits */
/* More partial sums than this are added in two stages. */
#define SOFTWARE_PARTS 256
#define GPU_PARTS 64

static int
local_size (const NddrPlan *plan)
{
  return plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 : 64;
}

/* Texels for each lane, a multiple of the four that the shaders take at a time; *groups: workgroups for @texels. */
static int
share (NddrPlan *plan, guint64 texels, guint64 *groups)
{
  int run = (nddr_lanes (&plan->traits, 1, texels, LONGEST).run + 3) / 4 * 4;
  guint64 each = (guint64) local_size (plan) * run;

  *groups = (texels + each - 1) / each;
  return run;
}

/* As many texels as a storage binding spans, in whole multiples of 256 bytes. */
static guint64
most_texels (const NddrPlan *plan)
{
  return plan->traits.max_storage_range / 256 * 16;
}

/* Binds @tensor's texels from @first on, to be read; returns what a texel binding's base is more by. */
static gint32
bind_part (NddrPlan *plan, NddrStep *step, int binding, NddrTensor *tensor, guint64 first, guint64 texels)
{
  nddr_step_read (step, binding, tensor);
  if (plan->traits.family == NDDR_FAMILY_SOFTWARE)
    return first;
  nddr_step_range (step, binding, 16 * first, 16 * texels); /* a GPU's bindings begin at the part */
  return 0;
}

/* ---- adding */

static void
add_part (NddrPlan *plan, NddrTensor *total, NddrTensor *part, gboolean accumulate, guint64 first, guint64 texels)
{
  guint64 groups;
  int run = share (plan, texels, &groups);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_ACCUMULATE, groups * local_size (plan), 1);
  gint32 add = bind_part (plan, step, 0, part, first, texels);

  if (accumulate)
    bind_part (plan, step, 1, total, first, texels);
  else
    nddr_step_read (step, 1, NULL);
  nddr_step_write (step, 2, total);
  nddr_step_range (step, 2, 16 * first, 16 * texels);
  nddr_step_spec (step, accumulate);
  nddr_step_push_base (step, part, add);
  nddr_step_push_base (step, total, add);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, run);
}

void
nddr_gradients_add (NddrPlan *plan, NddrTensor *total, NddrTensor *part, gboolean accumulate)
{
  guint64 texels = total->bytes / 16, most = most_texels (plan);

  for (guint64 first = 0; first < texels; first += most)
    add_part (plan, total, part, accumulate, first, MIN (most, texels - first));
}

/* ---- the sum of squares */

static NddrTensor *
new_parts (NddrPlan *plan, guint64 n)
{
  return nddr_plan_flat (plan, "squares", NDDR_SPACE_ARENA, NDDR_F32, 4 * n);
}

static void
sum_parts (NddrPlan *plan, const NddrSquares *op, NddrTensor *parts, int n)
{
  int most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? SOFTWARE_PARTS : GPU_PARTS;
  int count = n <= most ? n : (int) ceil (sqrt (n)), groups = (n + count - 1) / count;
  gboolean finish = groups == 1;
  NddrTensor *result = finish ? op->sum : new_parts (plan, groups);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_SQUARES_SUM, groups, 1);

  nddr_step_read (step, 0, parts);
  nddr_step_write (step, 1, result);
  nddr_step_write (step, 2, result);
  nddr_step_write (step, 3, finish && op->factor ? op->factor : result);
  nddr_step_read (step, 4, finish && op->factor ? op->unit : NULL);
  nddr_step_spec (step, !finish ? 0 : !op->factor ? 1 : op->unit ? 3 : 2);
  nddr_step_push_base (step, parts, 0);
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, count);
  nddr_step_push_i (step, groups);
  nddr_step_push_f (step, op->max_norm);
  if (!finish)
    sum_parts (plan, op, result, groups);
}

void
nddr_squares (NddrPlan *plan, const NddrSquares *op)
{
  guint64 texels = op->x->bytes / 16, most = most_texels (plan), groups, n = 0;
  int local = local_size (plan);
  NddrTensor *parts;

  for (guint64 first = 0; first < texels; first += most) {
    share (plan, MIN (most, texels - first), &groups);
    n += groups * local;
  }
  parts = new_parts (plan, n);
  n = 0;
  for (guint64 first = 0; first < texels; first += most) {
    guint64 count = MIN (most, texels - first);
    int run = share (plan, count, &groups);
    NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_SQUARES, groups, 1, 1);
    gint32 add = bind_part (plan, step, 0, op->x, first, count);

    nddr_step_write (step, 1, parts);
    nddr_step_push_base (step, op->x, add);
    nddr_step_push_i (step, count);
    nddr_step_push_i (step, run);
    nddr_step_push_i (step, n);
    n += groups * local;
  }
  sum_parts (plan, op, parts, n);
}
