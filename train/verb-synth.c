/* nddr synth: writes pictures of made-up rooms as a folder data set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/folder-writer.h>
#include <train/progress.h>
#include <train/source.h>
#include <train/synth/synth.h>
#include <train/threads.h>
#include <train/verb.h>

#include <nddr/error.h>
#include <string.h>

#define MAX_COUNT 1000000

typedef struct
{
  const char *dir, *split;
  guint64 seed;
  guint count, width, height;
  int digits; /* of the pictures' names, so that they sort */
  gboolean walk;
  GMutex lock; /* of what follows */
  GCond changed;
  guint done;
  GError *error;
} Job;

/** Makes and writes one picture; on a thread of the pool.  @data: its number + 1 */
static void
make_one (gpointer data, gpointer user_data)
{
  Job *job = user_data;
  guint index = GPOINTER_TO_UINT (data) - 1;
  g_autoptr (GError) error = NULL;
  g_mutex_lock (&job->lock);
  gboolean failed = job->error != NULL;
  g_mutex_unlock (&job->lock);
  if (!failed) {
    g_autofree char *name = g_strdup_printf ("%0*u", job->digits, index);
    g_autoptr (NddrSample) sample = job->walk ? nddr_synth_walk (job->seed, index, job->count, job->width, job->height, &error)
                                              : nddr_synth_picture (job->seed, index, job->width, job->height, &error);
    if (sample)
      nddr_folder_writer_add (job->dir, job->split, name, sample, &error);
  }
  g_mutex_lock (&job->lock);
  job->done++;
  if (error && !job->error)
    job->error = g_steal_pointer (&error);
  g_cond_signal (&job->changed);
  g_mutex_unlock (&job->lock);
}

/** Makes all pictures on @threads threads, showing how far it is. */
static gboolean
make_all (Job *job, guint threads, GError **error)
{
  GThreadPool *pool = nddr_threads_new (make_one, job, threads, error);
  if (!pool)
    return FALSE;
  NddrProgress progress;
  nddr_progress_start (&progress, 0);
  for (guint i = 0; i < job->count; i++)
    g_thread_pool_push (pool, GUINT_TO_POINTER (i + 1), NULL);
  g_mutex_lock (&job->lock);
  while (job->done < job->count) {
    guint done = job->done;
    g_mutex_unlock (&job->lock);
    nddr_progress_update (&progress, done, job->count, "pictures");
    g_mutex_lock (&job->lock);
    if (job->done == done)
      g_cond_wait (&job->changed, &job->lock);
  }
  g_mutex_unlock (&job->lock);
  g_thread_pool_free (pool, FALSE, TRUE);
  nddr_progress_clear (&progress);
  gboolean ok = job->error == NULL;
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&job->error));
  return ok;
}

/* Whether @file is a picture that this run writes. */
static gboolean
is_ours (const Job *job, const char *file)
{
  guint64 index;
  g_autofree char *name = g_str_has_suffix (file, ".png") ? g_strndup (file, strlen (file) - strlen (".png")) : NULL;
  return name && strlen (name) == (gsize) job->digits && g_ascii_string_to_unsigned (name, 10, 0, job->count - 1, &index, NULL);
}

/* Pictures that are there already, and would stay among those of this run, are somebody's data set. */
static gboolean
check_folder (const Job *job, GError **error)
{
  g_autofree char *path = g_build_filename (job->dir, job->split, "image", NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *file = dir ? g_dir_read_name (dir) : NULL; file; file = g_dir_read_name (dir))
    if (nddr_folder_is_picture (file) && !is_ours (job, file))
      return nddr_fail (error, NDDR_ERROR_FILE, "%s has %s, which would be part of this data set: remove what is there, or give another folder or --split",
          path, file);
  return TRUE;
}

int
nddr_verb_synth (int argc, char **argv)
{
  g_autofree char *size = NULL, *split = NULL;
  gint64 seed = 1;
  int count = 100, threads = 0;
  gboolean walk = FALSE;
  const GOptionEntry entries[] = {
    { "count", 0, 0, G_OPTION_ARG_INT, &count, "How many pictures; default 100", "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &size, "Their size; default 320x240", "WxH" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Which pictures: the same seed makes the same ones anywhere; default 1",
        "S" },
    { "split", 0, 0, G_OPTION_ARG_FILENAME, &split, "The split to write; default train", "NAME" },
    { "walk", 0, 0, G_OPTION_ARG_NONE, &walk, "The frames of a walk through one room, in order", NULL },
    { "threads", 0, 0, G_OPTION_ARG_INT, &threads, "How many threads; default one for each processor", "N" },
    { NULL },
  };
  Job job = { .width = 320, .height = 240 };
  if (!nddr_verb_parse (&argc, &argv, "DIR", "Writes pictures of made-up rooms with exact labels as a folder data set.",
          entries, 1, 1)
      || !nddr_verb_parse_size ("synth", size, &job.width, &job.height))
    return NDDR_EXIT_USAGE;
  if (count < 1 || count > MAX_COUNT)
    return nddr_verb_misuse ("synth", "--count %d: expected 1 to %d", count, MAX_COUNT);
  if (seed < 0)
    return nddr_verb_misuse ("synth", "--seed %" G_GINT64_FORMAT ": expected 0 or more", seed);
  if (threads < 0 || threads > 1024)
    return nddr_verb_misuse ("synth", "--threads %d: expected 1 to 1024", threads);
  if (split && !nddr_folder_is_split (split))
    return nddr_verb_misuse ("synth", "--split %s: expected a folder's name", split);

  g_autoptr (GError) error = NULL;
  job.dir = argv[1];
  job.split = split ? split : "train";
  job.seed = seed;
  job.count = count;
  job.walk = walk;
  for (job.digits = 4, count = (count - 1) / 10000; count > 0; count /= 10)
    job.digits++;
  if (!check_folder (&job, &error) || !nddr_folder_writer_begin (job.dir, job.split, nddr_synth_classes, N_CLASSES, &error))
    return nddr_verb_fail ("synth", error);
  g_mutex_init (&job.lock);
  g_cond_init (&job.changed);
  gboolean ok = make_all (&job, threads ? (guint) threads : g_get_num_processors (), &error);
  g_mutex_clear (&job.lock);
  g_cond_clear (&job.changed);
  return ok ? NDDR_EXIT_DONE : nddr_verb_fail ("synth", error);
}
