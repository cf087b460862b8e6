/* Bilinear resizing against its reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "resize.h"

typedef struct
{
  int branches, batch, height, width, out_height, out_width, channels;
} Row;

static const Row rows[] = {
  { 1, 1, 1, 1, 1, 1, 1 },
  { 1, 2, 1, 1, 5, 3, 3 },
  { 2, 1, 5, 3, 1, 1, 4 },
  { 2, 1, 1, 7, 3, 1, 40 },
  { 1, 3, 9, 13, 9, 13, 5 },
  { 2, 2, 9, 13, 18, 26, 41 },
  { 3, 1, 9, 13, 17, 25, 40 },
  { 1, 2, 41, 40, 11, 10, 41 },
  { 2, 1, 24, 32, 3, 4, 3 },
  { 1, 1, 12, 16, 96, 128, 13 },
  { 1, 1, 2, 321, 3, 322, 1 },
};

static const Row bench_rows[] = {
  { 1, 8, 12, 16, 24, 32, 320 },
  { 1, 8, 12, 16, 192, 256, 13 },
  { 2, 1, 161, 161, 41, 41, 64 },
};

static const char *const mode_names[] = { "half-pixel", "align-corners", "asymmetric" };

static RefResize
reference (const Row *r, NddrResizeMode mode)
{
  return (RefResize){ r->branches * r->batch, r->height, r->width, r->channels, r->out_height, r->out_width, mode };
}

static gsize
in_elements (const RefResize *r)
{
  return (gsize) r->planes * r->height * r->width * r->channels;
}

static gsize
out_elements (const RefResize *r)
{
  return (gsize) r->planes * r->out_height * r->out_width * r->channels;
}

static char *
describe (const Row *r, NddrResizeMode mode)
{
  return g_strdup_printf ("%s %dx%d to %dx%d, %dx%dx%d", mode_names[mode], r->height, r->width, r->out_height, r->out_width, r->branches,
      r->batch, r->channels);
}

static void
check_forward (const Row *r, NddrResizeMode mode, NddrFamily family, gboolean half, gboolean bench)
{
  RefResize ref = reference (r, mode);
  NddrCheck *c = check_begin (family, half);
  NddrTensor *before = check_map (c, "before", r->branches, r->batch, r->out_height, r->out_width, r->channels);
  NddrTensor *y = check_map (c, "y", r->branches, r->batch, r->out_height, r->out_width, r->channels);
  NddrTensor *after = check_map (c, "after", r->branches, r->batch, r->out_height, r->out_width, r->channels);
  NddrTensor *x = check_map (c, "x", r->branches, r->batch, r->height, r->width, r->channels);
  g_autofree double *in = check_random (in_elements (&ref), 1, half), *guard = check_random (out_elements (&ref), 2, half);
  g_autofree double *out = g_new (double, out_elements (&ref));
  g_autofree char *what = describe (r, mode);
  NddrResize op = { y, x, mode };

  ref_resize_forward (&ref, out, in);
  nddr_resize_forward (check_plan (c), &op);
  check_ready (c);
  check_fill (c, x, in);
  check_fill (c, before, guard);
  check_fill (c, after, guard);
  check_run (c, 1);
  check_compare (c, y, out, half ? 1e-3 : 1e-6, "%s", what);
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
      for (NddrResizeMode mode = 0; mode < 3; mode++)
        check_forward (&rows[i], mode, family, half, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_forward (&bench_rows[i], NDDR_RESIZE_HALF_PIXEL, family, FALSE, TRUE);
}

static void
check_backward (const Row *r, NddrResizeMode mode, NddrFamily family, gboolean accumulate, gboolean bench)
{
  RefResize ref = reference (r, mode);
  NddrCheck *c = check_begin (family, FALSE);
  NddrTensor *before = check_map (c, "before", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *dx = check_map (c, "dx", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *after = check_map (c, "after", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *dy = check_map (c, "dy", r->branches, r->batch, r->out_height, r->out_width, r->channels);
  g_autofree double *gradient = check_random (out_elements (&ref), 1, FALSE), *guard = check_random (in_elements (&ref), 2, FALSE);
  g_autofree double *want = g_new (double, in_elements (&ref));
  g_autofree char *what = describe (r, mode);
  NddrResize op = { NULL, NULL, mode };

  ref_resize_backward (&ref, want, gradient);
  for (gsize i = 0; i < in_elements (&ref) && accumulate; i++)
    want[i] += guard[i];
  nddr_resize_backward (check_plan (c), &op, dx, dy, accumulate);
  check_ready (c);
  check_fill (c, dy, gradient);
  check_fill (c, dx, guard);
  check_fill (c, before, guard);
  check_fill (c, after, guard);
  check_run (c, 1);
  check_compare (c, dx, want, 1e-6, "gradient of %s", what);
  check_compare (c, before, guard, 0, "%s: before the output", what);
  check_compare (c, after, guard, 0, "%s: behind the output", what);
  if (bench)
    check_bench (c, 1, 0, dx->bytes + dy->bytes, "gradient of %s", what);
  check_end (c);
}

static void
test_backward (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
    for (NddrResizeMode mode = 0; mode < 3; mode++)
      check_backward (&rows[i], mode, family, (i + mode) % 2, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_backward (&bench_rows[i], NDDR_RESIZE_HALF_PIXEL, family, FALSE, TRUE);
}

/* The reference's gradient is its forward's transpose: <dy, F x> = <F' dy, x>. */
static void
test_transpose (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (NddrResizeMode mode = 0; mode < 3; mode++) {
      RefResize ref = reference (&rows[i], mode);
      gsize n = in_elements (&ref), m = out_elements (&ref);
      g_autofree double *x = check_random (n, 51, FALSE), *dy = check_random (m, 52, FALSE);
      g_autofree double *y = g_new (double, m), *dx = g_new (double, n);
      double out = 0, in = 0;

      ref_resize_forward (&ref, y, x);
      ref_resize_backward (&ref, dx, dy);
      for (gsize k = 0; k < m; k++)
        out += y[k] * dy[k];
      for (gsize k = 0; k < n; k++)
        in += x[k] * dx[k];
      g_assert_cmpfloat_with_epsilon (out, in, 1e-9 * m);
    }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/resize/forward/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_forward);
  g_test_add_data_func ("/resize/forward/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_forward);
  g_test_add_data_func ("/resize/backward/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_backward);
  g_test_add_data_func ("/resize/backward/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_backward);
  g_test_add_func ("/resize/reference/transpose", test_transpose);
  return check_finish (g_test_run ());
}
