/* Maps as halves, against the rounding of IEEE 754.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <math.h>

/* What is near, where rounding may go either way; infinite beyond the largest half. */
static void
test_values (void)
{
  static const double values[] = { 0, 1, -1, 0.1, -1.0 / 3, 65504, -65504, 65519, 65520, -65520, 1e5, 1e30, -1e30, 6.1035e-5, 5.96e-8, 1e-9, 2049,
    4099, INFINITY, -INFINITY };
  NddrCheck *c = check_begin (NDDR_FAMILY_GPU, FALSE);
  NddrTensor *x = check_map (c, "x", 1, 1, 1, 1, G_N_ELEMENTS (values)), *y = check_half_map (c, "y", 1, 1, 1, 1, G_N_ELEMENTS (values));
  nddr_cast (check_plan (c), y, x);
  check_ready (c);
  check_fill (c, x, values);
  check_run (c, 1);
  g_autofree double *got = check_fetch (c, y);
  for (guint i = 0; i < G_N_ELEMENTS (values); i++) {
    double v = values[i], unit = ldexp (1, MAX (ilogb (v == 0 || isinf (v) ? 1 : v), -14) - 10);
    if (fabs (v) >= 65520)
      g_assert_cmpfloat (got[i], ==, v > 0 ? INFINITY : -INFINITY);
    else if (fabs (got[i] - v) >= unit || fabs (got[i]) > 65504)
      g_error ("%.9g became %.9g", v, got[i]);
  }
  check_end (c);
}

/* Every shape of padding, several branches, more than a lane's share; halves stay what they are. */
static void
test_shapes (void)
{
  static const int shapes[][5] = { { 1, 1, 1, 1, 1 }, { 2, 3, 5, 7, 3 }, { 1, 2, 9, 4, 4 }, { 3, 1, 6, 5, 5 }, { 2, 2, 7, 3, 8 }, { 1, 2, 3, 4, 12 },
    { 2, 4, 97, 89, 41 } };
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    const int *s = shapes[i];
    NddrCheck *c = check_begin (NDDR_FAMILY_GPU, FALSE);
    NddrTensor *x = check_map (c, "x", s[0], s[1], s[2], s[3], s[4]), *y = check_half_map (c, "y", s[0], s[1], s[2], s[3], s[4]);
    g_autofree double *values = check_random (check_elements (x), i + 1, TRUE);
    nddr_cast (check_plan (c), y, x);
    check_ready (c);
    check_fill (c, x, values);
    check_poison (c, y);
    check_run (c, 1);
    check_compare (c, y, values, 0, "%dx%dx%dx%d, %d channels", s[0], s[1], s[2], s[3], s[4]);
    check_end (c);
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  if (check_can (NDDR_FAMILY_GPU, TRUE)) {
    g_test_add_func ("/cast/values", test_values);
    g_test_add_func ("/cast/shapes", test_shapes);
  }
  return check_finish (g_test_run ());
}
