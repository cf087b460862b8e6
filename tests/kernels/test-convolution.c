/* Dense convolution, forward and the gradient of its inputs, against the reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "convolution.h"

#include <nddr/ops/convolution.h>

#include <math.h>

#define MAX_INPUTS 8

enum
{
  SHARED = 1,   /* all branches read all inputs, which are branches of one tensor: a fusion layer */
  VIEWS = 2,    /* maps have other branches between those that are used */
  BIAS = 4,
  RESIDUAL = 8,
  IN_PLACE = 16, /* the residual is the output */
  RELU = 32,
  RELU6 = 64,
  WINOGRAD = 128, /* large enough that software drivers use it */
  FEW = 256,      /* small enough that all branches go in one part of it */
  CUT = 512,      /* dilated so far that software drivers compute some rows and columns by themselves */
};

typedef struct
{
  int branches, batch, height, width;
  int in[MAX_INPUTS]; /* channels of the sources, until a zero */
  int out, kernel, stride, dilation;
  guint flags;
} Row;

static const Row rows[] = {
  /* branches, batch, height, width, in, out, kernel, stride, dilation */
  { 1, 1, 1, 1, { 1 }, 1, 1, 1, 1, 0 },
  { 1, 1, 1, 1, { 5 }, 3, 3, 1, 1, BIAS },
  { 2, 2, 5, 7, { 4 }, 4, 1, 1, 1, BIAS | RELU },
  { 1, 3, 9, 6, { 40 }, 41, 1, 1, 1, BIAS | RESIDUAL },
  { 2, 1, 11, 5, { 41 }, 40, 3, 1, 1, RELU6 | VIEWS },
  { 1, 1, 17, 13, { 3 }, 32, 3, 2, 1, BIAS | RELU6 },
  { 2, 3, 6, 9, { 3 }, 13, 3, 1, 1, BIAS | VIEWS | IN_PLACE },
  { 3, 2, 7, 5, { 16 }, 16, 3, 2, 1, VIEWS | RESIDUAL },
  { 1, 2, 8, 10, { 24 }, 24, 3, 1, 2, BIAS | RELU },
  { 2, 1, 5, 6, { 12 }, 64, 3, 1, 12, BIAS },
  { 1, 1, 13, 14, { 8 }, 8, 3, 1, 12, BIAS },
  { 1, 1, 9, 9, { 6 }, 20, 5, 1, 1, RELU },
  { 1, 2, 10, 11, { 6 }, 9, 7, 2, 1, BIAS },
  { 1, 1, 12, 7, { 10 }, 6, 3, 2, 2, BIAS },
  { 1, 1, 8, 9, { 7 }, 6, 3, 3, 1, 0 },
  { 2, 2, 7, 6, { 16 }, 48, 1, 2, 1, BIAS },
  { 1, 1, 1, 9, { 8 }, 8, 3, 2, 1, 0 },
  { 2, 2, 4, 9, { 8, 8 }, 8, 1, 1, 1, SHARED | RELU },
  { 3, 1, 5, 5, { 13, 13, 13 }, 13, 1, 1, 1, SHARED | VIEWS | BIAS },
  { 2, 2, 6, 5, { 64, 20, 9 }, 33, 1, 1, 1, BIAS | RELU },
  { 1, 1, 6, 7, { 5, 12 }, 18, 3, 1, 1, VIEWS | RESIDUAL | RELU },
  { 1, 2, 3, 4, { 3, 4, 5, 6, 7, 8, 9 }, 28, 1, 1, 1, BIAS | RELU | RESIDUAL },
  { 2, 1, 20, 23, { 64 }, 64, 3, 1, 1, BIAS | RELU },
  { 1, 2, 19, 18, { 96 }, 72, 3, 1, 2, VIEWS | BIAS },
  { 2, 2, 45, 33, { 96 }, 94, 3, 1, 1, WINOGRAD | BIAS | RELU | RESIDUAL | VIEWS },
  { 1, 2, 30, 29, { 100 }, 141, 3, 1, 2, WINOGRAD | BIAS | IN_PLACE },
  { 2, 3, 23, 22, { 160 }, 104, 3, 1, 3, WINOGRAD | RELU6 },
  /* few blocks of tiles, each branch's a workgroup's: 1, 2, 5, 3 and 6 */
  { 3, 1, 7, 9, { 40 }, 24, 3, 1, 1, FEW | VIEWS | BIAS | RELU },
  { 2, 1, 12, 13, { 24 }, 65, 3, 1, 1, FEW | BIAS | RESIDUAL },
  { 2, 1, 21, 22, { 128 }, 136, 3, 1, 2, FEW | VIEWS | BIAS | RESIDUAL | RELU },
  { 1, 1, 20, 16, { 12 }, 20, 3, 1, 1, FEW | BIAS },
  { 2, 1, 24, 27, { 20 }, 44, 3, 1, 1, FEW | BIAS | RELU6 },
  /* taps of which all but the middle one reach less than half of the map: of several pictures, by every other pixel, along one axis; of a larger kernel */
  { 2, 2, 21, 20, { 68 }, 36, 3, 1, 12, CUT | VIEWS | BIAS | RESIDUAL | RELU },
  { 1, 3, 27, 25, { 128 }, 90, 3, 2, 14, CUT | BIAS | IN_PLACE },
  { 2, 1, 9, 70, { 128 }, 70, 3, 1, 33, CUT | BIAS },
  { 2, 1, 61, 8, { 64 }, 64, 3, 1, 17, VIEWS | RELU6 },
  { 1, 1, 40, 43, { 32 }, 40, 5, 1, 13, BIAS },
  /* weights in whole texels, of which sources take parts */
  { 2, 1, 6, 5, { 6, 10, 8 }, 30, 1, 1, 1, BIAS | RELU },
  { 1, 1, 12, 11, { 24 }, 200, 1, 1, 1, VIEWS | BIAS },
  { 1, 2, 5, 7, { 512 }, 250, 1, 1, 1, VIEWS | BIAS },
  /* many channels in, for few pixels: sums that are worth splitting, and pixels whose lines of cache are in one another's way */
  { 3, 1, 5, 7, { 512, 512, 512 }, 20, 1, 1, 1, SHARED | VIEWS | BIAS },
  { 2, 2, 5, 9, { 256 }, 12, 3, 2, 1, VIEWS | RELU },
  { 1, 1, 7, 6, { 1024, 40 }, 28, 3, 1, 2, BIAS | RESIDUAL },
  { 2, 2, 4, 5, { 200, 300 }, 20, 3, 1, 1, VIEWS | BIAS | RESIDUAL | RELU },
  { 1, 1, 5, 3, { 1000 }, 13, 1, 1, 1, IN_PLACE },
};
#define N_DEEP 5 /* of these, the last */

typedef struct
{
  const char *name;
  NddrFamily family;
  gboolean half, mixed;  /* mixed: maps that are multiplied are fp16, those that are made fp32 */
  gboolean matrix;       /* on cooperative matrices, each of the tiles in turn */
  double bound;
} Variant;

static const Variant variants[] = {
  { "software", NDDR_FAMILY_SOFTWARE, FALSE, FALSE, FALSE, 1e-5 },
  { "gpu", NDDR_FAMILY_GPU, FALSE, FALSE, FALSE, 1e-5 },
  { "fp16", NDDR_FAMILY_GPU, TRUE, FALSE, FALSE, 1e-3 },
  /* the reference is given the rounded inputs and weights: what remains is the output's own rounding, 2^-11 at most and a third of that on
   * average, and the sums' in 32 bits */
  { "matrix", NDDR_FAMILY_GPU, TRUE, FALSE, TRUE, 5e-4 },
  /* no output is rounded */
  { "mixed", NDDR_FAMILY_GPU, FALSE, TRUE, FALSE, 1e-5 },
  { "mixed-matrix", NDDR_FAMILY_GPU, FALSE, TRUE, TRUE, 1e-5 },
};

/** A plan for the kernels that @v means, whatever else the device has. */
static NddrCheck *
begin (const Variant *v)
{
  NddrCheck *c = check_begin (v->family, v->half);
  if (!v->matrix)
    check_plan (c)->traits.matrix = (NddrMatrixSize){ 0 };
  return c;
}

static char *
row_name (const Row *row, const Variant *v)
{
  GString *s = g_string_new (v->name);
  g_string_append_printf (s, " %dx%d %dx%d ", row->branches, row->batch, row->height, row->width);
  for (int i = 0; i < MAX_INPUTS && row->in[i]; i++)
    g_string_append_printf (s, i ? "+%d" : "%d", row->in[i]);
  g_string_append_printf (s, "->%d k%d s%d d%d%s%s%s%s%s%s%s", row->out, row->kernel, row->stride, row->dilation, row->flags & SHARED ? " shared" : "",
      row->flags & VIEWS ? " views" : "", row->flags & BIAS ? " bias" : "", row->flags & RESIDUAL ? " residual" : "",
      row->flags & IN_PLACE ? " in-place" : "", row->flags & RELU ? " relu" : "", row->flags & RELU6 ? " relu6" : "");
  return g_string_free (s, FALSE);
}

/** A view of @branches branches, in a map that has others too where the row says so; @half: of fp16, whatever the plan's. */
static NddrBranches
view (NddrCheck *c, const Row *row, gboolean half, const char *name, int branches, int height, int width, int channels)
{
  int all = row->flags & VIEWS ? 2 * branches + 1 : branches;
  NddrTensor *map = half ? check_half_map (c, name, all, row->batch, height, width, channels) : check_map (c, name, all, row->batch, height, width, channels);
  return row->flags & VIEWS ? (NddrBranches){ map, 1, 2 } : NDDR_BRANCHES (map);
}

enum { PACK, FORWARD, BACKWARD, ACCUMULATE };

/** A row's operation, its tensors and their values. */
typedef struct
{
  const Row *row;
  RefConvolution ref;
  NddrConvolution op;
  NddrBranches inputs[MAX_INPUTS]; /* as the operation sees them */
  NddrBranches maps[MAX_INPUTS];   /* as the host does: one, of n branches, where they are shared */
  int n_maps, map_branches;
  gsize x_size[MAX_INPUTS], y_size, w_size; /* elements of one branch */
  double *x[MAX_INPUTS], *w, *bias, *residual, *dy;
} Case;

static void
case_init (Case *k, NddrCheck *c, const Row *row, const Variant *v)
{
  gboolean half = v->half || v->mixed;
  int n = 0, flags = row->flags;
  NddrTensor *y;

  *k = (Case){ .row = row };
  while (n < MAX_INPUTS && row->in[n])
    n++;
  k->ref = (RefConvolution){ row->batch, row->height, row->width, n, row->in, row->out, row->kernel, row->stride, row->dilation };
  int height = ref_convolution_height (&k->ref), width = ref_convolution_width (&k->ref), in = ref_convolution_in (&k->ref);
  k->y_size = (gsize) row->batch * height * width * row->out;
  k->w_size = (gsize) row->out * in * row->kernel * row->kernel;
  k->n_maps = flags & SHARED ? 1 : n;
  k->map_branches = flags & SHARED ? n : row->branches;
  for (int i = 0; i < k->n_maps; i++)
    k->maps[i] = view (c, row, half, "x", k->map_branches, row->height, row->width, row->in[i]);
  for (int i = 0; i < n; i++) {
    k->x_size[i] = (gsize) row->batch * row->height * row->width * row->in[i];
    k->inputs[i] = flags & SHARED ? (NddrBranches){ k->maps[0].tensor, k->maps[0].first + i * k->maps[0].step, 0 } : k->maps[i];
  }
  for (int i = 0; i < k->n_maps; i++)
    k->x[i] = check_random (k->map_branches * k->x_size[i], 10 + i, half);
  k->w = check_random (row->branches * k->w_size, 1, half);
  k->bias = check_random (row->branches * row->out, 2, half);
  k->residual = check_random (row->branches * k->y_size, 3, half);
  k->dy = check_random (row->branches * k->y_size, 4, half);

  k->op = (NddrConvolution){ .branches = row->branches, .inputs = k->inputs, .n_inputs = n, .kernel = row->kernel, .stride = row->stride,
    .dilation = row->dilation, .low = flags & (RELU | RELU6) ? 0 : -INFINITY, .high = flags & RELU6 ? 6 : INFINITY, .pack_phase = PACK };
  k->op.output = view (c, row, v->half, "y", row->branches, height, width, row->out);
  k->op.weight = check_flat (c, "w", NDDR_SPACE_PARAMS, row->branches * k->w_size);
  if (flags & BIAS)
    k->op.bias = check_flat (c, "bias", NDDR_SPACE_PARAMS, row->branches * row->out);
  if (flags & RESIDUAL)
    k->op.residual = view (c, row, v->half, "residual", row->branches, height, width, row->out);
  if (flags & IN_PLACE)
    k->op.residual = k->op.output;
  y = k->op.output.tensor;
  g_assert (y->height == height && y->width == width);
}

static void
case_fill (Case *k, NddrCheck *c)
{
  for (int i = 0; i < k->n_maps; i++)
    check_fill_view (c, k->maps[i], k->map_branches, k->x[i]);
  check_fill (c, k->op.weight, k->w);
  if (k->op.bias)
    check_fill (c, k->op.bias, k->bias);
}

static void
case_clear (Case *k)
{
  for (int i = 0; i < k->n_maps; i++)
    g_free (k->x[i]);
  g_free (k->w);
  g_free (k->bias);
  g_free (k->residual);
  g_free (k->dy);
}

/** What branch @b reads of source @s. */
static const double *
case_source (const Case *k, int b, int s)
{
  return k->row->flags & SHARED ? k->x[0] + s * k->x_size[s] : k->x[s] + b * k->x_size[s];
}

static double *
reference_forward (const Case *k)
{
  const Row *row = k->row;
  double *y = g_new (double, row->branches *k->y_size);
  for (int b = 0; b < row->branches; b++) {
    const double *x[MAX_INPUTS];
    for (int s = 0; s < k->op.n_inputs; s++)
      x[s] = case_source (k, b, s);
    ref_convolution_forward (&k->ref, y + b * k->y_size, x, k->w + b * k->w_size, k->op.bias ? k->bias + b * row->out : NULL,
        k->op.residual.tensor ? k->residual + b * k->y_size : NULL, k->op.low, k->op.high);
  }
  return y;
}

/** The gradient of map @i, all its branches; added to @start where that is given. */
static double *
reference_backward (const Case *k, int i, const double *start)
{
  gsize size = k->x_size[i];
  double *dx = g_new0 (double, k->map_branches *size);
  g_autofree double *part = g_new (double, size);
  for (int b = 0; b < k->row->branches; b++)
    for (int s = 0; s < k->op.n_inputs; s++) {
      double *to = k->row->flags & SHARED ? dx + s * size : dx + b * size;
      if (!(k->row->flags & SHARED) && s != i)
        continue;
      ref_convolution_backward_data (&k->ref, s, part, k->dy + b * k->y_size, k->w + b * k->w_size);
      for (gsize j = 0; j < size; j++)
        to[j] += part[j];
    }
  for (gsize j = 0; start && j < k->map_branches * size; j++)
    dx[j] += start[j];
  return dx;
}

/* the widest grid of @kernel's steps */
static guint32
widest (const NddrPlan *plan, NddrKernelId kernel)
{
  guint32 most = 0;
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);
    if (step->kernel->id == kernel)
      most = MAX (most, step->groups[0]);
  }
  return most;
}

/* the steps of a direct forward pass: each does a region */
static guint
count_regions (const NddrPlan *plan)
{
  guint n = 0;
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);
    n += step->kernel->id == NDDR_KERNEL_CONV_DIRECT && step->phase == FORWARD;
  }
  return n;
}

/** @narrow: as on a device whose storage bindings span 2 KiB and whose grids are 3 groups high, or for GPUs' kernels 2 wide: maps are done in
 * parts.  @algorithm: of doing the forward pass, which alone is then tested; NULL: the one that is chosen.  Returns FALSE where that does not fit
 * the row. */
static gboolean
test_row (const Row *row, const Variant *v, gboolean narrow, const NddrAlgorithm *algorithm)
{
  NddrCheck *c = begin (v);
  NddrPlan *plan = check_plan (c);
  NddrTraits traits = plan->traits;
  NddrBranches dy, dx[MAX_INPUTS], sum[MAX_INPUTS];
  g_autofree char *name = row_name (row, v);
  Case k;

  case_init (&k, c, row, v);
  k.op.algorithm = algorithm ? *algorithm : (NddrAlgorithm){ NDDR_ALGORITHM_CHOOSE };
  if (narrow) {
    plan->traits.max_storage_range = row->flags & WINOGRAD ? 1900 << 10 : 2048;
    plan->traits.max_groups[v->family == NDDR_FAMILY_SOFTWARE ? 1 : 0] = v->family == NDDR_FAMILY_SOFTWARE ? 3 : 2;
  }
  plan->phase = FORWARD;
  nddr_convolution_forward (plan, &k.op);
  NddrAlgorithm taken = ((const NddrStep *) g_ptr_array_index (plan->steps, plan->steps->len - 1))->algorithm;
  g_assert_cmpint (taken.kind, !=, NDDR_ALGORITHM_CHOOSE);
  if (!v->half && !algorithm) {
    dy = view (c, row, v->mixed, "dy", row->branches, k.op.output.tensor->height, k.op.output.tensor->width, row->out);
    for (int i = 0; i < k.n_maps; i++) {
      int count = row->flags & SHARED ? k.op.n_inputs : 1;
      dx[i] = sum[i] = k.maps[i];
      if (row->flags & SHARED)
        dx[i].step = sum[i].step = 1;
      dx[i].tensor = check_map (c, "dx", k.maps[i].tensor->branches, row->batch, row->height, row->width, row->in[i]);
      sum[i].tensor = check_map (c, "sum", k.maps[i].tensor->branches, row->batch, row->height, row->width, row->in[i]);
      plan->phase = BACKWARD;
      nddr_convolution_backward_data (plan, &k.op, i, count, dx[i], dy, FALSE);
      plan->phase = ACCUMULATE;
      nddr_convolution_backward_data (plan, &k.op, i, count, sum[i], dy, TRUE);
    }
  }
  if (v->family == NDDR_FAMILY_GPU)
    g_assert_cmpuint (widest (plan, NDDR_KERNEL_GPU_CONV), <=, plan->traits.max_groups[0]);
  plan->traits = traits;
  if (algorithm && !nddr_algorithm_equal (algorithm, &taken)) {
    case_clear (&k);
    check_end (c);
    return FALSE;
  }
  g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_MATRIX_CONV) > 0, ==, algorithm ? algorithm->kind == NDDR_ALGORITHM_MATRIX : v->matrix);
  if (row->flags & WINOGRAD && v->family == NDDR_FAMILY_SOFTWARE && !algorithm)
    g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_WINOGRAD_OUT), >=, 3 * row->branches);
  if (row->flags & CUT && v->family == NDDR_FAMILY_SOFTWARE && !narrow && !algorithm)
    g_assert_cmpuint (count_regions (plan), >, 1);
  if (algorithm && algorithm->kind == NDDR_ALGORITHM_WINOGRAD)
    g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_WINOGRAD_OUT), >, 0);
  if (algorithm && algorithm->kind == NDDR_ALGORITHM_MATRIX && algorithm->a == nddr_matrix_tiles ()) /* split most */
    g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_MATRIX_SUM), >, 0);
  check_ready (c);

  case_fill (&k, c);
  check_poison (c, k.op.output.tensor);
  if (row->flags & RESIDUAL)
    check_fill_view (c, k.op.residual, row->branches, k.residual);
  if (row->flags & IN_PLACE)
    check_fill_view (c, k.op.output, row->branches, k.residual);
  check_run (c, 1 << PACK);
  check_run (c, 1 << FORWARD);
  g_autofree double *y = reference_forward (&k);
  check_compare_view (c, k.op.output, row->branches, y, v->bound, "%s", name);

  for (int i = 0; i < k.n_maps && !v->half && !algorithm; i++) {
    g_autofree double *start = check_random (k.map_branches * k.x_size[i], 5, FALSE);
    g_autofree double *want = reference_backward (&k, i, NULL), *want_sum = reference_backward (&k, i, start);
    check_fill_view (c, dy, row->branches, k.dy);
    check_poison (c, dx[i].tensor);
    check_run (c, 1 << BACKWARD);
    check_compare_view (c, dx[i], k.map_branches, want, v->bound, "%s: backward", name);
    check_fill_view (c, sum[i], k.map_branches, start);
    check_run (c, 1 << ACCUMULATE);
    check_compare_view (c, sum[i], k.map_branches, want_sum, v->bound, "%s: accumulated", name);
  }
  case_clear (&k);
  check_end (c);
  return TRUE;
}

static void
test (gconstpointer data)
{
  const Variant *v = data;
  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!(v->matrix && rows[i].flags & WINOGRAD)) /* which take an emulation long */
      test_row (&rows[i], v, FALSE, NULL);
}

static void
test_narrow (gconstpointer data)
{
  const Variant *v = data;
  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i += 3)
    test_row (&rows[i], v, TRUE, NULL);
}

/* Whether row @i is one of those to try the @n'th algorithm with: the deep ones, an eighth of the others in turn, and the large ones but on matrices, and
 * always where they are what the algorithm is for. */
static gboolean
is_for_algorithm (guint i, guint n, NddrAlgorithmKind kind)
{
  if (i >= G_N_ELEMENTS (rows) - N_DEEP)
    return TRUE;
  if (rows[i].flags & (WINOGRAD | FEW))
    return kind == NDDR_ALGORITHM_WINOGRAD || (kind != NDDR_ALGORITHM_MATRIX && i % 8 == n % 8);
  return i % 8 == n % 8;
}

/* Every algorithm that a tuning may choose. */
static void
test_algorithms (gconstpointer data)
{
  const Variant *v = data;
  int all = 0, algorithms = 0;
  NddrAlgorithm algorithm;
  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  for (guint n = 0; nddr_algorithm_nth (v->family == NDDR_FAMILY_SOFTWARE, v->half || v->mixed, n, &algorithm); n++) {
    int tested = 0;
    if (algorithm.kind == NDDR_ALGORITHM_MATRIX && !v->matrix)
      continue;
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
      if (is_for_algorithm (i, n, algorithm.kind))
        tested += test_row (&rows[i], v, FALSE, &algorithm); /* a tile may be too large for the device, and few rows are deep enough to split */
    g_autofree char *text = nddr_algorithm_print (&algorithm);
    g_test_message ("%s: %s: %d rows", v->name, text, tested);
    if (v->family == NDDR_FAMILY_SOFTWARE)
      g_assert_cmpint (tested, >, 0);
    all += tested;
    algorithms++;
  }
  g_assert_cmpint (all, >=, algorithms);
}

/* What a tuning does not choose, but a file of one may say, is replaced with what estimates do. */
static void
test_unfit (gconstpointer data)
{
  static const NddrAlgorithm unfit[] = { { NDDR_ALGORITHM_DIRECT, 0, 0 }, { NDDR_ALGORITHM_DIRECT, 20, 0 }, { NDDR_ALGORITHM_DIRECT, 16, 2 },
    { NDDR_ALGORITHM_WINOGRAD, 0, 0 }, { NDDR_ALGORITHM_TILE, 0, 0 }, { NDDR_ALGORITHM_TILE, 64, 20 }, { NDDR_ALGORITHM_MATRIX, 0, 0 } };
  static const Row row = { 1, 1, 12, 13, { 24 }, 40, 3, 1, 1, BIAS };
  const Variant *v = data;
  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (unfit); i++)
    g_assert_false (test_row (&row, v, FALSE, &unfit[i]));
}

/* ---- shapes that are drawn */

#define MAX_MACS 30e6  /* of a row: the reference takes a second for some hundred million */
#define MAX_SUM 100000 /* taps and channels: llvmpipe ends a shader's loops after 65535 turns in all, of which GPUs' kernels take one for each two */

/* Mostly few channels, some near 512 and its multiples, where kernels change their ways. */
static int
draw_channels (void)
{
  if (check_one_in (4))
    return 512 * g_test_rand_int_range (1, 3) + g_test_rand_int_range (-4, 5) / 3 * 3;
  return g_test_rand_int_range (1, check_one_in (2) ? 40 : 200);
}

static int
draw_size (void)
{
  return check_one_in (5) ? g_test_rand_int_range (1, 4) : g_test_rand_int_range (1, check_one_in (3) ? 90 : 30);
}

static Row
draw_row (void)
{
  static const int kernels[] = { 1, 1, 3, 3, 3, 5, 7 };
  Row row = { .branches = g_test_rand_int_range (1, 5), .batch = g_test_rand_int_range (1, 4), .height = draw_size (), .width = draw_size (),
    .out = draw_channels (), .kernel = kernels[g_test_rand_int_range (0, G_N_ELEMENTS (kernels))], .stride = check_one_in (4) ? 2 : 1,
    .dilation = check_one_in (3) ? g_test_rand_int_range (1, 13) : 1 };
  int n = check_one_in (3) ? g_test_rand_int_range (2, MAX_INPUTS) : 1, in = 0;

  row.flags = (check_one_in (2) ? BIAS : 0) | (check_one_in (3) ? VIEWS : 0) | (check_one_in (4) ? RESIDUAL : check_one_in (4) ? IN_PLACE : 0) |
              (check_one_in (3) ? RELU : check_one_in (4) ? RELU6 : 0) | (n > 1 && check_one_in (2) ? SHARED : 0);
  for (int i = 0; i < n; i++)
    in += row.in[i] = i > 0 && row.flags & SHARED ? row.in[0] : draw_channels ();
  if (in * row.kernel * row.kernel > MAX_SUM)
    row.kernel = 1;
  for (;;) {
    double macs = (double) row.branches * row.batch * row.height * row.width * row.out * in * row.kernel * row.kernel;
    int *const sizes[] = { &row.branches, &row.batch, &row.height, &row.width, &row.out };

    if (macs <= MAX_MACS)
      return row;
    check_shrink (sizes, G_N_ELEMENTS (sizes));
  }
}

static void
test_random (gconstpointer data)
{
  Variant drawn = *(const Variant *) data, *v = &drawn;
  gint64 end = g_get_monotonic_time () + check_random_seconds () * G_USEC_PER_SEC;
  int rows_tested = 0;

  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  /* Winograd's algorithm over a thousand channels, by what a clamp leaves of them, was seen at 1.2e-5; a channel that is missing makes a thousandth */
  drawn.bound = MAX (drawn.bound, 2e-5);
  while (g_get_monotonic_time () < end) {
    Row row = draw_row ();
    NddrAlgorithm algorithm;
    int n = 0;

    test_row (&row, v, check_one_in (8), NULL);
    while (nddr_algorithm_nth (v->family == NDDR_FAMILY_SOFTWARE, v->half || v->mixed, n, &algorithm))
      n++;
    nddr_algorithm_nth (v->family == NDDR_FAMILY_SOFTWARE, v->half || v->mixed, g_test_rand_int_range (0, n), &algorithm);
    if (algorithm.kind != NDDR_ALGORITHM_MATRIX || v->matrix)
      test_row (&row, v, FALSE, &algorithm);
    rows_tested++;
  }
  g_test_message ("%s: %d rows", v->name, rows_tested);
}

/* What the networks are made of: times are of forward, and of the gradient of the input. */
static const Row bench_rows[] = {
  { 2, 1, 192, 256, { 3 }, 32, 3, 2, 1, BIAS | RELU6 },
  { 2, 1, 96, 128, { 32 }, 16, 1, 1, 1, BIAS },
  { 2, 1, 96, 128, { 16 }, 96, 1, 1, 1, BIAS | RELU6 },
  { 2, 1, 48, 64, { 96 }, 24, 1, 1, 1, BIAS },
  { 2, 1, 48, 64, { 24 }, 144, 1, 1, 1, BIAS | RELU6 },
  { 2, 1, 48, 64, { 144 }, 24, 1, 1, 1, BIAS | RESIDUAL },
  { 2, 1, 24, 32, { 144 }, 32, 1, 1, 1, BIAS },
  { 2, 1, 24, 32, { 32 }, 192, 1, 1, 1, BIAS | RELU6 },
  { 2, 1, 12, 16, { 64 }, 384, 1, 1, 1, BIAS | RELU6 },
  { 2, 1, 12, 16, { 384 }, 64, 1, 1, 1, BIAS | RESIDUAL },
  { 2, 1, 12, 16, { 576 }, 96, 1, 1, 1, BIAS | RESIDUAL },
  { 2, 1, 12, 16, { 160 }, 960, 1, 1, 1, BIAS | RELU6 },
  { 2, 1, 12, 16, { 960 }, 320, 1, 1, 1, BIAS },
  { 2, 1, 48, 64, { 24, 24 }, 24, 1, 1, 1, BIAS | SHARED },
  { 2, 1, 12, 16, { 320, 320 }, 320, 1, 1, 1, BIAS | SHARED },
  { 2, 1, 12, 16, { 320 }, 256, 3, 1, 6, BIAS | RELU },
  { 1, 8, 96, 128, { 16 }, 96, 1, 1, 1, BIAS },
  { 1, 8, 48, 64, { 144 }, 24, 1, 1, 1, BIAS },
  { 1, 8, 12, 16, { 960 }, 320, 1, 1, 1, BIAS },
  { 1, 8, 12, 16, { 320 }, 256, 3, 1, 6, BIAS },
  { 2, 1, 21, 21, { 128 }, 256, 3, 1, 12, BIAS },
  { 2, 1, 30, 40, { 320 }, 256, 3, 1, 12, BIAS },
  { 2, 1, 41, 41, { 512 }, 256, 3, 1, 24, BIAS },
  { 1, 1, 161, 161, { 64 }, 64, 3, 1, 1, BIAS | RELU },
  { 1, 1, 161, 161, { 128 }, 128, 3, 1, 1, BIAS | RELU },
  { 1, 1, 81, 81, { 256 }, 256, 3, 1, 1, BIAS | RELU },
  { 1, 1, 41, 41, { 512 }, 512, 3, 1, 2, BIAS | RELU },
  { 1, 1, 41, 41, { 512, 512 }, 512, 1, 1, 1, BIAS | RELU },
};

typedef struct
{
  const Variant *variant;
  const Row *row;
} Bench;

static void
bench (gconstpointer data)
{
  const Variant *v = ((const Bench *) data)->variant;
  const Row *row = ((const Bench *) data)->row;
  if (!check_can (v->family, v->half || v->mixed)) {
    g_test_skip ("not on this device");
    return;
  }
  NddrCheck *c = begin (v);
  NddrPlan *plan = check_plan (c);
  g_autofree char *name = row_name (row, v);
  NddrBranches dx, dy;
  Case k;

  case_init (&k, c, row, v);
  dx = k.maps[0];
  dy = k.op.output;
  dx.tensor = check_map (c, "dx", dx.tensor->branches, row->batch, row->height, row->width, row->in[0]);
  dy.tensor = (v->mixed ? check_half_map : check_map) (c, "dy", dy.tensor->branches, row->batch, dy.tensor->height, dy.tensor->width, row->out);
  plan->phase = FORWARD;
  nddr_convolution_forward (plan, &k.op);
  plan->phase = BACKWARD;
  if (!v->half)
    nddr_convolution_backward_data (plan, &k.op, 0, row->flags & SHARED ? k.op.n_inputs : 1, dx, dy, FALSE);
  check_ready (c);
  case_fill (&k, c);
  double flops = 2.0 * row->branches * k.y_size * k.w_size / row->out;
  check_bench (c, 1 << PACK, 0, 4.0 * row->branches * k.w_size, "%s: pack", name);
  check_bench (c, 1 << FORWARD, flops, 0, "%s", name);
  if (!v->half)
    check_bench (c, 1 << BACKWARD, flops * row->in[0] * (row->flags & SHARED ? k.op.n_inputs : 1) / ref_convolution_in (&k.ref), 0,
        "%s: backward", name);
  case_clear (&k);
  check_end (c);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (variants); i++) {
    const Variant *v = &variants[i];
    g_autofree char *path = g_strdup_printf ("/convolution/%s", v->name), *narrow = g_strdup_printf ("/convolution/%s/narrow", v->name);
    if (v->matrix && check_traits ()->matrix.m == 0) /* Debian 12's software driver has none: tests/newer/run tests them */
      continue;
    for (guint j = 0; check_benching () && j < G_N_ELEMENTS (bench_rows); j++) {
      Bench b = { v, &bench_rows[j] };
      g_autofree char *row = row_name (b.row, v), *time = g_strdup_printf ("/convolution/bench/%s", row);
      g_test_add_data_func_full (time, g_memdup2 (&b, sizeof b), bench, g_free);
    }
    if (check_benching ())
      continue;
    if (check_random_seconds () > 0) {
      g_autofree char *random = g_strconcat (path, "/random", NULL);
      g_test_add_data_func (random, v, test_random);
      continue;
    }
    g_test_add_data_func (path, v, test);
    if (!v->matrix)
      g_test_add_data_func (narrow, v, test_narrow);
    g_autofree char *algorithms = g_strconcat (path, "/algorithms", NULL), *unfit = g_strconcat (path, "/algorithms/unfit", NULL);
    g_test_add_data_func (algorithms, v, test_algorithms);
    g_test_add_data_func (unfit, v, test_unfit);
  }
  return check_finish (g_test_run ());
}
