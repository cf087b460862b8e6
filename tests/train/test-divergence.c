/* What is said of a step that leaves a number that is not finite: numbers are put where a network would make them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <math.h>
#include <train/divergence.h>

#define STEP_BUT_UPDATE (1 << NDDR_TRAINING_PACK | 1 << NDDR_TRAINING_FORWARD | 1 << NDDR_TRAINING_BACKWARD)

static void
run (const Golden *golden, guint phases, double *losses)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrBatch) batch = golden_batch (golden, 1);
  nddr_learner_step (golden->learner, batch, 0, phases, losses, &error);
  g_assert_no_error (error);
}

/* Puts @value into the middle of a parameter, its gradient or a running statistic; returns what was there. */
static float
put (const Golden *golden, gboolean gradient, const char *name, float value)
{
  g_autoptr (GError) error = NULL;
  const NddrParameters *p = nddr_learner_get_training (golden->learner)->parameters;
  NddrProgram *program = nddr_learner_get_program (golden->learner);
  for (guint s = 0; s < p->all->len; s++) {
    const NddrParameter *parameter = &g_array_index (p->all, NddrParameter, s);
    const NddrTensor *whole = parameter->running ? p->running : gradient ? p->total : p->params;
    gsize offset = (parameter->offset + parameter->n / 2) * sizeof (float);
    float before = 0;
    if (!g_str_equal (parameter->name, name))
      continue;
    nddr_program_read (program, whole, offset, &before, sizeof before, &error);
    g_assert_no_error (error);
    nddr_program_write (program, whole, offset, &value, sizeof value, &error);
    g_assert_no_error (error);
    return before;
  }
  g_error ("there is no tensor %s", name);
}

static void
expect (const Golden *golden, const double *losses, const char *want)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *what = NULL;
  nddr_divergence_find (golden->learner, golden->start->config, losses, &what, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (what, ==, want);
}

static void
test_divergence (void)
{
  double losses[8];
  g_autoptr (Golden) golden = golden_load ("accumulate", NDDR_FAMILY_SOFTWARE);
  run (golden, NDDR_TRAINING_STEP, losses);
  expect (golden, losses, NULL);

  /* running statistics and parameters, which are named in the layers' order */
  float variance = put (golden, FALSE, "normal1.conv3_2.bn.running_var", INFINITY);
  run (golden, 1 << NDDR_TRAINING_UPDATE, losses);
  expect (golden, losses, "normal1.conv3_2.bn.running_var is not finite");
  float weight = put (golden, FALSE, "nddr.2.normal1.weight", NAN);
  run (golden, 1 << NDDR_TRAINING_UPDATE, losses);
  expect (golden, losses, "nddr.2.normal1.weight is not finite");
  put (golden, FALSE, "nddr.2.normal1.weight", weight);
  put (golden, FALSE, "normal1.conv3_2.bn.running_var", variance);
  run (golden, STEP_BUT_UPDATE, losses);

  /* gradients: those nearest the losses first; too large for their squares' sum */
  put (golden, TRUE, "segmentation0.conv1_2.weight", NAN);
  put (golden, TRUE, "nddr.5.segmentation0.weight", -INFINITY);
  run (golden, 1 << NDDR_TRAINING_UPDATE, losses);
  expect (golden, losses, "the gradient of nddr.5.segmentation0.weight is not finite");
  put (golden, TRUE, "nddr.5.segmentation0.weight", 0);
  put (golden, TRUE, "segmentation0.conv1_2.weight", 1e25f);
  run (golden, 1 << NDDR_TRAINING_UPDATE, losses);
  expect (golden, losses, "the gradient of segmentation0.conv1_2.weight has grown to 1e+25");

  /* a loss before all else: weights are not numbers since the gradients were not */
  run (golden, STEP_BUT_UPDATE, losses);
  put (golden, FALSE, "normal1.fc8.bias", NAN);
  run (golden, NDDR_TRAINING_STEP, losses);
  expect (golden, losses, isfinite (losses[0]) ? "the loss of normal1 is not finite" : "the loss of segmentation0 is not finite");
}

int
main (int argc, char **argv)
{
  golden_init (&argc, &argv);
  g_test_add_func ("/divergence", test_divergence);
  return golden_run ();
}
