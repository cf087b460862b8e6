/* Whole runs on a few small pictures: what they leave behind, going on after a stop to the same bits, and how they fail.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-reader.h"
#include "../session/faults.h"
#include "fixture.h"

#include <train/checkpoint.h>
#include <train/recipe.h>
#include <train/run.h>
#include <train/trainer.h>

#include <json-glib/json-glib.h>
#include <math.h>
#include <nddr/model.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static NddrDevice *device;
static char *folder; /* a data set of six pictures */

#define STEPS 6

static NddrRecipe *
make_recipe (const char *first, ...)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) sets = g_ptr_array_new ();
  g_autofree char *data = g_strdup_printf ("data.train=folder:%s,train", folder), *val = g_strdup_printf ("data.val=folder:%s,val", folder);
  const char *const common[] = { data, val, "model.width=0.0625", "model.head_width=0.015625", "model.input=48x40", "data.crop=48x40", "train.batch=2",
    "train.steps=" G_STRINGIFY (STEPS), "train.val_every=3", "train.checkpoint_every=4", "train.lr=0.0001", "data.brightness=0.2", NULL };
  for (guint i = 0; common[i]; i++)
    g_ptr_array_add (sets, (gpointer) common[i]);
  va_list args;
  va_start (args, first);
  for (const char *set = first; set; set = va_arg (args, const char *))
    g_ptr_array_add (sets, (gpointer) set);
  va_end (args);
  g_ptr_array_add (sets, NULL);
  NddrRecipe *recipe = nddr_recipe_load (NULL, (const char *const *) sets->pdata, &error);
  g_assert_no_error (error);
  return recipe;
}

static char *
read_file (const char *run, const char *name, gsize *bytes)
{
  g_autofree char *path = g_build_filename (run, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;
  g_file_get_contents (path, &text, bytes, &error);
  g_assert_no_error (error);
  return text;
}

static void
expect_same (const char *a, const char *b, const char *name)
{
  gsize n_a, n_b;
  g_autofree char *one = read_file (a, name, &n_a), *other = read_file (b, name, &n_b);
  g_assert_cmpmem (one, n_a, other, n_b);
}

/* The log without what depends on the clock. */
static char *
read_log (const char *run)
{
  g_autofree char *text = read_file (run, "log.jsonl", NULL);
  g_autoptr (GRegex) rate = g_regex_new (",\"(images_per_s|data_wait_s)\":[0-9.e+-]+", 0, 0, NULL);
  return g_regex_replace_literal (rate, text, -1, 0, "", 0, NULL);
}

static guint
count_lines (const char *text, const char *part)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = 0;
  for (int i = 0; lines[i]; i++)
    n += strstr (lines[i], part) != NULL;
  return n;
}

/* Runs; *error is the run's. */
static gboolean
train (NddrRecipe *recipe, const char *run, gboolean resume, const char *init, const volatile sig_atomic_t *stop, gboolean *finished, GError **error)
{
  const char *const inits[] = { init, NULL };
  NddrTrainerOptions options = { .run = run, .inits = init ? inits : NULL, .resume = resume, .stop = stop };
  return nddr_trainer_run (device, recipe, &options, finished, error);
}

/* ---- a thread that tells the run to stop once the log has so many lines */

typedef struct
{
  char *log;
  guint lines;
  volatile sig_atomic_t stop;
} Watcher;

static gpointer
watch (gpointer data)
{
  Watcher *watcher = data;
  while (!watcher->stop) {
    g_autofree char *text = NULL;
    if (g_file_get_contents (watcher->log, &text, NULL, NULL) && count_lines (text, "{") >= watcher->lines)
      watcher->stop = 1;
    g_usleep (500);
  }
  return NULL;
}

/* TensorBoard is told each number of each step's line, and no other of a step. */
static void
check_events (const char *run)
{
  g_autofree char *text = read_file (run, "log.jsonl", NULL);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  g_autoptr (GPtrArray) values = event_read_folder (run);
  guint of_steps = 0, in_log = 0, found = 0;
  for (guint i = 0; i < values->len; i++) {
    const EventValue *value = values->pdata[i];
    of_steps += value->has_number && !g_str_has_prefix (value->tag, "val");
  }
  for (guint i = 0; lines[i]; i++) {
    g_autoptr (JsonNode) node = json_from_string (lines[i], NULL);
    JsonObject *line = json_node_get_object (node);
    gint64 step = json_object_get_int_member (line, "step");
    if (json_object_has_member (line, "val"))
      continue;
    g_assert_cmpfloat (json_object_get_double_member (line, "images_per_s"), >, 0); /* a figure for whether reading keeps up */
    g_assert_cmpfloat (json_object_get_double_member (line, "data_wait_s"), >=, 0);
    for (guint k = 0; k < values->len; k++) {
      const EventValue *value = values->pdata[k];
      if (!value->has_number || value->step != step || !json_object_has_member (line, value->tag))
        continue;
      g_assert_cmpfloat_with_epsilon (json_object_get_double_member (line, value->tag), value->number, 1e-6 * (1 + fabs (value->number)));
      found++;
    }
    in_log += json_object_get_size (line) - 1;
  }
  g_assert_cmpuint (found, ==, in_log);
  g_assert_cmpuint (found, ==, of_steps);
}

/* One run in one go; another that stops, whose log then goes on beyond its checkpoint as a killed run's does, and resumes. */
static void
check_resume (const char *name, const char *set, const char *set2, const char *set3)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *whole = fixture_path (folder, "whole-%s", name), *parts = fixture_path (folder, "parts-%s", name);
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) first = make_recipe (set, set2, set3, NULL);
  train (first, whole, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);

  Watcher watcher = { .log = g_build_filename (parts, "log.jsonl", NULL), .lines = 2 };
  GThread *thread = g_thread_new ("watch", watch, &watcher);
  g_autoptr (NddrRecipe) second = make_recipe (set, set2, set3, NULL);
  train (second, parts, FALSE, NULL, &watcher.stop, &finished, &error);
  g_assert_no_error (error);
  watcher.stop = 1;
  g_thread_join (thread);
  g_assert_false (finished);
  g_autofree char *report = g_build_filename (parts, "report.html", NULL);
  g_assert_false (g_file_test (report, G_FILE_TEST_EXISTS));
  g_autofree char *stopped = read_log (parts), *longer = g_strconcat (stopped, "{\"step\":100,\"loss\":1}\nhalf a li", NULL);
  g_assert_cmpuint (count_lines (stopped, "{"), <, STEPS);
  g_file_set_contents (watcher.log, longer, -1, &error);
  g_assert_no_error (error);

  g_autoptr (NddrRecipe) third = make_recipe (set, set2, set3, NULL);
  train (third, parts, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
  expect_same (whole, parts, "checkpoint.safetensors");
  expect_same (whole, parts, "model.safetensors");
  expect_same (whole, parts, "best.safetensors");
  expect_same (whole, parts, "config.ini");
  g_autofree char *log = read_log (whole), *log_of_parts = read_log (parts);
  g_assert_cmpstr (log, ==, log_of_parts);
  check_events (whole);
  g_free (watcher.log);
}

static void
test_resume_sgd (void)
{
  check_resume ("sgd", "loss.weighting=dwa", "train.accumulate=2", "train.clip_norm=5");
}

static void
test_resume_adamw (void)
{
  check_resume ("adamw", "train.optimizer=adamw", "loss.weighting=uncertainty", "loss.class_balance=0.5");
}

/** Replaces half of a file by nothing, and puts it back. */
static void
spoil (const char *file, char **good, gsize *bytes)
{
  g_autofree char *path = fixture_path (folder, "%s", file);
  if (*good)
    fixture_write (path, *good, *bytes);
  else {
    g_assert_true (g_file_get_contents (path, good, bytes, NULL));
    fixture_write (path, *good, *bytes / 2);
  }
}

/** Broken files are left out, and a run that was interrupted leaves out the same; or they stop the run, as it was told. */
static void
test_resume_broken (void)
{
  static const char *const files[] = { "train/image/2.png", "train/normal/3.png", "val/segmentation/7.png" };
  char *good[G_N_ELEMENTS (files)] = { NULL };
  gsize bytes[G_N_ELEMENTS (files)];
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    spoil (files[i], &good[i], &bytes[i]);
  check_resume ("broken", "data.broken=skip", NULL, NULL);
  g_autofree char *run = fixture_path (folder, "whole-broken"), *stopped = fixture_path (folder, "stopped"), *log = read_log (run);
  g_assert_cmpuint (count_lines (log, "\"skipped\":"), >=, 2); /* two of six, in six steps of two */
  g_assert_cmpuint (count_lines (log, "\"loss.normal\":"), ==, STEPS);
  g_assert_cmpuint (count_lines (log, "\"val\":{"), ==, 2);

  g_autoptr (NddrRecipe) recipe = make_recipe ("data.broken=stop", NULL);
  g_autoptr (GError) error = NULL;
  gboolean finished;
  g_assert_false (train (recipe, stopped, FALSE, NULL, NULL, &finished, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_assert_true (strstr (error->message, "image/2.png") || strstr (error->message, "normal/3.png"));
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    spoil (files[i], &good[i], &bytes[i]);
    g_free (good[i]);
  }
}

/* Both validations' predictions, and beside the first ones the pictures and their labels. */
static void
check_pictures (const char *run)
{
  static const char *const tags[] = { "input", "segmentation/label", "segmentation/prediction", "normal/label", "normal/prediction" };
  guint counts[2][G_N_ELEMENTS (tags)] = { 0 }, others = 0;
  g_autoptr (GPtrArray) values = event_read_folder (run);
  for (guint i = 0; i < values->len; i++) {
    const EventValue *value = values->pdata[i];
    guint tag = 0;
    if (!value->image)
      continue;
    g_assert_cmpuint (value->width, ==, 60);
    g_assert_cmpuint (value->height, ==, 44);
    g_assert_cmpuint (g_bytes_get_size (value->image), >, 100);
    g_assert_true (g_str_has_prefix (value->tag, "samples/6/") || g_str_has_prefix (value->tag, "samples/7/"));
    while (tag < G_N_ELEMENTS (tags) && !g_str_equal (tags[tag], value->tag + strlen ("samples/6/")))
      tag++;
    if (tag < G_N_ELEMENTS (tags))
      counts[value->step == STEPS][tag]++;
    else
      others++;
    g_assert_true (value->step == STEPS || value->step == STEPS / 2);
  }
  g_assert_cmpuint (others, ==, 0);
  for (guint tag = 0; tag < G_N_ELEMENTS (tags); tag++) {
    g_assert_cmpuint (counts[0][tag], ==, 2);
    g_assert_cmpuint (counts[1][tag], ==, g_str_has_suffix (tags[tag], "prediction") ? 2 : 0);
  }
}

static void
test_files (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "files");
  g_autoptr (NddrRecipe) recipe = make_recipe ("about.license=none", "train.half=true", "train.best=normal.mean", NULL);
  gboolean finished;
  train (recipe, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autofree char *log = read_log (run), *path = g_build_filename (run, "model.safetensors", NULL), *config = read_file (run, "config.ini", NULL);
  g_assert_cmpuint (count_lines (log, "\"loss.segmentation\":"), ==, STEPS);
  g_assert_cmpuint (count_lines (log, "\"val\":{"), ==, 2);
  g_assert_true (g_str_has_prefix (log, "{\"step\":1,\"loss\":"));
  g_assert_nonnull (strstr (config, "fusion_norm_init=one"));
  g_autoptr (NddrModel) model = nddr_model_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (nddr_model_get_metadata (model, "license"), ==, "none");
  g_assert_cmpuint (nddr_model_get_task (model, 0)->n_classes, ==, 13);
  check_pictures (run);
  g_autofree char *report = read_file (run, "report.html", NULL);
  g_assert_true (g_str_has_suffix (report, "</html>\n"));
  g_assert_nonnull (strstr (report, ">Confusion matrix<"));
  g_assert_nonnull (strstr (report, ">Angle errors<"));

  /* the same folder again; another recipe on resuming; a start from that model, whose fusion is measured no more */
  g_autoptr (NddrRecipe) again = make_recipe (NULL, NULL);
  g_assert_false (train (again, run, FALSE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, "--resume"));
  g_clear_error (&error);
  g_autoptr (NddrRecipe) other = make_recipe ("train.best=normal.mean", "train.momentum=0.5", NULL);
  g_assert_false (train (other, run, TRUE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, "[train] momentum was 0.9 and is 0.5"));
  g_clear_error (&error);
  fixture_write_classes (folder, 14);
  g_autoptr (NddrRecipe) same = make_recipe ("train.best=normal.mean", NULL);
  g_assert_false (train (same, run, TRUE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, "have the classes of the training data changed?"));
  g_clear_error (&error);
  fixture_write_classes (folder, 13);
  g_autofree char *next = fixture_path (folder, "next"), *next_path = g_build_filename (next, "model.safetensors", NULL);
  g_autoptr (NddrRecipe) from = make_recipe ("train.steps=1", "train.val_every=0", NULL);
  const volatile sig_atomic_t stop = 1; /* before the first step */
  train (from, next, FALSE, path, &stop, &finished, &error);
  g_assert_no_error (error);
  g_assert_false (finished);
  g_autofree char *next_config = read_file (next, "config.ini", NULL);
  g_assert_nonnull (strstr (next_config, "fusion_norm_init=data"));
  g_autoptr (NddrModel) next_model = nddr_model_load (next_path, &error);
  g_assert_no_error (error);
  const NddrArrays *before = nddr_model_get_tensors (model), *after = nddr_model_get_tensors (next_model);
  g_assert_cmpuint (after->arrays->len, ==, before->arrays->len);
  for (guint i = 0; i < before->arrays->len; i++) {
    const NddrArray *a = before->arrays->pdata[i], *b = nddr_arrays_find (after, a->name);
    g_assert_cmpmem (a->data, a->n_elements * sizeof (float), b->data, b->n_elements * sizeof (float));
  }
}

/* What a killed run left beside its files goes, by the names that it would have; what only looks like it is somebody's. */
static void
test_leftovers (void)
{
  static const char *const names[] = { "log.jsonl.ABC123", "model.safetensors.x4Yz0q", "report.html.aaaaZa", /* these three go */
    "model.safetensors.backup", "config.ini.Before", "best.safetensors.BACKUP", "checkpoint.safetensors.261127", "best.safetensors.epoch9",
    "model.safetensors.run001", "model.safetensors.backup1",
    "model.safetensors.a-copy", "model.safetensors.old", "log.jsonl.", "best.safetensors", "notes.ABC123" };
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "leftovers");
  gboolean finished = FALSE;
  for (gboolean resume = FALSE; resume <= TRUE; resume++) {
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *path = fixture_path (folder, "leftovers/%s", names[i]);
      fixture_write (path, names[i], strlen (names[i]));
    }
    g_autoptr (NddrRecipe) recipe = make_recipe ("train.steps=1", "train.val_every=0", NULL);
    train (recipe, run, resume, NULL, NULL, &finished, &error);
    g_assert_no_error (error);
    g_assert_true (finished);
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *path = g_build_filename (run, names[i], NULL);
      gboolean is_there = g_file_test (path, G_FILE_TEST_EXISTS);
      if (is_there != (i >= 3))
        g_error ("%s is %s", names[i], is_there ? "still there" : "gone");
    }
  }
}

static void
expect_failure_of (const char *name, NddrRecipe *recipe, const char *init, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "fails-%s", name);
  gboolean finished;
  g_assert_false (train (recipe, run, g_str_equal (name, "resume"), init, NULL, &finished, &error));
  if (!strstr (error->message, part))
    g_error ("%s: \"%s\" does not say \"%s\"", name, error->message, part);
}

static void
expect_failure (const char *name, const char *set, const char *init, const char *part)
{
  g_autoptr (NddrRecipe) recipe = make_recipe (set, NULL);
  expect_failure_of (name, recipe, init, part);
}

static void
test_failures (void)
{
  g_autofree char *model = g_build_filename (folder, "files", "model.safetensors", NULL);
  expect_failure ("data", "data.train=folder:no-such-folder", NULL, "no-such-folder");
  expect_failure ("best", "train.best=normal.men", NULL, "normal.men");
  /* validations that could tell no loss: a picture that has no labels */
  g_autofree char *bare = fixture_path (folder, "bare/val/image/1.png"), *val = g_strdup_printf ("data.val=folder:%s/bare,val", folder);
  const guint8 grey[32 * 32] = { 0 };
  fixture_write_png (bare, 32, 32, 1, 8, grey);
  expect_failure ("unlabelled", val, NULL, "has no labels to tell it by");
  g_autofree char *others = g_build_filename (folder, "others", NULL), *val_others = g_strdup_printf ("data.val=folder:%s,val", others);
  fixture_write_splits (others, 1, 1);
  fixture_write_classes (others, 12);
  expect_failure ("classes", val_others, NULL, "[data] train has 13 classes, and val 12: their classes.txt must agree");
  expect_failure ("resume", "train.steps=7", NULL, "checkpoint.safetensors");
  g_autofree char *nowhere = g_build_filename (folder, "fails-resume", NULL);
  g_assert_false (g_file_test (nowhere, G_FILE_TEST_EXISTS));
  expect_failure ("init", "train.steps=1", "no-such-model.safetensors", "no-such-model.safetensors");
  /* 524288 pictures of 48x40 a step, in 257 steps: eight terabytes */
  g_autoptr (NddrRecipe) large = make_recipe ("train.batch=128", "train.accumulate=4096", "data.prefetch=256", NULL);
  expect_failure_of ("memory", large, NULL, "smaller [train] batch, accumulate or [data] prefetch");
  expect_failure ("width", "model.width=0.125", model, "width");
}

/* (transfer full): "distillation.teacher=" and the model of a run of one step. */
static char *
make_teacher (const char *name, const char *set)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "teacher-%s", name);
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.steps=1", "train.val_every=0", set, NULL);
  gboolean finished;
  train (recipe, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  return g_strdup_printf ("distillation.teacher=%s/model.safetensors", run);
}

/* What a teacher gives is in the log, and a run that was stopped goes on with it. */
static void
test_teacher (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *teacher = make_teacher ("of-segmentation", "model.tasks=segmentation"), *run = fixture_path (folder, "taught");
  g_autoptr (NddrRecipe) recipe = make_recipe (teacher, "distillation.weight=0.25", NULL);
  gboolean finished;
  check_resume ("teacher", teacher, "train.accumulate=2", "distillation.temperature=2");
  train (recipe, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autofree char *log = read_log (run);
  g_assert_cmpuint (count_lines (log, "\"distillation.segmentation\":"), ==, STEPS);
  g_assert_cmpuint (count_lines (log, "\"distillation.normal\":"), ==, 0);
}

/* Takes a key out of a checkpoint's metadata. */
static void
forget (const char *run, const char *key)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (run, "checkpoint.safetensors", NULL);
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (path, TRUE, &error);
  g_assert_no_error (error);
  g_assert_true (g_hash_table_remove (tensors->metadata, key));
  nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
}

/* A run goes on with the teacher that it began with; one of an earlier version, which does not know it, with what there is. */
static void
test_other_teacher (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *teacher = make_teacher ("that-changes", "model.tasks=segmentation"), *other = make_teacher ("of-now", "data.seed=7");
  g_autofree char *run = fixture_path (folder, "taught-by-another");
  const char *path = strchr (teacher, '=') + 1;
  gsize bytes, bytes_other;
  gboolean finished = FALSE;
  g_autofree char *was = NULL, *is = NULL;
  g_assert_true (g_file_get_contents (path, &was, &bytes, NULL) && g_file_get_contents (strchr (other, '=') + 1, &is, &bytes_other, NULL));
  g_autoptr (NddrRecipe) first = make_recipe (teacher, "train.steps=1", NULL);
  train (first, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);

  fixture_write (path, is, bytes_other);
  g_autoptr (NddrRecipe) second = make_recipe (teacher, "train.steps=1", NULL);
  g_assert_false (train (second, run, TRUE, NULL, NULL, &finished, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT);
  g_assert_true (strstr (error->message, "[distillation] teacher") && strstr (error->message, path));
  g_clear_error (&error);
  fixture_write (path, was, bytes);
  g_autoptr (NddrRecipe) third = make_recipe (teacher, "train.steps=1", NULL);
  train (third, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);

  fixture_write (path, is, bytes_other);
  forget (run, "teacher");
  g_autoptr (NddrRecipe) fourth = make_recipe (teacher, "train.steps=1", NULL);
  train (fourth, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
}

/* The file of make_teacher(), its third class renamed. */
static void
rename_class (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrModel) model = nddr_model_load (path, &error);
  g_assert_no_error (error);
  NddrConfig *config = nddr_config_copy (nddr_model_get_config (model));
  NddrArrays *tensors = nddr_safetensors_read (path, FALSE, &error);
  g_assert_no_error (error);
  g_free (config->tasks[0].classes[2].name);
  config->tasks[0].classes[2].name = g_strdup ("ocean");
  g_autoptr (NddrModel) renamed = nddr_model_new (config, tensors, &error);
  g_assert_no_error (error);
  nddr_model_save (renamed, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
}

static void
test_no_teacher (void)
{
  g_autofree char *kind = make_teacher ("of-another-kind", "model.tasks=normal:depth"), *other = make_teacher ("of-another-task", "model.tasks=faces:normal");
  g_autofree char *ocean = make_teacher ("of-other-classes", "model.tasks=segmentation"), *checkpoint = NULL;
  rename_class (strchr (ocean, '=') + 1);
  checkpoint = g_strdup_printf ("distillation.teacher=%s/teacher-of-another-kind/checkpoint.safetensors", folder);
  expect_failure ("teacher", "distillation.teacher=no-such-teacher.safetensors", NULL, "no-such-teacher.safetensors");
  expect_failure ("teacher-checkpoint", checkpoint, NULL, "model.safetensors beside its checkpoint");
  expect_failure ("teacher-kind", kind, NULL, "its task normal is of kind depth, and this network's of kind normal");
  expect_failure ("teacher-task", other, NULL, "its are faces, and this network's segmentation, normal");
  expect_failure ("teacher-classes", ocean, NULL, "class 2 of its task segmentation is \"ocean\"");
}

/* The step that a checkpoint holds. */
static gint64
checkpoint_step (const char *run)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (run, "checkpoint.safetensors", NULL);
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  return checkpoint->step;
}

/* Weights that grow a millionfold a step. */
static void
test_divergence (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "diverges");
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.lr=1000", "train.weight_decay=1000", "train.val_every=0", "train.steps=20", "train.checkpoint_every=1",
      NULL);
  gboolean finished;
  g_assert_false (train (recipe, run, FALSE, NULL, NULL, &finished, &error));
  g_test_message ("%s", error->message);
  g_autoptr (GRegex) regex = g_regex_new ("^in step ([0-9]+) (the loss of |the gradient of )?[a-z0-9_.]+ (is not finite|has grown to .*); .*holds the state of "
      "step ([0-9]+): ", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_assert_true (g_regex_match (regex, error->message, 0, &match));
  g_autofree char *failed = g_match_info_fetch (match, 1), *held = g_match_info_fetch (match, 4);
  gint64 step = g_ascii_strtoll (failed, NULL, 10);
  /* the last good state is there, and holds numbers; the log ends with it */
  g_assert_cmpint (g_ascii_strtoll (held, NULL, 10), ==, step - 1);
  g_assert_cmpint (checkpoint_step (run), ==, step - 1);
  g_autofree char *path = g_build_filename (run, "model.safetensors", NULL), *log = read_log (run);
  g_assert_cmpuint (count_lines (log, "{"), ==, step - 1);
  g_assert_null (strstr (log, "nan"));
  g_clear_error (&error);
  g_autoptr (NddrModel) model = nddr_model_load (path, &error);
  g_assert_no_error (error);
}

/* The log's loss has the penalty that the weighted losses lack; both runs see the same first step. */
static void
test_penalty (void)
{
  double loss[2], sum[2];
  for (int i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *run = fixture_path (folder, "sluice-%d", i);
    g_autoptr (NddrRecipe) recipe = make_recipe ("model.fusion=sluice", "model.shortcut=false", "train.steps=1", "train.val_every=0",
        i ? "loss.sluice_penalty=0.25" : "loss.sluice_penalty=0", NULL);
    gboolean finished = FALSE;
    train (recipe, run, FALSE, NULL, NULL, &finished, &error);
    g_assert_no_error (error);
    g_assert_true (finished);
    g_autofree char *log = read_log (run);
    g_autoptr (JsonNode) node = json_from_string (log, &error);
    g_assert_no_error (error);
    JsonObject *line = json_node_get_object (node);
    loss[i] = json_object_get_double_member (line, "loss");
    sum[i] = json_object_get_double_member (line, "loss.segmentation") + 20 * json_object_get_double_member (line, "loss.normal");
  }
  g_assert_cmpfloat (sum[0], ==, sum[1]);
  g_assert_cmpfloat_with_epsilon (loss[0], sum[0], 1e-6 * sum[0]);
  g_assert_cmpfloat (loss[1] - sum[1], >, 0.01);
}

/* Nothing is learnt, so no validation is better than the first. */
static void
test_patience (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "patience");
  gboolean finished = FALSE;
#define STILL "train.lr=1e-30", "train.bn_mode=frozen", "train.val_every=1", "train.best=normal.mean"
  g_autoptr (NddrRecipe) first = make_recipe (STILL, "train.patience=2", NULL);
  train (first, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
  g_assert_cmpint (checkpoint_step (run), ==, 3);
  /* as patient as before, it has nothing to do; more patient, it goes on */
  for (int patience = 2; patience <= 3; patience++) {
    g_autofree char *set = g_strdup_printf ("train.patience=%d", patience);
    g_autoptr (NddrRecipe) again = make_recipe (STILL, set, NULL);
    train (again, run, TRUE, NULL, NULL, &finished, &error);
    g_assert_no_error (error);
    g_assert_true (finished);
    g_assert_cmpint (checkpoint_step (run), ==, patience + 1);
  }

  /* had all before been worse, the fifth would be the best, and the sixth the first one since */
  g_autofree char *path = g_build_filename (run, "checkpoint.safetensors", NULL);
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (path, TRUE, &error);
  g_assert_no_error (error);
  g_hash_table_replace (tensors->metadata, g_strdup ("best"), g_strdup ("1000"));
  nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) patient = make_recipe (STILL, "train.patience=4", NULL);
  train (patient, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (checkpoint->step, ==, STEPS);
  g_assert_cmpuint (checkpoint->stale, ==, 1);
}

/* Scores of another kind start anew, with what patience there is for them. */
static void
test_other_best (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "other-best"), *best = g_build_filename (run, "best.safetensors", NULL);
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) first = make_recipe ("train.lr=1e-30", "train.bn_mode=frozen", "train.val_every=1", "train.patience=2", "train.best=loss", NULL);
  train (first, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_cmpint (checkpoint_step (run), ==, 3);
  g_assert_cmpint (g_unlink (best), ==, 0);
  g_autoptr (NddrRecipe) other = make_recipe ("train.lr=1e-30", "train.bn_mode=frozen", "train.val_every=1", "train.patience=2",
      "train.best=normal.mean", NULL);
  train (other, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_cmpint (checkpoint_step (run), ==, 6);
  g_assert_true (g_file_test (best, G_FILE_TEST_EXISTS));
  /* and what reads the run says of which step that file is, though an earlier one was as good by the score that is asked for now */
  g_autoptr (NddrRun) log = nddr_run_read (run, &error);
  g_assert_no_error (error);
  g_assert_cmpint (nddr_run_best (log)->step, ==, 4);
}

/* What best.safetensors is of is in a checkpoint at once: a run that ends before the next one that is due goes on from there. */
static void
test_best_is_kept (void)
{
  char *good = NULL;
  gsize bytes;
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "best-is-kept"), *path = g_build_filename (run, "checkpoint.safetensors", NULL);
  gboolean finished;
  spoil ("train/image/4.png", &good, &bytes); /* of the third step */
  g_autoptr (NddrRecipe) recipe = make_recipe ("data.broken=stop", "data.shuffle=false", "train.val_every=2", "train.checkpoint_every=100", NULL);
  g_assert_false (train (recipe, run, FALSE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, "4.png"));
  g_clear_error (&error);
  g_assert_cmpint (checkpoint_step (run), ==, 2);
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  g_assert_true (isfinite (checkpoint->best));
  spoil ("train/image/4.png", &good, &bytes);
  g_free (good);
}

/* A device that has room for a step, but for no validation beside it: the checkpoint is there, and the message says what helps. */
static void
test_no_room_to_validate (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "no-room"), *other = fixture_path (folder, "room");
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) blind = make_recipe ("train.steps=1", "train.val_every=0", NULL);
  faults_set (NULL, 0, VK_SUCCESS);
  train (blind, other, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  guint allocations = faults_count ("vkAllocateMemory");
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.steps=1", "train.val_every=1", NULL);
  faults_set ("vkAllocateMemory", allocations + 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  g_assert_false (train (recipe, run, FALSE, NULL, NULL, &finished, &error));
  faults_set (NULL, 0, VK_SUCCESS);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  g_assert_nonnull (strstr (error->message, "activation_checkpointing = on"));
  g_assert_cmpint (checkpoint_step (run), ==, 1);
}

/* A run that is being written is left alone. */
static void
test_locked (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "locked");
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.steps=1", NULL);
  g_assert_cmpint (g_mkdir_with_parents (run, 0700), ==, 0);
  int other = g_open (run, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  g_assert_cmpint (flock (other, LOCK_EX), ==, 0);
  g_assert_false (train (recipe, run, FALSE, NULL, NULL, &finished, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "by another process"));
  g_clear_error (&error);
  close (other);
  g_autoptr (NddrRecipe) again = make_recipe ("train.steps=1", NULL);
  train (again, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
}

/* A model with numbers beyond 16-bit floats cannot be written with half = true: that is an error, but the checkpoint is there to go on without. */
static void
test_beyond_half (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = fixture_path (folder, "large"), *run = fixture_path (folder, "beyond-half"), *init = fixture_path (folder, "large.safetensors");
  g_autofree char *made = g_build_filename (first, "model.safetensors", NULL);
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.steps=1", NULL);
  train (recipe, first, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (made, TRUE, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < tensors->arrays->len; i++) {
    NddrArray *array = tensors->arrays->pdata[i];
    if (g_str_has_suffix (array->name, ".running_var"))
      array->data[0] = 1e5;
  }
  nddr_safetensors_write (tensors, init, NDDR_STORE_F32, &error);
  g_assert_no_error (error);

  g_autoptr (NddrRecipe) half = make_recipe ("train.steps=1", "train.half=true", "train.bn_mode=frozen", NULL);
  g_assert_false (train (half, run, FALSE, init, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, ".running_var"));
  g_clear_error (&error);
  g_assert_cmpint (checkpoint_step (run), ==, 0);
  /* nor does a validation, whose best model has to be written */
  g_autoptr (NddrRecipe) validated = make_recipe ("train.steps=1", "train.half=true", "train.bn_mode=frozen", "train.val_every=1", NULL);
  g_assert_false (train (validated, run, TRUE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, ".running_var"));
  g_clear_error (&error);
  g_assert_cmpint (checkpoint_step (run), ==, 1);
  g_autofree char *log = read_log (run), *best = g_build_filename (run, "best.safetensors", NULL);
  g_assert_null (strstr (log, "\"best\""));
  /* which is made up for when the run goes on, though no step is left */
  g_autoptr (NddrRecipe) full = make_recipe ("train.steps=1", "train.bn_mode=frozen", "train.val_every=1", NULL);
  train (full, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
  g_autofree char *whole = read_log (run);
  g_assert_nonnull (strstr (whole, "\"best\""));
  g_assert_true (g_file_test (best, G_FILE_TEST_EXISTS));
  g_autoptr (NddrRecipe) again = make_recipe ("train.steps=1", "train.bn_mode=frozen", "train.val_every=1", NULL);
  train (again, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autofree char *same = read_log (run);
  g_assert_cmpstr (same, ==, whole);
}

/* What a run was trained with is what its checkpoint says, whatever has become of config.ini. */
static void
test_edited (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "edited"), *config = g_build_filename (run, "config.ini", NULL);
  gboolean finished = FALSE;
  g_autoptr (NddrRecipe) first = make_recipe ("train.steps=1", NULL);
  train (first, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autofree char *text = read_file (run, "config.ini", NULL);
  g_autoptr (GString) edited = g_string_new (text);
  g_assert_cmpuint (g_string_replace (edited, "momentum=0.9\n", "momentum=0.5\n", 1), ==, 1);
  fixture_write (config, edited->str, edited->len);
  g_autoptr (NddrRecipe) other = make_recipe ("train.steps=1", "train.momentum=0.5", NULL);
  g_assert_false (train (other, run, TRUE, NULL, NULL, &finished, &error));
  g_assert_nonnull (strstr (error->message, "[train] momentum was 0.9 and is 0.5"));
  g_clear_error (&error);
  g_assert_cmpint (g_unlink (config), ==, 0);
  g_autoptr (NddrRecipe) same = make_recipe ("train.steps=1", NULL);
  train (same, run, TRUE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_assert_true (finished);
}

/* best.safetensors is the model of the step whose validation was best: that of a run that ends there. */
static void
test_best (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *run = fixture_path (folder, "best"), *shorter = fixture_path (folder, "shorter");
  gboolean finished;
  g_autoptr (NddrRecipe) recipe = make_recipe ("train.lr=0.003", "train.schedule=constant", "train.val_every=1", "train.best=segmentation.miou", NULL);
  train (recipe, run, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  g_autofree char *log = read_log (run);
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);
  double best = -1;
  int step = 0, validations = 0;
  for (int i = 0; lines[i]; i++) {
    const char *at = strstr (lines[i], "\"miou\":");
    double score = at ? g_ascii_strtod (at + strlen ("\"miou\":"), NULL) : -1;
    validations += at != NULL;
    if (score > best) {
      best = score;
      step = validations;
    }
  }
  g_assert_cmpint (validations, ==, STEPS);
  g_test_message ("the best is step %d", step);
  g_autofree char *path = g_build_filename (run, "checkpoint.safetensors", NULL);
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (checkpoint->stale, ==, STEPS - step);
  g_autofree char *steps = g_strdup_printf ("train.steps=%d", step);
  g_autoptr (NddrRecipe) same = make_recipe ("train.lr=0.003", "train.schedule=constant", "train.val_every=0", steps, NULL);
  train (same, shorter, FALSE, NULL, NULL, &finished, &error);
  g_assert_no_error (error);
  gsize n_a, n_b;
  g_autofree char *a = read_file (run, "best.safetensors", &n_a), *b = read_file (shorter, "model.safetensors", &n_b);
  g_assert_cmpmem (a, n_a, b, n_b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autoptr (GError) error = NULL;
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  folder = fixture_folder ();
  fixture_write_splits (folder, 6, 2);
  g_test_add_func ("/trainer/resume/sgd", test_resume_sgd);
  g_test_add_func ("/trainer/resume/adamw", test_resume_adamw);
  g_test_add_func ("/trainer/resume/broken", test_resume_broken);
  g_test_add_func ("/trainer/files", test_files);
  g_test_add_func ("/trainer/leftovers", test_leftovers);
  g_test_add_func ("/trainer/failures", test_failures);
  g_test_add_func ("/trainer/teacher", test_teacher);
  g_test_add_func ("/trainer/teacher/other", test_other_teacher);
  g_test_add_func ("/trainer/teacher/failures", test_no_teacher);
  g_test_add_func ("/trainer/divergence", test_divergence);
  g_test_add_func ("/trainer/penalty", test_penalty);
  g_test_add_func ("/trainer/patience", test_patience);
  g_test_add_func ("/trainer/best", test_best);
  g_test_add_func ("/trainer/best/other", test_other_best);
  g_test_add_func ("/trainer/best/kept", test_best_is_kept);
  g_test_add_func ("/trainer/resume/edited", test_edited);
  g_test_add_func ("/trainer/no-room-to-validate", test_no_room_to_validate);
  g_test_add_func ("/trainer/locked", test_locked);
  g_test_add_func ("/trainer/beyond-half", test_beyond_half);
  int status = g_test_run ();
  nddr_device_unref (device);
  fixture_remove (folder);
  return status;
}
