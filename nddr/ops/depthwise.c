/* Depthwise 3x3 convolution: one filter a channel; forward and both gradients.
 *
 * One general kernel serves GPUs, and software drivers where stride and dilation are an odd pair; what networks use has kernels
 * of its own for software drivers: they walk along rows, so that each column is loaded once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/depthwise.h>
#include <nddr/ops/lanes.h>

#include <math.h>

#define BIAS_ROW 9
#define ZERO_ROW 10
#define SUM_ROWS 10    /* taps, bias: what a weight gradient sums */

/* Pixels that one partial sum of a weight gradient adds: more would cost accuracy, less time. */
#define SUM_PIXELS 1024

static inline gint32
branch_texels (const NddrTensor *t)
{
  return (gint32) ((gsize) t->batch * t->height * t->width * nddr_quads (t));
}

/* Pushes where @b starts in the space of its tensor, and its step from branch to branch. */
static void
push_map (NddrStep *step, NddrBranches b)
{
  nddr_step_push_base (step, b.tensor, b.first * branch_texels (b.tensor));
  nddr_step_push_i (step, b.step * branch_texels (b.tensor));
}

/* The same within the tensor. */
static void
push_offset (NddrStep *step, NddrBranches b)
{
  nddr_step_push_i (step, b.first * branch_texels (b.tensor));
  nddr_step_push_i (step, b.step * branch_texels (b.tensor));
}

NddrTensor *
nddr_depthwise_weights (NddrPlan *plan, const NddrDepthwise *op)
{
  int quads = nddr_quads (op->output.tensor), texels = op->branches * NDDR_DEPTHWISE_ROWS * quads, phase = plan->phase;

  for (guint i = 0; i < plan->steps->len; i++) {
    NddrStep *step = g_ptr_array_index (plan->steps, i);
    if (step->kernel->id == NDDR_KERNEL_DEPTHWISE_PACK && step->bindings[0].tensor == op->weight && step->bindings[1].tensor == op->bias)
      return step->bindings[2].tensor;
  }

  NddrTensor *packed = nddr_plan_flat (plan, "depthwise weights", NDDR_SPACE_WEIGHTS, NDDR_F32, (gsize) texels * 4);

  plan->phase = op->pack_phase;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_PACK, nddr_lane_groups (plan, texels), 1, 1);
  plan->phase = phase;
  nddr_step_read (step, 0, op->weight);
  nddr_step_read (step, 1, op->bias);
  nddr_step_write (step, 2, packed);
  nddr_step_push_i (step, texels);
  nddr_step_push_i (step, quads);
  nddr_step_push_i (step, op->output.tensor->channels);
  nddr_step_push_i (step, op->bias != NULL);
  return packed;
}

/* What the kernels that make a map have in common: y from x, forward, or dx from dy. */
typedef struct
{
  NddrBranches from, to;
  NddrTensor *packed;
  int branch;  /* the first, of the weights */
  int branches, stride, dilation;
  gboolean backward, accumulate;
  float low, high;
} Pass;

static void
general_pass (NddrPlan *plan, const Pass *p)
{
  NddrTensor *from = p->from.tensor, *to = p->to.tensor;
  int c4 = nddr_quads (from), lines = to->batch * to->height, folds = (lines - 1) / MIN (plan->traits.max_groups[1], G_MAXINT32) + 1;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE, nddr_lane_groups (plan, to->width * c4), (lines - 1) / folds + 1, p->branches * folds);

  nddr_step_read (step, 0, from);
  nddr_step_read (step, 1, p->packed);
  if (p->accumulate)
    nddr_step_update (step, 2, to);
  else
    nddr_step_write (step, 2, to);
  nddr_step_spec (step, p->backward ? p->stride : 1);
  nddr_step_spec (step, p->accumulate);
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, from->height);
  nddr_step_push_i (step, from->width);
  nddr_step_push_i (step, to->height);
  nddr_step_push_i (step, to->width);
  nddr_step_push_i (step, p->backward ? 1 : p->stride);
  nddr_step_push_i (step, p->dilation);
  push_map (step, p->from);
  nddr_step_push_base (step, p->packed, p->branch * NDDR_DEPTHWISE_ROWS * c4);
  push_offset (step, p->to);
  nddr_step_push_i (step, p->backward ? 8 : 0);
  nddr_step_push_i (step, p->backward ? -1 : 1);
  nddr_step_push_i (step, p->backward ? ZERO_ROW : BIAS_ROW);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  nddr_step_push_f (step, 1.0f / c4);
  nddr_step_push_i (step, lines);
  nddr_step_push_i (step, p->branches);
}

/* A map of so many bytes has partly left a core's second cache when it is used again. */
#define AHEAD_BYTES (256 << 10)
/* Rows of no more texels a pixel are read in one piece by a subgroup: nothing is gained by reading ahead. */
#define PIECE 8

/* Whether software kernels that walk along rows of @to read ahead (shaders/ahead.glsl). */
static gboolean
reads_ahead (const NddrTensor *to)
{
  return to->bytes >= AHEAD_BYTES && nddr_quads (to) > PIECE;
}

/* Binds a software kernel's maps and says whether it reads ahead; it reads what it adds to, or what it will overwrite, through binding 0,
 * which views the whole arena. */
static gboolean
bind_pass (NddrStep *step, const Pass *p)
{
  nddr_step_read (step, 0, p->from.tensor);
  nddr_step_read (step, 1, p->packed);
  if (p->accumulate)
    nddr_step_update (step, 2, p->to.tensor);
  else
    nddr_step_write (step, 2, p->to.tensor);
  return reads_ahead (p->to.tensor);
}

/* stride 1 */
static void
rows_pass (NddrPlan *plan, const Pass *p)
{
  NddrTensor *from = p->from.tensor, *to = p->to.tensor;
  int c4 = nddr_quads (from), d = p->dilation;
  /* residues that lie beyond a small map are empty */
  int row_residues = MIN (d, from->height), column_residues = MIN (d, from->width);
  int rows = (from->height + d - 1) / d, pairs = (rows + 1) / 2, steps = (from->width + d - 1) / d;
  int lanes = row_residues * pairs * column_residues * c4;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_ROWS, nddr_lane_groups (plan, lanes), from->batch, p->branches);

  gboolean ahead = bind_pass (step, p);
  nddr_step_spec (step, p->accumulate);
  nddr_step_spec (step, ahead);
  nddr_step_spec (step, c4 % 2 == 0);
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, from->height);
  nddr_step_push_i (step, from->width);
  nddr_step_push_i (step, d);
  nddr_step_push_i (step, column_residues);
  nddr_step_push_i (step, pairs);
  nddr_step_push_i (step, steps);
  nddr_step_push_i (step, lanes);
  push_map (step, p->from);
  nddr_step_push_base (step, p->packed, p->branch * NDDR_DEPTHWISE_ROWS * c4);
  nddr_step_push_base (step, to, p->to.first * branch_texels (to));
  push_offset (step, p->to);
  nddr_step_push_i (step, p->backward ? 8 : 0);
  nddr_step_push_i (step, p->backward ? -1 : 1);
  nddr_step_push_i (step, p->backward ? ZERO_ROW : BIAS_ROW);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  nddr_step_push_f (step, 1.0f / c4);
  nddr_step_push_f (step, 1.0f / column_residues);
  nddr_step_push_f (step, 1.0f / pairs);
  nddr_step_push_i (step, 0);
}

/* what both passes of stride 2 begin with */
static void
push_stride2 (NddrStep *step, const Pass *p, int lanes)
{
  NddrTensor *from = p->from.tensor, *to = p->to.tensor;
  int c4 = nddr_quads (from);

  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, from->height);
  nddr_step_push_i (step, from->width);
  nddr_step_push_i (step, to->height);
  nddr_step_push_i (step, to->width);
  nddr_step_push_i (step, lanes);
  push_map (step, p->from);
  nddr_step_push_base (step, p->packed, p->branch * NDDR_DEPTHWISE_ROWS * c4);
  nddr_step_push_base (step, to, p->to.first * branch_texels (to));
  push_offset (step, p->to);
}

/* stride 2, forward */
static void
halve_pass (NddrPlan *plan, const Pass *p)
{
  NddrTensor *from = p->from.tensor;
  int c4 = nddr_quads (from), lanes = p->to.tensor->height * c4;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_HALVE, nddr_lane_groups (plan, lanes), from->batch, p->branches);

  nddr_step_spec (step, bind_pass (step, p));
  push_stride2 (step, p, lanes);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  nddr_step_push_f (step, 1.0f / c4);
  nddr_step_push_i (step, 0);
}

/* stride 2, gradient */
static void
double_pass (NddrPlan *plan, const Pass *p)
{
  NddrTensor *from = p->from.tensor;
  int c4 = nddr_quads (from), lanes = from->height * c4;
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_DOUBLE, nddr_lane_groups (plan, lanes), from->batch, p->branches);

  gboolean ahead = bind_pass (step, p);
  nddr_step_spec (step, p->accumulate);
  nddr_step_spec (step, ahead);
  push_stride2 (step, p, lanes);
  nddr_step_push_f (step, 1.0f / c4);
  nddr_step_push_i (step, 0);
}

static void
append_pass (NddrPlan *plan, const Pass *p)
{
  gboolean software = plan->traits.family == NDDR_FAMILY_SOFTWARE && p->to.tensor->space == NDDR_SPACE_ARENA;

  if (software && p->stride == 1)
    rows_pass (plan, p);
  else if (software && p->stride == 2 && p->dilation == 1)
    (p->backward ? double_pass : halve_pass) (plan, p);
  else
    general_pass (plan, p);
}

static void
check (const NddrDepthwise *op)
{
  const NddrTensor *in = op->input.tensor, *out = op->output.tensor;

  g_assert (op->stride >= 1 && op->dilation >= 1);
  g_assert (in->channels == out->channels && in->batch == out->batch);
  g_assert (out->height == (in->height + op->stride - 1) / op->stride && out->width == (in->width + op->stride - 1) / op->stride);
}

void
nddr_depthwise_forward (NddrPlan *plan, const NddrDepthwise *op)
{
  check (op);
  append_pass (plan, &(Pass){
    .from = op->input, .to = op->output, .packed = nddr_depthwise_weights (plan, op),
    .branches = op->branches, .stride = op->stride, .dilation = op->dilation, .low = op->low, .high = op->high });
}

void
nddr_depthwise_backward_data (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  Pass pass = {
    .from = dy, .to = dx, .packed = nddr_depthwise_weights (plan, op), .backward = TRUE, .accumulate = accumulate,
    .branches = op->branches, .stride = op->stride, .dilation = op->dilation, .low = -INFINITY, .high = INFINITY };

  check (op);
  if (dx.step != 0 || op->branches == 1) {
    append_pass (plan, &pass);
    return;
  }
  /* one input for all branches: its gradient is the sum of theirs */
  pass.branches = 1;
  for (pass.branch = 0; pass.branch < op->branches; pass.branch++) {
    append_pass (plan, &pass);
    pass.from.first += pass.from.step;
    pass.accumulate = TRUE;
  }
}

/* The partial sums: [branch][split][row][quad] texels. */
static NddrTensor *
partial_sums (NddrPlan *plan, const NddrDepthwise *op, int splits)
{
  return nddr_plan_flat (plan, "depthwise weight sums", NDDR_SPACE_ARENA, NDDR_F32,
      (gsize) op->branches * splits * SUM_ROWS * nddr_quads (op->input.tensor) * 4);
}

/* Any stride and dilation; returns the partial sums. */
static NddrTensor *
general_sums (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dy, int *splits)
{
  NddrTensor *x = op->input.tensor, *y = dy.tensor;
  int c4 = nddr_quads (x), pixels = y->batch * y->height * y->width;
  /* enough invocations to fill a device, if there are pixels for them */
  int run = CLAMP (pixels / MAX (1, 16384 / c4), 32, SUM_PIXELS);

  *splits = (pixels + run - 1) / run;
  NddrTensor *part = partial_sums (plan, op, *splits);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_WEIGHT, nddr_lane_groups (plan, *splits * c4), 1, op->branches);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, y);
  nddr_step_write (step, 2, part);
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, op->stride);
  nddr_step_push_i (step, op->dilation);
  push_map (step, op->input);
  push_map (step, dy);
  nddr_step_push_i (step, *splits);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, pixels);
  nddr_step_push_f (step, 1.0f / c4);
  return part;
}

/* Stride 1 with any dilation, stride 2 with dilation 1, on software drivers. */
static NddrTensor *
row_sums (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dy, int *splits)
{
  NddrTensor *x = op->input.tensor, *y = dy.tensor;
  int c4 = nddr_quads (x), residues = MIN (op->dilation, x->width);
  int pairs = ((y->height + op->dilation - 1) / op->dilation + 1) / 2, image_pairs = MIN (op->dilation, y->height) * pairs;
  int batch_pairs = y->batch * image_pairs;
  int steps = op->stride == 1 ? (x->width + op->dilation - 1) / op->dilation : y->width;
  /* some 128 groups of 8 lanes or more, if there are rows for them */
  int run = CLAMP (batch_pairs * residues * c4 / 1024, 1, MAX (1, SUM_PIXELS / (2 * steps))), runs = (batch_pairs + run - 1) / run;

  *splits = runs * residues;
  NddrTensor *part = partial_sums (plan, op, *splits);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_DEPTHWISE_WEIGHT_ROWS, nddr_lane_groups (plan, *splits * c4), 1, op->branches);
  nddr_step_read (step, 0, x);
  nddr_step_read (step, 1, y);
  nddr_step_write (step, 2, part);
  nddr_step_spec (step, op->stride);
  nddr_step_spec (step, op->stride == 1 && op->dilation == 1 && reads_ahead (y));
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, op->dilation);
  push_map (step, op->input);
  push_map (step, dy);
  nddr_step_push_i (step, residues);
  nddr_step_push_i (step, *splits);
  nddr_step_push_i (step, run);
  nddr_step_push_i (step, pairs);
  nddr_step_push_i (step, image_pairs);
  nddr_step_push_i (step, batch_pairs);
  nddr_step_push_i (step, steps);
  nddr_step_push_f (step, 1.0f / c4);
  nddr_step_push_f (step, 1.0f / residues);
  nddr_step_push_f (step, 1.0f / image_pairs);
  nddr_step_push_f (step, 1.0f / pairs);
  nddr_step_push_i (step, 0);
  return part;
}

void
nddr_depthwise_backward_weight (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db)
{
  int c4 = nddr_quads (op->input.tensor), total = op->branches * SUM_ROWS * c4, splits;
  gboolean rows = plan->traits.family == NDDR_FAMILY_SOFTWARE && (op->stride == 1 || (op->stride == 2 && op->dilation == 1));

  check (op);
  NddrTensor *part = (rows ? row_sums : general_sums) (plan, op, dy, &splits);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_TAP_REDUCE, nddr_lane_groups (plan, total), 1, 1);
  nddr_step_read (step, 0, part);
  nddr_step_write (step, 1, dw);
  nddr_step_write (step, 2, db);
  nddr_step_push_i (step, total);
  nddr_step_push_i (step, c4);
  nddr_step_push_i (step, op->input.tensor->channels);
  nddr_step_push_i (step, SUM_ROWS);
  nddr_step_push_i (step, splits);
  nddr_step_push_base (step, part, 0);
  nddr_step_push_i (step, db != NULL);
}
