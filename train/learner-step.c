/* A learner's steps: what the device is given for one, what ranks do together meanwhile, and what it came to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/learner-private.h>

#include <math.h>
#include <string.h>

/* ---- its inputs */

static double
loss_scale (const NddrLearner *learner)
{
  return learner->mixed ? learner->scaler.scale : 1;
}

void
nddr_learner_write_unscale (const NddrLearner *learner)
{
  if (learner->training->unscale)
    *(float *) nddr_program_map (learner->program, learner->training->unscale, 0) = 1 / loss_scale (learner);
}

static void
write_rates (const NddrLearner *learner, gint64 t)
{
  const NddrRecipe *r = learner->recipe;
  const double multipliers[NDDR_N_GROUPS] = {
    [NDDR_GROUP_TRUNK_WEIGHT] = 1, [NDDR_GROUP_TRUNK] = 1, [NDDR_GROUP_FUSION_WEIGHT] = r->lr_fusion, [NDDR_GROUP_FUSION] = r->lr_fusion,
    [NDDR_GROUP_HEAD_WEIGHT] = r->lr_head, [NDDR_GROUP_HEAD] = r->lr_head, [NDDR_GROUP_LAST_WEIGHT] = r->lr_head_weight,
    [NDDR_GROUP_LAST_BIAS] = r->lr_head_bias,
  };
  const gboolean decays[NDDR_N_GROUPS] = {
    [NDDR_GROUP_TRUNK_WEIGHT] = TRUE, [NDDR_GROUP_FUSION_WEIGHT] = TRUE, [NDDR_GROUP_HEAD_WEIGHT] = TRUE, [NDDR_GROUP_LAST_WEIGHT] = TRUE,
  };
  float (*rates)[4] = nddr_program_map (learner->program, learner->training->rates, 0);
  double rate = nddr_recipe_rate (r, t);
  gint64 updates = t + 1 - learner->scaler.overflows; /* with this one */
  for (int g = 0; g < NDDR_N_GROUPS; g++) {
    rates[g][0] = rate * multipliers[g];
    rates[g][1] = decays[g] ? r->weight_decay : 0;
    rates[g][2] = rates[g][3] = 0;
  }
  rates[NDDR_N_GROUPS][0] = 1 / (1 - pow (r->beta1, updates));
  rates[NDDR_N_GROUPS][1] = 1 / (1 - pow (r->beta2, updates));
  rates[NDDR_N_GROUPS][2] = rates[NDDR_N_GROUPS][3] = 0;
}

/* @t: batches so far */
static void
write_random (const NddrLearner *learner, gint64 t)
{
  if (!learner->training->random)
    return;
  guint64 seed = learner->recipe->seed;
  const guint32 words[4] = { (guint32) seed, (guint32) (seed >> 32), (guint32) t, (guint32) ((guint64) t >> 32) };
  memcpy (nddr_program_map (learner->program, learner->training->random, 0), words, sizeof words);
}

static void
write_class_weights (const NddrLearner *learner)
{
  if (!learner->class_weights)
    return;
  float *to = nddr_program_map (learner->program, learner->training->class_weights, 0);
  for (guint c = 0; c < learner->n_classes; c++)
    to[c] = learner->class_weights[c];
}

/* How much of what task @t learns is the teacher's. */
static double
taught_share (const NddrLearner *learner, int t)
{
  return learner->training->tasks[t].teacher ? learner->recipe->teacher_weight : 0;
}

/* Of a mean over @count pixels, 0 where there are none. */
static void
write_scale (const NddrLearner *learner, const NddrTensor *tensor, double count, double weight)
{
  float *scale = nddr_program_map (learner->program, tensor, 0);
  scale[0] = count > 0 ? 1 / count : 0;
  scale[1] = weight * loss_scale (learner);
}

/* The pictures and labels of batch @m of the step; the means are over all of the step's pixels, which count @valid together. */
static void
write_batch (const NddrLearner *learner, const NddrBatch *batch, const double *valid, gint64 m)
{
  const NddrTraining *training = learner->training;
  const NddrConfig *config = learner->start->config;
  memcpy (nddr_program_map (learner->program, training->image, 0), batch->image + m * (training->image->bytes / sizeof (float)), training->image->bytes);
  for (int t = 0; t < training->n_tasks; t++) {
    const NddrTrainingTask *task = &training->tasks[t];
    NddrTaskKind kind = config->tasks[t].kind;
    gsize pixels = (gsize) training->image->batch * task->width * task->height;
    gpointer label = nddr_program_map (learner->program, task->label, 0);
    if (kind == NDDR_TASK_SEGMENTATION)
      memcpy (label, batch->segmentation + m * pixels, pixels);
    else if (kind == NDDR_TASK_NORMAL)
      memcpy (label, batch->normal + m * pixels * 4, pixels * 4 * sizeof (float));
    else
      memcpy (label, batch->depth + m * pixels, pixels * sizeof (float));
    write_scale (learner, task->scale, valid[t], nddr_task_weighting_get_weights (learner->weighting)[t] * (1 - taught_share (learner, t)));
  }
}

/* What the teacher gives for batch @m of the step, whose pictures show @shown pixels together. */
static gboolean
write_teaching (const NddrLearner *learner, const NddrBatch *batch, double shown, gint64 m, GError **error)
{
  const NddrTraining *training = learner->training;
  int n = training->image->batch;
  if (!training->shown)
    return TRUE;
  memcpy (nddr_program_map (learner->program, training->shown, 0), batch->shown + m * n, n * sizeof *batch->shown);
  if (!nddr_teacher_run (learner->teacher, batch->image + m * (training->image->bytes / sizeof (float)), error))
    return FALSE;
  for (int t = 0; t < training->n_tasks; t++) {
    const NddrTrainingTask *task = &training->tasks[t];
    if (!task->teacher)
      continue;
    if (!nddr_teacher_read (learner->teacher, t, nddr_program_map (learner->program, task->teacher, 0), error))
      return FALSE;
    write_scale (learner, task->teacher_scale, shown, nddr_task_weighting_get_weights (learner->weighting)[t] * taught_share (learner, t));
  }
  return TRUE;
}

/* Each batch of a step adds its gradient, on each rank. */
static void
write_penalty (const NddrLearner *learner)
{
  gint64 times = learner->recipe->accumulate * (learner->ranks ? learner->ranks->count : 1);
  float *scale;
  if (!learner->training->penalty_scale)
    return;
  scale = nddr_program_map (learner->program, learner->training->penalty_scale, 0);
  scale[0] = 1;
  scale[1] = learner->recipe->sluice_penalty / times * loss_scale (learner);
}

double
nddr_learner_get_penalty (const NddrLearner *learner)
{
  const NddrTraining *training = learner->training;
  double sum = 0;
  for (int i = 0; i < training->n_layers; i++)
    if (training->penalties[i])
      sum += *(const float *) nddr_program_map (learner->program, training->penalties[i], 0);
  return sum * learner->recipe->sluice_penalty;
}

/* Of @phases, those of batch @m of a step: weights are packed before the first and updated behind the last. */
static guint
batch_phases (const NddrLearner *learner, guint phases, gint64 m)
{
  gint64 n = learner->recipe->accumulate;
  if (m > 0)
    phases &= ~(1u << NDDR_TRAINING_PACK);
  if (m + 1 < n)
    phases &= ~(1u << NDDR_TRAINING_UPDATE);
  if (n > 1 && (phases & 1u << NDDR_TRAINING_BACKWARD))
    phases |= 1u << (m ? NDDR_TRAINING_ADD : NDDR_TRAINING_FIRST);
  if (learner->ranks && m + 1 == n && (phases & 1u << NDDR_TRAINING_BACKWARD))
    phases |= 1u << NDDR_TRAINING_SEND;
  return phases;
}

/* ---- among ranks */

static void
gather (NddrLearner *learner, const NddrCollective *collective)
{
  int branches = collective->tensor->branches, n = learner->ranks->count;
  gsize bytes = collective->tensor->bytes, each = bytes / branches;
  g_autofree guint8 *all = g_malloc (bytes * n);
  guint8 *to = nddr_program_map (learner->program, collective->result, 0);
  nddr_ranks_allgather (learner->ranks, nddr_program_map (learner->program, collective->tensor, 0), all, bytes);
  for (int b = 0; b < branches; b++)
    for (int r = 0; r < n; r++)
      memcpy (to + (b * n + r) * each, all + r * bytes + b * each, each);
}

static gboolean
run_collective (int mark, gpointer user_data, GError **error)
{
  NddrLearner *learner = user_data;
  const NddrCollective *collective = &g_array_index (learner->training->collectives, NddrCollective, mark - 1);
  float *values = nddr_program_map (learner->program, collective->tensor, 0);
  float *result = collective->result ? nddr_program_map (learner->program, collective->result, 0) : NULL;
  gsize n = collective->tensor->bytes / sizeof *values;
  switch (collective->kind) {
    case NDDR_COLLECTIVE_BUCKET:
      nddr_ranks_begin_sum (learner->ranks, values, result, n);
      break;
    case NDDR_COLLECTIVE_LAST_BUCKET:
      nddr_ranks_begin_sum (learner->ranks, values, result, n);
      nddr_ranks_finish_sums (learner->ranks);
      break;
    case NDDR_COLLECTIVE_SUM:
      nddr_ranks_allreduce_floats (learner->ranks, values, n);
      break;
    case NDDR_COLLECTIVE_GATHER:
      gather (learner, collective);
      break;
  }
  return TRUE;
}

static void
poll_ranks (gpointer user_data)
{
  NddrLearner *learner = user_data;
  nddr_ranks_poll (learner->ranks);
}

static gboolean
run (NddrLearner *learner, guint phases, GError **error)
{
  const NddrMarkHandler handler = { run_collective, poll_ranks, learner };
  if (!learner->ranks)
    return nddr_program_run (learner->program, phases, error);
  return nddr_program_run_marked (learner->program, phases, &handler, error);
}

/* What the pixels of task @k's labels count together. */
static double
weigh_pixels (const NddrLearner *learner, const NddrBatch *batch, int k)
{
  const NddrTrainingTask *task = &learner->training->tasks[k];
  NddrTaskKind kind = learner->start->config->tasks[k].kind;
  gsize pixels = (gsize) learner->training->image->batch * learner->recipe->accumulate * task->width * task->height;
  guint64 counts[256] = { 0 };
  double sum = 0;
  if (kind != NDDR_TASK_SEGMENTATION || !learner->class_weights)
    return batch->valid[kind];
  for (gsize p = 0; p < pixels; p++)
    counts[batch->segmentation[p]]++;
  for (guint c = 0; c < learner->n_classes; c++)
    sum += counts[c] * learner->class_weights[c];
  return sum;
}

/* For each task what the valid pixels of the step count, on all ranks. */
static void
weigh_step (const NddrLearner *learner, const NddrBatch *batch, double *valid)
{
  for (int k = 0; k < learner->training->n_tasks; k++)
    valid[k] = weigh_pixels (learner, batch, k);
  nddr_ranks_allreduce (learner->ranks, valid, learner->training->n_tasks);
}

/* The pixels that the step's pictures show, on all ranks. */
static double
count_shown (const NddrLearner *learner, const NddrBatch *batch)
{
  gsize n = learner->training->image->batch * learner->recipe->accumulate;
  double sum = 0;
  if (!learner->training->shown)
    return 0;
  for (gsize i = 0; i < n; i++)
    sum += (double) batch->shown[i][0] * batch->shown[i][1];
  nddr_ranks_allreduce (learner->ranks, &sum, 1);
  return sum;
}

/* ---- a step */

static float
read_output (const NddrLearner *learner, const NddrTensor *tensor)
{
  return *(const float *) nddr_program_map (learner->program, tensor, 0);
}

static void
read_outcome (NddrLearner *learner, const double *losses)
{
  NddrOutcome *outcome = &learner->outcome;
  outcome->loss = nddr_task_weighting_total (learner->weighting, losses) + nddr_learner_get_penalty (learner);
  for (int s = 0; s < NDDR_N_SUMS; s++)
    outcome->sums[s] = learner->training->sums[s] ? read_output (learner, learner->training->sums[s]) : 0;
  outcome->loss_scale = loss_scale (learner);
  outcome->gradient_norm = sqrt (outcome->sums[NDDR_SUM_GRADIENTS]) / outcome->loss_scale;
  outcome->skipped = learner->mixed && !isfinite (outcome->gradient_norm) && nddr_scaler_can_back_off (&learner->scaler);
}

/* Adds to what the step has of each task. */
static void
add_losses (NddrLearner *learner, double *losses)
{
  for (int k = 0; k < learner->training->n_tasks; k++) {
    const NddrTrainingTask *task = &learner->training->tasks[k];
    losses[k] += read_output (learner, task->loss);
    if (task->teacher)
      learner->distilled[k] += read_output (learner, task->teacher_loss);
  }
}

/* Of all ranks; and of what is taught both losses as one. */
static void
join_losses (NddrLearner *learner, double *losses)
{
  int n = learner->training->n_tasks;
  nddr_ranks_allreduce (learner->ranks, losses, n);
  if (learner->distilled)
    nddr_ranks_allreduce (learner->ranks, learner->distilled, n);
  for (int k = 0; k < n; k++) {
    double share = taught_share (learner, k);
    if (share > 0)
      losses[k] = (1 - share) * losses[k] + share * learner->distilled[k];
  }
}

double
nddr_learner_get_distillation (const NddrLearner *learner, guint k)
{
  return learner->training->tasks[k].teacher ? learner->distilled[k] : NAN;
}

/* What the host learns from a step. */
static void
end_step (NddrLearner *learner, gint64 t, const double *losses, const double *valid)
{
  gboolean finite = isfinite (learner->outcome.gradient_norm);
  if (learner->mixed)
    nddr_scaler_end (&learner->scaler, finite);
  if (!finite && learner->mixed)
    return;
  g_autofree double *counted = g_memdup2 (valid, learner->training->n_tasks * sizeof *valid);
  for (int k = 0; k < learner->training->n_tasks; k++)
    if (taught_share (learner, k) > 0)
      counted[k] = MAX (valid[k], 1); /* a teacher has something to say of every picture */
  nddr_task_weighting_end (learner->weighting, t, losses, counted);
}

gboolean
nddr_learner_step (NddrLearner *learner, const NddrBatch *batch, gint64 t, guint phases, double *losses, GError **error)
{
  gint64 n = learner->recipe->accumulate;
  g_autofree double *valid = g_new (double, learner->training->n_tasks);
  write_rates (learner, t);
  write_penalty (learner);
  nddr_learner_write_unscale (learner);
  write_class_weights (learner);
  nddr_task_weighting_begin (learner->weighting, t);
  weigh_step (learner, batch, valid);
  double shown = count_shown (learner, batch);
  for (int k = 0; k < learner->training->n_tasks; k++)
    losses[k] = 0;
  for (int k = 0; learner->distilled && k < learner->training->n_tasks; k++)
    learner->distilled[k] = 0;
  for (gint64 m = 0; m < n; m++) {
    write_batch (learner, batch, valid, m);
    write_random (learner, t * n + m);
    if (!write_teaching (learner, batch, shown, m, error) || !run (learner, batch_phases (learner, phases, m), error))
      return FALSE;
    add_losses (learner, losses);
  }
  join_losses (learner, losses);
  read_outcome (learner, losses);
  if (phases & 1u << NDDR_TRAINING_UPDATE)
    end_step (learner, t, losses, valid);
  return TRUE;
}

const NddrOutcome *
nddr_learner_get_outcome (const NddrLearner *learner)
{
  return &learner->outcome;
}
