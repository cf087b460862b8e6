/* The nddr tool: finds the verb.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/ranks.h>
#include <train/verb.h>

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <nddr/nddr.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct
{
  const char *name;
  int (*run) (int argc, char **argv);
  const char *summary;
} verbs[] = {
  { "devices", nddr_verb_devices, "list the Vulkan devices" },
  { "infer", nddr_verb_infer, "run a model over pictures" },
  { "train", nddr_verb_train, "train a model as a configuration says" },
  { "eval", nddr_verb_eval, "score a model on a data set" },
  { "report", nddr_verb_report, "write a report of a training run" },
  { "compare", nddr_verb_compare, "put training runs side by side" },
  { "synth", nddr_verb_synth, "write pictures of made-up rooms, with their labels" },
  { "import", nddr_verb_import, "make a model of PyTorch weights" },
  { "average", nddr_verb_average, "write the mean of several models" },
  { "export", nddr_verb_export, "write a model as ONNX" },
  { "info", nddr_verb_info, "describe a model" },
  { "bench", nddr_verb_bench, "time a model" },
};

static void
print_help (FILE *to)
{
  fputs ("Usage: nddr VERB [OPTION…] …\n\nMulti-task networks (NDDR-CNN) with Vulkan: inference, training, measuring.\n\nVerbs:\n", to);
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    fprintf (to, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
  fputs ("\nnddr VERB --help says what a verb takes; nddr --version which version this is.\n", to);
}

/* Runs the verb that the command line names; the exit status. */
static int
run (int argc, char **argv)
{
  if (argc < 2) {
    print_help (stderr);
    return NDDR_EXIT_USAGE;
  }
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h") || g_str_equal (argv[1], "help")) {
    print_help (stdout);
    return NDDR_EXIT_DONE;
  }
  if (g_str_equal (argv[1], "--version")) {
    const char *mpi = nddr_ranks_library ();
    printf ("nddr " NDDR_VERSION ", %s%s\n", mpi ? "with " : "without MPI", mpi ? mpi : "");
    return NDDR_EXIT_DONE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (argv[1], verbs[i].name))
      return verbs[i].run (argc - 1, argv + 1);
  fprintf (stderr, "nddr: there is no verb %s\n\n", argv[1]);
  print_help (stderr);
  return NDDR_EXIT_USAGE;
}

/* A result that could not be written, to a full disk for one, is no result.  Runs at exit, where --help of a verb ends as well. */
static void
close_stdout (void)
{
  gboolean lost = ferror (stdout) != 0;
  if (fclose (stdout) == 0 && !lost)
    return;
  fprintf (stderr, "nddr: standard output cannot be written: %s\n", g_strerror (errno));
  _exit (NDDR_EXIT_FAILED);
}

/* What g_printerr() says, which may be a file's own words, be it a name: as text alone. */
static void
print_error (const char *text)
{
  const char *charset;
  g_autofree char *printable = nddr_verb_printable (text);
  g_autofree char *converted = g_get_console_charset (&charset) ? NULL : g_convert_with_fallback (printable, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
  fputs (converted ? converted : printable, stderr);
  fflush (stderr);
}

/* Where the standard streams are closed, the first files that are opened would take their numbers, and what is printed. */
static void
hold_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) /* using them stays an error */
      _exit (NDDR_EXIT_FAILED);
}

int
main (int argc, char **argv)
{
  hold_streams ();
  signal (SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, which says so, and leaves nothing half written */
  setlocale (LC_ALL, "");
  g_set_printerr_handler (print_error);
  atexit (close_stdout);
  return run (argc, argv);
}
