/* A learner's program: a step, planned so that the device's memory holds it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/learner-private.h>

/* How much of the heap a step may take: the rest is for what else the device holds. */
#define HEAP_SHARE 0.9

NddrTrainingOptions
nddr_learner_training_options (const NddrLearner *learner)
{
  const NddrRecipe *recipe = learner->recipe;
  NddrShare share = learner->ranks ? (NddrShare){ learner->ranks->index, learner->ranks->count } : (NddrShare){ 0, 1 };
  return (NddrTrainingOptions){
    .batch = recipe->batch / share.count, .share = share, .width = recipe->crop.width, .height = recipe->crop.height, .learn = TRUE,
    .input_resolution = recipe->resolution == NDDR_RESOLUTION_INPUT, .class_weights = recipe->class_balance > 0,
    .normal_angle = recipe->normal_loss == NDDR_NORMAL_LOSS_ANGLE,
    .teacher = learner->teacher ? nddr_teacher_get_outputs (learner->teacher) : NULL, .temperature = recipe->temperature, .penalty = recipe->sluice_penalty > 0,
    .dropout = recipe->dropout, .bn_momentum = recipe->bn_momentum,
    .bn_running = recipe->bn_mode != NDDR_NORM_TRAIN, .bn_fixed = recipe->bn_mode == NDDR_NORM_FROZEN,
    .bn_trunk = recipe->bn_scope == NDDR_NORM_SCOPE_TRUNK, .bn_synchronised = recipe->sync_bn,
    .accumulate = recipe->accumulate > 1, .clip_norm = recipe->clip_norm,
    .adamw = recipe->optimizer == NDDR_OPTIMIZER_ADAMW, .momentum = recipe->momentum,
    .beta1 = recipe->beta1, .beta2 = recipe->beta2, .adam_eps = recipe->adam_eps,
  };
}

static guint64
plan_bytes (const NddrPlan *plan)
{
  guint64 bytes = 0;
  for (int s = 0; s < NDDR_N_SPACES; s++)
    bytes += plan->space_bytes[s];
  return bytes;
}

/* A finished plan with so many segments. *bytes: what it takes, also where it is too much for the device and the result NULL; 0 where it could not
 * be planned at all. */
static NddrPlan *
make_plan (const NddrLearner *learner, const NddrTraits *traits, int segments, NddrTraining **training, guint64 *bytes, GError **error)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  NddrTrainingOptions options = nddr_learner_training_options (learner);
  options.segments = segments;
  options.mixed = learner->mixed;
  *bytes = 0;
  g_autoptr (NddrTraining) made = nddr_training_append (plan, learner->start->network, learner->start->config, &options, error);
  if (!made)
    return NULL;
  gboolean fine = nddr_plan_finish (plan, error);
  *bytes = plan_bytes (plan);
  if (!fine)
    return NULL;
  *training = g_steal_pointer (&made);
  return g_steal_pointer (&plan);
}

/* Keeps all activations where that fits; else takes the fewest segments that do or, where none does, those that take the least. */
static NddrPlan *
choose_plan (NddrLearner *learner, const NddrTraits *traits, GError **error)
{
  static const int choices[] = { 2, 3, 4, 6, 8, 12, 16, 24 };
  NddrFootprint *f = &learner->footprint;
  int wish = learner->recipe->activation_checkpointing;
  g_autoptr (GError) first_error = NULL;
  NddrPlan *best = make_plan (learner, traits, 1, &learner->training, &f->all_kept, &first_error);
  f->segments = 1;
  f->bytes = f->all_kept;
  f->most = traits->memory * HEAP_SHARE;
  gboolean fits = best && (f->most == 0 || f->bytes <= f->most);
  gboolean look = f->all_kept > 0 && wish != NDDR_CHECKPOINTING_OFF && (!fits || wish == NDDR_CHECKPOINTING_ON);
  for (guint i = 0; look && i < G_N_ELEMENTS (choices); i++) {
    guint64 bytes;
    NddrTraining *training = NULL;
    g_autoptr (NddrPlan) plan = make_plan (learner, traits, choices[i], &training, &bytes, NULL);
    if (plan && (!best || bytes < f->bytes)) {
      g_clear_pointer (&best, nddr_plan_free);
      g_clear_pointer (&learner->training, nddr_training_free);
      best = g_steal_pointer (&plan);
      learner->training = g_steal_pointer (&training);
      f->segments = choices[i];
      f->bytes = bytes;
    }
    nddr_training_free (training);
    look = wish == NDDR_CHECKPOINTING_ON || !best || (f->most > 0 && f->bytes > f->most);
  }
  if (!best)
    g_propagate_error (error, g_steal_pointer (&first_error));
  return best;
}

/* The program of a step.  A device may refuse less than its heap holds: others use it too, and some bound one allocation.  Then activations are
 * computed again in more segments, as long as those take less. */
gboolean
nddr_learner_make_program (NddrLearner *learner, NddrDevice *device, const NddrTraits *traits, GError **error)
{
  NddrTraits limited = *traits;
  guint64 refused = G_MAXUINT64;
  g_autoptr (GError) refusal = NULL;
  for (;;) {
    g_autoptr (NddrPlan) plan = choose_plan (learner, &limited, refusal ? NULL : error);
    if (!plan && !refusal)
      return FALSE;
    if (!plan || learner->footprint.bytes >= refused)
      break;
    g_clear_error (&refusal);
    refused = learner->footprint.bytes;
    learner->program = nddr_program_new (device, g_steal_pointer (&plan), 1, &refusal);
    if (learner->program)
      return TRUE;
    if (!g_error_matches (refusal, NDDR_ERROR, NDDR_ERROR_NO_MEMORY) || learner->recipe->activation_checkpointing == NDDR_CHECKPOINTING_OFF)
      break;
    g_clear_pointer (&learner->training, nddr_training_free);
    limited.memory = refused; /* of which no more than HEAP_SHARE is planned for */
  }
  g_propagate_error (error, g_steal_pointer (&refusal));
  return FALSE;
}
