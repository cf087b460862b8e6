/* Adding gradients, their sum of squares, and the factor that clips their norm, against their definitions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <math.h>

typedef struct
{
  int n;
  guint64 range; /* of a storage binding; 0: the device's */
} Row;

static const Row rows[] = { { 1, 0 }, { 3, 0 }, { 64, 0 }, { 1000, 0 }, { 4099, 0 }, { 70001, 0 }, { 5003, 4096 }, { 1000003, 0 }, { 1000003, 65536 } };
static const Row bench_row = { 5000000, 0 };

static float
output (NddrCheck *c, const NddrTensor *tensor)
{
  return *(const float *) nddr_program_map (check_program (c), tensor, 0);
}

/* Phase 0: t = x; phase 1: t += x; phase 2: the sum of squares of t, phase 3: with the factor for @max_norm. */
static void
check_row (const Row *r, double max_norm, NddrFamily family, gboolean bench)
{
  g_autofree char *what = g_strdup_printf ("%d elements, bindings of %" G_GUINT64_FORMAT, r->n, r->range);
  g_autofree double *x = check_random (r->n, 1, FALSE), *t = check_random (r->n, 2, FALSE), *guard = check_random (r->n, 3, FALSE);
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *tx = check_flat (c, "x", NDDR_SPACE_STATE, r->n), *tt = check_flat (c, "t", NDDR_SPACE_STATE, r->n);
  NddrTensor *after = check_flat (c, "after", NDDR_SPACE_STATE, r->n), *factor = check_flat (c, "factor", NDDR_SPACE_STATE, 1);
  NddrTensor *sums[2] = { nddr_plan_flat (plan, "sum", NDDR_SPACE_OUTPUT, NDDR_F32, 1), nddr_plan_flat (plan, "sum 2", NDDR_SPACE_OUTPUT, NDDR_F32, 1) };
  double want = 0, limit;

  if (r->range)
    plan->traits.max_storage_range = r->range;
  nddr_gradients_add (plan, tt, tx, FALSE);
  plan->phase = 1;
  nddr_gradients_add (plan, tt, tx, TRUE);
  plan->phase = 2;
  nddr_squares (plan, &(NddrSquares){ .x = tt, .sum = sums[0] });
  plan->phase = 3;
  nddr_squares (plan, &(NddrSquares){ .x = tt, .sum = sums[1], .factor = factor, .max_norm = max_norm });
  plan->traits.max_storage_range = G_MAXUINT32;
  check_ready (c);
  check_fill (c, tx, x);
  check_fill (c, tt, t);
  check_fill (c, after, guard);
  check_run (c, 1);
  check_compare (c, tt, x, 0, "copied, %s", what);
  check_run (c, 2);
  for (int i = 0; i < r->n; i++) {
    t[i] = 2 * x[i];
    want += t[i] * t[i];
  }
  check_compare (c, tt, t, 0, "added, %s", what);
  check_run (c, 4 | 8);
  g_assert_cmpfloat_with_epsilon (output (c, sums[0]) / want, 1, 2e-6);
  g_assert_cmpfloat (output (c, sums[0]), ==, output (c, sums[1]));
  limit = fmin (1, max_norm / (sqrt (want) + 1e-6));
  check_compare (c, factor, &limit, 2e-6, "factor, %s", what);
  check_compare (c, after, guard, 0, "behind the total, %s", what);
  if (bench) {
    check_bench (c, 2, 0, 3.0 * tt->bytes, "adding, %s", what);
    check_bench (c, 4, 2.0 * r->n, tt->bytes, "sum of squares, %s", what);
  }
  check_end (c);
}

/* A single element that is not a number, or not finite, or beyond the square root of float's range shows in the sum, wherever it is. */
static void
check_finite (NddrFamily family)
{
  static const double values[] = { NAN, INFINITY, -INFINITY, 1e30 };
  static const int places[] = { 0, 777, 4098 };

  for (guint v = 0; v < G_N_ELEMENTS (values); v++)
    for (guint p = 0; p < G_N_ELEMENTS (places); p++) {
      g_autofree double *x = check_random (4099, 1, FALSE);
      NddrCheck *c = check_begin (family, FALSE);
      NddrTensor *tx = check_flat (c, "x", NDDR_SPACE_STATE, 4099);
      NddrTensor *sum = nddr_plan_flat (check_plan (c), "sum", NDDR_SPACE_OUTPUT, NDDR_F32, 1);

      x[places[p]] = values[v];
      nddr_squares (check_plan (c), &(NddrSquares){ .x = tx, .sum = sum });
      check_ready (c);
      check_fill (c, tx, x);
      check_run (c, 1);
      g_assert_false (isfinite (output (c, sum)));
      check_end (c);
    }
}

/* Of numbers that were multiplied by something: the factor takes that back, and clips what is meant; 0 where one is not finite. */
static void
check_unit (double max_norm, double unit, double spoiled, NddrFamily family)
{
  g_autofree double *x = check_random (4099, 1, FALSE);
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *tx = check_flat (c, "x", NDDR_SPACE_STATE, 4099), *factor = check_flat (c, "factor", NDDR_SPACE_STATE, 1);
  NddrTensor *sum = nddr_plan_flat (check_plan (c), "sum", NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrTensor *tunit = nddr_plan_flat (check_plan (c), "unit", NDDR_SPACE_INPUT, NDDR_F32, 1);
  double want = 0;

  for (int i = 0; i < 4099; i++)
    want += x[i] * x[i];
  want = fmin (1, max_norm / (sqrt (want) * unit + 1e-6)) * unit;
  if (spoiled != 0) {
    x[777] = spoiled;
    want = 0;
  }
  nddr_squares (check_plan (c), &(NddrSquares){ .x = tx, .sum = sum, .factor = factor, .max_norm = max_norm, .unit = tunit });
  check_ready (c);
  check_fill (c, tx, x);
  *(float *) nddr_program_map (check_program (c), tunit, 0) = unit;
  check_run (c, 1);
  if (want > 0)
    check_compare (c, factor, &want, 2e-6, "factor for %g of %g", max_norm, unit);
  else {
    g_autofree double *got = check_fetch (c, factor);
    g_assert_cmpfloat (*got, ==, 0);
  }
  check_end (c);
}

static void
test_gradients (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++) {
    check_row (&rows[i], 0.75, family, FALSE);
    check_row (&rows[i], 1e6, family, FALSE);
  }
  if (check_can (family, FALSE)) {
    check_finite (family);
    check_unit (G_MAXFLOAT, 1.0 / 65536, 0, family);
    check_unit (1e-4, 1.0 / 65536, 0, family);
    check_unit (0.75, 2, 0, family);
    check_unit (0.75, 0.5, NAN, family);
    check_unit (G_MAXFLOAT, 0.5, -INFINITY, family);
  }
  if (check_benching () && check_can (family, FALSE))
    check_row (&bench_row, 1, family, TRUE);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/gradients/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_gradients);
  g_test_add_data_func ("/gradients/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_gradients);
  return check_finish (g_test_run ());
}
