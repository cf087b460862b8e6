/* Pooling against its reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "pool.h"

#include <math.h>

typedef struct
{
  int branches, batch, height, width, channels;
  gboolean average;
  int stride;
  NddrPoolPadding padding;
} Row;

#define MAX_1 FALSE, 1, NDDR_POOL_BOTH
#define MAX_2(padding) FALSE, 2, NDDR_POOL_##padding
#define AVERAGE TRUE, 1, NDDR_POOL_BOTH

static const Row rows[] = {
  { 1, 1, 1, 1, 1, MAX_1 },
  { 1, 1, 1, 1, 3, MAX_2 (BOTH) },
  { 1, 1, 1, 1, 4, MAX_2 (SAME) },
  { 1, 1, 1, 1, 5, AVERAGE },
  { 1, 1, 1, 9, 3, AVERAGE },
  { 2, 1, 9, 1, 8, AVERAGE },
  { 2, 3, 7, 2, 41, AVERAGE },
  { 3, 2, 11, 13, 40, AVERAGE },
  { 1, 3, 1, 17, 40, MAX_1 },
  { 2, 1, 17, 1, 1, MAX_1 },
  { 3, 2, 13, 11, 41, MAX_1 },
  { 1, 1, 41, 41, 64, MAX_1 },
  { 2, 3, 9, 15, 3, MAX_2 (BOTH) },
  { 1, 2, 10, 16, 41, MAX_2 (BOTH) },
  { 2, 1, 9, 16, 40, MAX_2 (SAME) },
  { 2, 1, 10, 15, 41, MAX_2 (SAME) },
  { 3, 1, 9, 16, 8, MAX_2 (END) },
  { 1, 3, 10, 15, 41, MAX_2 (END) },
  { 1, 1, 2, 3, 4, MAX_2 (END) },
  { 2, 1, 81, 81, 16, MAX_2 (BOTH) },
};

#define LARGE_BINDING (512u << 20)
/* More pixels than a float numbers: of one plane, which stays within such a binding. */
static const Row large_rows[] = {
  { 1, 1, 4099, 4100, 1, MAX_1 },
  { 1, 1, 4100, 4099, 1, MAX_2 (SAME) },
};

static const Row bench_rows[] = {
  { 2, 1, 161, 161, 16, MAX_2 (BOTH) },
  { 2, 1, 321, 321, 64, MAX_2 (BOTH) },
  { 2, 1, 41, 41, 512, MAX_1 },
  { 2, 1, 41, 41, 512, AVERAGE },
};

static RefPool
reference (const Row *r)
{
  gboolean shift_y = r->stride == 1 || r->padding == NDDR_POOL_BOTH || (r->padding == NDDR_POOL_SAME && r->height % 2);
  gboolean shift_x = r->stride == 1 || r->padding == NDDR_POOL_BOTH || (r->padding == NDDR_POOL_SAME && r->width % 2);

  return (RefPool){ r->branches * r->batch, r->height, r->width, r->channels, nddr_pool_size (r->height, r->stride, r->padding),
    nddr_pool_size (r->width, r->stride, r->padding), r->stride, shift_y, shift_x, r->average };
}

static gsize
in_elements (const RefPool *p)
{
  return (gsize) p->planes * p->height * p->width * p->channels;
}

static gsize
out_elements (const RefPool *p)
{
  return (gsize) p->planes * p->out_height * p->out_width * p->channels;
}

static char *
describe (const Row *r)
{
  static const char *names[] = { "both", "same", "end" };

  return g_strdup_printf ("%s stride %d %s, %dx%dx%dx%dx%d", r->average ? "average" : "max", r->stride, names[r->padding],
      r->branches, r->batch, r->height, r->width, r->channels);
}

static void
check_forward (const Row *r, NddrFamily family, gboolean half, gboolean bench)
{
  RefPool p = reference (r);
  NddrCheck *c = check_begin (family, half);
  NddrTensor *before = check_map (c, "before", r->branches, r->batch, p.out_height, p.out_width, r->channels);
  NddrTensor *y = check_map (c, "y", r->branches, r->batch, p.out_height, p.out_width, r->channels);
  NddrTensor *after = check_map (c, "after", r->branches, r->batch, p.out_height, p.out_width, r->channels);
  NddrTensor *x = check_map (c, "x", r->branches, r->batch, r->height, r->width, r->channels);
  g_autofree double *in = check_random (in_elements (&p), 1, half), *guard = check_random (out_elements (&p), 2, half);
  g_autofree double *out = g_new (double, out_elements (&p));
  g_autofree char *what = describe (r);
  NddrPool op = { y, x, r->average, r->stride, r->padding };

  for (gsize i = 0; i < in_elements (&p); i++)
    in[i] = -fabs (in[i]); /* where all are negative, padding taken for zeros would win */
  ref_pool_forward (&p, out, in);
  nddr_pool_forward (check_plan (c), &op);
  check_ready (c);
  check_fill (c, x, in);
  check_fill (c, before, guard);
  check_fill (c, after, guard);
  check_run (c, 1);
  check_compare (c, y, out, r->average ? half ? 1e-3 : 1e-6 : half ? 1e-3 : 0, "%s", what);
  check_compare (c, before, guard, 0, "%s: before the output", what);
  check_compare (c, after, guard, 0, "%s: behind the output", what);
  if (bench)
    check_bench (c, 1, 0, x->bytes + y->bytes, "%s", what);
  check_end (c);
}

static void
test_forward (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (int half = 0; half < 2; half++)
    for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, half); i++)
      check_forward (&rows[i], family, half, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_forward (&bench_rows[i], family, FALSE, TRUE);
}

/* Values on a coarse grid, so that windows have ties. */
static double *
tied_random (gsize n, guint64 seed)
{
  double *values = check_random (n, seed, FALSE);

  for (gsize i = 0; i < n; i++)
    values[i] = floor (values[i] * 4) / 4;
  return values;
}

static void
check_backward (const Row *r, NddrFamily family, gboolean accumulate, gboolean bench)
{
  RefPool p = reference (r);
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *before = check_map (c, "before", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *dx = check_map (c, "dx", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *after = check_map (c, "after", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *x = check_map (c, "x", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *dy = check_map (c, "dy", r->branches, r->batch, p.out_height, p.out_width, r->channels);
  g_autofree double *in = tied_random (in_elements (&p), 1), *guard = check_random (in_elements (&p), 2, FALSE);
  g_autofree double *gradient = check_random (out_elements (&p), 3, FALSE), *want = g_new (double, in_elements (&p));
  g_autofree char *what = describe (r);
  NddrPool op = { NULL, x, r->average, r->stride, r->padding };

  ref_pool_backward (&p, want, in, gradient);
  for (gsize i = 0; i < in_elements (&p) && accumulate; i++)
    want[i] += guard[i];
  nddr_pool_backward (check_plan (c), &op, dx, dy, accumulate);
  check_ready (c);
  check_fill (c, x, in);
  check_fill (c, dy, gradient);
  check_fill (c, dx, guard);
  check_fill (c, before, guard);
  check_fill (c, after, guard);
  check_run (c, 1);
  check_compare (c, dx, want, 1e-6, "gradient of %s", what);
  check_compare (c, before, guard, 0, "%s: before the output", what);
  check_compare (c, after, guard, 0, "%s: behind the output", what);
  if (bench)
    check_bench (c, 1, 0, 2.0 * x->bytes + dy->bytes, "gradient of %s", what);
  check_end (c);
}

static void
test_backward (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
    if (nddr_pool_size (rows[i].height, rows[i].stride, rows[i].padding) > 0)
      for (int accumulate = 0; accumulate < 2; accumulate++)
        check_backward (&rows[i], family, accumulate, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_backward (&bench_rows[i], family, FALSE, TRUE);
}

static void
test_large (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (large_rows); i++)
    check_backward (&large_rows[i], NDDR_FAMILY_GPU, FALSE, FALSE);
}

/* The reference's gradient against differences of its forward; no ties here: there the maximum has none. */
static void
test_differences (void)
{
  const double h = 1e-6;

  for (guint k = 0; k < G_N_ELEMENTS (rows); k++) {
    RefPool p = reference (&rows[k]);
    gsize n = in_elements (&p), m = out_elements (&p);
    g_autofree double *x = check_random (n, 41, FALSE), *dy = check_random (m, 42, FALSE), *dx = g_new (double, n);
    g_autofree double *up = g_new (double, m), *down = g_new (double, m);

    if (n > 1000)
      continue;
    ref_pool_backward (&p, dx, x, dy);
    for (gsize i = 0; i < n; i++) {
      double kept = x[i], slope = 0;

      x[i] = kept + h;
      ref_pool_forward (&p, up, x);
      x[i] = kept - h;
      ref_pool_forward (&p, down, x);
      x[i] = kept;
      for (gsize j = 0; j < m; j++)
        slope += dy[j] * (up[j] - down[j]) / (2 * h);
      g_assert_cmpfloat_with_epsilon (dx[i], slope, 1e-6);
    }
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/pool/forward/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_forward);
  g_test_add_data_func ("/pool/forward/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_forward);
  g_test_add_data_func ("/pool/backward/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_backward);
  g_test_add_data_func ("/pool/backward/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_backward);
  if (check_traits ()->max_storage_range >= LARGE_BINDING)
    g_test_add_func ("/pool/backward/large", test_large);
  g_test_add_func ("/pool/reference/differences", test_differences);
  return check_finish (g_test_run ());
}
