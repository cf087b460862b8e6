/* Dense convolution on GPUs, forward, and the gradient of its input: an implicit matrix product through shared memory.  Two kernels make it, alike
 * but for the unit that they count in: gpu_conv in quads, four channels, a vec4 or in fp16 an f16vec4; matrix_conv, for halves where the device
 * has cooperative matrices, in octs, eight channels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution-gpu.h>
#include <nddr/ops/lanes.h>

#include <math.h>

#define MAX_TENSORS 6 /* that one dispatch reads: a shortcut has five stages */

/* one source of a product: some branches of a tensor, and where its weights lie in the file's layout */
typedef struct
{
  NddrBranches input;
  int base; /* of the first branch, output and input channel */
} Source;

/* y[b] = clamp (sum over sources w[b] x + bias[b] + residual[b]); weights are read at
 * base + b * branch_stride + out * out_stride + in * in_stride + tap (from the last tap where flipped) */
typedef struct
{
  const Source *sources;
  int n_sources;
  NddrBranches output, residual;
  int branches;
  NddrTensor *weight, *bias;
  int branch_stride, out_stride, in_stride;
  gboolean flip;
  int kernel, stride, dilation, divide;
  float low, high;
  int pack_phase;
  NddrAlgorithm algorithm;
} Product;

/* Its maps' type: sources and weights may be halves where the output is not. */
static NddrType
product_type (const Product *p)
{
  return p->sources[0].input.tensor->type;
}

/* ---- weights */

static int
row_quads (const Product *p)
{
  int n = 0;

  for (int s = 0; s < p->n_sources; s++)
    n += p->kernel * p->kernel * nddr_quads (p->sources[s].input.tensor);
  return n;
}

static NddrTensor *
pack_weights (NddrPlan *plan, const Product *p)
{
  int taps = p->kernel * p->kernel, out = p->output.tensor->channels, row = row_quads (p), first = 0, phase = plan->phase;
  NddrTensor *packed = nddr_plan_flat (plan, "weights", NDDR_SPACE_WEIGHTS, product_type (p), (gsize) p->branches * out * row * 4);

  plan->phase = p->pack_phase;
  for (int s = 0; s < p->n_sources; s++) {
    const NddrTensor *x = p->sources[s].input.tensor;
    int n = p->branches * out * taps * nddr_quads (x);
    NddrStep *step = nddr_plan_step_lanes (plan, NDDR_KERNEL_GPU_CONV_PACK, n, 1);

    nddr_step_read (step, 0, p->weight);
    nddr_step_write (step, 1, packed);
    nddr_step_push_i (step, n);
    nddr_step_push_i (step, out);
    nddr_step_push_i (step, taps);
    nddr_step_push_i (step, nddr_quads (x));
    nddr_step_push_i (step, x->channels);
    nddr_step_push_i (step, row);
    nddr_step_push_i (step, first);
    nddr_step_push_i (step, p->sources[s].base);
    nddr_step_push_i (step, p->branch_stride);
    nddr_step_push_i (step, p->out_stride);
    nddr_step_push_i (step, p->in_stride);
    nddr_step_push_i (step, p->flip);
    first += taps * nddr_quads (x);
  }
  plan->phase = phase;
  return packed;
}

/* a bias of its own, since PARAMS may be released once weights are packed */
static NddrTensor *
pack_bias (NddrPlan *plan, const Product *p)
{
  int n = p->branches * p->output.tensor->channels, phase = plan->phase;
  NddrTensor *packed = nddr_plan_flat (plan, "bias", NDDR_SPACE_WEIGHTS, NDDR_F32, n);
  NddrStep *step;

  plan->phase = p->pack_phase;
  step = nddr_plan_step_lanes (plan, NDDR_KERNEL_GPU_COPY, n, 1);
  nddr_step_read (step, 0, p->bias);
  nddr_step_write (step, 1, packed);
  nddr_step_push_i (step, n);
  plan->phase = phase;
  return packed;
}

/* ---- the product */

/* Tiles: as large as fits the work, small where a large one would leave most of itself or of the device idle. */
static void
choose_tile (const NddrPlan *plan, int pixels, int channels, int branches, int *m, int *n)
{
  *m = 64;
  *n = channels <= 16 ? 16 : channels <= 32 || plan->traits.max_invocations < 256 ? 32 : 64;
  if (groups (pixels, *m) * groups (channels, *n) * branches < 64) {
    *m = 32;
    *n = MIN (*n, 32);
  }
}

/* which of the tensors that are bound @tensor is; binds it where it is new */
static int
bind_source (NddrStep *step, NddrTensor **bound, int *n_bound, NddrTensor *tensor)
{
  for (int i = 0; i < *n_bound; i++)
    if (bound[i] == tensor)
      return i;
  g_assert (*n_bound < MAX_TENSORS);
  bound[*n_bound] = tensor;
  nddr_step_read (step, 5 + *n_bound, tensor);
  return (*n_bound)++;
}

/* what gpu_conv and matrix_conv have of a source: where its first branch begins, and the next, and how large a pixel is */
static void
describe_source (const Source *source, int unit, gint32 place[3])
{
  const NddrBranches *input = &source->input;

  place[0] = input->first * branch_units (input->tensor, unit);
  place[1] = input->step * branch_units (input->tensor, unit);
  place[2] = input->tensor->stride / unit;
}

/* a table of the sources, for gpu_conv */
static NddrTensor *
append_sources (NddrPlan *plan, const Product *p, const int *which)
{
  g_autofree gint32 *table = g_new (gint32, p->n_sources * 4);

  for (int s = 0; s < p->n_sources; s++) {
    table[4 * s] = which[s];
    describe_source (&p->sources[s], 4, &table[4 * s + 1]);
  }
  return nddr_plan_table (plan, "sources", table, p->n_sources * 16);
}

/* a table of the octs of a row of weights, for matrix_conv */
static NddrTensor *
append_octs (NddrPlan *plan, const Product *p, const int *which)
{
  int n = row_quads (p) / 2, taps = p->kernel * p->kernel, i = 0;
  g_autofree gint32 *table = g_new (gint32, n * 4);

  for (int s = 0; s < p->n_sources; s++) {
    gint32 place[3];

    describe_source (&p->sources[s], 8, place);
    for (int tap = 0; tap < taps; tap++)
      for (int oct = 0; oct < place[2]; oct++, i++) {
        table[4 * i] = which[s] | (tap / p->kernel) << 8 | (tap % p->kernel) << 16;
        table[4 * i + 1] = place[0] + oct;
        table[4 * i + 2] = place[1];
        table[4 * i + 3] = place[2];
      }
  }
  return nddr_plan_table (plan, "octs of a row", table, n * 16);
}

/* @variant: as nddr_matrix_tile() has it */
static NddrMatrixTile
matrix_tile (const NddrPlan *plan, const Product *p, int variant)
{
  const NddrTensor *y = p->output.tensor;
  NddrMatrixShape shape = { p->branches, y->batch * y->height * y->width, y->stride, row_quads (p) / 2 };

  return product_type (p) == NDDR_F16 ? nddr_matrix_tile (&plan->traits, &shape, variant) : (NddrMatrixTile){ 0 };
}

/* Whether a dispatch can be done as its algorithm says. */
static gboolean
algorithm_fits (const NddrPlan *plan, const Product *p)
{
  const NddrAlgorithm *algorithm = &p->algorithm;

  if (algorithm->kind == NDDR_ALGORITHM_TILE)
    return (algorithm->a == 32 || algorithm->a == 64) && (algorithm->b == 16 || algorithm->b == 32 || (algorithm->b == 64 && algorithm->a == 64)) &&
        (guint) (algorithm->a * algorithm->b / 16) <= plan->traits.max_invocations;
  return algorithm->kind == NDDR_ALGORITHM_MATRIX && algorithm->a > 0 && algorithm->b == 0 && matrix_tile (plan, p, algorithm->a).m > 0;
}

/* The algorithm that is estimated to be fastest. */
static NddrAlgorithm
choose_algorithm (const NddrPlan *plan, const Product *p)
{
  const NddrTensor *y = p->output.tensor;
  NddrMatrixTile tile = matrix_tile (plan, p, 0);
  NddrAlgorithm algorithm = { NDDR_ALGORITHM_TILE };

  if (tile.m)
    return (NddrAlgorithm){ NDDR_ALGORITHM_MATRIX, tile.variant };
  choose_tile (plan, y->batch * y->height * y->width, y->stride, p->branches, &algorithm.a, &algorithm.b);
  return algorithm;
}

/* A step of matrix_conv where there is a @tile, whose constants come first, else of gpu_conv. */
static NddrStep *
append_kernel (NddrPlan *plan, const Product *p, const NddrMatrixTile *tile)
{
  const NddrTensor *y = p->output.tensor;
  int pixels = y->batch * y->height * y->width, m = p->algorithm.a, n = p->algorithm.b;
  gsize folds;
  NddrStep *step;

  if (tile->m) {
    step = nddr_plan_step (plan, NDDR_KERNEL_MATRIX_CONV, groups (pixels, tile->m), groups (y->stride, tile->n), p->branches * tile->splits);
    for (guint i = 0; i < G_N_ELEMENTS (tile->spec); i++)
      nddr_step_spec (step, tile->spec[i]);
    return step;
  }
  folds = groups (groups (pixels, m), MIN (plan->traits.max_groups[0], G_MAXINT32)); /* what x has no room for goes on in z */
  step = nddr_plan_step (plan, NDDR_KERNEL_GPU_CONV, groups (groups (pixels, m), folds), groups (y->stride, n), p->branches * folds);
  nddr_step_spec (step, m * n / 16);
  nddr_step_spec (step, m);
  nddr_step_spec (step, n);
  return step;
}

/* y from the @parts of its sums */
static void
append_sum (NddrPlan *plan, const Product *p, NddrTensor *parts, NddrTensor *bias, int splits)
{
  NddrTensor *y = p->output.tensor;
  int n = branch_quads (y);
  NddrStep *step = nddr_plan_step (plan, NDDR_KERNEL_MATRIX_SUM, groups (n, 64), p->branches, 1);

  nddr_step_read (step, 0, parts);
  nddr_step_read (step, 1, bias);
  nddr_step_read (step, 2, p->residual.tensor);
  nddr_step_write (step, 3, y);
  nddr_step_push_i (step, n);
  nddr_step_push_i (step, y->channels);
  nddr_step_push_i (step, nddr_quads (y));
  nddr_step_push_i (step, splits);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  nddr_step_push_i (step, bias != NULL);
  nddr_step_push_i (step, p->residual.tensor != NULL);
  nddr_step_push_i (step, p->output.first * n);
  nddr_step_push_i (step, p->output.step * n);
  nddr_step_push_i (step, p->residual.first * n);
  nddr_step_push_i (step, p->residual.step * n);
}

static void
append_dispatch (NddrPlan *plan, const Product *p)
{
  plan->mixed = product_type (p) != p->output.tensor->type;
  NddrTensor *packed = pack_weights (plan, p), *bias = p->bias ? pack_bias (plan, p) : NULL;
  const NddrTensor *x = p->sources[0].input.tensor;
  NddrMatrixTile tile = p->algorithm.kind == NDDR_ALGORITHM_MATRIX ? matrix_tile (plan, p, p->algorithm.a) : (NddrMatrixTile){ 0 };
  NddrTensor *y = p->output.tensor, *parts = NULL, *bound[MAX_TENSORS];
  int unit = tile.m ? 8 : 4, y_unit = tile.m && y->type == NDDR_F16 ? 8 : 4, n_bound = 0;
  g_autofree int *which = g_new (int, p->n_sources);
  NddrStep *step = append_kernel (plan, p, &tile);

  if (tile.splits > 1)
    parts = nddr_plan_flat (plan, "parts of the sums", NDDR_SPACE_ARENA, NDDR_F32, (gsize) tile.splits * p->branches * branch_units (y, 1));
  nddr_step_read (step, 0, packed);
  nddr_step_read (step, 1, bias);
  nddr_step_read (step, 2, p->residual.tensor);
  nddr_step_write (step, 3, parts ? parts : y);
  for (int s = 0; s < p->n_sources; s++)
    which[s] = bind_source (step, bound, &n_bound, p->sources[s].input.tensor);
  if (tile.m) {
    nddr_step_spec (step, n_bound);
    nddr_step_spec (step, y->type == NDDR_F32);
    nddr_step_spec (step, p->divide);
  }
  nddr_step_read (step, 4, tile.m ? append_octs (plan, p, which) : append_sources (plan, p, which));
  nddr_step_push_i (step, x->height);
  nddr_step_push_i (step, x->width);
  nddr_step_push_i (step, y->height);
  nddr_step_push_i (step, y->width);
  nddr_step_push_i (step, y->batch * y->height * y->width);
  nddr_step_push_i (step, y->channels);
  nddr_step_push_i (step, nddr_quads (y));
  if (!tile.m) {
    nddr_step_push_i (step, p->branches);
    nddr_step_push_i (step, p->n_sources);
  }
  nddr_step_push_i (step, row_quads (p) * 4 / unit);
  nddr_step_push_i (step, p->kernel);
  nddr_step_push_i (step, p->stride);
  nddr_step_push_i (step, p->dilation);
  if (!tile.m)
    nddr_step_push_i (step, p->divide);
  nddr_step_push_f (step, p->low);
  nddr_step_push_f (step, p->high);
  nddr_step_push_i (step, bias != NULL);
  nddr_step_push_i (step, p->residual.tensor != NULL);
  nddr_step_push_i (step, p->output.first * branch_units (y, y_unit));
  nddr_step_push_i (step, p->output.step * branch_units (y, y_unit));
  nddr_step_push_i (step, p->residual.first * branch_units (y, y_unit));
  nddr_step_push_i (step, p->residual.step * branch_units (y, y_unit));
  if (tile.m) {
    nddr_step_push_i (step, tile.splits);
    nddr_step_push_i (step, tile.range);
  }
  if (parts)
    append_sum (plan, p, parts, bias, tile.splits);
  plan->mixed = FALSE;
}

/* how many of the first sources lie in at most MAX_TENSORS tensors */
static int
sources_that_fit (const Product *p)
{
  const NddrTensor *seen[MAX_TENSORS];
  int n_seen = 0;

  for (int s = 0; s < p->n_sources; s++) {
    gboolean known = FALSE;

    for (int i = 0; i < n_seen; i++)
      known |= seen[i] == p->sources[s].input.tensor;
    if (!known && n_seen == MAX_TENSORS)
      return s;
    if (!known)
      seen[n_seen++] = p->sources[s].input.tensor;
  }
  return p->n_sources;
}

/* One dispatch, or several that add to the output where there are more tensors than one can bind.  Returns the (last's) algorithm. */
static NddrAlgorithm
append_product (NddrPlan *plan, const Product *product)
{
  Product rest = *product;
  NddrAlgorithm algorithm = product->algorithm;

  while (rest.n_sources > 0) {
    Product part = rest;

    part.n_sources = sources_that_fit (&rest);
    rest.sources += part.n_sources;
    rest.n_sources -= part.n_sources;
    if (rest.n_sources > 0) {
      part.low = -INFINITY;
      part.high = INFINITY;
    }
    if (!algorithm_fits (plan, &part))
      part.algorithm = choose_algorithm (plan, &part);
    algorithm = part.algorithm;
    append_dispatch (plan, &part);
    rest.residual = rest.output;
    rest.bias = NULL;
  }
  return algorithm;
}

NddrAlgorithm
nddr_convolution_gpu_forward (NddrPlan *plan, const NddrConvolution *op)
{
  int taps = op->kernel * op->kernel, in = nddr_convolution_in_channels (op), out = op->output.tensor->channels;
  g_autofree Source *sources = g_new (Source, op->n_inputs);
  Product product = {
    .sources = sources,
    .n_sources = op->n_inputs,
    .output = op->output,
    .residual = op->residual,
    .branches = op->branches,
    .weight = op->weight,
    .bias = op->bias,
    .branch_stride = out * in * taps,
    .out_stride = in * taps,
    .in_stride = taps,
    .kernel = op->kernel,
    .stride = op->stride,
    .dilation = op->dilation,
    .divide = 1,
    .low = op->low,
    .high = op->high,
    .pack_phase = op->pack_phase,
    .algorithm = op->algorithm,
  };

  for (int s = 0; s < op->n_inputs; s++)
    sources[s] = (Source){ op->inputs[s], first_channel (op, s) * taps };
  return append_product (plan, &product);
}

/* dx = sum over output channels and taps of dy w, the taps the other way round: a product whose outputs are the input's channels.  An input that
 * all branches read gets the sum over them: each branch of dy is a source; the inputs of a fusion layer are the product's branches. */
void
nddr_convolution_gpu_backward_data (NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy, gboolean accumulate)
{
  int taps = op->kernel * op->kernel, in = nddr_convolution_in_channels (op), out = op->output.tensor->channels;
  int channels = op->inputs[s].tensor->channels, base = first_channel (op, s) * taps;
  gboolean shared = op->inputs[s].step == 0;
  g_autofree Source *sources = g_new (Source, op->branches);
  Product product = {
    .sources = sources,
    .n_sources = shared ? op->branches : 1,
    .output = dx,
    .residual = accumulate ? dx : (NddrBranches){ 0 },
    .branches = shared ? count : op->branches,
    .weight = op->weight,
    .branch_stride = shared ? channels * taps : out * in * taps,
    .out_stride = taps,
    .in_stride = in * taps,
    .flip = TRUE,
    .kernel = op->kernel,
    .stride = 1,
    .dilation = op->dilation,
    .divide = op->stride,
    .low = -INFINITY,
    .high = INFINITY,
    .pack_phase = op->pack_phase,
  };

  if (shared)
    for (int b = 0; b < op->branches; b++)
      sources[b] = (Source){ { dy.tensor, dy.first + dy.step * b, 0 }, base + b * out * in * taps };
  else
    sources[0] = (Source){ dy, base };
  append_product (plan, &product);
}
