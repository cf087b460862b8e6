/* Ten steps of training against PyTorch in double precision: each step's losses and, where the file has them, its gradients' norm and
 * the losses' weights, and where every tensor has got to.  Under mpirun, of all ranks together: see golden.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <math.h>
#include <string.h>

#define LOSS 5e-4
#define MOVEMENT 0.03
#define NORM 5e-3

static void
check_losses (const Golden *golden, int t, const double *losses)
{
  const NddrConfig *config = golden->start->config;
  const NddrArray *want = golden_tensor (golden, "losses", NULL);
  const NddrOutcome *outcome = nddr_learner_get_outcome (golden->learner);
  const NddrArray *norms = golden_tensor (golden, "norms", NULL), *weights = golden_tensor (golden, "weights", NULL);
  const double *used = nddr_task_weighting_get_weights (nddr_learner_get_task_weighting (golden->learner));
  const float *row = want->data + (t - 1) * (1 + config->n_tasks);
  for (guint k = 0; k < config->n_tasks; k++) {
    const float *weight = weights ? weights->data + (t - 1) * config->n_tasks + k : NULL;
    if (weight && fabs (used[k] - *weight) > LOSS * *weight)
      g_error ("%s, step %d: the weight of %s is %.7g, PyTorch's %.7g", golden->name, t, config->tasks[k].name, used[k], *weight);
    if (fabs (losses[k] - row[1 + k]) > LOSS * fabs (row[1 + k]))
      g_error ("%s, step %d: the loss of %s is %.7g, PyTorch's %.7g", golden->name, t, config->tasks[k].name, losses[k], row[1 + k]);
  }
  g_assert_cmpfloat (fabs (outcome->loss - row[0]), <=, LOSS * fabs (row[0]));
  if (norms && fabs (outcome->gradient_norm - norms->data[t - 1]) > NORM * norms->data[t - 1])
    g_error ("%s, step %d: the gradients' norm is %.7g, PyTorch's %.7g", golden->name, t, outcome->gradient_norm, norms->data[t - 1]);
}

static void
check_movements (const Golden *golden)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrArrays) after = nddr_arrays_new ();
  nddr_learner_read (golden->learner, FALSE, after, &error);
  g_assert_no_error (error);
  double scale = ldexp (1, -golden->movement_exponent), worst = 0;
  guint wrong = 0, compared = 0;
  for (guint i = 0; i < after->arrays->len; i++) {
    NddrArray *array = after->arrays->pdata[i];
    const NddrArray *before = nddr_arrays_find (golden->start->tensors, array->name), *want = golden_tensor (golden, "movement", array->name);
    double distance, norm;
    if (!want)
      continue;
    for (gsize k = 0; k < array->n_elements; k++)
      array->data[k] = (double) array->data[k] - before->data[k];
    golden_distance (array, want, scale, &distance, &norm);
    compared++;
    worst = MAX (worst, distance / norm);
    if (distance <= MOVEMENT * norm)
      continue;
    g_test_message ("%s: off by %.3g of %.3g", array->name, distance, norm);
    wrong++;
  }
  g_test_message ("%u tensors, worst %.2g", compared, worst);
  g_assert_cmpuint (compared, >, 20);
  if (wrong)
    g_test_fail_printf ("%u of %u movements are wrong", wrong, compared);
}

static void
test_case (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) golden = golden_load (name, NDDR_FAMILY_SOFTWARE);
  double losses[8];
  for (int t = 1; t <= golden->recipe->steps; t++) {
    g_autoptr (NddrBatch) batch = golden_batch (golden, t);
    nddr_learner_step (golden->learner, batch, t - 1, NDDR_TRAINING_STEP, losses, &error);
    g_assert_no_error (error);
    check_losses (golden, t, losses);
  }
  golden_check_alike (golden);
  check_movements (golden);
}

int
main (int argc, char **argv)
{
  golden_init (&argc, &argv);
  golden_add_tests ("steps", test_case);
  return golden_run ();
}
