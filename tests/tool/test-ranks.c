/* Runs of nddr train as two ranks, against runs of one process, against themselves when they stop and go on, and when one of them fails.
 *
 *   test-ranks NDDR MPIRUN [OPTION…]     the options of mpirun that make it start two ranks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../train/fixture.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <nddr/safetensors.h>
#include <train/checkpoint.h>

static char *tool, *folder;
static char **ranks; /* mpirun and its options */

/* Networks this small are chaotic at usual rates: where rounding turns one activation at the edge of its clamp over, the gradient changes by up to
 * half a percent, and all that follows tenfold each step. */
static const char *const common[] = { "model.width=0.03125", "model.head_width=0.015625", "model.input=48x40", "data.crop=48x40", "data.brightness=0.2",
  "train.batch=4", "train.steps=8", "train.val_every=4", "train.checkpoint_every=3", "train.clip_norm=5", "train.lr=0.00005",
  "train.lr_fusion=1", "train.best=segmentation.miou" };

/* The command line for the run called @name. */
static char **
make_line (gboolean two, const char *name, const char *const *more)
{
  g_autoptr (GStrvBuilder) line = g_strv_builder_new ();
  g_autofree char *train = g_strdup_printf ("--set=data.train=folder:%s,train", folder), *val = g_strdup_printf ("--set=data.val=folder:%s,val", folder);
  if (two)
    g_strv_builder_addv (line, (const char **) ranks);
  g_strv_builder_add_many (line, tool, "train", "empty.ini", "-o", name, train, val, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (common); i++) {
    g_autofree char *set = g_strconcat ("--set=", common[i], NULL);
    g_strv_builder_add (line, set);
  }
  for (guint i = 0; more && more[i]; i++)
    g_strv_builder_add (line, more[i]);
  return g_strv_builder_end (line);
}

/* Runs it to its end; the exit status. @messages: (nullable) (out) (transfer full): standard error */
static int
train (gboolean two, const char *name, const char *const *more, char **messages)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) line = make_line (two, name, more);
  g_autofree char *text = NULL;
  int status;
  g_spawn_sync (folder, line, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &text, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  g_test_message ("%s, %d ranks: status %d\n%s", name, two ? 2 : 1, WEXITSTATUS (status), text);
  if (messages)
    *messages = g_steal_pointer (&text);
  return WEXITSTATUS (status);
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

static guint
count (const char *text, const char *part)
{
  guint n = 0;
  for (const char *p = strstr (text, part); p; p = strstr (p + 1, part))
    n++;
  return n;
}

static void
expect_same_file (const char *a, const char *b, const char *file)
{
  gsize n_a, n_b;
  g_autofree char *one = read_file (a, file, &n_a), *other = read_file (b, file, &n_b);
  if (n_a != n_b || memcmp (one, other, n_a) != 0)
    g_error ("%s and %s differ in %s", a, b, file);
}

/* A run's folder has its files and nothing else. */
static void
expect_files (const char *name, guint n)
{
  static const char *const files[] = { "config.ini", "log.jsonl", "checkpoint.safetensors", "model.safetensors", "best.safetensors", "report.html" };
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint found = 0;
  for (const char *file = g_dir_read_name (dir); file; file = g_dir_read_name (dir)) {
    gboolean known = g_str_has_prefix (file, "events.");
    for (guint i = 0; i < G_N_ELEMENTS (files); i++)
      known |= g_str_equal (file, files[i]);
    if (!known)
      g_error ("%s holds %s", name, file);
    found += !g_str_has_prefix (file, "events.");
  }
  g_assert_cmpuint (found, ==, n);
}

/* ---- one and two */

/* Losses within @bound, relatively; gradients' norms, which a few activations at their clamps' edges change, within a hundred times that. */
static void
compare_logs (const char *a, const char *b, double bound)
{
  static const char *const names[] = { "loss", "loss.segmentation", "loss.normal", "val_loss", "grad_norm" };
  g_autofree char *one = read_file (a, "log.jsonl", NULL), *other = read_file (b, "log.jsonl", NULL);
  g_auto (GStrv) lines = g_strsplit (one, "\n", -1), others = g_strsplit (other, "\n", -1);
  double worst[G_N_ELEMENTS (names)] = { 0 };
  g_assert_cmpuint (g_strv_length (lines), ==, g_strv_length (others));
  for (int i = 0; lines[i] && lines[i][0]; i++) {
    g_autoptr (JsonNode) x = json_from_string (lines[i], NULL), y = json_from_string (others[i], NULL);
    JsonObject *p = json_node_get_object (x), *q = json_node_get_object (y);
    g_assert_cmpint (json_object_get_int_member (p, "step"), ==, json_object_get_int_member (q, "step"));
    for (guint k = 0; k < G_N_ELEMENTS (names); k++) {
      if (!json_object_has_member (p, names[k]))
        continue;
      double u = json_object_get_double_member (p, names[k]), v = json_object_get_double_member (q, names[k]);
      double off = fabs (u - v) / fabs (u);
      worst[k] = MAX (worst[k], off);
      if (!(off <= (k == 4 ? 100 * bound : bound)))
        g_error ("line %d: %s is %.8g in %s and %.8g in %s", i + 1, names[k], u, a, v, b);
    }
  }
  for (guint k = 0; k < G_N_ELEMENTS (names); k++)
    g_test_message ("%s and %s: %s is within %.2g", a, b, names[k], worst[k]);
}

/* Of what the two learnt since they started alike, the difference is a small part. */
static void
compare_models (const char *start, const char *a, const char *b, double bound)
{
  NddrArrays *tensors[3];
  const char *const names[] = { start, a, b };
  double moved = 0, off = 0;
  for (int i = 0; i < 3; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = g_build_filename (folder, names[i], "model.safetensors", NULL);
    tensors[i] = nddr_safetensors_read (path, FALSE, &error);
    g_assert_no_error (error);
  }
  for (guint t = 0; t < tensors[0]->arrays->len; t++) {
    const NddrArray *x = tensors[0]->arrays->pdata[t], *p = nddr_arrays_find (tensors[1], x->name), *q = nddr_arrays_find (tensors[2], x->name);
    for (gsize i = 0; i < x->n_elements; i++) {
      moved += pow ((double) p->data[i] - x->data[i], 2);
      off += pow ((double) p->data[i] - q->data[i], 2);
    }
  }
  g_test_message ("%s and %s: weights are within %.2g of what they moved", a, b, sqrt (off / moved));
  g_assert_cmpfloat (sqrt (off), <=, bound * sqrt (moved));
  for (int i = 0; i < 3; i++)
    nddr_arrays_free (tensors[i]);
}

/* With dropout, shuffled pictures with ignored pixels, two batches a step, and weights that are learnt from the losses. */
static void
test_synchronised (void)
{
  static const char *const sets[] = { "--set=train.sync_bn=true", "--set=train.accumulate=2", "--set=train.dropout=0.5", "--set=loss.weighting=uncertainty",
    "--set=train.lr_weighting=100",
    "--set=loss.class_balance=0.5", NULL };
  static const char *const start[] = { "--set=train.steps=1", "--set=train.lr=1e-12", NULL };
  g_autofree char *messages = NULL;
  g_assert_cmpint (train (FALSE, "one", sets, NULL), ==, 0);
  g_assert_cmpint (train (TRUE, "two", sets, &messages), ==, 0);
  g_assert_cmpuint (count (messages, "2 ranks, 2 pictures of a batch each: 2 on "), ==, 1);
  expect_files ("two", 6);
  expect_same_file ("one", "two", "config.ini");
  compare_logs ("one", "two", 1e-4);
  g_assert_cmpint (train (FALSE, "start", start, NULL), ==, 0);
  compare_models ("start", "one", "two", 1e-3);
}

/* Own statistics, but none of the batch: the same losses without synchronisation. */
static void
test_frozen (void)
{
  static const char *const sets[] = { "--set=train.bn_mode=eval", NULL };
  g_assert_cmpint (train (FALSE, "frozen-one", sets, NULL), ==, 0);
  g_assert_cmpint (train (TRUE, "frozen-two", sets, NULL), ==, 0);
  compare_logs ("frozen-one", "frozen-two", 1e-4);
}

/* ---- stopping and going on */

/* Waits until the run's log has @lines lines; FALSE where it ends before. */
static gboolean
wait_for_lines (GPid pid, const char *name, guint lines)
{
  g_autofree char *path = g_build_filename (folder, name, "log.jsonl", NULL);
  int status;
  while (waitpid (pid, &status, WNOHANG) == 0) {
    g_autofree char *text = NULL;
    if (g_file_get_contents (path, &text, NULL, NULL) && count (text, "\n") >= lines)
      return TRUE;
    g_usleep (2000);
  }
  return FALSE;
}

static GPid
start (const char *name, const char *const *more)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) line = make_line (TRUE, name, more);
  GPid pid;
  g_spawn_async (folder, line, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &pid, &error);
  g_assert_no_error (error);
  return pid;
}

static gint64
checkpoint_step (const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, "checkpoint.safetensors", NULL);
  g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  return checkpoint->step;
}

/* Told to stop by way of mpirun, then ended with it: two ranks go on to the same bits; and one goes on where two were. */
static void
test_resume (void)
{
  /* so many steps let roundings grow, unless they are small */
  static const char *const sets[] = { "--set=train.sync_bn=true", "--set=train.steps=40", "--set=train.lr=1e-5", NULL };
  static const char *const again[] = { "--set=train.sync_bn=true", "--set=train.steps=40", "--set=train.lr=1e-5", "--resume", NULL };
  int status;
  g_assert_cmpint (train (TRUE, "whole", sets, NULL), ==, 0);

  GPid pid = start ("parts", sets);
  g_assert_true (wait_for_lines (pid, "parts", 4));
  kill (pid, SIGUSR1);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  gint64 stopped = checkpoint_step ("parts");
  g_assert_cmpint (stopped, >=, 3);
  g_assert_cmpint (stopped, <, 40);

  pid = start ("parts", again);
  g_assert_true (wait_for_lines (pid, "parts", stopped + 3));
  kill (pid, SIGTERM); /* mpirun tells its ranks the same, and kills those that are there a second later */
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_test_message ("stopped after step %" G_GINT64_FORMAT ", ended after the checkpoint of step %" G_GINT64_FORMAT, stopped, checkpoint_step ("parts"));

  g_assert_cmpint (train (TRUE, "parts", again, NULL), ==, 0);
  expect_files ("parts", 6);
  expect_same_file ("whole", "parts", "checkpoint.safetensors");
  expect_same_file ("whole", "parts", "best.safetensors");

  pid = start ("mixed", sets);
  g_assert_true (wait_for_lines (pid, "mixed", 4));
  kill (pid, SIGUSR1);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (train (FALSE, "mixed", again, NULL), ==, 0);
  compare_logs ("whole", "mixed", 1e-3);
  g_assert_cmpint (checkpoint_step ("mixed"), ==, 40);
}

/* ---- failing */

/* What all see is said once, and the status tells. */
static void
test_misuse (void)
{
  static const char *const odd[] = { "--set=train.batch=3", NULL }, *const nowhere[] = { "--set=data.train=folder:nowhere", NULL };
  g_autofree char *first = NULL, *second = NULL;
  g_assert_cmpint (train (TRUE, "odd", odd, &first), !=, 0);
  g_assert_cmpuint (count (first, "nddr train: [train] batch is 3: expected a multiple of the 2 ranks"), ==, 1);
  g_assert_cmpint (train (TRUE, "nowhere", nowhere, &second), !=, 0);
  g_assert_cmpuint (count (second, "nddr train: [data] train: "), ==, 1);
}

/* A picture that only one rank comes to, which one the seed says: it speaks, both end, the checkpoint stays. */
static void
test_broken (void)
{
  static const char *const sets[] = { "--set=data.broken=stop", "--set=train.sync_bn=true", "--set=train.checkpoint_every=1", NULL };
  g_autofree char *image = fixture_path (folder, "train/image/5.png"), *kept = NULL, *messages = NULL;
  gsize bytes;
  g_assert_true (g_file_get_contents (image, &kept, &bytes, NULL));
  fixture_write (image, kept, bytes / 2);
  g_assert_cmpint (train (TRUE, "broken", sets, &messages), !=, 0);
  fixture_write (image, kept, bytes);
  g_assert_cmpuint (count (messages, "nddr train: "), ==, 2); /* the ranks' devices, and this */
  g_assert_cmpuint (count (messages, "5.png"), ==, 1);
  g_assert_cmpint (checkpoint_step ("broken"), <, 8);
}

/* Losses that leave what floats can hold do so on all ranks, in the same step. */
static void
test_divergence (void)
{
  static const char *const sets[] = { "--set=train.lr=1000", "--set=train.clip_norm=0", "--set=train.steps=100", NULL };
  g_autofree char *messages = NULL;
  g_assert_cmpint (train (TRUE, "diverges", sets, &messages), !=, 0);
  g_assert_cmpuint (count (messages, "nddr train: in step "), ==, 1);
  checkpoint_step ("diverges");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, >=, 3);
  tool = g_canonicalize_filename (argv[1], NULL);
  ranks = g_strdupv (argv + 2);
  folder = fixture_folder ();
  g_autofree char *empty = g_build_filename (folder, "empty.ini", NULL);
  g_unsetenv ("NDDR_VALIDATION"); /* other tests have it on two ranks; here it would only make starting slow */
  g_assert_true (g_file_set_contents (empty, "", 0, NULL));
  fixture_write_splits (folder, 11, 2);
  g_test_add_func ("/ranks/synchronised", test_synchronised);
  g_test_add_func ("/ranks/frozen", test_frozen);
  g_test_add_func ("/ranks/resume", test_resume);
  g_test_add_func ("/ranks/misuse", test_misuse);
  g_test_add_func ("/ranks/broken", test_broken);
  g_test_add_func ("/ranks/divergence", test_divergence);
  int status = g_test_run ();
  fixture_remove (folder);
  g_strfreev (ranks);
  g_free (tool);
  return status;
}
