/* The loader: a job for each sample of each batch that is made ahead; batches leave in their order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/loader.h"
#include "train/threads.h"

#include <nddr/allocate.h>
#include <string.h>

#include "train/cutmix.h"
#include "train/random.h"

/* Chance for the order of an epoch and for boxes comes from streams that no sample's augmentation uses: the epochs'. */
#define SHUFFLE_STREAM G_MAXUINT64
#define CUTMIX_STREAM(epoch) (G_GUINT64_CONSTANT (1) << 63 | (epoch))
#define BOX_STREAM(epoch) (G_GUINT64_CONSTANT (1) << 62 | (epoch))

typedef struct _Batch Batch;

typedef struct
{
  Batch *batch;
  guint slot;
  guint64 epoch;
  guint valid[3];
  guint skipped; /* of its samples: another took the place of a broken one */
} Job;

struct _Batch
{
  NddrBatch base; /* first: handed out */
  Job *jobs;      /* [batch] */
  guint pending;  /* jobs that are not done; under the loader's lock, as the next two */
  GError *error;
  guint error_slot;
};

struct _NddrLoader
{
  NddrDataset *dataset;
  NddrLoaderOptions options;
  guint n_slots;     /* samples of a batch that are this loader's */
  guint64 n_batches; /* of a single pass; G_MAXUINT64: no end */
  guint64 next;      /* batch to be started next */
  guint *order;      /* of the samples in `order_epoch`; NULL before the first batch */
  guint64 order_epoch;

  GThreadPool *pool;  /* NULL: there are no threads */
  GError *no_threads; /* why */
  GMutex lock;
  GCond done;
  GQueue ahead;  /* of Batch: started, in order */
  GQueue spare;  /* of Batch: to be used again */
  GPtrArray *batches; /* all, owned */
};

static gsize
image_floats (const NddrLoader *loader)
{
  return (gsize) loader->options.augment.height * loader->options.augment.width * 4;
}

static gsize
label_pixels (const NddrLoader *loader)
{
  return (gsize) loader->options.augment.label_height * loader->options.augment.label_width;
}

static gboolean
wants (const NddrLoader *loader, NddrTaskKind kind)
{
  return (loader->options.labels & NDDR_LABEL (kind)) != 0;
}

static void
batch_free (gpointer data)
{
  Batch *batch = data;
  g_clear_error (&batch->error);
  g_free (batch->jobs);
  g_free (batch->base.indices);
  g_free (batch->base.image);
  g_free (batch->base.segmentation);
  g_free (batch->base.normal);
  g_free (batch->base.depth);
  g_free (batch->base.shown);
  g_free (batch);
}

/** Memory for @n samples, with the labels that are wanted. FALSE: *slice has what there was memory for. */
static gboolean
allocate (const NddrLoader *loader, NddrSlice *slice, guint n, GError **error)
{
  const char *what = "a batch's pictures and labels";
  gsize pixels = n * label_pixels (loader);
  return (slice->image = nddr_try_alloc (n * image_floats (loader), sizeof (float), what, error))
      && (!wants (loader, NDDR_TASK_SEGMENTATION) || (slice->segmentation = nddr_try_alloc (pixels, 1, what, error)))
      && (!wants (loader, NDDR_TASK_NORMAL) || (slice->normal = nddr_try_alloc (pixels, 4 * sizeof (float), what, error)))
      && (!wants (loader, NDDR_TASK_DEPTH) || (slice->depth = nddr_try_alloc (pixels, sizeof (float), what, error)));
}

static Batch *
batch_new (const NddrLoader *loader, GError **error)
{
  Batch *batch = g_new0 (Batch, 1);
  guint n = loader->n_slots;
  NddrSlice all = { 0 };
  gboolean fine = allocate (loader, &all, n, error);
  batch->jobs = g_new0 (Job, n);
  batch->base.indices = g_new0 (guint, n);
  batch->base.image = all.image;
  batch->base.segmentation = all.segmentation;
  batch->base.normal = all.normal;
  batch->base.depth = all.depth;
  batch->base.shown = g_malloc0 (n * sizeof *batch->base.shown);
  if (!fine)
    g_clear_pointer (&batch, batch_free);
  return batch;
}

static NddrSlice
batch_slice (const NddrLoader *loader, const Batch *batch, guint slot)
{
  const NddrBatch *base = &batch->base;
  gsize pixels = slot * label_pixels (loader);
  return (NddrSlice) {
    .image = base->image + slot * image_floats (loader),
    .segmentation = base->segmentation ? base->segmentation + pixels : NULL,
    .normal = base->normal ? base->normal + 4 * pixels : NULL,
    .depth = base->depth ? base->depth + pixels : NULL,
  };
}

/** What lies behind the last sample of a single pass. */
static void
fill_blank (const NddrLoader *loader, Batch *batch, guint slot)
{
  NddrSlice slice = batch_slice (loader, batch, slot);
  gsize pixels = label_pixels (loader);
  memset (slice.image, 0, image_floats (loader) * sizeof (float));
  if (slice.segmentation)
    memset (slice.segmentation, NDDR_IGNORED, pixels);
  if (slice.normal)
    memset (slice.normal, 0, 4 * pixels * sizeof (float));
  if (slice.depth)
    memset (slice.depth, 0, pixels * sizeof (float));
  memset (batch->base.shown[slot], 0, sizeof batch->base.shown[slot]);
}

static void
slice_free (NddrSlice *slice)
{
  g_free (slice->image);
  g_free (slice->segmentation);
  g_free (slice->normal);
  g_free (slice->depth);
}

/** Puts a box of another sample, which is drawn from all, over @slice: by the chance of the sample's number and epoch.  Leaves it as it is, with
 * @error, where that other cannot be read. */
static void
cutmix (const NddrLoader *loader, Job *job, guint index, const NddrSlice *slice, GError **error)
{
  const NddrLoaderOptions *o = &loader->options;
  NddrRandom random = nddr_random_init (o->seed, CUTMIX_STREAM (job->epoch), index);
  if (nddr_random_unit (&random) >= o->cutmix)
    return;
  guint wanted = nddr_random_below (&random, nddr_dataset_size (loader->dataset)), got = wanted, valid[3];
  NddrBox box = nddr_cutmix_draw (&random, o->augment.width, o->augment.height);
  g_autoptr (NddrSample) sample = nddr_dataset_load_sound (loader->dataset, &got, o->labels, error);
  if (!sample)
    return;
  job->skipped += got != wanted;

  gint32 shown[2];
  NddrSlice other = { .shown = shown };
  if (allocate (loader, &other, 1, error)) {
    nddr_augment_apply (&o->augment, sample, o->seed, BOX_STREAM (job->epoch), index, &other, valid);
    nddr_cutmix_paste (&o->augment, &box, &other, slice, job->valid);
  }
  slice_free (&other);
}

/** Runs on a thread of the pool. */
static void
do_job (gpointer data, gpointer user_data)
{
  Job *job = data;
  NddrLoader *loader = user_data;
  Batch *batch = job->batch;
  guint index = batch->base.indices[job->slot]; /* which chance goes by, whatever sample takes its place */
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSample) sample
      = nddr_dataset_load_sound (loader->dataset, &batch->base.indices[job->slot], loader->options.labels, &error);
  if (sample) {
    gint32 shown[2];
    NddrSlice slice = batch_slice (loader, batch, job->slot);
    slice.shown = shown;
    job->skipped = batch->base.indices[job->slot] != index;
    nddr_augment_apply (&loader->options.augment, sample, loader->options.seed, job->epoch, index, &slice, job->valid);
    nddr_augment_shown_labels (&loader->options.augment, shown, batch->base.shown[job->slot]);
    cutmix (loader, job, index, &slice, &error);
  }

  g_mutex_lock (&loader->lock);
  if (error && (!batch->error || job->slot < batch->error_slot)) {
    g_clear_error (&batch->error);
    batch->error = g_steal_pointer (&error);
    batch->error_slot = job->slot;
  }
  if (--batch->pending == 0)
    g_cond_signal (&loader->done);
  g_mutex_unlock (&loader->lock);
}

/** The order of @epoch: the data set's own, or Fisher and Yates's. */
static const guint *
epoch_order (NddrLoader *loader, guint64 epoch)
{
  guint n = nddr_dataset_size (loader->dataset);
  if (loader->order_epoch == epoch)
    return loader->order;
  loader->order_epoch = epoch;
  for (guint i = 0; i < n; i++)
    loader->order[i] = i;
  NddrRandom random = nddr_random_init (loader->options.seed, SHUFFLE_STREAM, epoch);
  for (guint i = n - 1; loader->options.shuffle && i > 0; i--) {
    guint j = nddr_random_below (&random, i + 1), t = loader->order[i];
    loader->order[i] = loader->order[j];
    loader->order[j] = t;
  }
  return loader->order;
}

/** Which of a batch's samples is in @slot: the loader's share of each part lies side by side. */
static guint
place_of (const NddrLoader *loader, guint slot)
{
  const NddrLoaderOptions *o = &loader->options;
  guint part = o->batch / o->parts, share = part / o->shares;
  return slot / share * part + o->share * share + slot % share;
}

static gboolean
start_batch (NddrLoader *loader, GError **error)
{
  guint n = nddr_dataset_size (loader->dataset);
  if (!loader->order && !(loader->order = nddr_try_alloc (n, sizeof *loader->order, "the samples' order", error)))
    return FALSE;
  Batch *batch = g_queue_pop_head (&loader->spare);
  if (!batch) {
    batch = batch_new (loader, error);
    if (!batch)
      return FALSE;
    g_ptr_array_add (loader->batches, batch);
  }
  batch->base.number = loader->next++;
  batch->base.n_samples = 0;
  guint64 first = batch->base.number * loader->options.batch;
  for (guint slot = 0; slot < loader->n_slots; slot++) {
    guint64 at = first + place_of (loader, slot);
    if (!loader->options.repeat && at >= n) {
      batch->base.indices[slot] = 0;
      fill_blank (loader, batch, slot);
      continue;
    }
    batch->jobs[slot] = (Job) { .batch = batch, .slot = slot, .epoch = at / n };
    batch->base.indices[slot] = epoch_order (loader, at / n)[at % n];
    batch->base.n_samples++;
  }
  batch->pending = batch->base.n_samples;
  g_queue_push_tail (&loader->ahead, batch);
  for (guint slot = 0; slot < batch->base.n_samples; slot++)
    g_thread_pool_push (loader->pool, &batch->jobs[slot], NULL);
  return TRUE;
}

/** Fewer are ahead where there is no memory for more: then @error, which matters where there is none at all. */
static void
start_batches (NddrLoader *loader, GError **error)
{
  gboolean fine = TRUE;
  while (fine && loader->pool && loader->ahead.length < loader->options.prefetch && loader->next < loader->n_batches)
    fine = start_batch (loader, error);
}

#define DEFAULT_PREFETCH 2

guint64
nddr_loader_bytes (const NddrLoaderOptions *o)
{
  guint64 pixels = (guint64) o->augment.label_width * o->augment.label_height, sample = (guint64) o->augment.width * o->augment.height * 4 * sizeof (float);
  if (o->labels & NDDR_LABEL (NDDR_TASK_SEGMENTATION))
    sample += pixels;
  if (o->labels & NDDR_LABEL (NDDR_TASK_NORMAL))
    sample += pixels * 4 * sizeof (float);
  if (o->labels & NDDR_LABEL (NDDR_TASK_DEPTH))
    sample += pixels * sizeof (float);
  guint64 slots = o->batch / MAX (o->shares, 1), ahead = o->prefetch ? o->prefetch : DEFAULT_PREFETCH;
  guint64 boxes = o->cutmix > 0 ? MIN (slots * ahead, o->threads ? o->threads : NDDR_DATASET_MOST_THREADS) : 0;
  return sample * (slots * (ahead + 1) + boxes);
}

NddrLoader *
nddr_loader_new (NddrDataset *dataset, const NddrLoaderOptions *options)
{
  NddrLoader *loader = g_new0 (NddrLoader, 1);
  guint n = nddr_dataset_size (dataset);
  loader->dataset = dataset;
  loader->options = *options;
  if (!loader->options.threads)
    loader->options.threads = nddr_dataset_threads (dataset);
  if (!loader->options.prefetch)
    loader->options.prefetch = DEFAULT_PREFETCH;
  loader->options.parts = MAX (loader->options.parts, 1);
  loader->options.shares = MAX (loader->options.shares, 1);
  g_assert (options->batch % (loader->options.parts * loader->options.shares) == 0 && (loader->options.shares == 1 || options->repeat));
  loader->n_slots = options->batch / loader->options.shares;
  loader->n_batches = options->repeat ? G_MAXUINT64 : (n + options->batch - 1) / options->batch;
  loader->next = options->first;
  loader->order_epoch = G_MAXUINT64; /* of none */
  loader->batches = g_ptr_array_new_with_free_func (batch_free);
  g_mutex_init (&loader->lock);
  g_cond_init (&loader->done);
  loader->pool = nddr_threads_new (do_job, loader, loader->options.threads, &loader->no_threads);
  start_batches (loader, NULL);
  return loader;
}

void
nddr_loader_free (NddrLoader *loader)
{
  if (!loader)
    return;
  if (loader->pool)
    g_thread_pool_free (loader->pool, TRUE, TRUE);
  g_clear_error (&loader->no_threads);
  g_queue_clear (&loader->ahead);
  g_queue_clear (&loader->spare);
  g_ptr_array_unref (loader->batches);
  g_mutex_clear (&loader->lock);
  g_cond_clear (&loader->done);
  g_free (loader->order);
  g_free (loader);
}

NddrBatch *
nddr_loader_next (NddrLoader *loader, GError **error)
{
  if (!loader->pool) {
    g_propagate_error (error, g_error_copy (loader->no_threads));
    return NULL;
  }
  g_autoptr (GError) no_memory = NULL;
  start_batches (loader, &no_memory);
  Batch *batch = g_queue_pop_head (&loader->ahead);
  if (!batch) {
    if (no_memory)
      g_propagate_error (error, g_steal_pointer (&no_memory));
    return NULL;
  }
  g_mutex_lock (&loader->lock);
  while (batch->pending > 0)
    g_cond_wait (&loader->done, &loader->lock);
  GError *failure = g_steal_pointer (&batch->error);
  g_mutex_unlock (&loader->lock);
  if (failure) {
    g_propagate_error (error, failure);
    g_queue_push_head (&loader->spare, batch);
    return NULL;
  }

  memset (batch->base.valid, 0, sizeof batch->base.valid);
  batch->base.n_skipped = 0;
  for (guint slot = 0; slot < batch->base.n_samples; slot++) {
    for (int kind = 0; kind < 3; kind++)
      batch->base.valid[kind] += batch->jobs[slot].valid[kind];
    batch->base.n_skipped += batch->jobs[slot].skipped;
  }
  start_batches (loader, NULL);
  return &batch->base;
}

void
nddr_loader_return (NddrLoader *loader, NddrBatch *batch)
{
  g_queue_push_head (&loader->spare, (Batch *) batch);
}
