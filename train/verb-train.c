/* nddr train: a run as a configuration says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/trainer.h>
#include <train/verb.h>

#include <nddr/gpu/tuning-cache.h>
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t told_to_stop;

/* The first signal ends the run after its step; the second ends the program.  mpirun hands on SIGUSR1; the others it takes itself, and ends its
 * ranks at once. */
static void
on_signal (int number)
{
  told_to_stop = 1;
  signal (number, SIG_DFL);
}

/* SIGHUP: of a terminal or connection that is closed; whoever started this may have seen to it that it is ignored (nohup). */
static void
watch_signals (void)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
  sigemptyset (&action.sa_mask);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (sigaction (numbers[i], NULL, &before) == 0 && (before.sa_handler != SIG_IGN || numbers[i] != SIGHUP))
      sigaction (numbers[i], &action, NULL);
}

typedef struct
{
  const char *config, *run, *which;
  const char *const *sets, *const *inits;
  gboolean resume;
} Order;

/* The run as one of @ranks; the exit status. */
static int
train (NddrRanks *ranks, const Order *order)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (order->config, order->sets, &error);
  g_autoptr (NddrRecipe) as_written = recipe ? NULL : nddr_recipe_load (order->config, NULL, NULL);
  gboolean misuse = as_written != NULL, finished = FALSE; /* the file is right, what was set is not */
  g_autoptr (NddrDevice) device = recipe ? nddr_ranks_open_device (ranks, order->which, &error) : NULL;
  if (device)
    nddr_device_set_tuning (device, NULL); /* or validations could differ in a bit from those of a run that was not interrupted by tuning */
  NddrTrainerOptions options = { .run = order->run, .inits = order->inits, .resume = order->resume, .stop = &told_to_stop, .ranks = ranks };
  watch_signals ();
  gboolean fine = nddr_ranks_agree (ranks, device != NULL, &error) && nddr_trainer_run (device, recipe, &options, &finished, &error);
  if (!fine && g_error_matches (error, NDDR_RANKS_ERROR, NDDR_RANKS_ERROR_ELSEWHERE))
    return misuse ? NDDR_EXIT_USAGE : NDDR_EXIT_FAILED; /* that rank says why */
  if (!fine)
    return misuse ? nddr_verb_misuse ("train", "%s", error->message) : nddr_verb_fail ("train", error);
  if (!finished && nddr_ranks_is_first (ranks))
    g_printerr ("nddr train: stopped; --resume goes on from %s\n", order->run);
  return NDDR_EXIT_DONE;
}

int
nddr_verb_train (int argc, char **argv)
{
  g_autofree char *run = NULL, *which = NULL;
  g_auto (GStrv) sets = NULL, inits = NULL;
  gboolean resume = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &run, "The run's folder: log, checkpoint, models (required)", "RUN" },
    { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &sets, "Change one key of the configuration; may be repeated", "SECTION.KEY=VALUE" },
    { "init", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &inits,
        "Start from a model, once or for each task in order, or from a backbone's weights with torchvision's names", "MODEL" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &resume, "Go on from the run's checkpoint", NULL },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  const char *mpi = nddr_ranks_library ();
  g_autofree char *summary = g_strdup_printf ("Trains a model.  The first Ctrl-C writes a checkpoint and ends; --resume goes on.\n\n%s%s", mpi
      ? "With mpirun -np N it trains on N devices, of this machine or of several: " : "It was built without MPI, and trains on one device.", mpi ? mpi : "");
  if (!nddr_verb_parse (&argc, &argv, "CONFIG.ini", summary, entries, 1, 1))
    return NDDR_EXIT_USAGE;
  if (!run)
    return nddr_verb_misuse ("train", "-o RUN is missing: the folder that gets the run's log, checkpoint and models");
  for (guint i = 0; sets && sets[i]; i++)
    if (!g_utf8_validate (sets[i], -1, NULL))
      return nddr_verb_misuse ("train", "a --set is no UTF-8 text, which configurations are: rename what it names");
  if (resume && inits)
    return nddr_verb_misuse ("train", "--resume and --init exclude each other: a run that goes on has its weights");
  g_autoptr (GError) error = NULL;
  NddrRanks *ranks = nddr_ranks_join (&error);
  if (!ranks)
    return nddr_verb_fail ("train", error);
  Order order = { .config = argv[1], .run = run, .which = which, .sets = (const char *const *) sets, .inits = (const char *const *) inits, .resume = resume };
  int status = train (ranks, &order);
  nddr_ranks_leave (ranks, status != NDDR_EXIT_DONE);
  return status;
}
