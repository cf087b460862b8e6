/* The gradient of every parameter of whole small networks against PyTorch's in double precision, and the losses.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <math.h>

/* Stored as fp16, which alone is up to 3e-4 of each number. */
#define RELATIVE 1e-3
/* Of the largest gradient's norm: what counts as zero. */
#define ABSOLUTE 1e-6

static double
largest_norm (const Golden *golden, double scale)
{
  const GArray *all = nddr_learner_get_training (golden->learner)->parameters->all;
  double largest = 0;
  for (guint s = 0; s < all->len; s++) {
    const NddrArray *want = golden_tensor (golden, "gradient", g_array_index (all, NddrParameter, s).name);
    double distance, norm;
    if (!want)
      continue;
    golden_distance (want, want, scale, &distance, &norm);
    largest = MAX (largest, norm);
  }
  return largest;
}

static void
compare_gradients (const Golden *golden)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrArrays) got = nddr_arrays_new ();
  const NddrParameters *parameters = nddr_learner_get_training (golden->learner)->parameters;
  nddr_parameters_read (parameters, nddr_learner_get_program (golden->learner), NDDR_PARAMETERS_GRADIENTS, got, "", &error);
  g_assert_no_error (error);
  double scale = ldexp (1, -golden->gradient_exponent), largest = largest_norm (golden, scale), worst = 0;
  guint wrong = 0, compared = 0;
  for (guint i = 0; i < got->arrays->len; i++) {
    const NddrArray *array = got->arrays->pdata[i], *want = golden_tensor (golden, "gradient", array->name);
    double distance, norm;
    g_assert_nonnull (want);
    golden_distance (array, want, scale, &distance, &norm);
    compared++;
    if (distance <= MAX (RELATIVE * norm, ABSOLUTE * largest)) {
      worst = MAX (worst, norm > ABSOLUTE * largest ? distance / norm : 0);
      continue;
    }
    g_test_message ("%s: off by %.3g of %.3g", array->name, distance, norm);
    wrong++;
  }
  g_test_message ("%u tensors, worst %.2g", compared, worst);
  g_assert_cmpuint (compared, >, 20);
  if (wrong)
    g_test_fail_printf ("%u of %u gradients are wrong", wrong, compared);
}

static void
check_case (const char *name, NddrFamily family)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) golden = golden_load (name, family);
  g_autoptr (NddrBatch) batch = golden_batch (golden, 1);
  const NddrArray *want = golden_tensor (golden, "losses", NULL);
  double losses[8];
  guint gradients = 1 << NDDR_TRAINING_PACK | 1 << NDDR_TRAINING_FORWARD | 1 << NDDR_TRAINING_BACKWARD;
  nddr_learner_step (golden->learner, batch, 0, gradients, losses, &error);
  g_assert_no_error (error);
  for (guint t = 0; t < golden->start->config->n_tasks; t++)
    g_assert_cmpfloat (fabs (losses[t] / want->data[1 + t] - 1), <, 1e-4);
  compare_gradients (golden);
}

static void
test_software (gconstpointer name)
{
  check_case (name, NDDR_FAMILY_SOFTWARE);
}

static void
test_gpu (gconstpointer name)
{
  check_case (name, NDDR_FAMILY_GPU);
}

int
main (int argc, char **argv)
{
  golden_init (&argc, &argv);
  golden_add_tests ("gradients/software", test_software);
  golden_add_tests ("gradients/gpu", test_gpu);
  return golden_run ();
}
