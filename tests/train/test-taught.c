/* A task that has a teacher and, in a step, no label.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

/* What the teacher says alone is a loss that moves the task's weight; without a teacher there is nothing to move it. */
static void
test_weight (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) golden = golden_load (name, NDDR_FAMILY_SOFTWARE);
  g_autoptr (NddrBatch) batch = golden_batch (golden, 1);
  const NddrTraining *training = nddr_learner_get_training (golden->learner);
  const double *learnt = nddr_task_weighting_get_log_variances (nddr_learner_get_task_weighting (golden->learner));
  const NddrConfig *config = golden->start->config;
  double losses[8], before[8];
  gsize pixels = (gsize) training->image->batch * golden->recipe->accumulate * training->tasks[0].width * training->tasks[0].height;

  g_assert_cmpint (golden->recipe->weighting, ==, NDDR_WEIGHTING_UNCERTAINTY);
  for (gsize p = 0; p < pixels; p++)
    batch->segmentation[p] = 255;
  batch->valid[NDDR_TASK_SEGMENTATION] = 0;
  for (guint k = 0; k < config->n_tasks; k++)
    before[k] = learnt[k];
  for (gint64 t = 0; t < 2; t++) { /* what the first learns is what the second has */
    nddr_learner_step (golden->learner, batch, t, NDDR_TRAINING_STEP, losses, &error);
    g_assert_no_error (error);
  }
  for (guint k = 0; k < config->n_tasks; k++) {
    gboolean taught = training->tasks[k].teacher != NULL, labelled = config->tasks[k].kind != NDDR_TASK_SEGMENTATION;
    g_assert_true ((learnt[k] != before[k]) == (taught || labelled));
    g_assert_true ((losses[k] > 0) == (taught || labelled));
  }
}

int
main (int argc, char **argv)
{
  golden_init (&argc, &argv);
  g_test_add_data_func ("/taught/weight/with", "distillation-accumulate-uncertainty", test_weight);
  g_test_add_data_func ("/taught/weight/without", "uncertainty", test_weight);
  return golden_run ();
}
