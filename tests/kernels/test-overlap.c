/* The overlap of two halves of a layer's filters and its gradient, on both kernel families.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <math.h>
#include <overlap.h>

typedef struct { int branches, rows, columns; } Row;

static const Row rows[] = {
  { 1, 8, 1 }, { 1, 8, 4 }, { 2, 8, 27 }, { 1, 16, 147 }, { 3, 24, 9 }, { 2, 64, 72 }, { 4, 40, 33 }, { 1, 256, 64 },
};

static const Row bench_rows[] = { { 2, 64, 576 }, { 2, 256, 2304 }, { 2, 512, 4608 } };

#define FACTOR 0.3

typedef struct { const Row *row; NddrFamily family; } Case;

static NddrTensor *
append (NddrCheck *c, const Row *r, NddrTensor **weight, NddrTensor **scale, NddrTensor **dweight)
{
  gsize n = (gsize) r->branches * r->rows * r->columns;
  NddrTensor *overlap = check_flat (c, "overlap", NDDR_SPACE_OUTPUT, 1);

  *weight = check_flat (c, "weight", NDDR_SPACE_PARAMS, n);
  *scale = check_flat (c, "scale", NDDR_SPACE_INPUT, 2);
  *dweight = check_flat (c, "dweight", NDDR_SPACE_STATE, n);
  nddr_overlap (check_plan (c), &(NddrOverlap){ .weight = *weight, .branches = r->branches, .rows = r->rows, .columns = r->columns,
      .scale = *scale, .overlap = overlap, .dweight = *dweight });
  check_ready (c);
  return overlap;
}

static void
test_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  gsize n_branch = (gsize) r->rows * r->columns, n = r->branches * n_branch;
  g_autofree double *w = check_random (n, 1, FALSE), *dw = check_random (n, 2, FALSE);
  const double scales[2] = { 1, FACTOR };
  double want = 0;
  NddrTensor *weight, *scale, *dweight, *overlap;

  if (!check_can (k->family, FALSE))
    return;
  NddrCheck *c = check_begin (k->family, FALSE);
  overlap = append (c, r, &weight, &scale, &dweight);
  check_fill (c, weight, w);
  check_fill (c, scale, scales);
  check_fill (c, dweight, dw);
  check_run (c, ~0u);
  for (int b = 0; b < r->branches; b++) {
    want += ref_overlap (r->rows, r->columns, w + b * n_branch);
    ref_overlap_gradient (r->rows, r->columns, w + b * n_branch, (float) FACTOR, dw + b * n_branch);
  }
  check_compare (c, overlap, &want, 2e-6, "overlap");
  check_compare (c, dweight, dw, 2e-6, "gradient");
  check_end (c);
}

static void
test_reference (void)
{
  enum { ROWS = 8, COLUMNS = 5, N = ROWS * COLUMNS };
  g_autofree double *w = check_random (N, 1, FALSE), *dw = g_new0 (double, N);
  const double step = 1e-4, orthogonal[4 * 2] = { 1, 0, 2, 0, 0, 3, 0, 4 }, alike[2 * 2] = { 1, 2, 1, 2 };

  ref_overlap_gradient (ROWS, COLUMNS, w, 2, dw);
  for (int i = 0; i < N; i++) {
    double kept = w[i], up, down;

    w[i] = kept + step;
    up = ref_overlap (ROWS, COLUMNS, w);
    w[i] = kept - step;
    down = ref_overlap (ROWS, COLUMNS, w);
    w[i] = kept;
    g_assert_cmpfloat_with_epsilon (2 * (up - down) / (2 * step), dw[i], 1e-6);
  }
  g_assert_cmpfloat (ref_overlap (4, 2, orthogonal), ==, 0);
  g_assert_cmpfloat (ref_overlap (2, 2, alike), ==, 25);
}

static void
bench_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  NddrTensor *weight, *scale, *dweight;
  NddrCheck *c = check_begin (k->family, FALSE);
  double products = (double) r->branches * r->rows * r->rows / 4 * r->columns;

  append (c, r, &weight, &scale, &dweight);
  check_bench (c, ~0u, 6 * products, 0, "%dx%dx%d", r->branches, r->rows, r->columns);
  check_end (c);
}

int
main (int argc, char **argv)
{
  static const struct { NddrFamily family; const char *name; } ways[] = { { NDDR_FAMILY_SOFTWARE, "software" }, { NDDR_FAMILY_GPU, "gpu" } };

  NddrFamily best;

  check_init (&argc, &argv);
  best = check_can (NDDR_FAMILY_SOFTWARE, FALSE) ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU;
  g_test_add_func ("/overlap/reference", test_reference);
  for (guint v = 0; v < G_N_ELEMENTS (ways); v++)
    for (guint i = 0; i < G_N_ELEMENTS (rows) + (check_benching () && ways[v].family == best ? G_N_ELEMENTS (bench_rows) : 0); i++) {
      gboolean bench = i >= G_N_ELEMENTS (rows);
      Case *k = g_new (Case, 1);
      g_autofree char *path = NULL;

      *k = (Case){ bench ? &bench_rows[i - G_N_ELEMENTS (rows)] : &rows[i], ways[v].family };
      path = g_strdup_printf ("/overlap/%s/%s%dx%dx%d", ways[v].name, bench ? "bench-" : "", k->row->branches, k->row->rows, k->row->columns);
      g_test_add_data_func_full (path, k, bench ? bench_row : test_row, g_free);
    }
  return check_finish (g_test_run ());
}
