/* Weighted sums of maps: of tasks' branches, channel by channel or half by half, and of stages.  Forward and backward.
 *
 * Both are one form: an output group (a part of a branch's channels) is the sum of some input groups, each times its weights.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/lanes.h>
#include <nddr/ops/ops.h>

/* Pixels that a lane of a weight gradient adds: more would cost accuracy. */
#define SUM_PIXELS 1024

/* Weights on their way: texels of [row][column][quad]. */
typedef struct
{
  NddrTensor *texels;
  int quads;       /* of a cell: 1 where all channels share a weight */
  int first;       /* cell of row 0 and column 0 */
  int row, column; /* cells from one to the next */
} Weights;

/* @input's groups that each group of @output is made of: @n of them; from the next output group on they start a branch step further. */
typedef struct
{
  NddrBranches input, output;
  int groups, n; /* of the output; of the input, for each */
  int parts;     /* groups of a branch: 1 or 2 */
  gboolean along; /* the input's branch goes with the output's group */
} Mixture;

static int
part_quads (const Mixture *m)
{
  return nddr_quads (m->input.tensor) / m->parts;
}

static int
pixels_of (const NddrTensor *t)
{
  return t->batch * t->height * t->width;
}

static int
branch_step (NddrBranches b)
{
  return b.step * (int) nddr_branch_quads (b.tensor);
}

static int
first_branch (NddrBranches b)
{
  return b.first * (int) nddr_branch_quads (b.tensor);
}

static int
row_step (const Mixture *m)
{
  return m->along ? branch_step (m->input) : 0;
}

static void
check (const Mixture *m)
{
  const NddrTensor *x = m->input.tensor, *y = m->output.tensor;

  g_assert (x->batch == y->batch && x->height == y->height && x->width == y->width && x->channels == y->channels);
  g_assert (m->parts == 1 || (m->parts == 2 && x->channels % 8 == 0));
}

/* Packed by an earlier step, or by a new one in @phase. @channels: 0: they share a weight. */
static NddrTensor *
pack (NddrPlan *plan, NddrTensor *weight, int cells, int quads, int channels, int pack_phase)
{
  int phase = plan->phase, total = cells * quads;
  NddrTensor *packed;
  NddrStep *step;

  for (guint i = 0; i < plan->steps->len; i++) {
    step = g_ptr_array_index (plan->steps, i);
    if (step->kernel->id == NDDR_KERNEL_MIX_PACK && step->bindings[0].tensor == weight)
      return step->bindings[1].tensor;
  }
  packed = nddr_plan_flat (plan, "mixing weights", NDDR_SPACE_WEIGHTS, NDDR_F32, (gsize) total * 4);
  plan->phase = pack_phase;
  step = nddr_plan_step (plan, NDDR_KERNEL_MIX_PACK, nddr_lane_groups (plan, total), 1, 1);
  plan->phase = phase;
  nddr_step_read (step, 0, weight);
  nddr_step_write (step, 1, packed);
  nddr_step_push_i (step, total);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, cells);
  nddr_step_push_i (step, channels);
  return packed;
}

static void
append_mixture (NddrPlan *plan, const Mixture *m, const Weights *w, gboolean accumulate)
{
  NddrTensor *x = m->input.tensor, *y = m->output.tensor;
  int pixels = pixels_of (x), quads = part_quads (m);
  int run = (nddr_lanes (&plan->traits, (guint64) m->groups * quads, pixels, 32).run + 3) / 4 * 4, segments = (pixels + run - 1) / run;
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_MIX, (guint64) segments * quads, m->groups);

  check (m);
  nddr_step_read (step, 0, w->texels);
  nddr_step_read (step, 1, x);
  nddr_step_read (step, 2, accumulate ? y : NULL);
  nddr_step_write (step, 3, y);
  nddr_step_spec (step, accumulate);
  nddr_step_spec (step, m->n);
  nddr_step_spec (step, m->parts - 1);
  nddr_step_push_base (step, x, first_branch (m->input));
  nddr_step_push_i (step, row_step (m));
  nddr_step_push_i (step, branch_step (m->input));
  nddr_step_push_base (step, y, first_branch (m->output));
  nddr_step_push_i (step, first_branch (m->output));
  nddr_step_push_i (step, branch_step (m->output));
  nddr_step_push_base (step, w->texels, w->first * w->quads);
  nddr_step_push_i (step, w->row * w->quads);
  nddr_step_push_i (step, w->column * w->quads);
  nddr_step_push_i (step, w->quads > 1);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, segments * quads);
  nddr_step_push_inverse (step, quads);
}

/* Where a weight's gradient goes, in floats. */
typedef struct
{
  NddrTensor *tensor;
  int first, row, column;
  int channels, channel; /* 0: the channels share a weight */
} Gradient;

/* @m with the gradient of its output in the output's place. */
static void
append_weight_gradient (NddrPlan *plan, const Mixture *m, const Gradient *dw)
{
  NddrTensor *x = m->input.tensor, *dy = m->output.tensor, *part;
  int pixels = pixels_of (x), quads = part_quads (m), cells = m->groups * m->n;
  int run = (CLAMP (pixels / MAX (1, 4096 / (cells * quads)), 32, SUM_PIXELS) + 3) / 4 * 4, segments = (pixels + run - 1) / run;
  int lane_quads = dw->channels > 0 ? quads : 1, lanes = cells * lane_quads;
  NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_MIX_WEIGHT, (guint64) segments * quads, cells);

  check (m);
  part = nddr_plan_flat (plan, "mixing weights' sums", NDDR_SPACE_ARENA, NDDR_F32, (gsize) cells * segments * quads * 4);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, dy);
  nddr_step_write (step, 2, part);
  nddr_step_push_base (step, x, first_branch (m->input));
  nddr_step_push_i (step, row_step (m));
  nddr_step_push_i (step, branch_step (m->input));
  nddr_step_push_base (step, dy, first_branch (m->output));
  nddr_step_push_i (step, branch_step (m->output));
  nddr_step_push_i (step, m->parts - 1);
  nddr_step_push_i (step, m->n);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, nddr_quads (x));
  nddr_step_push_i (step, pixels);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, segments);
  nddr_step_push_i (step, segments * quads);
  nddr_step_push_inverse (step, quads);
  nddr_step_push_inverse (step, m->n);

  step = nddr_plan_step (plan, NDDR_KERNEL_MIX_WEIGHT_REDUCE, nddr_lane_groups (plan, lanes), 1, 1);
  nddr_step_read (step, 0, part);
  nddr_step_write_part (step, 1, dw->tensor);
  nddr_step_push_base (step, part, 0);
  nddr_step_push_i (step, lanes);
  nddr_step_push_i (step, lane_quads);
  nddr_step_push_i (step, segments * quads);
  nddr_step_push_i (step, dw->channels > 0 ? segments : segments * quads);
  nddr_step_push_i (step, dw->channels > 0 ? quads : 1);
  nddr_step_push_i (step, m->n);
  nddr_step_push_i (step, dw->first);
  nddr_step_push_i (step, dw->row);
  nddr_step_push_i (step, dw->column);
  nddr_step_push_i (step, dw->channels);
  nddr_step_push_i (step, dw->channel);
}

/* ---- of branches */

static Mixture
branch_mixture (const NddrMix *op, NddrBranches output)
{
  return (Mixture){ .input = op->input, .output = output, .groups = op->branches * op->parts, .n = op->n_inputs * op->parts, .parts = op->parts };
}

static Weights
branch_weights (NddrPlan *plan, const NddrMix *op)
{
  int rows = op->branches * op->parts, columns = op->n_inputs * op->parts, channels = op->input.tensor->channels / op->parts;
  int quads = op->each_channel ? nddr_quads (op->input.tensor) / op->parts : 1;

  return (Weights){ pack (plan, op->weight, rows * columns, quads, op->each_channel ? channels : 0, op->pack_phase), quads, 0, columns, 1 };
}

void
nddr_mix_forward (NddrPlan *plan, const NddrMix *op)
{
  Mixture m = branch_mixture (op, op->output);
  Weights w = branch_weights (plan, op);

  append_mixture (plan, &m, &w, FALSE);
}

void
nddr_mix_backward_data (NddrPlan *plan, const NddrMix *op, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  Mixture m = { .input = dy, .output = dx, .groups = op->n_inputs * op->parts, .n = op->branches * op->parts, .parts = op->parts };
  Weights w = branch_weights (plan, op), transposed = w;

  transposed.row = w.column;
  transposed.column = w.row;
  append_mixture (plan, &m, &transposed, accumulate);
}

void
nddr_mix_backward_weight (NddrPlan *plan, const NddrMix *op, NddrBranches dy, NddrTensor *dw)
{
  Mixture m = branch_mixture (op, dy);
  int columns = op->n_inputs * op->parts, cells = op->branches * op->parts * columns;
  Gradient gradient = { dw, 0, columns, 1, op->each_channel ? op->input.tensor->channels / op->parts : 0, cells };

  append_weight_gradient (plan, &m, &gradient);
}

/* ---- of stages: an input at a time */

static Mixture
stage_mixture (const NddrBlend *op, int i, NddrBranches output)
{
  return (Mixture){ .input = op->inputs[i], .output = output, .groups = op->branches, .n = 1, .parts = 1, .along = TRUE };
}

/* Input @i's. */
static Weights
stage_weights (NddrPlan *plan, const NddrBlend *op, int i)
{
  return (Weights){ pack (plan, op->weight, op->branches * op->n_inputs, 1, 0, op->pack_phase), 1, i, op->n_inputs, 1 };
}

void
nddr_blend_forward (NddrPlan *plan, const NddrBlend *op)
{
  for (int i = 0; i < op->n_inputs; i++) {
    Mixture m = stage_mixture (op, i, op->output);
    Weights w = stage_weights (plan, op, i);

    append_mixture (plan, &m, &w, i > 0);
  }
}

void
nddr_blend_backward_data (NddrPlan *plan, const NddrBlend *op, int i, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  Mixture m = { .input = dy, .output = dx, .groups = op->branches, .n = 1, .parts = 1, .along = TRUE };
  Weights w = stage_weights (plan, op, i);

  append_mixture (plan, &m, &w, accumulate);
}

void
nddr_blend_backward_weight (NddrPlan *plan, const NddrBlend *op, NddrBranches dy, NddrTensor *dw)
{
  for (int i = 0; i < op->n_inputs; i++) {
    Mixture m = stage_mixture (op, i, dy);

    append_weight_gradient (plan, &m, &(Gradient){ dw, i, op->n_inputs, 0, 0, 0 });
  }
}
