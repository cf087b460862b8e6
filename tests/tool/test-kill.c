/* Runs of nddr train that are killed twenty times at random and go on: they must come to the same bits as one that never was.
 *
 *   test-kill NDDR
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../train/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <train/checkpoint.h>

#define KILLS 10 /* of each case */
#define AHEAD 5  /* steps, at most, beyond a checkpoint before a kill: not so many that all kills together come to the end */

static char *tool;   /* its path */
static char *folder; /* with a data set of seven pictures */

static const char *const common[] = { "model.width=0.03125", "model.head_width=0.015625", "model.input=48x40", "data.crop=48x40", "data.brightness=0.2",
  "train.batch=2", "train.accumulate=2", "train.steps=40", "train.val_every=5", "train.checkpoint_every=3", "train.warmup=4", "train.clip_norm=5",
  "train.best=segmentation.miou", "train.patience=100", "train.dropout=0.5" };
static const char *const dwa[] = { "loss.weighting=dwa", "loss.class_balance=0.25", "model.fusion=sluice", "train.lr=0.0003", NULL };
static const char *const uncertainty[] = { "loss.weighting=uncertainty", "train.optimizer=adamw", "train.lr_weighting=100", "train.lr_fusion=1", NULL };

/* The command line for the run called @name. */
static char **
make_line (const char *name, gboolean resume, const char *const *more)
{
  g_autoptr (GStrvBuilder) line = g_strv_builder_new ();
  g_autofree char *train = g_strdup_printf ("--set=data.train=folder:%s,train", folder), *val = g_strdup_printf ("--set=data.val=folder:%s,val", folder);
  g_strv_builder_add_many (line, tool, "train", "empty.ini", "-o", name, train, val, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (common); i++) {
    g_autofree char *set = g_strconcat ("--set=", common[i], NULL);
    g_strv_builder_add (line, set);
  }
  for (guint i = 0; more[i]; i++) {
    g_autofree char *set = g_strconcat ("--set=", more[i], NULL);
    g_strv_builder_add (line, set);
  }
  if (resume)
    g_strv_builder_add (line, "--resume");
  return g_strv_builder_end (line);
}

/* Of the checkpoint that the run called @name would go on from; -1: it has none. */
static gint64
checkpoint_step (const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, "checkpoint.safetensors", NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return -1;
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  return checkpoint->step;
}

/* Whether the log's last whole line is of @step or a later one. */
static gboolean
has_come_to (const char *name, gint64 step)
{
  g_autofree char *path = g_build_filename (folder, name, "log.jsonl", NULL), *text = NULL;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  char *end = strrchr (text, '\n');
  if (!end)
    return FALSE;
  *end = '\0';
  char *last = strrchr (text, '\n');
  last = last ? last + 1 : text;
  return g_str_has_prefix (last, "{\"step\":") && g_ascii_strtoll (last + strlen ("{\"step\":"), NULL, 10) >= step;
}

/* Starts the run called @name or, where it has a checkpoint, goes on with it. */
static GPid
start (const char *name, const char *const *more)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) line = make_line (name, checkpoint_step (name) >= 0, more);
  GPid pid;
  g_spawn_async (folder, line, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  return pid;
}

/* Lets it live until it is @ahead steps beyond its checkpoint, or where that is 0 until it may not even have begun, and a while more; then kills it. */
static void
live_and_die (const char *name, const char *const *more, gint64 ahead)
{
  gint64 from = MAX (checkpoint_step (name), 0);
  GPid pid = start (name, more);
  int status;
  while (ahead > 0 && waitpid (pid, &status, WNOHANG) == 0 && !has_come_to (name, from + ahead))
    g_usleep (500);
  g_usleep (g_test_rand_int_range (0, ahead > 0 ? 40000 : 400000));
  kill (pid, SIGKILL);
  if (waitpid (pid, &status, 0) != pid || !WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL)
    g_error ("%s: nddr train came to an end before it was killed", name);
}

static void
live_on (const char *name, const char *const *more)
{
  int status;
  if (waitpid (start (name, more), &status, 0) < 0 || !WIFEXITED (status) || WEXITSTATUS (status) != 0)
    g_error ("%s: nddr train ended with status %#x", name, status);
}

static char *
read_file (const char *name, const char *file, gsize *bytes)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, file, NULL);
  char *data = NULL;
  g_file_get_contents (path, &data, bytes, &error);
  g_assert_no_error (error);
  return data;
}

/* The log without what depends on the clock. */
static char *
read_log (const char *name)
{
  g_autofree char *text = read_file (name, "log.jsonl", NULL);
  g_autoptr (GRegex) rate = g_regex_new (",\"(images_per_s|data_wait_s)\":[0-9.e+-]+", 0, 0, NULL);
  return g_regex_replace_literal (rate, text, -1, 0, "", 0, NULL);
}

static guint
count_leftovers (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;
  for (const char *file = g_dir_read_name (dir); file; file = g_dir_read_name (dir))
    n += !g_str_has_suffix (file, ".safetensors") && !g_str_equal (file, "config.ini") && !g_str_equal (file, "log.jsonl")
        && !g_str_equal (file, "report.html") && !g_str_has_prefix (file, "events.");
  return n;
}

static void
expect_same (const char *whole, const char *parts)
{
  static const char *const files[] = { "checkpoint.safetensors", "model.safetensors", "best.safetensors", "config.ini" };
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    gsize n_a, n_b;
    g_autofree char *a = read_file (whole, files[i], &n_a), *b = read_file (parts, files[i], &n_b);
    if (n_a != n_b || memcmp (a, b, n_a) != 0)
      g_error ("%s and %s differ in %s", whole, parts, files[i]);
  }
  g_autofree char *a = read_log (whole), *b = read_log (parts);
  if (!g_str_equal (a, b))
    g_error ("%s and %s differ in log.jsonl", whole, parts);
  g_assert_cmpuint (count_leftovers (parts), ==, 0);
}

static void
check_kills (const char *name, const char *const *more)
{
  g_autofree char *whole = g_strconcat (name, "-whole", NULL), *parts = g_strconcat (name, "-parts", NULL);
  g_autoptr (GString) steps = g_string_new (NULL);
  live_on (whole, more);
  for (int i = 0; i < KILLS; i++) {
    live_and_die (parts, more, g_test_rand_int_range (0, AHEAD + 1));
    g_string_append_printf (steps, " %" G_GINT64_FORMAT, checkpoint_step (parts));
  }
  live_on (parts, more);
  g_test_message ("the checkpoints that it went on from:%s", steps->str);
  expect_same (whole, parts);
}

static void
test_dwa (void)
{
  check_kills ("dwa", dwa);
}

static void
test_uncertainty (void)
{
  check_kills ("uncertainty", uncertainty);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  tool = g_canonicalize_filename (argv[1], NULL);
  folder = fixture_folder ();
  g_autofree char *cache = g_build_filename (folder, "cache", NULL), *empty = g_build_filename (folder, "empty.ini", NULL);
  g_setenv ("NDDR_CACHE", cache, TRUE); /* its files are killed half-way too */
  g_unsetenv ("NDDR_VALIDATION");       /* other tests have it on these runs; here it would only make starting slow */
  g_assert_true (g_file_set_contents (empty, "", 0, NULL));
  fixture_write_splits (folder, 7, 2);
  g_test_add_func ("/kill/dwa", test_dwa);
  g_test_add_func ("/kill/uncertainty", test_uncertainty);
  int status = g_test_run ();
  fixture_remove (folder);
  g_free (tool);
  return status;
}
