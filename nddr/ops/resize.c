/* Bilinear resizing, not antialiased, forward and backward.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

/* Sample i of an axis lies at max (0, (first + i * step) / den) of its source: integers, so that shaders place it exactly. */
typedef struct
{
  int first, step, den;
} Axis;

static Axis
axis (int in, int out, NddrResizeMode mode)
{
  switch (mode) {
  case NDDR_RESIZE_ALIGN_CORNERS:
    return out > 1 ? (Axis){ 0, in - 1, out - 1 } : (Axis){ 0, 0, 1 };
  case NDDR_RESIZE_ASYMMETRIC:
    return (Axis){ 0, in, out };
  case NDDR_RESIZE_HALF_PIXEL:
  default:
    return (Axis){ in - out, 2 * in, 2 * out };
  }
}

static void
push_axis (NddrStep *step, const Axis *a)
{
  nddr_step_push_i (step, a->first);
  nddr_step_push_i (step, a->step);
  nddr_step_push_i (step, a->den);
}

void
nddr_resize_forward (NddrPlan *plan, const NddrResize *op)
{
  const NddrTensor *x = op->input, *y = op->output;
  int planes = y->branches * y->batch, quads = nddr_quads (y);
  Axis ax = axis (x->width, y->width, op->mode), ay = axis (x->height, y->height, op->mode);
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) planes * y->height * quads, y->width, 32);

  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_RESIZE, lanes.lanes, 1);
  nddr_step_read (step, 0, op->input);
  nddr_step_write (step, 1, op->output);
  nddr_step_push_base (step, op->input, 0);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  push_axis (step, &ax);
  push_axis (step, &ay);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, y->height);
  nddr_step_push_inverse (step, ax.den);
  nddr_step_push_inverse (step, ay.den);
}

/* The gradient along one axis of @n samples and @out outputs; @outer and @inner: what lies around an axis' element, in maps and texels. */
static void
backward_axis (NddrPlan *plan, NddrTensor *dx, NddrTensor *dy, Axis a, int outer, int n, int out, int inner, gboolean accumulate)
{
  NddrLanes lanes = nddr_lanes (&plan->traits, (guint64) outer * inner, n, 8);
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_RESIZE_BACKWARD, lanes.lanes, 1);

  nddr_step_read (step, 0, dy);
  nddr_step_read (step, 1, accumulate ? dx : NULL);
  nddr_step_write (step, 2, dx);
  nddr_step_spec (step, accumulate);
  nddr_step_push_base (step, dy, 0);
  nddr_step_push_base (step, dx, 0);
  nddr_step_push_i (step, inner);
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, out);
  nddr_step_push_i (step, lanes.run);
  nddr_step_push_i (step, lanes.segments);
  nddr_step_push_i (step, lanes.lanes);
  push_axis (step, &a);
  nddr_step_push_inverse (step, inner);
  nddr_step_push_inverse (step, lanes.segments);
  nddr_step_push_inverse (step, a.den);
  nddr_step_push_f (step, a.step ? (float) (1.0 / a.step) : 0);
}

void
nddr_resize_backward (NddrPlan *plan, const NddrResize *op, NddrTensor *dx, NddrTensor *dy, gboolean accumulate)
{
  int planes = dx->branches * dx->batch, quads = nddr_quads (dx);

  if (dx->width != dy->width) { /* rows first, into a map in between */
    NddrTensor *between = nddr_plan_map (plan, "resize.rows", dx->branches, dx->batch, dy->height, dx->width, dx->channels);

    backward_axis (plan, between, dy, axis (dx->width, dy->width, op->mode), planes * dy->height, dx->width, dy->width, quads, FALSE);
    dy = between;
  }
  backward_axis (plan, dx, dy, axis (dx->height, dy->height, op->mode), planes, dx->height, dy->height, dx->width * quads, accumulate);
}
