/* Zeroing, and with it the whole way from plan to device and back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

static void
test_zero (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);
  NddrCheck *c;
  NddrTensor *x, *y;
  const NddrStep *step;
  guint32 most;
  g_autofree double *values = check_random (2 * 3 * 5 * 7 * 9, 1, FALSE), *zeros = g_new0 (double, 2 * 3 * 5 * 7 * 9);

  if (!check_can (family, FALSE))
    return;
  c = check_begin (family, FALSE);
  x = check_map (c, "x", 2, 3, 5, 7, 9);
  y = check_map (c, "y", 2, 3, 5, 7, 9);
  most = check_plan (c)->traits.max_groups[0];
  check_plan (c)->traits.max_groups[0] = 5; /* of several dozen */
  nddr_zero (check_plan (c), x);
  step = g_ptr_array_index (check_plan (c)->steps, 0);
  g_assert_cmpuint (step->groups[0], <=, 5);
  check_plan (c)->traits.max_groups[0] = most;
  check_ready (c);
  check_fill (c, x, values);
  check_fill (c, y, values);
  check_compare (c, x, values, 0, "before");
  check_run (c, 1);
  check_compare (c, x, zeros, 0, "zero");
  check_compare (c, y, values, 0, "its neighbour");
  check_end (c);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/zero/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_zero);
  g_test_add_data_func ("/zero/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_zero);
  return check_finish (g_test_run ());
}
