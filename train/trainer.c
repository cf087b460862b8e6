/* Steps, validations, checkpoints and the log: see trainer.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/trainer-private.h>

#include <train/divergence.h>
#include <train/evaluate.h>
#include <train/report.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/model.h>
#include <unistd.h>

#define N_PICTURES 4 /* that TensorBoard shows of each validation */
#define PICTURE_SIZE 320

static void
trainer_clear (NddrTrainer *t)
{
  g_clear_pointer (&t->loader, nddr_loader_free);
  g_clear_pointer (&t->learner, nddr_learner_free);
  g_clear_pointer (&t->start, nddr_start_free);
  g_clear_pointer (&t->checkpoint, nddr_checkpoint_free);
  g_clear_pointer (&t->journal, nddr_journal_close);
  g_clear_pointer (&t->validation, nddr_dataset_free);
  g_clear_pointer (&t->pictures, nddr_dataset_free);
  g_free (t->recipe_text);
  g_free (t->teacher);
  if (t->lock >= 0)
    close (t->lock);
}

/* Whether any rank was told to stop. */
static gboolean
is_told_to_stop (const NddrTrainer *t)
{
  double told = t->options->stop && *t->options->stop;
  nddr_ranks_allreduce (t->ranks, &told, 1);
  return told > 0;
}

/* The pictures that were skipped on all ranks, and the longest that one waited for its own. */
static void
gather_loading (NddrTrainer *t)
{
  typedef struct { double waited; guint n_skipped; } Loading;
  Loading mine = { t->waited, t->n_skipped };
  g_autofree Loading *all = t->ranks ? g_new0 (Loading, t->ranks->count) : NULL;
  if (!t->ranks)
    return;
  nddr_ranks_allgather (t->ranks, &mine, all, sizeof mine);
  t->waited = t->n_skipped = 0;
  for (int r = 0; r < t->ranks->count; r++) {
    t->waited = MAX (t->waited, all[r].waited);
    t->n_skipped += all[r].n_skipped;
  }
}

/* What the first rank knows of its validations decides when all end. */
static void
broadcast_best (NddrTrainer *t)
{
  nddr_ranks_broadcast (t->ranks, &t->best, sizeof t->best);
  nddr_ranks_broadcast (t->ranks, &t->stale, sizeof t->stale);
}

/* ---- models and checkpoints */

/* (transfer full): what has been learnt so far. */
static NddrModel *
make_model (const NddrTrainer *t, GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  if (!nddr_learner_read (t->learner, FALSE, tensors, error))
    return NULL;
  const char *const about[][2] = {
    { "license", t->recipe->license }, { "description", t->recipe->description }, { "trained_on", t->recipe->trained_on },
  };
  for (guint i = 0; i < G_N_ELEMENTS (about); i++)
    if (about[i][1][0] != '\0')
      g_hash_table_replace (tensors->metadata, g_strdup (about[i][0]), g_strdup (about[i][1]));
  NddrModel *model = nddr_model_new (nddr_config_copy (t->start->config), g_steal_pointer (&tensors), error);
  if (!model)
    g_prefix_error (error, "after step %" G_GINT64_FORMAT ": ", t->step);
  return model;
}

static gboolean
save_model (const NddrTrainer *t, const NddrModel *model, const char *name, GError **error)
{
  g_autofree char *path = nddr_trainer_path (t, name);
  return nddr_model_save (model, path, t->recipe->half ? NDDR_STORE_F16 : NDDR_STORE_F32, error);
}

static gboolean
save_checkpoint (NddrTrainer *t, GError **error)
{
  g_autofree char *path = nddr_trainer_path (t, "checkpoint.safetensors");
  g_autoptr (NddrModel) model = make_model (t, error);
  if (!model)
    return FALSE;
  /* a model that cannot be written, as one with numbers beyond fp16 in halves, loses no step: the checkpoint is apart from it */
  g_autoptr (GError) problem = NULL;
  gboolean fine = save_model (t, model, "model.safetensors", &problem);
  if (!nddr_checkpoint_save (path, t->learner, t->step, t->best, t->stale, t->recipe_text, t->start->config, t->teacher, error))
    return FALSE;
  t->saved = t->step;
  t->model_saved = fine;
  if (!fine)
    g_propagate_error (error, g_steal_pointer (&problem));
  return fine;
}

/* ---- validation */

static void
show_validation (guint done, guint total, gpointer user_data)
{
  NddrTrainer *t = user_data;
  nddr_progress_update (&t->progress, done, total, "validating");
}

/* The device's memory is planned for a step alone, and what a validation needs comes on top. */
static void
explain_no_memory (GError **error)
{
  if (!error || !g_error_matches (*error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY))
    return;
  g_autofree char *message = g_strdup ((*error)->message);
  g_clear_error (error);
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, "the device has no room for a validation beside the step: %s; --resume with [train] "
      "activation_checkpointing = on makes some, and with val_every = 0 there is none", message);
}

/* Told to stop in the middle, it goes on to its end: a run that is resumed must not lack it. */
static gboolean
validate (NddrTrainer *t, GError **error)
{
  g_autoptr (NddrModel) model = make_model (t, error);
  if (!model)
    return FALSE;
  const NddrConfig *config = t->start->config;
  g_autofree double *weights = g_new (double, config->n_tasks);
  for (guint k = 0; k < config->n_tasks; k++)
    weights[k] = nddr_recipe_task_weight (t->recipe, config->tasks[k].name);
  NddrProgress training = t->progress;
  nddr_progress_start (&t->progress, 0);
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (config, t->validation, N_PICTURES, PICTURE_SIZE);
  NddrEvaluateOptions options = { .weights = weights, .precision = NDDR_PRECISION_FP32, .gallery = gallery, .progress = show_validation, .user_data = t };
  double loss = NAN;
  g_autoptr (NddrMetrics) metrics = nddr_evaluate (t->device, model, t->validation, &options, &loss, error);
  t->progress = training;
  nddr_trainer_report_broken (t, t->validation, "val");
  if (!metrics) {
    explain_no_memory (error);
    return FALSE;
  }
  g_autoptr (JsonNode) json = nddr_metrics_to_json (metrics);
  double score = g_str_equal (t->recipe->best, "loss") ? loss : nddr_metrics_get (metrics, t->recipe->best);
  gboolean better = isfinite (score) && (!isfinite (t->best) || (t->more_is_better ? score > t->best : score < t->best));
  if (better && !save_model (t, model, "best.safetensors", error))
    return FALSE;
  if (!nddr_journal_validation (t->journal, t->step, loss, json, better ? t->recipe->best : NULL, error))
    return FALSE;
  t->stale = better ? 0 : t->stale + 1;
  if (better)
    t->best = score;
  return nddr_journal_pictures (t->journal, t->step, config->tasks, config->n_tasks, gallery, error);
}

/* ---- the run */

/* On all ranks, or on none. */
static NddrBatch *
next_batch (NddrTrainer *t, GError **error)
{
  gint64 before = g_get_monotonic_time ();
  NddrBatch *batch = nddr_loader_next (t->loader, error);
  t->waited = (g_get_monotonic_time () - before) / 1e6;
  nddr_trainer_report_broken (t, t->pictures, "train");
  t->n_skipped = batch ? batch->n_skipped : 0;
  if (!nddr_ranks_agree (t->ranks, batch != NULL, error)) {
    if (batch)
      nddr_loader_return (t->loader, batch);
    return NULL;
  }
  gather_loading (t);
  return batch;
}

/* A failure within it is one that ranks cannot agree on. */
static gboolean
take_step (NddrTrainer *t, double *losses, GError **error)
{
  NddrBatch *batch = next_batch (t, error);
  if (!batch)
    return FALSE;
  gboolean fine = nddr_learner_step (t->learner, batch, t->step, NDDR_TRAINING_STEP, losses, error);
  nddr_loader_return (t->loader, batch);
  t->step += fine;
  return fine;
}

static gboolean
check_step (const NddrTrainer *t, const double *losses, GError **error)
{
  g_autofree char *what = NULL;
  if (!nddr_divergence_find (t->learner, t->start->config, losses, &what, error))
    return FALSE;
  if (!what)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FAILED, "in step %" G_GINT64_FORMAT " %s; %s holds the state of step %" G_GINT64_FORMAT ": start another run "
      "from there with --init %s/model.safetensors, and with a [train] lr below %g, a warmup or a clip_norm", t->step, what, t->options->run, t->saved,
      t->options->run, t->recipe->lr);
}

static void
add_figure (GPtrArray *names, GArray *figures, char *name, double value)
{
  g_ptr_array_add (names, name);
  g_array_append_vals (figures, &(NddrFigure){ name, value }, 1);
}

/* The log's line of the step just taken. */
static gboolean
log_step (const NddrTrainer *t, const double *losses, double rate, double images_per_s, GError **error)
{
  const NddrOutcome *outcome = nddr_learner_get_outcome (t->learner);
  const NddrConfig *config = t->start->config;
  const NddrTaskWeighting *weighting = nddr_learner_get_task_weighting (t->learner);
  const double *weights = nddr_task_weighting_get_weights (weighting), *log_variances = nddr_task_weighting_get_log_variances (weighting);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) more = g_array_new (FALSE, FALSE, sizeof (NddrFigure));
  add_figure (names, more, g_strdup ("grad_norm"), outcome->gradient_norm);
  if (nddr_learner_is_mixed (t->learner)) {
    add_figure (names, more, g_strdup ("loss_scale"), outcome->loss_scale);
    add_figure (names, more, g_strdup ("overflows"), nddr_learner_get_scaler (t->learner)->overflows);
  }
  for (guint k = 0; k < config->n_tasks; k++)
    if (!isnan (nddr_learner_get_distillation (t->learner, k)))
      add_figure (names, more, g_strconcat ("distillation.", config->tasks[k].name, NULL), nddr_learner_get_distillation (t->learner, k));
  for (guint k = 0; t->recipe->weighting != NDDR_WEIGHTING_FIXED && k < config->n_tasks; k++)
    add_figure (names, more, g_strconcat ("weight.", config->tasks[k].name, NULL), weights[k]);
  for (guint k = 0; log_variances && k < config->n_tasks; k++)
    add_figure (names, more, g_strconcat ("log_variance.", config->tasks[k].name, NULL), log_variances[k]);
  return nddr_journal_step (t->journal, t->step, outcome->loss, config->tasks, config->n_tasks, losses, rate, images_per_s, t->waited, t->n_skipped,
      (const NddrFigure *) more->data, more->len, error);
}

static gboolean
is_patient (const NddrTrainer *t)
{
  return t->recipe->patience == 0 || t->stale < t->recipe->patience;
}

static void
print_patience (const NddrTrainer *t)
{
  g_autofree char *best = isfinite (t->best) ? g_strdup_printf ("%g", t->best) : g_strdup ("what is no number");
  if (t->step < t->recipe->steps && !is_patient (t))
    g_printerr ("nddr train: ended after step %" G_GINT64_FORMAT ": in the last %u validations %s did not get better than %s\n", t->step, t->stale,
        t->recipe->best, best);
}

static gboolean
is_validation_due (const NddrTrainer *t)
{
  return t->validation && (t->step == t->recipe->steps || t->step % t->recipe->val_every == 0);
}

/* After the step's validation: one that was the best so far is due, too, as best.safetensors and the checkpoint that says what it is are of one run then,
 * whatever becomes of this one. */
static gboolean
is_checkpoint_due (const NddrTrainer *t)
{
  gboolean is_best = is_validation_due (t) && t->stale == 0;
  return is_best || t->step == t->recipe->steps || t->step % t->recipe->checkpoint_every == 0;
}

/* The validation of the checkpoint's step, where it failed: by the first rank alone. */
static gboolean
make_up_validation (NddrTrainer *t, GError **error)
{
  if (!nddr_ranks_is_first (t->ranks) || t->step == 0 || !is_validation_due (t) || nddr_journal_was_validated (t->journal))
    return TRUE;
  return validate (t, error) && save_checkpoint (t, error);
}

/* What is written and said after a step that took so many @seconds, at the rate @rate. */
static gboolean
keep_record (NddrTrainer *t, const double *losses, double rate, double seconds, GError **error)
{
  double images_per_s = t->recipe->batch * t->recipe->accumulate / seconds;
  if (!log_step (t, losses, rate, images_per_s, error))
    return FALSE;
  g_autofree char *waiting = t->waited > 0.05 * seconds ? g_strdup_printf (", %.0f %% waiting for data", 100 * t->waited / seconds) : NULL;
  g_autofree char *text = g_strdup_printf ("loss %.4f  %.1f images/s%s", nddr_learner_get_outcome (t->learner)->loss, images_per_s, waiting ? waiting : "");
  nddr_progress_update (&t->progress, t->step, t->recipe->steps, text);
  /* a validation that fails, as its best model may be beyond fp16 with half = true, loses no step either, and is made up for */
  g_autoptr (GError) problem = NULL;
  gboolean fine = !is_validation_due (t) || validate (t, &problem);
  gboolean saved = (fine && !is_checkpoint_due (t)) || save_checkpoint (t, fine ? error : NULL);
  if (!fine)
    g_propagate_error (error, g_steal_pointer (&problem));
  return fine && saved;
}

/* Saves what is not saved yet: by the first rank alone. */
static gboolean
save_all (NddrTrainer *t, gboolean saved, GError **error)
{
  return nddr_ranks_agree (t->ranks, saved || !nddr_ranks_is_first (t->ranks) || save_checkpoint (t, error), error);
}

static gboolean
run_steps (NddrTrainer *t, gboolean *finished, GError **error)
{
  g_autofree double *losses = g_new0 (double, t->start->config->n_tasks);
  gboolean first = nddr_ranks_is_first (t->ranks);
  t->saved = t->step;
  if (!save_all (t, t->checkpoint != NULL, error)) /* from here on a run that is killed can go on */
    return FALSE;
  if (!nddr_ranks_agree (t->ranks, make_up_validation (t, error), error))
    return FALSE;
  broadcast_best (t);
  if (first)
    nddr_progress_start (&t->progress, t->step);
  while (t->step < t->recipe->steps && is_patient (t) && !is_told_to_stop (t)) {
    double rate = nddr_recipe_rate (t->recipe, t->step);
    gint64 before = g_get_monotonic_time ();
    if (!take_step (t, losses, error))
      return FALSE;
    double seconds = MAX (g_get_monotonic_time () - before, 1) / 1e6;
    gboolean fine = check_step (t, losses, error) && (!first || keep_record (t, losses, rate, seconds, error));
    if (!nddr_ranks_agree (t->ranks, fine, error))
      return FALSE;
    broadcast_best (t);
    if (is_checkpoint_due (t) && !nddr_learner_broadcast (t->learner, error)) /* devices of several kinds may have drifted apart by roundings */
      return FALSE;
  }
  *finished = t->step >= t->recipe->steps || !is_patient (t);
  g_autofree char *model = nddr_trainer_path (t, "model.safetensors"); /* which somebody may have taken away, or a run before could not write */
  return save_all (t, t->saved == t->step && t->model_saved && g_file_test (model, G_FILE_TEST_EXISTS), error);
}

/* The run is complete without it: failing is no more than a warning. */
static void
write_report (NddrTrainer *t)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = nddr_trainer_path (t, "report.html");
  NddrReportOptions options = { .data = t->validation ? t->recipe->val : "", .dataset = t->validation, .progress = show_validation, .user_data = t };
  nddr_progress_start (&t->progress, 0);
  gboolean fine = nddr_report_run (t->device, t->options->run, path, &options, &error);
  nddr_progress_clear (&t->progress);
  if (!fine)
    g_printerr ("the run is complete, but for its report: %s; nddr report %s writes it\n", error->message, t->options->run);
  else if (t->progress.shown) /* who looked on is told what there is to see */
    g_printerr ("the run is complete: %s\n", path);
}

gboolean
nddr_trainer_run (NddrDevice *device, NddrRecipe *recipe, const NddrTrainerOptions *options, gboolean *finished, GError **error)
{
  NddrRanks *ranks = nddr_ranks_are_several (options->ranks) ? options->ranks : NULL;
  NddrTrainer t = { .device = device, .recipe = recipe, .options = options, .ranks = ranks, .best = NAN, .lock = -1 };
  gboolean fine = nddr_trainer_prepare (&t, error) && run_steps (&t, finished, error), speaks = fine && nddr_ranks_is_first (ranks);
  if (speaks && *finished)
    write_report (&t);
  nddr_progress_clear (&t.progress);
  if (speaks)
    print_patience (&t);
  if (fine)
    nddr_ranks_agree (ranks, TRUE, NULL); /* nobody leaves while the first one works */
  trainer_clear (&t);
  return fine;
}
