/* Log-variances of losses against the definition of Adam (Kingma and Ba, ICLR 2015), where a task has no pixels in some steps and others are left out;
 * and averaged weights against Liu's formula (CVPR 2019).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/task-weighting.h"

#include <math.h>

#define STEPS 12
#define FIRST (-0.5) /* log-variances start here */

static gboolean
has_pixels (guint k, gint64 t)
{
  return k == 0 || t % 3 == 1;
}

/* an overflow: the step begins, and does not end */
static gboolean
is_left_out (gint64 t)
{
  return t == 0 || t == 5;
}

/* d/ds of L / (2 exp (s)) + s / 2 */
static double
gradient (double loss, double s)
{
  return 0.5 - loss / (2 * exp (s));
}

static void
test_adam (void)
{
  static const char *const sets[] = { "train.steps=12", "train.optimizer=adamw", "train.schedule=constant", "train.lr=0.01", "train.lr_weighting=1",
    "train.beta1=0.9", "train.beta2=0.99", "train.adam_eps=1e-8", "loss.weighting=uncertainty", "loss.segmentation=1", "loss.normal=1", NULL };
  NddrTask tasks[2] = { { .name = (char *) "segmentation" }, { .name = (char *) "normal", .kind = NDDR_TASK_NORMAL } };
  g_autoptr (GError) error = NULL;
  NddrRecipe *recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  g_autoptr (NddrTaskWeighting) weighting = nddr_task_weighting_new (recipe, tasks, 2);
  double s[2] = { FIRST, FIRST }, m[2] = { 0 }, v[2] = { 0 };
  int n[2] = { 0 };

  for (gint64 t = 0; t < STEPS; t++) {
    double losses[2] = { 1.5 + 0.3 * sin ((double) t), 0.2 + 0.05 * t }, valid[2];

    nddr_task_weighting_begin (weighting, t);
    for (guint k = 0; k < 2; k++)
      g_assert_cmpfloat_with_epsilon (nddr_task_weighting_get_log_variances (weighting)[k], s[k], 1e-12);
    if (is_left_out (t))
      continue;
    for (guint k = 0; k < 2; k++) {
      valid[k] = has_pixels (k, t) ? 100 : 0;
      if (valid[k] == 0)
        continue;
      double g = gradient (losses[k], s[k]);
      n[k]++;
      m[k] = 0.9 * m[k] + 0.1 * g;
      v[k] = 0.99 * v[k] + 0.01 * g * g;
      s[k] -= 0.01 * (m[k] / (1 - pow (0.9, n[k]))) / (sqrt (v[k] / (1 - pow (0.99, n[k]))) + 1e-8);
    }
    nddr_task_weighting_end (weighting, t, losses, valid);
  }
  g_assert_cmpint (n[0], ==, STEPS - 2);
  g_assert_cmpint (n[1], <, n[0]);

  /* the state has all of it */
  g_autofree char *text = nddr_task_weighting_to_text (weighting);
  g_autoptr (NddrTaskWeighting) again = nddr_task_weighting_new (recipe, tasks, 2);
  nddr_task_weighting_from_text (again, text, &error);
  g_assert_no_error (error);
  g_autofree char *text_again = nddr_task_weighting_to_text (again);
  g_assert_cmpstr (text, ==, text_again);
  nddr_recipe_free (recipe);
}

/* Of one step an epoch, two tasks: K softmax (r / T), where a task without a pixel all of an epoch changed by nothing then: r is 1, and next is its mean over
 * the last that there was. */
static void
test_average (void)
{
  static const char *const sets[] = { "train.batch=2", "loss.weighting=dwa", "loss.dwa_temperature=2", "loss.segmentation=3", "loss.normal=5", NULL };
  static const double losses[][2] = { { 2, 0.5 }, { 1, 0.25 }, { 0.8, 9 }, { 0.7, 0.125 }, { 0, 0 } };
  static const double ratios[][2] = { { 1 / 2.0, 0.25 / 0.5 }, { 0.8 / 1, 1 }, { 0.7 / 0.8, 0.125 / 0.25 } }; /* from the third epoch on */
  NddrTask tasks[2] = { { .name = (char *) "segmentation" }, { .name = (char *) "normal", .kind = NDDR_TASK_NORMAL } };
  g_autoptr (GError) error = NULL;
  NddrRecipe *recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  {
    g_autoptr (NddrTaskWeighting) weighting = nddr_task_weighting_new (recipe, tasks, 2);
    nddr_task_weighting_set_epoch (weighting, 2);
    for (gint64 t = 0; t < (gint64) G_N_ELEMENTS (losses); t++) {
      const double valid[2] = { 100, t == 2 ? 0 : 100 };
      nddr_task_weighting_begin (weighting, t);
      double a = t < 2 ? 1 : exp (ratios[t - 2][0] / 2), b = t < 2 ? 1 : exp (ratios[t - 2][1] / 2);
      g_assert_cmpfloat_with_epsilon (nddr_task_weighting_get_weights (weighting)[0], 3 * 2 * a / (a + b), 1e-12);
      g_assert_cmpfloat_with_epsilon (nddr_task_weighting_get_weights (weighting)[1], 5 * 2 * b / (a + b), 1e-12);
      nddr_task_weighting_end (weighting, t, losses[t], valid);
    }
  }
  nddr_recipe_free (recipe);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/task-weighting/adam", test_adam);
  g_test_add_func ("/task-weighting/average", test_average);
  return g_test_run ();
}
