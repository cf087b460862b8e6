/* See divergence.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/divergence.h>

#include <math.h>

static char *
find_loss (const NddrOutcome *outcome, const NddrConfig *config, const double *losses)
{
  for (guint k = 0; k < config->n_tasks; k++)
    if (!isfinite (losses[k]))
      return g_strdup_printf ("the loss of %s is not finite", config->tasks[k].name);
  return isfinite (outcome->loss) ? NULL : g_strdup ("the weighted loss is not finite");
}

/* The largest absolute value; INFINITY where one is not finite. */
static double
largest (const NddrArray *array)
{
  double most = 0;
  for (gsize i = 0; i < array->n_elements; i++) {
    if (!isfinite (array->data[i]))
      return INFINITY;
    most = MAX (most, fabs (array->data[i]));
  }
  return most;
}

/* The first of @tensors that holds what is not finite or, where their squares' sum alone has left float's range, the one with the largest
 * number. @from_last: in the backward pass's order. */
static char *
name_tensor (const NddrArrays *tensors, const char *role, gboolean from_last)
{
  guint n = tensors->arrays->len;
  const NddrArray *worst = NULL;
  double most = -1;
  for (guint i = 0; i < n; i++) {
    const NddrArray *array = tensors->arrays->pdata[from_last ? n - 1 - i : i];
    double m = largest (array);
    if (m > most) {
      worst = array;
      most = m;
    }
    if (!isfinite (m))
      return g_strdup_printf ("%s%s is not finite", role, array->name);
  }
  return g_strdup_printf ("%s%s has grown to %.3g", role, worst ? worst->name : "a tensor", most);
}

gboolean
nddr_divergence_find (NddrLearner *learner, const NddrConfig *config, const double *losses, char **what, GError **error)
{
  const NddrOutcome *outcome = nddr_learner_get_outcome (learner);
  const NddrParameters *parameters = nddr_learner_get_training (learner)->parameters;
  NddrProgram *program = nddr_learner_get_program (learner);
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  *what = find_loss (outcome, config, losses);
  if (*what)
    return TRUE;
  if (!isfinite (outcome->sums[NDDR_SUM_GRADIENTS]) && !outcome->skipped) {
    if (!nddr_parameters_read (parameters, program, NDDR_PARAMETERS_GRADIENTS, tensors, "", error))
      return FALSE;
    *what = name_tensor (tensors, "the gradient of ", TRUE);
    return TRUE;
  }
  if (isfinite (outcome->sums[NDDR_SUM_PARAMS]) && isfinite (outcome->sums[NDDR_SUM_RUNNING]))
    return TRUE;
  if (!nddr_parameters_read (parameters, program, NDDR_PARAMETERS_VALUES, tensors, "", error))
    return FALSE;
  *what = name_tensor (tensors, "", FALSE);
  return TRUE;
}
