/* nddr train: a run as a configuration says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/trainer.h>
#include <train/verb.h>

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t told_to_stop;

/* The first signal ends the run after its step; the second ends the program. */
static void
on_signal (int number)
{
  told_to_stop = 1;
  signal (number, SIG_DFL);
}

static void
watch_signals (void)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  sigemptyset (&action.sa_mask);
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
}

int
nddr_verb_train (int argc, char **argv)
{
  g_autofree char *run = NULL, *which = NULL;
  g_auto (GStrv) sets = NULL, inits = NULL;
  gboolean resume = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &run, "The run's folder: log, checkpoint, models (required)", "RUN" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &sets, "Change one key of the configuration; may be repeated", "SECTION.KEY=VALUE" },
    { "init", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &inits,
        "Start from a model, once or for each task in order, or from a backbone's weights with torchvision's names", "MODEL" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &resume, "Go on from the run's checkpoint", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "CONFIG.ini", "Trains a model.  The first Ctrl-C writes a checkpoint and ends; --resume goes on.", entries, 1, 1))
    return NDDR_EXIT_USAGE;
  if (!run)
    return nddr_verb_misuse ("train", "-o RUN is missing: the folder that gets the run's log, checkpoint and models");
  if (resume && inits)
    return nddr_verb_misuse ("train", "--resume and --init exclude each other: a run that goes on has its weights");
  g_autoptr (NddrRecipe) as_written = nddr_recipe_load (argv[1], NULL, &error);
  if (!as_written)
    return nddr_verb_fail ("train", error);
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (argv[1], (const char *const *) sets, &error);
  if (!recipe)
    return nddr_verb_misuse ("train", "%s", error->message);
  g_autoptr (NddrDevice) device = nddr_device_open (which, &error);
  if (!device)
    return nddr_verb_fail ("train", error);

  gboolean finished = FALSE;
  NddrTrainerOptions options = { .run = run, .inits = (const char *const *) inits, .resume = resume, .stop = &told_to_stop };
  watch_signals ();
  if (!nddr_trainer_run (device, recipe, &options, &finished, &error))
    return nddr_verb_fail ("train", error);
  if (!finished)
    g_printerr ("nddr train: stopped; --resume goes on from %s\n", run);
  return NDDR_EXIT_DONE;
}
