/* A dense convolution's gradients to its weights and bias, against the reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <convolution.h>
#include <string.h>

#define MAX_SOURCES 3

typedef struct
{
  int batch, height, width;
  int in[MAX_SOURCES]; /* channels of each source, to the first 0 */
  int out, kernel, stride, dilation;
  int branches;
  gboolean shared;     /* the sources are the branches of one tensor, and every branch reads them all: a fusion layer */
  gboolean bias;
} Row;

static const Row rows[] = {
  { 1, 1, 1, { 1 }, 1, 1, 1, 1, 1, FALSE, TRUE },
  { 1, 1, 1, { 3 }, 8, 3, 1, 1, 1, FALSE, TRUE },
  { 2, 1, 9, { 8 }, 3, 3, 1, 1, 2, FALSE, FALSE },
  { 1, 5, 7, { 3 }, 41, 1, 1, 1, 1, FALSE, TRUE },
  { 3, 5, 7, { 40 }, 41, 1, 1, 1, 2, FALSE, TRUE },
  { 1, 6, 5, { 41 }, 40, 1, 2, 1, 1, FALSE, TRUE },
  { 2, 9, 8, { 16 }, 96, 1, 1, 1, 1, FALSE, FALSE },   /* few channels in: x is passed round */
  { 2, 9, 8, { 16 }, 97, 1, 2, 1, 3, FALSE, FALSE },
  { 1, 9, 8, { 96 }, 16, 1, 1, 1, 1, FALSE, FALSE },
  { 1, 4, 3, { 960 }, 8, 1, 1, 1, 1, FALSE, TRUE },
  { 2, 9, 11, { 3 }, 32, 3, 2, 1, 2, FALSE, TRUE },
  { 1, 7, 6, { 8 }, 8, 3, 1, 1, 3, FALSE, TRUE },
  { 2, 7, 9, { 40 }, 8, 3, 1, 2, 1, FALSE, FALSE },
  { 1, 8, 7, { 41 }, 3, 3, 1, 4, 2, FALSE, TRUE },
  { 1, 6, 5, { 8 }, 40, 3, 1, 12, 1, FALSE, TRUE },
  { 1, 13, 12, { 8 }, 24, 3, 1, 6, 2, FALSE, TRUE },
  { 1, 9, 8, { 12 }, 20, 3, 2, 2, 1, FALSE, TRUE },
  { 1, 10, 9, { 4 }, 8, 5, 3, 1, 1, FALSE, TRUE },
  { 3, 27, 20, { 33 }, 40, 3, 2, 8, 2, FALSE, TRUE },  /* taps that reach few rows, of several pictures */
  { 2, 19, 64, { 5 }, 12, 5, 2, 4, 2, FALSE, FALSE },  /* of which a tile has several */
  { 2, 13, 12, { 40 }, 24, 3, 1, 6, 2, FALSE, TRUE },  /* and few columns, where a tile has one tap or two */
  { 2, 25, 27, { 36 }, 40, 3, 2, 8, 2, FALSE, TRUE },
  { 1, 20, 21, { 33 }, 12, 5, 1, 6, 1, FALSE, FALSE },
  { 1, 9, 10, { 64 }, 20, 3, 1, 12, 2, FALSE, TRUE },  /* or the middle one alone reaches any */
  { 2, 6, 5, { 8, 41 }, 40, 1, 1, 1, 2, FALSE, TRUE }, /* a shortcut's */
  { 1, 6, 5, { 3, 8, 40 }, 16, 3, 1, 1, 2, FALSE, FALSE },
  { 2, 5, 6, { 40, 40 }, 40, 1, 1, 1, 2, TRUE, TRUE },
  { 1, 5, 6, { 41, 41, 41 }, 41, 1, 1, 1, 3, TRUE, TRUE },
  { 1, 5, 6, { 3, 3, 3 }, 8, 3, 1, 1, 2, TRUE, TRUE },
  { 1, 128, 120, { 3 }, 8, 3, 1, 1, 1, FALSE, TRUE },  /* several splits */
  { 2, 240, 209, { 4 }, 4, 1, 1, 1, 1, FALSE, TRUE },  /* 100 000 pixels */
  { 3, 61, 67, { 129 }, 257, 1, 1, 1, 1, FALSE, TRUE },/* several rounds */
  /* what software drivers transform: one part, several, dilated, several sources, few channels in */
  { 1, 21, 23, { 64 }, 70, 3, 1, 1, 2, FALSE, TRUE },
  { 3, 41, 38, { 81 }, 64, 3, 1, 1, 1, FALSE, FALSE },
  { 2, 20, 33, { 72 }, 130, 3, 1, 3, 2, FALSE, FALSE },
  { 2, 26, 17, { 64, 100 }, 64, 3, 1, 1, 1, FALSE, TRUE },
  { 2, 23, 24, { 48, 48 }, 50, 3, 1, 2, 2, TRUE, FALSE },
};
#define N_TRANSFORMED 5 /* of these, the last */

/* More pixels than floats tell halves apart at; GPUs' kernels divide integers. */
static const Row many_pixels = { 1, 41269, 126, { 4 }, 4, 3, 1, 1, 1, FALSE, FALSE };

static const Row bench_rows[] = {
  { 8, 96, 128, { 16 }, 96, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 96, 128, { 32 }, 16, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 48, 64, { 144 }, 24, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 48, 64, { 24 }, 144, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 24, 32, { 192 }, 64, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 12, 16, { 960 }, 320, 1, 1, 1, 1, FALSE, FALSE },
  { 8, 12, 16, { 320 }, 64, 3, 1, 6, 1, FALSE, FALSE },
  { 8, 192, 256, { 3 }, 32, 3, 2, 1, 1, FALSE, FALSE },
  { 2, 161, 161, { 64 }, 64, 3, 1, 1, 1, FALSE, TRUE },
  { 2, 21, 21, { 128 }, 128, 3, 1, 2, 2, FALSE, TRUE },
  { 2, 21, 21, { 128 }, 256, 3, 1, 12, 2, FALSE, TRUE },
  { 2, 41, 41, { 64 }, 64, 3, 1, 1, 2, FALSE, TRUE },
  { 2, 81, 81, { 32 }, 32, 3, 1, 1, 2, FALSE, TRUE },
  { 2, 81, 81, { 16 }, 32, 3, 1, 1, 2, FALSE, TRUE },
  { 2, 161, 161, { 16 }, 16, 3, 1, 1, 2, FALSE, TRUE },
  { 8, 48, 64, { 24, 24 }, 24, 1, 1, 1, 2, TRUE, FALSE },
};

typedef struct
{
  const Row *row;
  NddrFamily family;
  gboolean mixed;  /* x and dy are fp16 */
  gboolean matrix; /* on cooperative matrices */
} Case;

static int
count_sources (const Row *r)
{
  int n = 0;
  while (n < MAX_SOURCES && r->in[n])
    n++;
  return n;
}

static RefConvolution
reference (const Row *r)
{
  return (RefConvolution){ r->batch, r->height, r->width, count_sources (r), r->in, r->out, r->kernel, r->stride, r->dilation };
}

/* What a row's operation stands on. */
typedef struct
{
  NddrConvolution op;
  NddrBranches inputs[MAX_SOURCES];
  NddrTensor *dy, *dw, *db;
} Operation;

static void
build (NddrCheck *c, const Row *r, gboolean mixed, gboolean matrix, Operation *o)
{
  NddrTensor *(*map) (NddrCheck *, const char *, int, int, int, int, int) = mixed ? check_half_map : check_map;
  RefConvolution ref = reference (r);
  int n = ref.n_sources, oh = ref_convolution_height (&ref), ow = ref_convolution_width (&ref);
  gsize n_w = (gsize) r->branches * r->out * ref_convolution_in (&ref) * r->kernel * r->kernel;

  if (r->shared) {
    NddrTensor *x = map (c, "x", n, r->batch, r->height, r->width, r->in[0]);
    for (int s = 0; s < n; s++)
      o->inputs[s] = (NddrBranches){ x, s, 0 };
  } else {
    for (int s = 0; s < n; s++) /* every other branch of tensors that have more */
      o->inputs[s] = (NddrBranches){ map (c, "x", 2 * r->branches, r->batch, r->height, r->width, r->in[s]), 1, 2 };
  }
  o->op = (NddrConvolution){ .output = NDDR_BRANCHES (check_map (c, "y", r->branches, r->batch, oh, ow, r->out)), .branches = r->branches,
    .inputs = o->inputs, .n_inputs = n, .weight = check_flat (c, "weight", NDDR_SPACE_PARAMS, n_w), .kernel = r->kernel, .stride = r->stride,
    .dilation = r->dilation, .low = -G_MAXFLOAT, .high = G_MAXFLOAT };
  o->dy = map (c, "dy", r->branches + 1, r->batch, oh, ow, r->out); /* from its second branch on */
  o->dw = check_flat (c, "dw", NDDR_SPACE_STATE, n_w);
  o->db = r->bias ? check_flat (c, "db", NDDR_SPACE_STATE, (gsize) r->branches * r->out) : NULL;
  nddr_convolution_backward_weight (check_plan (c), &o->op, (NddrBranches){ o->dy, 1, 1 }, o->dw, o->db);
  g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_MATRIX_WGRAD) > 0, ==, matrix);
  if (check_plan (c)->traits.family == NDDR_FAMILY_SOFTWARE && r >= rows && r < rows + G_N_ELEMENTS (rows))
    g_assert_cmpint (check_count_steps (c, NDDR_KERNEL_WINOGRAD_WEIGHT) > 0, ==, r >= rows + G_N_ELEMENTS (rows) - N_TRANSFORMED);
  check_ready (c);
}

static void
test_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefConvolution ref = reference (r);
  gsize pixels = (gsize) r->batch * r->height * r->width, n_w = (gsize) r->out * ref_convolution_in (&ref) * r->kernel * r->kernel;
  gsize n_y = (gsize) r->batch * ref_convolution_height (&ref) * ref_convolution_width (&ref) * r->out;
  g_autofree double *dy = check_random ((r->branches + 1) * n_y, 2, k->mixed), *dw = g_new0 (double, r->branches * n_w);
  g_autofree double *db = g_new0 (double, (gsize) r->branches * r->out);
  double *x[MAX_SOURCES] = { NULL };
  Operation o;

  if (!check_can (k->family, k->mixed))
    return;
  NddrCheck *c = check_begin (k->family, FALSE);
  if (!k->matrix)
    check_plan (c)->traits.matrix = (NddrMatrixSize){ 0 };
  build (c, r, k->mixed, k->matrix, &o);
  for (int s = 0; s < ref.n_sources; s++)
    if (s == 0 || !r->shared) {
      x[s] = check_random (check_elements (o.inputs[s].tensor), 10 + s, k->mixed);
      check_fill (c, o.inputs[s].tensor, x[s]);
    }
  check_fill (c, o.dy, dy);
  for (int b = 0; b < r->branches; b++) {
    const double *of_branch[MAX_SOURCES];
    for (int s = 0; s < ref.n_sources; s++)
      of_branch[s] = x[r->shared ? 0 : s] + (o.inputs[s].first + b * o.inputs[s].step) * pixels * r->in[s];
    ref_convolution_backward_weight (&ref, dw + b * n_w, db + b * r->out, of_branch, dy + (b + 1) * n_y);
  }
  check_run (c, 1);
  check_compare (c, o.dw, dw, 5e-6, "gradient to the weights");
  if (o.db)
    check_compare (c, o.db, db, 5e-6, "gradient to the bias");

  /* the same bits again */
  g_autofree double *once = check_fetch (c, o.dw);
  check_run (c, 1);
  g_autofree double *twice = check_fetch (c, o.dw);
  g_assert_cmpmem (once, r->branches * n_w * sizeof *once, twice, r->branches * n_w * sizeof *twice);
  check_end (c);
  for (int s = 0; s < MAX_SOURCES; s++)
    g_free (x[s]);
}

/* Transforms that the device could not bind are not made. */
static void
test_limits (void)
{
  const Row *r = &rows[G_N_ELEMENTS (rows) - N_TRANSFORMED];

  for (int small = 0; small < 2; small++) {
    NddrPlan *plan = nddr_plan_new (&nddr_traits_software);
    NddrBranches x = NDDR_BRANCHES (nddr_plan_map (plan, "x", r->branches, r->batch, r->height, r->width, r->in[0]));
    NddrTensor *y = nddr_plan_map (plan, "y", r->branches, r->batch, r->height, r->width, r->out);
    NddrTensor *weight = nddr_plan_flat (plan, "weight", NDDR_SPACE_PARAMS, NDDR_F32, (gsize) r->branches * r->out * r->in[0] * 9);
    NddrConvolution op = { .output = NDDR_BRANCHES (y), .branches = r->branches, .inputs = &x, .n_inputs = 1, .weight = weight, .kernel = 3,
      .stride = 1, .dilation = 1, .low = -G_MAXFLOAT, .high = G_MAXFLOAT };
    int n = 0;

    plan->traits.max_storage_range = small ? 1 << 20 : 1 << 27;
    nddr_convolution_backward_weight (plan, &op, NDDR_BRANCHES (y), weight, NULL);
    for (guint i = 0; i < plan->steps->len; i++)
      n += ((const NddrStep *) g_ptr_array_index (plan->steps, i))->kernel->id == NDDR_KERNEL_WINOGRAD_WEIGHT;
    g_assert_cmpint (n > 0, ==, !small);
    nddr_plan_free (plan);
  }
}

#define MAX_MACS 20e6 /* of a row: the reference takes a second for some hundred million */

static int
draw_channels (void)
{
  return g_test_rand_int_range (1, check_one_in (2) ? 40 : check_one_in (4) ? 600 : 150);
}

static Row
draw_row (void)
{
  Row row = { .batch = g_test_rand_int_range (1, 5), .height = g_test_rand_int_range (1, 60), .width = g_test_rand_int_range (1, 60),
    .out = draw_channels (), .kernel = check_one_in (3) ? 1 : check_one_in (6) ? 5 : 3, .stride = check_one_in (4) ? 2 : 1,
    .dilation = check_one_in (3) ? g_test_rand_int_range (1, 13) : 1, .branches = g_test_rand_int_range (1, 4), .bias = check_one_in (2) };
  int n = check_one_in (3) ? g_test_rand_int_range (2, MAX_SOURCES + 1) : 1, in = 0;

  row.shared = n > 1 && check_one_in (2);
  for (int i = 0; i < n; i++)
    in += row.in[i] = i > 0 && row.shared ? row.in[0] : draw_channels ();
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
  gint64 end = g_get_monotonic_time () + check_random_seconds () * G_USEC_PER_SEC;
  Case k = *(const Case *) data;
  int rows_tested = 0;

  for (; g_get_monotonic_time () < end; rows_tested++) {
    Row row = draw_row ();

    k.row = &row;
    g_test_message ("%dx%dx%dx%d %d+%d+%d->%d k%d s%d d%d%s%s", row.branches, row.batch, row.height, row.width, row.in[0], row.in[1], row.in[2], row.out,
        row.kernel, row.stride, row.dilation, row.shared ? " shared" : "", row.bias ? " bias" : "");
    test_row (&k);
  }
  g_test_message ("%d rows", rows_tested);
}

/* llvmpipe ends the loops of a shader after 65535 turns in all (LP_MAX_TGSI_LOOP_ITERATIONS), as if they were done: no workgroup has as many. */
static void
test_turns (void)
{
  static const struct { int batch, size, channels, kernel; } shapes[] = { { 10, 321, 64, 3 }, { 16, 161, 256, 3 }, { 16, 321, 512, 1 }, { 64, 321, 64, 1 } };

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    int size = shapes[i].size, channels = shapes[i].channels, taps = shapes[i].kernel * shapes[i].kernel, found = 0;
    NddrPlan *plan = nddr_plan_new (&nddr_traits_software);
    NddrBranches x = NDDR_BRANCHES (nddr_plan_map (plan, "x", 2, shapes[i].batch, size, size, channels));
    NddrTensor *y = nddr_plan_map (plan, "y", 2, shapes[i].batch, size, size, channels);
    NddrTensor *weight = nddr_plan_flat (plan, "weight", NDDR_SPACE_PARAMS, NDDR_F32, (gsize) 2 * channels * channels * taps);
    NddrConvolution op = { .output = NDDR_BRANCHES (y), .branches = 2, .inputs = &x, .n_inputs = 1, .weight = weight, .kernel = shapes[i].kernel,
      .stride = 1, .dilation = 1, .low = -G_MAXFLOAT, .high = G_MAXFLOAT };

    nddr_convolution_backward_weight (plan, &op, NDDR_BRANCHES (y), weight, NULL);
    for (guint s = 0; s < plan->steps->len; s++) {
      const NddrStep *step = g_ptr_array_index (plan->steps, s);

      if (step->kernel->id != NDDR_KERNEL_WGRAD)
        continue;
      int steps = step->push[3].i, rounds = step->push[4].i;
      g_assert_cmpint (rounds * (steps + 1), <, 65535);
      g_assert_cmpint ((gint64) step->groups[1] * rounds * steps * 4, >=, step->push[2].i); /* all of its pixels */
      found++;
    }
    g_assert_cmpint (found, >, 0);
    nddr_plan_free (plan);
  }
}

static void
bench_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefConvolution ref = reference (r);
  double pixels = (double) r->branches * r->batch * ref_convolution_height (&ref) * ref_convolution_width (&ref);
  double macs = pixels * r->out * ref_convolution_in (&ref) * r->kernel * r->kernel;
  NddrCheck *c = check_begin (k->family, FALSE);
  Operation o;

  build (c, r, k->mixed, k->matrix, &o);
  check_bench (c, 1, 2 * macs, 0, "%dx%dx%dx%d %d*%d->%d k%d s%d d%d", r->branches, r->batch, r->height, r->width, ref.n_sources, r->in[0], r->out,
      r->kernel, r->stride, r->dilation);
  check_end (c);
}

int
main (int argc, char **argv)
{
  static const struct { NddrFamily family; gboolean mixed, matrix; const char *name; } ways[] = {
    { NDDR_FAMILY_SOFTWARE, FALSE, FALSE, "software" }, { NDDR_FAMILY_GPU, FALSE, FALSE, "gpu" }, { NDDR_FAMILY_GPU, TRUE, FALSE, "mixed" },
    { NDDR_FAMILY_GPU, TRUE, TRUE, "mixed-matrix" },
  };

  check_init (&argc, &argv);
  for (guint v = 0; v < G_N_ELEMENTS (ways) && check_random_seconds () > 0; v++)
    if (!ways[v].matrix || check_traits ()->matrix.m > 0) {
      Case k = { NULL, ways[v].family, ways[v].mixed, ways[v].matrix };
      g_autofree char *path = g_strdup_printf ("/convolution-weight/%s/random", ways[v].name);

      g_test_add_data_func_full (path, g_memdup2 (&k, sizeof k), test_random, g_free);
    }
  if (check_random_seconds () > 0)
    return check_finish (g_test_run ());
  for (guint v = 0; v < G_N_ELEMENTS (ways); v++)
    for (guint i = 0; i < G_N_ELEMENTS (rows) && (!ways[v].matrix || check_traits ()->matrix.m > 0); i++) {
      const Row *r = &rows[i];
      Case *k = g_new (Case, 1);
      g_autofree char *path = g_strdup_printf ("/convolution-weight/%s/%u-%dx%dx%dx%d-%d*%d-%d-k%d-s%d-d%d", ways[v].name, i, r->branches, r->batch,
          r->height, r->width, count_sources (r), r->in[0], r->out, r->kernel, r->stride, r->dilation);
      *k = (Case){ r, ways[v].family, ways[v].mixed, ways[v].matrix };
      g_test_add_data_func_full (path, k, test_row, g_free);
    }
  Case many = { &many_pixels, NDDR_FAMILY_SOFTWARE, FALSE, FALSE };
  g_test_add_data_func ("/convolution-weight/software/many-pixels", &many, test_row);
  g_test_add_func ("/convolution-weight/limits", test_limits);
  g_test_add_func ("/convolution-weight/turns", test_turns);
  if (check_benching ())
    for (guint i = 0; i < G_N_ELEMENTS (bench_rows); i++) {
      Case *k = g_new (Case, 1);
      g_autofree char *path = g_strdup_printf ("/convolution-weight/bench/%u", i);
      gboolean software = check_can (NDDR_FAMILY_SOFTWARE, FALSE), matrix = !software && check_traits ()->matrix.m > 0;
      *k = (Case){ &bench_rows[i], software ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU, matrix, matrix };
      g_test_add_data_func_full (path, k, bench_row, g_free);
    }
  return check_finish (g_test_run ());
}
