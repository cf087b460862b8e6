/* See trainer.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/trainer.h>

#include <train/checkpoint.h>
#include <train/class-balance.h>
#include <train/classes.h>
#include <train/divergence.h>
#include <train/difference.h>
#include <train/evaluate.h>
#include <train/fusion-norm.h>
#include <train/journal.h>
#include <train/learner.h>
#include <train/progress.h>
#include <train/report.h>
#include <train/run.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <nddr/gpu/device.h>
#include <nddr/model.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define N_PICTURES 4 /* that TensorBoard shows of each validation */
#define PICTURE_SIZE 320

typedef struct
{
  NddrDevice *device;
  NddrRecipe *recipe;
  const NddrTrainerOptions *options;
  NddrRanks *ranks;
  NddrDataset *pictures, *validation; /* validation: NULL: none */
  NddrCheckpoint *checkpoint;         /* that it goes on from; NULL */
  NddrStart *start;
  NddrLearner *learner;
  NddrLoader *loader;
  NddrJournal *journal;
  NddrProgress progress;
  char *recipe_text;
  gint64 step;                        /* done */
  gint64 saved;                       /* the checkpoint's */
  double best;                        /* NAN: none yet */
  int lock;                           /* the run's folder, locked; -1: it is not */
  double waited;                      /* seconds, by the last step, for its pictures */
  guint n_skipped;                    /* pictures of the last step that stand for broken ones */
  guint stale;                        /* validations since */
  gboolean more_is_better;
} Trainer;

static void
trainer_clear (Trainer *t)
{
  g_clear_pointer (&t->loader, nddr_loader_free);
  g_clear_pointer (&t->learner, nddr_learner_free);
  g_clear_pointer (&t->start, nddr_start_free);
  g_clear_pointer (&t->checkpoint, nddr_checkpoint_free);
  g_clear_pointer (&t->journal, nddr_journal_close);
  g_clear_pointer (&t->validation, nddr_dataset_free);
  g_clear_pointer (&t->pictures, nddr_dataset_free);
  g_free (t->recipe_text);
  if (t->lock >= 0)
    close (t->lock);
}

static char *
in_run (const Trainer *t, const char *name)
{
  return g_build_filename (t->options->run, name, NULL);
}

/* Pictures of a batch that are this rank's. */
static guint
rank_batch (const Trainer *t)
{
  return t->recipe->batch / (t->ranks ? t->ranks->count : 1);
}

/* Ranks of one machine share its processors and its memory. */
static gint64
local_share (const Trainer *t, gint64 all)
{
  return t->ranks ? MAX (all / t->ranks->local_count, 1) : all;
}

/* ---- starting */

/* How the run reads @dataset, whatever for. */
static void
set_up_reading (Trainer *t, NddrDataset *dataset, gsize cache)
{
  const NddrRecipe *r = t->recipe;
  nddr_dataset_set_cache (dataset, cache);
  nddr_dataset_set_skip (dataset, r->broken == NDDR_BROKEN_SKIP);
  nddr_dataset_set_threads (dataset, r->threads ? r->threads : local_share (t, nddr_dataset_threads (dataset)));
}

static gboolean
open_data (Trainer *t, GError **error)
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

/* Names the broken samples that were met since the last call. */
static void
report_broken (Trainer *t, NddrDataset *dataset, const char *key)
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
check_use (const Trainer *t, const NddrConfig *config, GError **error)
{
  g_autofree char *unused = nddr_recipe_unused_weight (t->recipe);
  if (t->recipe->head_init == NDDR_HEAD_INIT_WIDEN && config->head != NDDR_HEAD_LARGEFOV && !t->checkpoint) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "[model] head_init is \"widen\", which largefov heads can be, and %s cannot: expected file or new",
        nddr_head_name (config->head));
    return FALSE;
  }
  if (!nddr_ranks_is_first (t->ranks))
    return TRUE;
  if (unused)
    g_printerr ("nddr train: [loss] %s does nothing: no task is called so\n", unused);
  if (t->recipe->class_balance > 0 && !nddr_config_has_kind (config, NDDR_TASK_SEGMENTATION))
    g_printerr ("nddr train: [loss] class_balance does nothing: no task is a segmentation\n");
  return TRUE;
}

static NddrConfig *
make_config (const Trainer *t, GError **error)
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
check_best (Trainer *t, const NddrConfig *config, GError **error)
{
  const char *best = t->recipe->best;
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks);
  if (g_str_equal (best, "loss") || nddr_metrics_knows (metrics, best, &t->more_is_better)) {
    if (!t->validation || has_labels_for (t->validation, config, best))
      return TRUE;
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "[train] best is \"%s\", but [data] val = %s has no labels to tell it by: give them, choose another score, or "
        "leave val empty", best, t->recipe->val);
    return FALSE;
  }
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "[train] best is \"%s\": expected loss, or a score of these tasks such as %s.%s", t->recipe->best,
      config->tasks[0].name, config->tasks[0].kind == NDDR_TASK_SEGMENTATION ? "miou" : config->tasks[0].kind == NDDR_TASK_NORMAL ? "mean" : "abs");
  return FALSE;
}

static gboolean
load_checkpoint (Trainer *t, GError **error)
{
  g_autofree char *path = in_run (t, "checkpoint.safetensors"), *what = NULL;
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "--resume: there is no %s to go on from: start the run without --resume", path);
    return FALSE;
  }
  t->checkpoint = nddr_checkpoint_load (path, error);
  g_autoptr (NddrRecipe) before = t->checkpoint ? nddr_recipe_parse (t->checkpoint->recipe, error) : NULL;
  if (!before) {
    g_prefix_error (error, "--resume: ");
    return FALSE;
  }
  if (t->recipe->fusion_norm_init == NDDR_FUSION_NORM_AUTO)
    t->recipe->fusion_norm_init = before->fusion_norm_init;
  if (!nddr_recipe_same_training (before, t->recipe, &what)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "--resume goes on with the same training, but %s; give the same configuration, or start another "
        "run with --init %s/model.safetensors", what, t->options->run);
    return FALSE;
  }
  t->step = t->checkpoint->step;
  if (!g_str_equal (before->best, t->recipe->best))
    return TRUE; /* scores of another kind compare with none of this */
  t->best = t->checkpoint->best;
  t->stale = t->checkpoint->stale;
  return TRUE;
}

/* The network and its first weights: the checkpoint's, or the start of a new run. */
static gboolean
make_start (Trainer *t, NddrConfig *config, GError **error)
{
  if (t->checkpoint) {
    t->start = g_new0 (NddrStart, 1);
    t->start->config = config;
    g_autoptr (NddrConfig) before = nddr_config_parse (t->checkpoint->config, error);
    g_autofree char *difference = before ? nddr_config_difference (before, config) : NULL;
    if (!before)
      return FALSE;
    if (difference) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "--resume: the checkpoint's network and that of the configuration differ: %s; have the classes of the "
          "training data changed?", difference);
      return FALSE;
    }
    t->start->tensors = g_steal_pointer (&t->checkpoint->tensors);
    t->start->network = nddr_network_new (config, t->start->tensors, NULL, error);
    return t->start->network != NULL;
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
check_host_memory (const Trainer *t, const NddrLoaderOptions *loading, GError **error)
{
  const guint64 bytes = nddr_loader_bytes (loading), share = local_share (t, host_memory ());
  const double gib = 1 << 30;
  if (bytes <= share)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, "a step's %u pictures, and those read ahead, take %.1f GiB of this machine's memory, where it has %.1f "
      "for them: use a smaller [train] batch, accumulate or [data] prefetch, or a smaller [data] crop", loading->batch, bytes / gib, share / gib);
  return FALSE;
}

/* Says where activations are computed again, and where the memory is short all the same. */
static void
say_footprint (const Trainer *t)
{
  const NddrFootprint *f = nddr_learner_get_footprint (t->learner);
  const char *device = nddr_device_get_info (t->device)->name;
  double gib = 1 << 30;
  if (f->segments > 1)
    g_printerr ("nddr train: activations are computed again in the backward pass, in %d segments: a step then takes %.2f GiB of %s's memory in place of %.2f, and "
        "about a third more time ([train] activation_checkpointing; a smaller batch with accumulate would do too)\n", f->segments, f->bytes / gib, device,
        f->all_kept / gib);
  if (f->most > 0 && f->bytes > f->most)
    g_printerr ("nddr train: a step takes %.2f GiB, and of %s's memory %.2f may be used: if it fails, use a smaller [train] batch, with accumulate, or a smaller "
        "[data] crop\n", f->bytes / gib, device, f->most / gib);
}

/* Says which tasks a teacher does not have. */
static void
say_untaught (const Trainer *t)
{
  const NddrConfig *config = t->start->config;
  for (guint k = 0; t->recipe->teacher[0] != '\0' && k < config->n_tasks; k++)
    if (isnan (nddr_learner_get_distillation (t->learner, k)))
      g_printerr ("nddr train: [distillation] %s has no task %s, which learns from its labels alone\n", t->recipe->teacher, config->tasks[k].name);
}

/* Ranks of one device share its memory. */
static NddrLearner *
new_learner (const Trainer *t, GError **error)
{
  NddrTraits traits = *nddr_device_get_traits (t->device);
  if (t->ranks)
    traits.memory /= t->ranks->sharers;
  return nddr_learner_new (t->device, &traits, t->ranks, t->start, t->recipe, error);
}

/* Goes on with the losses' scale, in mixed precision; says where there is none, as PyTorch does where it has no GPU. */
static gboolean
restore_scaler (Trainer *t, GError **error)
{
  NddrScaler *scaler = nddr_learner_get_scaler (t->learner);
  if (scaler && t->checkpoint && t->checkpoint->scaler && !nddr_scaler_from_text (scaler, t->checkpoint->scaler, error)) {
    g_prefix_error (error, "--resume: ");
    return FALSE;
  }
  if (!scaler && t->recipe->precision == NDDR_LEARN_MIXED && nddr_ranks_is_first (t->ranks))
    g_printerr ("nddr train: training in fp32: [train] precision = mixed needs a GPU that stores 16-bit floats, which %s is not\n",
        nddr_device_get_info (t->device)->name);
  return TRUE;
}

/* The checkpoint's, or what the first rank counts, which all will have. */
static gboolean
set_class_weights (Trainer *t, GError **error)
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
share_class_weights (Trainer *t)
{
  guint n;
  double *weights = nddr_learner_get_class_weights (t->learner, &n);
  if (weights)
    nddr_ranks_share (t->ranks, weights, n * sizeof *weights);
}

/* What counts how much in the losses. */
static gboolean
set_weights (Trainer *t, GError **error)
{
  NddrBalance *balance = nddr_learner_get_balance (t->learner);
  nddr_balance_set_epoch (balance, nddr_dataset_size (t->pictures));
  if ((!t->checkpoint || !t->checkpoint->weighting || nddr_balance_from_text (balance, t->checkpoint->weighting, error))
      && set_class_weights (t, error))
    return TRUE;
  g_prefix_error (error, t->checkpoint ? "--resume: " : "[loss] class_balance: ");
  return FALSE;
}

static gboolean
make_learner (Trainer *t, GError **error)
{
  t->learner = new_learner (t, error);
  if (!t->learner || (t->checkpoint && !nddr_learner_restore (t->learner, t->start->tensors, error)))
    return FALSE;
  if (nddr_ranks_is_first (t->ranks)) {
    say_footprint (t);
    say_untaught (t);
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

/* Whether @suffix is what mkstemp() makes of XXXXXX, six letters and digits by chance.  A word, a date or a word with a number, which somebody gave a copy, is
 * not: those have no capital behind the first letter, or nothing but capitals, as one in thirteen has by chance. */
static gboolean
is_by_chance (const char *suffix)
{
  guint n = 0, upper = 0;
  for (; g_ascii_isalnum (suffix[n]); n++)
    upper += n > 0 && g_ascii_isupper (suffix[n]);
  return n == 6 && suffix[n] == '\0' && upper > 0 && upper < 5;
}

/* A run that was killed may have left a file beside its name. */
static void
remove_leftovers (const Trainer *t)
{
  g_autoptr (GDir) dir = g_dir_open (t->options->run, 0, NULL);
  for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
    for (guint i = 0; nddr_run_files[i]; i++) {
      gsize length = strlen (nddr_run_files[i]);
      if (g_str_has_prefix (name, nddr_run_files[i]) && name[length] == '.' && is_by_chance (name + length + 1)) {
        g_autofree char *path = in_run (t, name);
        g_unlink (path);
      }
    }
}

/* Two that write one run would spoil it; where the file system knows no locks, nothing is known. */
static gboolean
lock_run (Trainer *t, GError **error)
{
  t->lock = g_open (t->options->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (t->lock < 0 || flock (t->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "%s is being trained by another process: wait for its end, or stop it", t->options->run);
  return FALSE;
}

static gboolean
open_run (Trainer *t, GError **error)
{
  remove_leftovers (t);
  g_autofree char *config = in_run (t, "config.ini");
  t->recipe_text = nddr_recipe_to_text (t->recipe);
  if (!g_file_set_contents (config, t->recipe_text, -1, error))
    return FALSE;
  t->journal = nddr_journal_open (t->options->run, t->step, error);
  return t->journal != NULL;
}

static gboolean
prepare (Trainer *t, GError **error)
{
  g_autofree char *checkpoint = in_run (t, "checkpoint.safetensors");
  gint64 n = t->ranks ? t->ranks->count : 1;
  if (t->recipe->batch % n != 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "[train] batch is %" G_GINT64_FORMAT ": expected a multiple of the %" G_GINT64_FORMAT " ranks, each of "
        "which takes as many of its pictures", t->recipe->batch, n);
    return FALSE;
  }
  if (nddr_ranks_is_first (t->ranks) && !t->options->resume && g_mkdir_with_parents (t->options->run, 0777) != 0) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FILE, "cannot make the folder %s: %s", t->options->run, g_strerror (errno));
    return FALSE;
  }
  if (!t->options->resume && g_file_test (checkpoint, G_FILE_TEST_EXISTS)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "%s holds a run already: go on with it with --resume, or choose another folder with -o",
        t->options->run);
    return FALSE;
  }
  /* before anything is read that another process may be about to write */
  if (nddr_ranks_is_first (t->ranks) && !lock_run (t, error))
    return FALSE;
  if ((t->options->resume && !load_checkpoint (t, error)) || !open_data (t, error))
    return FALSE;
  NddrConfig *config = make_config (t, error);
  return config && make_start (t, config, error) && check_best (t, t->start->config, error) && make_learner (t, error);
}

/* ---- among ranks */

/* Files may differ from machine to machine: what a run follows from must not. */
static gboolean
check_same (const Trainer *t, GError **error)
{
  g_autofree char *recipe = nddr_recipe_to_text (t->recipe), *config = nddr_config_to_json (t->start->config);
  g_autofree char *all = g_strdup_printf ("%s\n%s\n%u\n%" G_GINT64_FORMAT, recipe, config, nddr_dataset_size (t->pictures), t->step);
  g_autofree char *mine = g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1), *first = g_strdup (mine);
  nddr_ranks_share (t->ranks, first, strlen (first));
  if (g_str_equal (mine, first))
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "rank %d does not see what rank 0 does: the configuration, [data] train and, with --resume, the checkpoint in %s "
      "must be the same on all machines", t->ranks->index, t->options->run);
  return FALSE;
}

/* Ranks add up gradients of one scale. */
static gboolean
check_precision (const Trainer *t, GError **error)
{
  gboolean mixed = nddr_learner_get_scaler (t->learner) != NULL, first = mixed;
  nddr_ranks_share (t->ranks, &first, sizeof first);
  if (mixed == first)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "rank %d, on %s, would train in %s, but rank 0 in %s: give all ranks devices that can do the same, or set "
      "train.precision=fp32", t->ranks->index, nddr_device_get_info (t->device)->name, mixed ? "mixed precision" : "fp32", first ? "mixed precision" : "fp32");
  return FALSE;
}

/* What the ranks run on. */
static void
say_ranks (const Trainer *t)
{
  char mine[64] = { 0 };
  g_autofree char *all = g_malloc0 (t->ranks->count * sizeof mine);
  g_autoptr (GString) names = g_string_new (NULL);
  g_strlcpy (mine, nddr_device_get_info (t->device)->name, sizeof mine);
  nddr_ranks_gather (t->ranks, mine, all, sizeof mine);
  for (int r = 0, n = 1; r < t->ranks->count; r += n) {
    const char *name = all + r * sizeof mine;
    for (n = 1; r + n < t->ranks->count && g_str_equal (all + (r + n) * sizeof mine, name); n++)
      continue;
    g_string_append_printf (names, "%s%d on %s", r ? ", " : "", n, name);
  }
  if (nddr_ranks_is_first (t->ranks))
    g_printerr ("nddr train: %d ranks, %u pictures of a batch each: %s\n", t->ranks->count, rank_batch (t), names->str);
}

static gboolean
prepare_all (Trainer *t, GError **error)
{
  if (!t->ranks)
    return prepare (t, error) && open_run (t, error);
  if (!nddr_ranks_agree (t->ranks, prepare (t, error), error) || !nddr_ranks_agree (t->ranks, check_same (t, error), error)
      || !nddr_ranks_agree (t->ranks, check_precision (t, error), error)
      || !nddr_ranks_agree (t->ranks, !nddr_ranks_is_first (t->ranks) || open_run (t, error), error))
    return FALSE;
  say_ranks (t);
  share_class_weights (t);
  return nddr_learner_share (t->learner, error);
}

/* Whether any rank was told to stop. */
static gboolean
is_told_to_stop (const Trainer *t)
{
  double told = t->options->stop && *t->options->stop;
  nddr_ranks_sum (t->ranks, &told, 1);
  return told > 0;
}

/* The pictures that were skipped on all ranks, and the longest that one waited for its own. */
static void
share_loading (Trainer *t)
{
  typedef struct { double waited; guint n_skipped; } Loading;
  Loading mine = { t->waited, t->n_skipped };
  g_autofree Loading *all = t->ranks ? g_new0 (Loading, t->ranks->count) : NULL;
  if (!t->ranks)
    return;
  nddr_ranks_gather (t->ranks, &mine, all, sizeof mine);
  t->waited = t->n_skipped = 0;
  for (int r = 0; r < t->ranks->count; r++) {
    t->waited = MAX (t->waited, all[r].waited);
    t->n_skipped += all[r].n_skipped;
  }
}

/* What the first rank knows of its validations decides when all end. */
static void
share_best (Trainer *t)
{
  nddr_ranks_share (t->ranks, &t->best, sizeof t->best);
  nddr_ranks_share (t->ranks, &t->stale, sizeof t->stale);
}

/* ---- models and checkpoints */

/* (transfer full): what has been learnt so far. */
static NddrModel *
make_model (const Trainer *t, GError **error)
{
  g_autoptr (NddrTensors) tensors = nddr_tensors_new ();
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
save_model (const Trainer *t, const NddrModel *model, const char *name, GError **error)
{
  g_autofree char *path = in_run (t, name);
  return nddr_model_save (model, path, t->recipe->half ? NDDR_STORE_F16 : NDDR_STORE_F32, error);
}

static gboolean
save_checkpoint (Trainer *t, GError **error)
{
  g_autofree char *path = in_run (t, "checkpoint.safetensors");
  g_autoptr (NddrModel) model = make_model (t, error);
  if (!model)
    return FALSE;
  /* a model that cannot be written, as one with numbers beyond fp16 in halves, loses no step: the checkpoint is apart from it */
  g_autoptr (GError) problem = NULL;
  gboolean fine = save_model (t, model, "model.safetensors", &problem);
  if (!nddr_checkpoint_save (path, t->learner, t->step, t->best, t->stale, t->recipe_text, t->start->config, error))
    return FALSE;
  t->saved = t->step;
  if (!fine)
    g_propagate_error (error, g_steal_pointer (&problem));
  return fine;
}

/* ---- validation */

static void
show_validation (guint done, guint total, gpointer user_data)
{
  Trainer *t = user_data;
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
validate (Trainer *t, GError **error)
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
  report_broken (t, t->validation, "val");
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
next_batch (Trainer *t, GError **error)
{
  gint64 before = g_get_monotonic_time ();
  NddrBatch *batch = nddr_loader_next (t->loader, error);
  t->waited = (g_get_monotonic_time () - before) / 1e6;
  report_broken (t, t->pictures, "train");
  t->n_skipped = batch ? batch->n_skipped : 0;
  if (!nddr_ranks_agree (t->ranks, batch != NULL, error)) {
    if (batch)
      nddr_loader_return (t->loader, batch);
    return NULL;
  }
  share_loading (t);
  return batch;
}

/* A failure within it is one that ranks cannot agree on. */
static gboolean
take_step (Trainer *t, double *losses, GError **error)
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
check_step (const Trainer *t, const double *losses, GError **error)
{
  g_autofree char *what = NULL;
  if (!nddr_divergence_find (t->learner, t->start->config, losses, &what, error))
    return FALSE;
  if (!what)
    return TRUE;
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "in step %" G_GINT64_FORMAT " %s; %s holds the state of step %" G_GINT64_FORMAT ": start another run "
      "from there with --init %s/model.safetensors, and with a [train] lr below %g, a warmup or a clip_norm", t->step, what, t->options->run, t->saved,
      t->options->run, t->recipe->lr);
  return FALSE;
}

static void
add_figure (GPtrArray *names, GArray *figures, char *name, double value)
{
  g_ptr_array_add (names, name);
  g_array_append_vals (figures, &(NddrFigure){ name, value }, 1);
}

/* The log's line of the step just taken. */
static gboolean
log_step (const Trainer *t, const double *losses, double rate, double images_per_s, GError **error)
{
  const NddrOutcome *outcome = nddr_learner_get_outcome (t->learner);
  const NddrConfig *config = t->start->config;
  const NddrBalance *balance = nddr_learner_get_balance (t->learner);
  const double *weights = nddr_balance_get_weights (balance), *log_variances = nddr_balance_get_log_variances (balance);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) more = g_array_new (FALSE, FALSE, sizeof (NddrFigure));
  add_figure (names, more, g_strdup ("grad_norm"), outcome->gradient_norm);
  if (nddr_learner_get_scaler (t->learner)) {
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
is_patient (const Trainer *t)
{
  return t->recipe->patience == 0 || t->stale < t->recipe->patience;
}

static void
say_patience (const Trainer *t)
{
  g_autofree char *best = isfinite (t->best) ? g_strdup_printf ("%g", t->best) : g_strdup ("what is no number");
  if (t->step < t->recipe->steps && !is_patient (t))
    g_printerr ("nddr train: ended after step %" G_GINT64_FORMAT ": in the last %u validations %s did not get better than %s\n", t->step, t->stale,
        t->recipe->best, best);
}

static gboolean
is_validation_due (const Trainer *t)
{
  return t->validation && (t->step == t->recipe->steps || t->step % t->recipe->val_every == 0);
}

/* After the step's validation: one that was the best so far is due, too, as best.safetensors and the checkpoint that says what it is are of one run then,
 * whatever becomes of this one. */
static gboolean
is_checkpoint_due (const Trainer *t)
{
  gboolean is_best = is_validation_due (t) && t->stale == 0;
  return is_best || t->step == t->recipe->steps || t->step % t->recipe->checkpoint_every == 0;
}

/* The validation of the checkpoint's step, where it failed: by the first rank alone. */
static gboolean
make_up_validation (Trainer *t, GError **error)
{
  if (!nddr_ranks_is_first (t->ranks) || t->step == 0 || !is_validation_due (t) || nddr_journal_was_validated (t->journal))
    return TRUE;
  return validate (t, error) && save_checkpoint (t, error);
}

/* What is written and said after a step that took so many @seconds, at the rate @rate. */
static gboolean
keep_record (Trainer *t, const double *losses, double rate, double seconds, GError **error)
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
save_all (Trainer *t, gboolean saved, GError **error)
{
  return nddr_ranks_agree (t->ranks, saved || !nddr_ranks_is_first (t->ranks) || save_checkpoint (t, error), error);
}

static gboolean
go_on (Trainer *t, gboolean *finished, GError **error)
{
  g_autofree double *losses = g_new0 (double, t->start->config->n_tasks);
  gboolean first = nddr_ranks_is_first (t->ranks);
  t->saved = t->step;
  if (!save_all (t, t->checkpoint != NULL, error)) /* from here on a run that is killed can go on */
    return FALSE;
  if (!nddr_ranks_agree (t->ranks, make_up_validation (t, error), error))
    return FALSE;
  share_best (t);
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
    share_best (t);
    if (is_checkpoint_due (t) && !nddr_learner_share (t->learner, error)) /* devices of several kinds may have drifted apart by roundings */
      return FALSE;
  }
  *finished = t->step >= t->recipe->steps || !is_patient (t);
  g_autofree char *model = in_run (t, "model.safetensors"); /* which somebody may have taken away */
  return save_all (t, t->saved == t->step && g_file_test (model, G_FILE_TEST_EXISTS), error);
}

/* The run is complete without it: failing is no more than a warning. */
static void
write_report (Trainer *t)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_run (t, "report.html");
  NddrReportOptions options = { .data = t->validation ? t->recipe->val : "", .dataset = t->validation, .progress = show_validation, .user_data = t };
  nddr_progress_start (&t->progress, 0);
  if (!nddr_report_run (t->device, t->options->run, path, &options, &error)) {
    nddr_progress_clear (&t->progress);
    g_printerr ("the run is complete, but for its report: %s; nddr report %s writes it\n", error->message, t->options->run);
  }
}

gboolean
nddr_trainer_run (NddrDevice *device, NddrRecipe *recipe, const NddrTrainerOptions *options, gboolean *finished, GError **error)
{
  NddrRanks *ranks = nddr_ranks_are_several (options->ranks) ? options->ranks : NULL;
  Trainer t = { .device = device, .recipe = recipe, .options = options, .ranks = ranks, .best = NAN, .lock = -1 };
  gboolean fine = prepare_all (&t, error) && go_on (&t, finished, error), speaks = fine && nddr_ranks_is_first (ranks);
  if (speaks && *finished)
    write_report (&t);
  nddr_progress_clear (&t.progress);
  if (speaks)
    say_patience (&t);
  if (fine)
    nddr_ranks_agree (ranks, TRUE, NULL); /* nobody leaves while the first one works */
  trainer_clear (&t);
  return fine;
}
