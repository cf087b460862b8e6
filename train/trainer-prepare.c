/* What comes before a run's first step: data, where the network starts, memory, the run's folder; then, that all ranks see the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/trainer-private.h>

#include <train/class-balance.h>
#include <train/classes.h>
#include <train/difference.h>
#include <train/fusion-norm.h>
#include <train/run-folder.h>

#include <errno.h>
#include <math.h>
#include <nddr/error.h>
#include <nddr/gpu/device.h>
#include <nddr/whole-file.h>
#include <string.h>
#include <unistd.h>

/* Pictures of a batch that are this rank's. */
static guint
rank_batch (const NddrTrainer *t)
{
  return t->recipe->batch / (t->ranks ? t->ranks->count : 1);
}

/* Ranks of one machine share its processors and its memory. */
static gint64
local_share (const NddrTrainer *t, gint64 all)
{
  return t->ranks ? MAX (all / t->ranks->local_count, 1) : all;
}

/* How the run reads @dataset, whatever for. */
static void
set_up_reading (NddrTrainer *t, NddrDataset *dataset, gsize cache)
{
  const NddrRecipe *r = t->recipe;
  nddr_dataset_set_cache (dataset, cache);
  nddr_dataset_set_skip (dataset, r->broken == NDDR_BROKEN_SKIP);
  nddr_dataset_set_threads (dataset, r->threads ? r->threads : local_share (t, nddr_dataset_threads (dataset)));
}

static gboolean
open_data (NddrTrainer *t, GError **error)
{
  t->pictures = nddr_dataset_open (t->recipe->train, "train", error);
  if (!t->pictures) {
    g_prefix_error (error, "[data] train: ");
    return FALSE;
  }
  const gsize cache = (gsize) local_share (t, t->recipe->cache) << 20;
  set_up_reading (t, t->pictures, cache);
  if (t->recipe->val_every == 0 || t->recipe->val[0] == '\0')
    return TRUE;
  t->validation = nddr_dataset_open (t->recipe->val, "val", error);
  if (!t->validation) {
    g_prefix_error (error, "[data] val: ");
    return FALSE;
  }
  set_up_reading (t, t->validation, cache / 4);
  return TRUE;
}

void
nddr_trainer_report_broken (NddrTrainer *t, NddrDataset *dataset, const char *key)
{
  g_autofree char *news = NULL;
  guint n = nddr_dataset_count_broken (dataset, &news);
  if (!news)
    return;
  g_autofree char *by = nddr_ranks_are_several (t->ranks) ? g_strdup_printf (" by rank %d", t->ranks->index) : g_strdup ("");
  nddr_progress_clear (&t->progress);
  g_printerr ("%s[data] %s: skipped%s, %u of %u samples so far\n", news, key, by, n, nddr_dataset_size (dataset));
}

/* What was asked for and cannot be; what does nothing here, as in a configuration that several runs share, is said alone. */
static gboolean
check_use (const NddrTrainer *t, const NddrConfig *config, GError **error)
{
  g_autofree char *unused = nddr_recipe_unused_weight (t->recipe);
  if (t->recipe->head_init == NDDR_HEAD_INIT_WIDEN && config->head != NDDR_HEAD_LARGEFOV && !t->checkpoint)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[model] head_init is \"widen\", which largefov heads can be, and %s cannot: expected file or new",
        nddr_head_name (config->head));
  if (!nddr_ranks_is_first (t->ranks))
    return TRUE;
  if (unused)
    g_printerr ("nddr train: [loss] %s does nothing: no task is called so\n", unused);
  if (t->recipe->about_left_out)
    g_printerr ("nddr train: the configuration's [about] is about other data than data.train=%s, and is left out of the models; about.description, "
                "about.trained_on and about.license say what these are\n", t->recipe->train);
  if (t->recipe->class_balance > 0 && !nddr_config_has_kind (config, NDDR_TASK_SEGMENTATION))
    g_printerr ("nddr train: [loss] class_balance does nothing: no task is a segmentation\n");
  return TRUE;
}

static NddrConfig *
make_config (const NddrTrainer *t, GError **error)
{
  guint n_classes = 0, n_others = 0;
  const NddrClass *classes = nddr_dataset_classes (t->pictures, &n_classes);
  const NddrClass *others = t->validation ? nddr_dataset_classes (t->validation, &n_others) : NULL;
  g_autofree char *difference
      = classes && others ? nddr_classes_difference (classes, n_classes, "[data] train", others, n_others, "val") : NULL;
  if (difference) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: their classes.txt must agree", difference);
    return NULL;
  }
  g_autoptr (NddrConfig) config = nddr_recipe_make_config (t->recipe, classes, n_classes, error);
  if (!config)
    return NULL;
  NddrLabels labels = nddr_dataset_labels (t->pictures);
  for (guint k = 0; k < config->n_tasks; k++)
    if (!(labels & NDDR_LABEL (config->tasks[k].kind))) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "task %s needs %s labels, but [data] train = %s has none: leave the task out, or give "
          "the labels", config->tasks[k].name, nddr_task_kind_name (config->tasks[k].kind), t->recipe->train);
      return NULL;
    }
  return check_use (t, config, error) ? g_steal_pointer (&config) : NULL;
}

/* Whether validations can tell @best: they have labels of its task, or of any. */
static gboolean
has_labels_for (const NddrDataset *validation, const NddrConfig *config, const char *best)
{
  NddrLabels labels = nddr_dataset_labels (validation);
  for (guint k = 0; k < config->n_tasks; k++) {
    const NddrTask *task = &config->tasks[k];
    gsize n = strlen (task->name);
    if (labels & NDDR_LABEL (task->kind) && (g_str_equal (best, "loss") || (g_str_has_prefix (best, task->name) && best[n] == '.')))
      return TRUE;
  }
  return FALSE;
}

/* What best.safetensors is chosen by. */
static gboolean
check_best (NddrTrainer *t, const NddrConfig *config, GError **error)
{
  const char *best = t->recipe->best;
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, error);
  if (!metrics)
    return FALSE;
  if (g_str_equal (best, "loss") || nddr_metrics_knows (metrics, best, &t->more_is_better)) {
    if (!t->validation || has_labels_for (t->validation, config, best))
      return TRUE;
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[train] best is \"%s\", but [data] val = %s has no labels to tell it by: give them, choose "
        "another score, or leave val empty", best, t->recipe->val);
  }
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[train] best is \"%s\": expected loss, or a score of these tasks such as %s.%s", t->recipe->best,
      config->tasks[0].name, config->tasks[0].kind == NDDR_TASK_SEGMENTATION ? "miou" : config->tasks[0].kind == NDDR_TASK_NORMAL ? "mean" : "abs");
}

static gboolean
load_checkpoint (NddrTrainer *t, GError **error)
{
  g_autofree char *path = nddr_trainer_path (t, "checkpoint.safetensors"), *what = NULL;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return nddr_fail (error, NDDR_ERROR_FILE, "--resume: there is no %s to go on from: start the run without --resume", path);
  t->checkpoint = nddr_checkpoint_load (path, error);
  g_autoptr (NddrRecipe) before = t->checkpoint ? nddr_recipe_parse (t->checkpoint->recipe, error) : NULL;
  if (!before) {
    g_prefix_error (error, "--resume: ");
    return FALSE;
  }
  if (t->recipe->fusion_norm_init == NDDR_FUSION_NORM_AUTO)
    t->recipe->fusion_norm_init = before->fusion_norm_init;
  if (!nddr_recipe_same_training (before, t->recipe, &what))
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "--resume goes on with the same training, but %s; give the same configuration, or start another "
        "run with --init %s/model.safetensors", what, t->options->run);
  t->step = t->checkpoint->step;
  if (!g_str_equal (before->best, t->recipe->best))
    return TRUE; /* scores of another kind compare with none of this */
  t->best = t->checkpoint->best;
  t->stale = t->checkpoint->stale;
  return TRUE;
}

/* Whether the teacher, if there is one, is what the checkpoint's run has learnt from; checkpoints of earlier versions do not say. */
static gboolean
check_teacher (NddrTrainer *t, GError **error)
{
  const char *path = t->recipe->teacher, *before = t->checkpoint ? t->checkpoint->teacher : NULL;
  if (path[0] == '\0')
    return TRUE;
  t->teacher = nddr_teacher_checksum (path, error);
  if (!t->teacher) {
    g_prefix_error (error, "[distillation] teacher: ");
    return FALSE;
  }
  if (!before || g_str_equal (before, t->teacher))
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "--resume goes on with the same training, but [distillation] teacher, %s, is another file by now: its "
      "SHA-256 was %s and is %s; put back the one that was there, or start another run with --init %s/model.safetensors", path, before, t->teacher,
      t->options->run);
}

/* Whether the checkpoint, if it goes on from one, is of the network that @config means. */
static gboolean
check_network (const NddrTrainer *t, const NddrConfig *config, GError **error)
{
  if (!t->checkpoint)
    return TRUE;
  g_autoptr (NddrConfig) before = nddr_config_parse (t->checkpoint->config, error);
  g_autofree char *difference = before ? nddr_config_difference (before, config) : NULL;
  if (difference)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "--resume: the checkpoint's network and that of the configuration differ: %s; have the classes of the "
        "training data changed?", difference);
  return before && !difference;
}

/* The network and its first weights: the checkpoint's, or the start of a new run.  Takes @config. */
static gboolean
make_start (NddrTrainer *t, NddrConfig *config, GError **error)
{
  if (t->checkpoint) {
    t->start = nddr_start_new_from_tensors (config, g_steal_pointer (&t->checkpoint->tensors), error);
    return t->start != NULL;
  }
  t->start = nddr_start_new (config, t->recipe, t->options->inits, error);
  if (!t->start)
    return FALSE;
  if (t->start->warnings && nddr_ranks_is_first (t->ranks))
    g_printerr ("%s", t->start->warnings);
  if (t->recipe->fusion_norm_init == NDDR_FUSION_NORM_AUTO)
    t->recipe->fusion_norm_init = t->start->from_files ? NDDR_FUSION_NORM_DATA : NDDR_FUSION_NORM_ONE;
  return t->recipe->fusion_norm_init != NDDR_FUSION_NORM_DATA || !nddr_ranks_is_first (t->ranks) /* whose all will have */
      || nddr_fusion_norm_measure (t->device, t->start, t->recipe, rank_batch (t), t->pictures, error);
}

/* Bytes of memory that processes here may use: the machine's, or what the control group that we are in has of it. */
static guint64
host_memory (void)
{
  guint64 all = (guint64) sysconf (_SC_PHYS_PAGES) * sysconf (_SC_PAGESIZE), limit;
  g_autofree char *text = NULL;
  if (g_file_get_contents ("/sys/fs/cgroup/memory.max", &text, NULL, NULL) && g_ascii_string_to_unsigned (g_strstrip (text), 10, 1, G_MAXUINT64, &limit, NULL))
    all = MIN (all, limit);
  return all;
}

/* Whether this machine's memory, shared by its ranks, holds the pictures of the steps that are read ahead. */
static gboolean
check_host_memory (const NddrTrainer *t, const NddrLoaderOptions *loading, GError **error)
{
  const guint64 bytes = nddr_loader_bytes (loading), share = local_share (t, host_memory ());
  const double gib = 1 << 30;
  if (bytes <= share)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_NO_MEMORY, "a step's %u pictures, and those read ahead, take %.1f GiB of this machine's memory, where it has %.1f "
      "for them: use a smaller [train] batch, accumulate or [data] prefetch, or a smaller [data] crop", loading->batch, bytes / gib, share / gib);
}

/* Says where activations are computed again, and where the memory is short all the same. */
static void
print_footprint (const NddrTrainer *t)
{
  const NddrFootprint *f = nddr_learner_get_footprint (t->learner);
  const char *device = nddr_device_get_info (t->device)->name;
  double gib = 1 << 30;
  if (f->segments > 1)
    g_printerr ("nddr train: activations are computed again in the backward pass, in %d segments: a step then takes %.2f GiB of %s's memory in "
        "place of %.2f, and about a third more time ([train] activation_checkpointing; a smaller batch with accumulate would do too)\n",
        f->segments, f->bytes / gib, device, f->all_kept / gib);
  if (f->most > 0 && f->bytes > f->most)
    g_printerr ("nddr train: a step takes %.2f GiB, and of %s's memory %.2f may be used: if it fails, use a smaller [train] batch, with accumulate, "
        "or a smaller [data] crop\n", f->bytes / gib, device, f->most / gib);
}

/* Says which tasks a teacher does not have. */
static void
print_untaught (const NddrTrainer *t)
{
  const NddrConfig *config = t->start->config;
  for (guint k = 0; t->recipe->teacher[0] != '\0' && k < config->n_tasks; k++)
    if (isnan (nddr_learner_get_distillation (t->learner, k)))
      g_printerr ("nddr train: [distillation] %s has no task %s, which learns from its labels alone\n", t->recipe->teacher, config->tasks[k].name);
}

/* Ranks of one device share its memory. */
static NddrLearner *
new_learner (const NddrTrainer *t, GError **error)
{
  NddrTraits traits = *nddr_device_get_traits (t->device);
  if (t->ranks)
    traits.memory /= t->ranks->sharers;
  return nddr_learner_new (t->device, &traits, t->ranks, t->start, t->recipe, error);
}

/* Goes on with the losses' scale, which is kept where the device cannot use it, too; says where it cannot, as PyTorch does where it has no GPU. */
static gboolean
restore_scaler (NddrTrainer *t, GError **error)
{
  NddrScaler *scaler = nddr_learner_get_scaler (t->learner);
  if (scaler && t->checkpoint && t->checkpoint->scaler && !nddr_scaler_from_text (scaler, t->checkpoint->scaler, error)) {
    g_prefix_error (error, "--resume: ");
    return FALSE;
  }
  if (scaler && !nddr_learner_is_mixed (t->learner) && nddr_ranks_is_first (t->ranks))
    g_printerr ("nddr train: training in fp32: [train] precision = mixed needs a GPU that stores 16-bit floats, which %s is not\n",
        nddr_device_get_info (t->device)->name);
  return TRUE;
}

/* The checkpoint's, or what the first rank counts, which all will have. */
static gboolean
set_class_weights (NddrTrainer *t, GError **error)
{
  const NddrSize *input = &t->recipe->input;
  guint n;
  double *weights = nddr_learner_get_class_weights (t->learner, &n);
  if (weights && t->checkpoint && t->checkpoint->classes)
    return nddr_class_balance_from_text (weights, n, t->checkpoint->classes, error);
  return !weights || !nddr_ranks_is_first (t->ranks)
      || nddr_class_balance_measure (t->pictures, input->width, input->height, t->recipe->class_balance, weights, error);
}

static void
broadcast_class_weights (NddrTrainer *t)
{
  guint n;
  double *weights = nddr_learner_get_class_weights (t->learner, &n);
  if (weights)
    nddr_ranks_broadcast (t->ranks, weights, n * sizeof *weights);
}

/* What counts how much in the losses. */
static gboolean
set_weights (NddrTrainer *t, GError **error)
{
  NddrTaskWeighting *weighting = nddr_learner_get_task_weighting (t->learner);
  nddr_task_weighting_set_epoch (weighting, nddr_dataset_size (t->pictures));
  if ((!t->checkpoint || !t->checkpoint->weighting || nddr_task_weighting_from_text (weighting, t->checkpoint->weighting, error))
      && set_class_weights (t, error))
    return TRUE;
  g_prefix_error (error, t->checkpoint ? "--resume: " : "[loss] class_balance: ");
  return FALSE;
}

static gboolean
make_learner (NddrTrainer *t, GError **error)
{
  t->learner = new_learner (t, error);
  if (!t->learner || (t->checkpoint && !nddr_learner_restore (t->learner, t->start->tensors, error)))
    return FALSE;
  if (nddr_ranks_is_first (t->ranks)) {
    print_footprint (t);
    print_untaught (t);
  }
  if (!set_weights (t, error) || !restore_scaler (t, error))
    return FALSE;
  const NddrRecipe *r = t->recipe;
  NddrLoaderOptions loading = {
    .augment = {
      .input_width = r->input.width, .input_height = r->input.height, .scale_min = r->scale[0], .scale_max = r->scale[1], .mirror = r->mirror,
      .width = r->crop.width, .height = r->crop.height, .brightness = r->brightness, .contrast = r->contrast, .saturation = r->saturation,
    },
    .batch = r->batch * r->accumulate, .labels = nddr_learner_get_labels (t->learner), .repeat = TRUE, .shuffle = r->shuffle, .cutmix = r->cutmix,
    .seed = r->seed,
    .first = t->step,
    .prefetch = r->prefetch ? r->prefetch : r->accumulate > 1 ? 1 : 0, /* of larger batches fewer */
    .parts = r->accumulate, .share = t->ranks ? t->ranks->index : 0, .shares = t->ranks ? t->ranks->count : 1,
  };
  for (int c = 0; c < 3; c++) {
    loading.augment.mean[c] = t->start->config->mean[c];
    loading.augment.std[c] = t->start->config->std[c];
  }
  nddr_learner_get_label_size (t->learner, &loading.augment.label_width, &loading.augment.label_height);
  if (!check_host_memory (t, &loading, error))
    return FALSE;
  t->loader = nddr_loader_new (t->pictures, &loading);
  return TRUE;
}

static gboolean
open_run (NddrTrainer *t, GError **error)
{
  nddr_run_folder_clean (t->options->run);
  g_autofree char *config = nddr_trainer_path (t, "config.ini");
  t->recipe_text = nddr_recipe_to_text (t->recipe);
  if (!nddr_whole_file_write (config, t->recipe_text, strlen (t->recipe_text), error))
    return FALSE;
  t->journal = nddr_journal_open (t->options->run, t->step, error);
  return t->journal != NULL;
}

static gboolean
prepare (NddrTrainer *t, GError **error)
{
  g_autofree char *checkpoint = nddr_trainer_path (t, "checkpoint.safetensors");
  gint64 n = t->ranks ? t->ranks->count : 1;
  if (t->recipe->batch % n != 0)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[train] batch is %" G_GINT64_FORMAT ": expected a multiple of the %" G_GINT64_FORMAT " ranks, each of "
        "which takes as many of its pictures", t->recipe->batch, n);
  if (nddr_ranks_is_first (t->ranks) && !t->options->resume && g_mkdir_with_parents (t->options->run, 0777) != 0)
    return nddr_fail (error, NDDR_ERROR_FILE, "cannot make the folder %s: %s", t->options->run, g_strerror (errno));
  if (!t->options->resume && g_file_test (checkpoint, G_FILE_TEST_EXISTS))
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%s holds a run already: go on with it with --resume, or choose another folder with -o",
        t->options->run);
  /* before anything is read that another process may be about to write */
  if (nddr_ranks_is_first (t->ranks) && !nddr_run_folder_lock (t->options->run, &t->lock, error))
    return FALSE;
  if ((t->options->resume && !load_checkpoint (t, error)) || !check_teacher (t, error) || !open_data (t, error))
    return FALSE;
  g_autoptr (NddrConfig) config = make_config (t, error);
  return config && check_network (t, config, error) && make_start (t, g_steal_pointer (&config), error) && check_best (t, t->start->config, error)
      && make_learner (t, error);
}

/* ---- among ranks */

/* Files may differ from machine to machine: what a run follows from must not. */
static gboolean
check_same (const NddrTrainer *t, GError **error)
{
  g_autofree char *recipe = nddr_recipe_to_text (t->recipe), *config = nddr_config_to_json (t->start->config);
  g_autofree char *all = g_strdup_printf ("%s\n%s\n%u\n%" G_GINT64_FORMAT "\n%s", recipe, config, nddr_dataset_size (t->pictures), t->step,
      t->teacher ? t->teacher : "");
  g_autofree char *mine = g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1), *first = g_strdup (mine);
  nddr_ranks_broadcast (t->ranks, first, strlen (first));
  if (g_str_equal (mine, first))
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "rank %d does not see what rank 0 does: the configuration, [data] train, the teacher and, with "
      "--resume, the checkpoint in %s must be the same on all machines", t->ranks->index, t->options->run);
}

/* Ranks add up gradients of one scale. */
static gboolean
check_precision (const NddrTrainer *t, GError **error)
{
  gboolean mixed = nddr_learner_is_mixed (t->learner), first = mixed;
  nddr_ranks_broadcast (t->ranks, &first, sizeof first);
  if (mixed == first)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "rank %d, on %s, would train in %s, but rank 0 in %s: give all ranks devices that can do the same, or set "
      "train.precision=fp32", t->ranks->index, nddr_device_get_info (t->device)->name, mixed ? "mixed precision" : "fp32", first ? "mixed precision" : "fp32");
}

/* What the ranks run on. */
static void
print_ranks (const NddrTrainer *t)
{
  char mine[64] = { 0 };
  g_autofree char *all = g_malloc0 (t->ranks->count * sizeof mine);
  g_autoptr (GString) names = g_string_new (NULL);
  g_strlcpy (mine, nddr_device_get_info (t->device)->name, sizeof mine);
  nddr_ranks_allgather (t->ranks, mine, all, sizeof mine);
  for (int r = 0, n = 1; r < t->ranks->count; r += n) {
    const char *name = all + r * sizeof mine;
    for (n = 1; r + n < t->ranks->count && g_str_equal (all + (r + n) * sizeof mine, name); n++)
      continue;
    g_string_append_printf (names, "%s%d on %s", r ? ", " : "", n, name);
  }
  if (nddr_ranks_is_first (t->ranks))
    g_printerr ("nddr train: %d ranks, %u pictures of a batch each: %s\n", t->ranks->count, rank_batch (t), names->str);
}

gboolean
nddr_trainer_prepare (NddrTrainer *t, GError **error)
{
  if (!t->ranks)
    return prepare (t, error) && open_run (t, error);
  if (!nddr_ranks_agree (t->ranks, prepare (t, error), error) || !nddr_ranks_agree (t->ranks, check_same (t, error), error)
      || !nddr_ranks_agree (t->ranks, check_precision (t, error), error)
      || !nddr_ranks_agree (t->ranks, !nddr_ranks_is_first (t->ranks) || open_run (t, error), error))
    return FALSE;
  print_ranks (t);
  broadcast_class_weights (t);
  return nddr_learner_broadcast (t->learner, error);
}
