/* The kernels that measure devices do what is counted: against what they are defined to compute.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <math.h>

static const NddrFamily families[] = { NDDR_FAMILY_SOFTWARE, NDDR_FAMILY_GPU };

static void
test_fma (NddrFamily family)
{
  enum { N = 4 * 192, ROUNDS = 9 };
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *y = check_flat (c, "y", NDDR_SPACE_ARENA, N);
  double factor = NDDR_MEASURE_FACTOR, shift = NDDR_MEASURE_SHIFT, power = pow (factor, 32 * ROUNDS), limit = shift / (1 - factor), want[N];

  g_assert_cmpfloat (nddr_measure_fma (check_plan (c), y, ROUNDS), ==, 2.0 * 16 * 32 * ROUNDS * N / 4);
  check_ready (c);
  check_poison (c, y);
  check_run (c, 1);
  for (int i = 0; i < N; i++) { /* a -> a f + s, n times: limit + (a - limit) f^n */
    want[i] = 0;
    for (int j = 0; j < 4; j++)
      want[i] += limit + (4 * j + i % 4 + i / 4 % 8 - limit) * power;
  }
  check_compare (c, y, want, 1e-5, "multiply-adds");
  check_end (c);
}

static void
test_copy (NddrFamily family)
{
  gsize n = 4 * 100003;
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *before = check_flat (c, "before", NDDR_SPACE_ARENA, 64), *x = check_flat (c, "x", NDDR_SPACE_ARENA, n),
             *y = check_flat (c, "y", NDDR_SPACE_ARENA, n);
  g_autofree double *values = check_random (n, 1, FALSE);

  g_assert_cmpfloat (nddr_measure_copy (check_plan (c), y, x), ==, 8.0 * n);
  check_ready (c);
  check_poison (c, before);
  check_fill (c, x, values);
  check_poison (c, y);
  check_run (c, 1);
  check_compare (c, y, values, 0, "copy");
  check_end (c);
}

static void
test_matrix (void)
{
  enum { ROUNDS = 5, SUBGROUPS = 12 };
  NddrMatrixSize size = check_traits ()->matrix;
  int m = size.m, n = size.n, k = size.k;
  NddrCheck *c = check_begin (NDDR_FAMILY_GPU, TRUE);
  NddrTensor *x = nddr_plan_flat (check_plan (c), "x", NDDR_SPACE_ARENA, NDDR_F16, (m + n) * k);
  NddrTensor *y = check_flat (c, "y", NDDR_SPACE_ARENA, SUBGROUPS * m * n);
  g_autofree double *values = check_random ((m + n) * k, 1, TRUE), *want = g_new (double, SUBGROUPS * m * n);

  x->keep = TRUE;
  g_assert_cmpfloat (nddr_measure_matrix (check_plan (c), y, x, ROUNDS), ==, 2.0 * m * n * k * 32 * ROUNDS * SUBGROUPS);
  check_ready (c);
  check_fill (c, x, values);
  check_poison (c, y);
  check_run (c, 1);
  for (int i = 0; i < SUBGROUPS * m * n; i++) {
    const double *a = values + i / n % m * k, *b = values + (m + i % n) * k;
    want[i] = 28;
    for (int j = 0; j < k; j++)
      want[i] += 32 * ROUNDS * a[j] * b[j];
  }
  check_compare (c, y, want, 1e-5, "matrix products");
  check_end (c);
}

/** @family: as software drivers and GPUs are measured */
static void
bench (NddrFamily family)
{
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *y = check_flat (c, "y", NDDR_SPACE_ARENA, 4 * 8 * 64);
  double flops = nddr_measure_fma (check_plan (c), y, 1024);

  check_ready (c);
  check_bench (c, 1, flops, 0, "%s: multiply-adds", family == NDDR_FAMILY_SOFTWARE ? "software" : "gpu");
  check_end (c);
  c = check_begin (family, FALSE);
  NddrTensor *from = check_flat (c, "from", NDDR_SPACE_ARENA, 16 << 20), *to = check_flat (c, "to", NDDR_SPACE_ARENA, 16 << 20);
  double bytes = nddr_measure_copy (check_plan (c), to, from);
  check_ready (c);
  check_bench (c, 1, 0, bytes, "%s: memory", family == NDDR_FAMILY_SOFTWARE ? "software" : "gpu");
  check_end (c);
}

static void
test (gconstpointer data)
{
  NddrFamily family = *(const NddrFamily *) data;
  if (!check_can (family, FALSE)) {
    g_test_skip ("not on this device");
    return;
  }
  test_fma (family);
  test_copy (family);
  if (check_benching ())
    bench (family);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/measure/software", &families[0], test);
  g_test_add_data_func ("/measure/gpu", &families[1], test);
  if (check_traits ()->matrix.m > 0)
    g_test_add_func ("/measure/matrix", test_matrix);
  return check_finish (g_test_run ());
}
