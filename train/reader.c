/* The reader: a job for each sample that is read ahead; they are taken in their order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/reader.h>
#include <train/threads.h>

#define AHEAD 2 /* samples for each thread, in the making or waiting to be taken */

typedef struct
{
  guint index;
  NddrSample *sample; /* neither this nor an error: it is left out */
  GError *error;
  gboolean done;      /* under the reader's lock */
} Job;

struct _NddrReader
{
  NddrDataset *dataset;
  NddrLabels labels;
  guint threads, next; /* sample to be started next */
  GThreadPool *pool;  /* NULL: there are no threads */
  GError *no_threads; /* why */
  GMutex lock;
  GCond done;
  GQueue ahead; /* of Job, in order */
};

/** Runs on a thread of the pool. */
static void
do_job (gpointer data, gpointer user_data)
{
  Job *job = data;
  NddrReader *reader = user_data;
  job->sample = nddr_dataset_load_if_sound (reader->dataset, job->index, reader->labels, &job->error);
  g_mutex_lock (&reader->lock);
  job->done = TRUE;
  g_cond_signal (&reader->done);
  g_mutex_unlock (&reader->lock);
}

static void
start_jobs (NddrReader *reader)
{
  guint n = nddr_dataset_size (reader->dataset);
  while (reader->pool && reader->next < n && reader->ahead.length < AHEAD * reader->threads) {
    Job *job = g_new0 (Job, 1);
    job->index = reader->next++;
    g_queue_push_tail (&reader->ahead, job);
    g_thread_pool_push (reader->pool, job, NULL);
  }
}

static void
job_free (gpointer data)
{
  Job *job = data;
  g_clear_pointer (&job->sample, nddr_sample_unref);
  g_clear_error (&job->error);
  g_free (job);
}

NddrReader *
nddr_reader_new (NddrDataset *dataset, NddrLabels labels, guint threads)
{
  NddrReader *reader = g_new0 (NddrReader, 1);
  reader->dataset = dataset;
  reader->labels = labels;
  reader->threads = threads ? threads : nddr_dataset_threads (dataset);
  g_mutex_init (&reader->lock);
  g_cond_init (&reader->done);
  reader->pool = nddr_threads_new (do_job, reader, reader->threads, &reader->no_threads);
  start_jobs (reader);
  return reader;
}

void
nddr_reader_free (NddrReader *reader)
{
  if (!reader)
    return;
  if (reader->pool)
    g_thread_pool_free (reader->pool, FALSE, TRUE);
  g_clear_error (&reader->no_threads);
  g_queue_clear_full (&reader->ahead, job_free);
  g_mutex_clear (&reader->lock);
  g_cond_clear (&reader->done);
  g_free (reader);
}

NddrSample *
nddr_reader_next (NddrReader *reader, guint *index, GError **error)
{
  Job *job;
  NddrSample *sample = NULL;
  gboolean left_out = TRUE;
  if (!reader->pool) {
    *index = 0;
    g_propagate_error (error, g_error_copy (reader->no_threads));
  }
  while (left_out && (job = g_queue_pop_head (&reader->ahead))) {
    g_mutex_lock (&reader->lock);
    while (!job->done)
      g_cond_wait (&reader->done, &reader->lock);
    g_mutex_unlock (&reader->lock);
    start_jobs (reader);
    sample = g_steal_pointer (&job->sample);
    left_out = !sample && !job->error;
    *index = job->index;
    if (job->error)
      g_propagate_error (error, g_steal_pointer (&job->error));
    job_free (job);
  }
  return sample;
}
