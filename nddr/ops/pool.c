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

/* A walk over the windows of @op's input, with what each makes written to @result: maxima or their places. */
static void
max_windows (NddrPlan *plan, const NddrPool *op, NddrKernelId kernel, NddrTensor *result)
{
  const NddrTensor *x = op->input, *y = result;
  int planes = y->branches * y->batch, quads = nddr_quads (y);
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * y->height * quads, y->width, 32);

  NddrStep *step = nddr_plan_step_lanes (plan, kernel, lanes.lanes, 1);
  nddr_step_read (step, 0, op->input);
  nddr_step_write (step, 1, result);
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
    max_windows (plan, op, NDDR_KERNEL_POOL_MAX, op->output);
}

/* ---- backward */

/* What both of the next have in common: tensors, where they begin, and dx's size. */
static void
begin_max_backward (NddrStep *step, NddrTensor *dx, NddrTensor *dy, NddrTensor *places, gboolean accumulate)
{
  nddr_step_read (step, 0, dy);
  nddr_step_read (step, 1, places);
  nddr_step_read (step, 2, accumulate ? dx : NULL);
  nddr_step_write (step, 3, dx);
  nddr_step_spec (step, accumulate);
  nddr_step_push_base (step, dy, 0);
  nddr_step_push_base (step, places, 0);
  nddr_step_push_base (step, dx, 0);
  nddr_step_push_i (step, nddr_quads (dx));
  nddr_step_push_i (step, dx->width);
  nddr_step_push_i (step, dx->height);
}

static void
max_backward (NddrPlan *plan, NddrTensor *dx, NddrTensor *dy, NddrTensor *places, gboolean accumulate)
{
  int planes = dx->branches * dx->batch, quads = nddr_quads (dx);
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * dx->height * quads, dx->width, 32);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_POOL_MAX_BACKWARD, lanes.lanes, 1);

  begin_max_backward (step, dx, dy, places, accumulate);
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, dx->height);
}

static void
max_backward_halved (NddrPlan *plan, const NddrPool *op, NddrTensor *dx, NddrTensor *dy, NddrTensor *places, gboolean accumulate)
{
  int planes = dx->branches * dx->batch, quads = nddr_quads (dx);
  int x_pad = pad_before (dx->width, op), y_pad = pad_before (dx->height, op);
  int rows = (dx->height + y_pad + 1) / 2, columns = (dx->width + x_pad + 1) / 2; /* pairs */
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * rows * quads, columns, 32);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_POOL_MAX_BACKWARD_HALVED, lanes.lanes, 1);

  begin_max_backward (step, dx, dy, places, accumulate);
  nddr_step_push_i (step, dy->width);
  nddr_step_push_i (step, dy->height);
  nddr_step_push_i (step, x_pad);
  nddr_step_push_i (step, y_pad);
  nddr_step_push_i (step, rows);
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, rows);
}

void
nddr_pool_backward (NddrPlan *plan, const NddrPool *op, NddrTensor *dx, NddrTensor *dy, gboolean accumulate)
{
  NddrTensor *places;

  if (op->average) {
    average (plan, dx, dy, TRUE, accumulate);
    return;
  }
  places = nddr_plan_map (plan, "pool.places", dy->branches, dy->batch, dy->height, dy->width, dy->channels);
  max_windows (plan, op, NDDR_KERNEL_POOL_MAX_PLACES, places);
  if (op->stride == 1)
    max_backward (plan, dx, dy, places, accumulate);
  else
    max_backward_halved (plan, op, dx, dy, places, accumulate);
}
