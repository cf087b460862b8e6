/* See learner.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/learner-private.h>

#include <nddr/allocate.h>
#include <nddr/gpu/device.h>

#define MOMENT1 "moment1/"
#define MOMENT2 "moment2/"

static void
make_class_weights (NddrLearner *learner)
{
  if (!learner->training->class_weights)
    return;
  learner->n_classes = learner->training->class_weights->stride;
  learner->class_weights = g_new (double, learner->n_classes);
  for (guint c = 0; c < learner->n_classes; c++)
    learner->class_weights[c] = 1;
}

/* What the teacher takes of the device's memory, *traits has less. */
static gboolean
make_teacher (NddrLearner *learner, NddrDevice *device, NddrTraits *traits, GError **error)
{
  const NddrRecipe *recipe = learner->recipe;
  if (recipe->teacher[0] == '\0')
    return TRUE;
  learner->distilled = g_new0 (double, learner->start->config->n_tasks);
  learner->teacher = nddr_teacher_new (device, traits, recipe->teacher, learner->start->config, nddr_learner_training_options (learner).batch,
      recipe->crop.width, recipe->crop.height, learner->mixed, error);
  if (!learner->teacher) {
    g_prefix_error (error, "[distillation] teacher: ");
    return FALSE;
  }
  if (traits->memory > 0)
    traits->memory -= MIN (traits->memory - 1, nddr_teacher_get_bytes (learner->teacher));
  return TRUE;
}

NddrLearner *
nddr_learner_new (NddrDevice *device, const NddrTraits *traits, NddrRanks *ranks, const NddrStart *start, const NddrRecipe *recipe, GError **error)
{
  g_autoptr (NddrLearner) learner = g_new0 (NddrLearner, 1);
  learner->start = start;
  learner->recipe = recipe;
  learner->ranks = nddr_ranks_are_several (ranks) ? ranks : NULL;
  g_assert (!learner->ranks || recipe->batch % ranks->count == 0);
  learner->weighting = nddr_task_weighting_new (recipe, start->config->tasks, start->config->n_tasks);
  NddrTraits left = traits ? *traits : *nddr_device_get_traits (device);
  traits = &left;
  learner->mixed = recipe->precision == NDDR_LEARN_MIXED && traits->family == NDDR_FAMILY_GPU && traits->fp16;
  learner->scaler = nddr_scaler_new ();
  if (!make_teacher (learner, device, &left, error))
    return NULL;
  g_autoptr (GError) problem = NULL;
  if (!nddr_learner_make_program (learner, device, traits, &problem)) {
    if (g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_NO_MEMORY) || g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED))
      g_prefix_error (&problem, "a step of %d pictures of %dx%d on one device ([train] batch, [data] crop; accumulate keeps a batch large): ",
          nddr_learner_training_options (learner).batch, recipe->crop.width, recipe->crop.height);
    g_propagate_error (error, g_steal_pointer (&problem));
    return NULL;
  }
  const NddrParameters *parameters = learner->training->parameters;
  if (!nddr_parameters_write (parameters, learner->program, NDDR_PARAMETERS_VALUES, start->tensors, "", error)
      || !nddr_parameters_reset (parameters, learner->program, error))
    return NULL;
  nddr_learner_write_unscale (learner);
  make_class_weights (learner);
  return g_steal_pointer (&learner);
}

void
nddr_learner_free (NddrLearner *learner)
{
  if (!learner)
    return;
  g_clear_pointer (&learner->program, nddr_program_free);
  g_clear_pointer (&learner->training, nddr_training_free);
  g_clear_pointer (&learner->teacher, nddr_teacher_free);
  g_clear_pointer (&learner->weighting, nddr_task_weighting_free);
  g_free (learner->distilled);
  g_free (learner->class_weights);
  g_free (learner);
}

const NddrTraining *
nddr_learner_get_training (const NddrLearner *learner)
{
  return learner->training;
}

NddrTaskWeighting *
nddr_learner_get_task_weighting (const NddrLearner *learner)
{
  return learner->weighting;
}

gboolean
nddr_learner_is_mixed (const NddrLearner *learner)
{
  return learner->mixed;
}

NddrScaler *
nddr_learner_get_scaler (NddrLearner *learner)
{
  return learner->recipe->precision == NDDR_LEARN_MIXED ? &learner->scaler : NULL;
}

double *
nddr_learner_get_class_weights (NddrLearner *learner, guint *n)
{
  *n = learner->n_classes;
  return learner->class_weights;
}

const NddrFootprint *
nddr_learner_get_footprint (const NddrLearner *learner)
{
  return &learner->footprint;
}

NddrProgram *
nddr_learner_get_program (const NddrLearner *learner)
{
  return learner->program;
}

void
nddr_learner_get_label_size (const NddrLearner *learner, guint *width, guint *height)
{
  *width = learner->training->tasks[0].width;
  *height = learner->training->tasks[0].height;
}

NddrLabels
nddr_learner_get_labels (const NddrLearner *learner)
{
  NddrLabels labels = 0;
  for (guint t = 0; t < learner->start->config->n_tasks; t++)
    labels |= NDDR_LABEL (learner->start->config->tasks[t].kind);
  return labels;
}

/* ---- reading and restoring */

gboolean
nddr_learner_read (NddrLearner *learner, gboolean moments, NddrArrays *tensors, GError **error)
{
  const NddrParameters *p = learner->training->parameters;
  if (!nddr_parameters_read (p, learner->program, NDDR_PARAMETERS_VALUES, tensors, "", error))
    return FALSE;
  return !moments
      || (nddr_parameters_read (p, learner->program, NDDR_PARAMETERS_MOMENT1, tensors, MOMENT1, error)
          && nddr_parameters_read (p, learner->program, NDDR_PARAMETERS_MOMENT2, tensors, MOMENT2, error));
}

gboolean
nddr_learner_restore (NddrLearner *learner, const NddrArrays *tensors, GError **error)
{
  const NddrParameters *p = learner->training->parameters;
  return nddr_parameters_write (p, learner->program, NDDR_PARAMETERS_VALUES, tensors, "", error)
      && nddr_parameters_write (p, learner->program, NDDR_PARAMETERS_MOMENT1, tensors, MOMENT1, error)
      && nddr_parameters_write (p, learner->program, NDDR_PARAMETERS_MOMENT2, tensors, MOMENT2, error);
}

gboolean
nddr_learner_broadcast (NddrLearner *learner, GError **error)
{
  const NddrParameters *p = learner->training->parameters;
  const NddrTensor *wholes[] = { p->params, p->running, p->moment1, p->moment2 };
  for (guint i = 0; learner->ranks && i < G_N_ELEMENTS (wholes); i++) {
    if (!wholes[i])
      continue;
    g_autofree guint8 *data = nddr_try_alloc (wholes[i]->bytes, 1, "the network's parameters", error);
    if (!data)
      return FALSE;
    if (nddr_ranks_is_first (learner->ranks) && !nddr_program_read (learner->program, wholes[i], 0, data, wholes[i]->bytes, error))
      return FALSE;
    nddr_ranks_broadcast (learner->ranks, data, wholes[i]->bytes);
    if (!nddr_ranks_is_first (learner->ranks) && !nddr_program_write (learner->program, wholes[i], 0, data, wholes[i]->bytes, error))
      return FALSE;
  }
  return TRUE;
}
