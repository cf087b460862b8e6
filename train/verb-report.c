/* nddr report: a run's report, written anew.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/progress.h>
#include <train/report.h>
#include <train/run.h>
#include <train/verb.h>

static void
show (guint done, guint total, gpointer user_data)
{
  nddr_progress_update (user_data, done, total, "pictures");
}

int
nddr_verb_report (int argc, char **argv)
{
  g_autofree char *path = NULL, *which = NULL, *data = NULL;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "The file to write; default: RUN/report.html", "FILE" },
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &data, "The data set to score on; default: the run's own for validation", "DATASET" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "RUN",
          "Writes a report of a training run, from its log and its best model, as one HTML file.  nddr train does so at its end; this is for runs that "
          "go on or were stopped.",
          entries, 1, 1))
    return NDDR_EXIT_USAGE;
  if (!path)
    path = g_build_filename (argv[1], "report.html", NULL);
  for (int i = 0; nddr_run_files[i + 1]; i++) { /* all but its report */
    g_autofree char *file = g_build_filename (argv[1], nddr_run_files[i], NULL);
    if (!nddr_verb_check_distinct ("report", "-o", path, file))
      return NDDR_EXIT_USAGE;
  }
  g_autoptr (NddrDevice) device = nddr_device_open (which, &error);
  if (!device)
    return nddr_verb_fail ("report", error);
  NddrProgress progress;
  nddr_progress_start (&progress, 0);
  NddrReportOptions options = { .data = data, .progress = show, .user_data = &progress };
  gboolean fine = nddr_report_run (device, argv[1], path, &options, &error);
  nddr_progress_clear (&progress);
  return fine ? NDDR_EXIT_DONE : nddr_verb_fail ("report", error);
}
