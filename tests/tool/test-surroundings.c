/* The nddr tool where things are wrong around it: disks, streams, limits, names, links and signals.
 *
 *   test-surroundings NDDR SOURCES
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* A result that cannot be written is a failure, whatever was computed. */
static void
test_full_disk (void)
{
  static const char *const lines[] = { "devices", "info model.safetensors", "eval model.safetensors folder:data --json", "--help",
    "train --help" };
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *line = g_strdup_printf ("/bin/sh -c '\"%s\" %s > /dev/full'", tool, lines[i]), *err = NULL;
    g_autoptr (GError) error = NULL;
    int status;
    g_auto (GStrv) words = NULL;
    g_shell_parse_argv (line, NULL, &words, &error);
    g_assert_no_error (error);
    g_spawn_sync (folder, words, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status, &error);
    g_assert_no_error (error);
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 1 || !strstr (err, "No space left"))
      g_error ("nddr %s > /dev/full: status %d; it said: %s", lines[i], status, err);
  }
}

/* Runs a shell's @script in the folder, where $NDDR is the tool; it must end well. */
static void
expect_shell (const char *script)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *whole = g_strdup_printf ("set -u; NDDR='%s'\n%s", tool, script), *out = NULL, *err = NULL;
  const char *words[] = { "/bin/sh", "-c", whole, NULL };
  int status;
  g_spawn_sync (folder, (char **) words, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, &error);
  g_assert_no_error (error);
  if (status)
    g_error ("%s: status %d; it said:\n%s%s", script, status, out, err);
}

/* What is there and no file stays, and links lead where they did. */
static void
test_no_file (void)
{
  expect_shell ("mkfifo pipe; ! \"$NDDR\" export model.safetensors -o pipe 2>said && test -p pipe && grep -q 'pipe: is not a file that can be replaced' said");
  expect_shell ("! \"$NDDR\" average model.safetensors model.safetensors -o pipe && ! \"$NDDR\" eval model.safetensors folder:data --report pipe && test -p pipe");
  expect_shell ("mkdir linked && : >linked/real && ln -s linked/real link && \"$NDDR\" export model.safetensors -o link && test -L link && test -s linked/real");
}

/* So does all that a run or a data set is written to, also where there is nothing yet; and a pipe there is no file to be replaced. */
static void
test_links (void)
{
  expect_shell ("set -e; mkdir tied real; files='config.ini log.jsonl checkpoint.safetensors model.safetensors report.html'\n"
      "for f in $files; do ln -s ../real/$f tied/$f; done\n"
      "\"$NDDR\" train recipe.ini -o tied " SMALL "--set train.steps=2; \"$NDDR\" train recipe.ini -o tied " SMALL "--set train.steps=2 --resume\n"
      "for f in $files; do test -L tied/$f; test -s real/$f; done");
  expect_shell ("set -e; mkdir rooms; ln -s ../real/classes.txt rooms/classes.txt; \"$NDDR\" synth rooms --count=1 --size=64x48\n"
      "test -L rooms/classes.txt; test -s real/classes.txt");
  expect_shell ("set -e\nfor f in config.ini log.jsonl; do mkdir piped; mkfifo piped/$f; if \"$NDDR\" train recipe.ini -o piped " SMALL "2>said; then exit 1; fi\n"
      "test -p piped/$f; grep -q \"piped/$f: is not a file\" said; rm -r piped; done");
  expect_shell ("mkdir piped; mkfifo piped/classes.txt; ! timeout -s KILL 60 \"$NDDR\" synth piped --count=1 --size=64x48 2>said && "
      "grep -q 'piped/classes.txt: is not a file' said");
}

/* A log that is a pipe is not waited for. */
static void
test_log_pipe (void)
{
  expect_shell ("\"$NDDR\" train recipe.ini -o pipes " SMALL "--set train.steps=1 && rm pipes/log.jsonl && mkfifo pipes/log.jsonl && "
      "! timeout -s KILL 60 \"$NDDR\" train recipe.ini -o pipes " SMALL "--set train.steps=1 --resume 2>said && grep -q 'pipes/log.jsonl: is not a file' said && "
      "! timeout -s KILL 60 \"$NDDR\" report pipes 2>said && grep -q 'pipes/log.jsonl: is not a file' said && "
      "rm pipes/config.ini && mkfifo pipes/config.ini && ! timeout -s KILL 60 \"$NDDR\" report pipes 2>said && "
      "grep -q 'pipes/config.ini: is not a file' said");
}

/* A file that may not grow is an error, and leaves none half written. */
static void
test_file_size (void)
{
  expect_shell ("(ulimit -f 8; \"$NDDR\" average model.safetensors model.safetensors -o large.safetensors 2>said); "
      "test $? = 1 && grep -q 'large.safetensors: cannot be written: File too large' said && ! ls large.safetensors*");
}

/* Memory that may not grow is an error that says what for.  The sanitizer's allocator ends the process all the same. */
#ifndef __SANITIZE_ADDRESS__
static void
test_memory (void)
{
  expect_shell ("(ulimit -v 400000; \"$NDDR\" synth large --size 4096x4096 --count 1 --threads 1 2>said); "
      "test $? = 1 && grep -q 'nddr synth: there is no memory for a synthetic picture: 512.0 MiB are needed' said && ! ls large/train/image/*");
}
#endif

/* Closed streams: what would be printed goes nowhere, into no file that is opened in their place. */
static void
test_closed_streams (void)
{
  static const char *const closed[] = { "2>&-", ">&- 2>&-", "<&- >&- 2>&-" };

  for (guint i = 0; i < G_N_ELEMENTS (closed); i++) {
    g_autofree char *script = g_strdup_printf ("unset NDDR_VALIDATION; \"$NDDR\" train recipe.ini -o closed%u " SMALL "--set data.train=folder:holed,train "
        "--set data.val=folder:holed,val --set model.tasks=normal --set model.fusion=none --set train.steps=6 %s; "
        "grep -q '\"step\":6' closed%u/log.jsonl && ! grep -r -q 'is not a sound PNG' closed%u", i, closed[i], i, i);
    expect_shell (script);
  }
}

/* Names of other languages, wherever the locale knows no such letters. */
static void
test_names (void)
{
  expect_shell ("cp -r data \"$(printf 'r\\303\\266m')\" && LC_ALL=C \"$NDDR\" train recipe.ini -o umlaut " SMALL
      "--set train.steps=1 --set \"data.train=folder:$(printf 'r\\303\\266m')\"");
  expect_shell ("LC_ALL=C \"$NDDR\" train recipe.ini -o latin " SMALL "--set \"data.train=folder:$(printf 'r\\366m')\" 2>said; "
      "test $? = 2 && grep -q 'a --set is no UTF-8 text' said");
}

/* A run that goes on makes up for a model that could not be written. */
static void
test_stale_model (void)
{
  expect_shell ("\"$NDDR\" train recipe.ini -o stale " SMALL "--set train.steps=2 && cp stale/model.safetensors good && "
      "cp model.safetensors stale/model.safetensors && "
      "\"$NDDR\" train recipe.ini -o stale " SMALL "--set train.steps=2 --resume && cmp good stale/model.safetensors");
}

/* What is there and may not be read, as links to themselves even by root, is not said to be missing. */
static void
test_unreadable_run (void)
{
  expect_shell ("mkdir veiled && : >veiled/log.jsonl && ln -s config.ini veiled/config.ini && ! \"$NDDR\" report veiled 2>said && "
      "grep -q 'veiled/config.ini: cannot be opened: Too many levels' said && "
      "ln -s round round && ! \"$NDDR\" report round 2>said && grep -q 'round/config.ini: cannot be opened: Too many levels' said && "
      "! \"$NDDR\" report nowhere 2>said && grep -q 'there is no folder nowhere' said");
}

/* A log that is taken away in the middle is begun anew, and one that is moved; what follows is there for a report. */
static void
test_lost_log (void)
{
  expect_shell ("\"$NDDR\" train recipe.ini -o lost " SMALL "--set train.steps=100000 2>/dev/null & run=$!\n"
      "wait_for() { for i in $(seq 600); do grep -q \"$1\" lost/log.jsonl 2>/dev/null && return; sleep 0.1; done; kill -KILL $run; exit 1; }\n"
      "wait_for '\"step\":2,'; rm lost/log.jsonl; wait_for '\"step\":.*}'; mv lost/log.jsonl lost/moved; wait_for '\"step\":.*}'\n"
      "kill -TERM $run; wait $run && \"$NDDR\" report lost");
}

static void
heed_signals (gpointer data)
{
  signal (SIGHUP, SIG_DFL); /* which whoever runs the tests may ignore */
}

/* Ctrl-C, or a terminal that is closed: the step is finished, a checkpoint written, and the exit status says that nothing went wrong. */
static void
test_interrupt (gconstpointer number)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) words = NULL;
  g_autofree char *log = in_folder ("stopped/log.jsonl"), *checkpoint = in_folder ("stopped/checkpoint.safetensors"), *text = NULL;
  char *stopped = in_folder ("stopped");
  g_shell_parse_argv ("nddr train recipe.ini -o stopped " SMALL "--set train.steps=100000", NULL, &words, &error);
  g_assert_no_error (error);
  g_free (words[0]);
  words[0] = g_strdup (tool);
  GPid pid;
  int status;
  g_spawn_async (folder, words, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, heed_signals, NULL, &pid, &error);
  g_assert_no_error (error);
  while (!g_file_get_contents (log, &text, NULL, NULL) || !strstr (text, "{\"step\":2,")) {
    g_clear_pointer (&text, g_free);
    g_assert_cmpint (waitpid (pid, &status, WNOHANG), ==, 0); /* it is still there */
    g_usleep (10000);
  }
  kill (pid, GPOINTER_TO_INT (number));
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_true (g_file_test (checkpoint, G_FILE_TEST_EXISTS));
  fixture_remove (stopped);
}

int
main (int argc, char **argv)
{
  tool_init (&argc, &argv);
  g_test_add_func ("/surroundings/full-disk", test_full_disk);
  g_test_add_func ("/surroundings/no-file", test_no_file);
  g_test_add_func ("/surroundings/links", test_links);
  g_test_add_func ("/surroundings/log-pipe", test_log_pipe);
  g_test_add_func ("/surroundings/file-size", test_file_size);
#ifndef __SANITIZE_ADDRESS__
  g_test_add_func ("/surroundings/memory", test_memory);
#endif
  g_test_add_func ("/surroundings/closed-streams", test_closed_streams);
  g_test_add_func ("/surroundings/names", test_names);
  g_test_add_func ("/surroundings/stale-model", test_stale_model);
  g_test_add_func ("/surroundings/unreadable-run", test_unreadable_run);
  g_test_add_func ("/surroundings/lost-log", test_lost_log);
  g_test_add_data_func ("/surroundings/interrupt", GINT_TO_POINTER (SIGINT), test_interrupt);
  g_test_add_data_func ("/surroundings/interrupt/hangup", GINT_TO_POINTER (SIGHUP), test_interrupt);
  return tool_run_tests ();
}
