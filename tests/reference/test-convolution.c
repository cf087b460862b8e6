/* The reference convolution's gradients against central differences of its forward, and its forward against a sum written out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "convolution.h"

#include <glib.h>
#include <math.h>

static double *
noise (GRand *rand, gsize n)
{
  double *x = g_new (double, n);
  for (gsize i = 0; i < n; i++)
    x[i] = g_rand_double_range (rand, -1, 1);
  return x;
}

/** sum (dy * y), whose gradients the backward functions compute. */
static double
objective (const RefConvolution *c, const double *const *x, const double *w, const double *bias, const double *dy)
{
  gsize n = (gsize) c->batch * ref_convolution_height (c) * ref_convolution_width (c) * c->out;
  g_autofree double *y = g_new (double, n);
  double sum = 0;
  ref_convolution_forward (c, y, x, w, bias, NULL, -INFINITY, INFINITY);
  for (gsize i = 0; i < n; i++)
    sum += y[i] * dy[i];
  return sum;
}

static void
check_gradient (const RefConvolution *c, double *at, const double *gradient, gsize n, const double *const *x, const double *w,
    const double *bias, const double *dy)
{
  for (gsize i = 0; i < n; i += 1 + n / 40) {
    double was = at[i], above, below;
    at[i] = was + 0.5;
    above = objective (c, x, w, bias, dy);
    at[i] = was - 0.5;
    below = objective (c, x, w, bias, dy);
    at[i] = was;
    g_assert_cmpfloat_with_epsilon (gradient[i], above - below, 1e-10);
  }
}

static void
test_gradients (void)
{
  static const int in[] = { 3, 2 };
  static const RefConvolution shapes[] = {
    { 2, 5, 4, 2, in, 3, 3, 1, 1 },
    { 1, 5, 6, 2, in, 2, 3, 2, 1 },
    { 1, 4, 7, 1, in, 2, 3, 1, 2 },
    { 1, 6, 5, 1, in, 2, 5, 2, 1 },
    { 2, 3, 3, 2, in, 4, 1, 1, 1 },
    { 1, 5, 5, 1, in, 2, 1, 2, 1 },
    { 1, 7, 6, 1, in, 2, 3, 3, 2 },
  };
  for (guint t = 0; t < G_N_ELEMENTS (shapes); t++) {
    const RefConvolution *c = &shapes[t];
    g_autoptr (GRand) rand = g_rand_new_with_seed (t);
    gsize pixels = (gsize) c->batch * c->height * c->width, n_w = (gsize) c->out * ref_convolution_in (c) * c->kernel * c->kernel;
    gsize n_y = (gsize) c->batch * ref_convolution_height (c) * ref_convolution_width (c) * c->out;
    g_autofree double *x0 = noise (rand, pixels * 3), *x1 = noise (rand, pixels * 2), *w = noise (rand, n_w),
                      *bias = noise (rand, c->out);
    g_autofree double *dy = noise (rand, n_y), *dw = g_new (double, n_w), *db = g_new (double, c->out),
                      *dx = g_new (double, pixels * 3);
    double *x[] = { x0, x1 };

    ref_convolution_backward_weight (c, dw, db, (const double *const *) x, dy);
    check_gradient (c, w, dw, n_w, (const double *const *) x, w, bias, dy);
    check_gradient (c, bias, db, c->out, (const double *const *) x, w, bias, dy);
    for (int s = 0; s < c->n_sources; s++) {
      ref_convolution_backward_data (c, s, dx, dy, w);
      check_gradient (c, x[s], dx, pixels * c->in[s], (const double *const *) x, w, bias, dy);
    }
  }
}

/** 3 x 3 over a 3 x 3 map whose pixels are 1 to 9, by hand. */
static void
test_by_hand (void)
{
  static const int in[] = { 1 };
  static const double pixels[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, w[] = { 1, 0, 0, 0, 2, 0, 0, 0, -1 }, bias[] = { 0.5 };
  static const double expected[] = { 2 - 5, 4 - 6, 6, 8 - 8, 10 + 1 - 9, 12 + 2, 14, 16 + 4, 18 + 5 };
  const double *x[] = { pixels };
  RefConvolution c = { 1, 3, 3, 1, in, 1, 3, 1, 1 };
  double y[9];

  ref_convolution_forward (&c, y, x, w, bias, NULL, -INFINITY, INFINITY);
  for (int i = 0; i < 9; i++)
    g_assert_cmpfloat (y[i], ==, expected[i] + 0.5);
  ref_convolution_forward (&c, y, x, w, bias, pixels, 0, 6);
  for (int i = 0; i < 9; i++)
    g_assert_cmpfloat (y[i], ==, CLAMP (expected[i] + 0.5 + pixels[i], 0, 6));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reference/convolution/by-hand", test_by_hand);
  g_test_add_func ("/reference/convolution/gradients", test_gradients);
  return g_test_run ();
}
