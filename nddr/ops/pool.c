/* 3x3 pooling, forward and backward.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

int
nddr_pool_size (int n, int stride, NddrPoolPadding padding)
{
  if (stride == 1)
    return n;
  return padding == NDDR_POOL_END ? n / 2 : (n + 1) / 2;
}

/* Rows (or columns) of padding before the first of @n. */
static int
pad_before (int n, const NddrPool *op)
{
  if (op->stride == 1 || op->padding == NDDR_POOL_BOTH)
    return 1;
  return op->padding == NDDR_POOL_SAME ? n & 1 : 0;
}

static void
max_forward (NddrPlan *plan, const NddrPool *op)
{
  const NddrTensor *x = op->input, *y = op->output;
  int planes = y->branches * y->batch, quads = nddr_quads (y);
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * y->height * quads, y->width, 32);

  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_POOL_MAX, lanes.lanes, 1);
  nddr_step_read (step, 0, op->input);
  nddr_step_write (step, 1, op->output);
  nddr_step_spec (step, op->stride);
  nddr_step_push_base (step, op->input, 0);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, pad_before (x->width, op));
  nddr_step_push_i (step, pad_before (x->height, op));
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, y->height);
}

/* The average, or with @backward its gradient: from @x to @y, of one shape. */
static void
average (NddrPlan *plan, NddrTensor *y, NddrTensor *x, gboolean backward, gboolean accumulate)
{
  int planes = y->branches * y->batch, quads = nddr_quads (y);
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * y->height * quads, y->width, 32);

  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_POOL_AVERAGE, lanes.lanes, 1);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, accumulate ? y : NULL);
  nddr_step_write (step, 2, y);
  nddr_step_spec (step, backward);
  nddr_step_spec (step, accumulate);
  nddr_step_push_base (step, x, 0);
  nddr_step_push_base (step, y, 0);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, y->height);
}

void
nddr_pool_forward (NddrPlan *plan, const NddrPool *op)
{
  if (op->average)
    average (plan, op->output, op->input, FALSE, FALSE);
  else
    max_forward (plan, op);
}
