/* The loader: the same batches whatever the threads, every sample once an epoch, and a run that goes on where it was.
 *
 *   test-loader --bench DATASET CONFIG.ini [THREADS]   instead: the pictures that it makes in a second, as that configuration wants them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fixture.h"
#include "train/loader.h"
#include "train/reader.h"
#include "train/recipe.h"

#define SAMPLES 7
#define PIXELS (12 * 10)

static char *folder;

static NddrDataset *
open_dataset (void)
{
  g_autofree char *spec = g_strdup_printf ("folder:%s", folder);
  g_autoptr (GError) error = NULL;
  NddrDataset *dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  return dataset;
}

static NddrLoaderOptions
options (guint batch)
{
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  NddrLoaderOptions o = { .batch = batch, .labels = NDDR_LABELS_ALL, .repeat = TRUE, .shuffle = TRUE, .seed = 3 };
  nddr_augment_plain (&o.augment, 12, 10, mean, std);
  o.augment.scale_min = 0.6;
  o.augment.scale_max = 1.4;
  o.augment.mirror = TRUE;
  return o;
}

static char *
checksum (const NddrBatch *batch, guint n)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_MD5);
  g_checksum_update (sum, (const guchar *) batch->indices, n * sizeof (guint));
  g_checksum_update (sum, (const guchar *) batch->image, n * PIXELS * 16);
  g_checksum_update (sum, batch->segmentation, n * PIXELS);
  g_checksum_update (sum, (const guchar *) batch->normal, n * PIXELS * 16);
  g_checksum_update (sum, (const guchar *) batch->depth, n * PIXELS * 4);
  g_checksum_update (sum, (const guchar *) batch->valid, sizeof batch->valid);
  return g_strdup (g_checksum_get_string (sum));
}

static void
test_order (void)
{
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = options (3);
  o.threads = 1;
  o.prefetch = 1;
  o.cutmix = 0.5;
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  g_autoptr (GPtrArray) sums = g_ptr_array_new_with_free_func (g_free);
  guint seen[SAMPLES] = { 0 }, order[3 * SAMPLES];
  for (guint t = 0; t < SAMPLES; t++) { /* three epochs */
    g_autoptr (GError) error = NULL;
    NddrBatch *batch = nddr_loader_next (loader, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (batch->number, ==, t);
    g_assert_cmpuint (batch->n_samples, ==, 3);
    for (guint i = 0; i < 3; i++) {
      order[3 * t + i] = batch->indices[i];
      seen[batch->indices[i]]++;
      if ((3 * t + i) % SAMPLES == SAMPLES - 1)
        for (guint k = 0; k < SAMPLES; k++)
          g_assert_cmpuint (seen[k], ==, (3 * t + i) / SAMPLES + 1);
    }
    g_ptr_array_add (sums, checksum (batch, 3));
    nddr_loader_return (loader, batch);
  }
  g_assert_true (memcmp (order, order + SAMPLES, SAMPLES * sizeof (guint)) != 0);

  /* Many threads, many batches out at once, with and without a cache, from any start. */
  nddr_dataset_set_cache (dataset, 1 << 20);
  for (guint first = 0; first < SAMPLES; first += 2) {
    o.threads = 4;
    o.prefetch = 3;
    o.first = first;
    g_autoptr (NddrLoader) other = nddr_loader_new (dataset, &o);
    NddrBatch *held[SAMPLES];
    for (guint t = first; t < SAMPLES; t++)
      held[t] = nddr_loader_next (other, NULL);
    for (guint t = first; t < SAMPLES; t++) {
      g_autofree char *sum = checksum (held[t], 3);
      g_assert_cmpstr (sum, ==, sums->pdata[t]);
      if (t % 2)
        nddr_loader_return (other, held[t]);
    }
  }
}

/* Chance has each epoch's own way with a picture, and the same way whenever that epoch comes. */
static void
test_epochs (void)
{
  enum { EPOCHS = 3 };
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = options (SAMPLES);
  o.shuffle = FALSE;
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  const NddrBatch *epochs[EPOCHS];
  for (guint e = 0; e < EPOCHS; e++)
    epochs[e] = nddr_loader_next (loader, NULL);
  for (guint i = 0; i < SAMPLES; i++)
    for (guint e = 0; e < EPOCHS; e++) {
      g_assert_cmpuint (epochs[e]->indices[i], ==, i);
      for (guint other = 0; other < e; other++)
        g_assert_true (memcmp (epochs[e]->image + i * PIXELS * 4, epochs[other]->image + i * PIXELS * 4, PIXELS * 16) != 0);
    }
}

/* Sample @i of @a is sample @j of @b, to the last bit. */
static void
expect_same_sample (const NddrBatch *a, guint i, const NddrBatch *b, guint j)
{
  g_assert_cmpuint (a->indices[i], ==, b->indices[j]);
  g_assert_cmpmem (a->image + i * PIXELS * 4, PIXELS * 16, b->image + j * PIXELS * 4, PIXELS * 16);
  g_assert_cmpmem (a->segmentation + i * PIXELS, PIXELS, b->segmentation + j * PIXELS, PIXELS);
  g_assert_cmpmem (a->normal + i * PIXELS * 4, PIXELS * 16, b->normal + j * PIXELS * 4, PIXELS * 16);
  g_assert_cmpmem (a->depth + i * PIXELS, PIXELS * 4, b->depth + j * PIXELS, PIXELS * 4);
}

/* Batches of two parts of six, among three loaders: the second has the third and the fourth of each part. */
static void
test_shares (void)
{
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = options (12);
  o.first = 1;
  o.cutmix = 0.5;
  g_autoptr (NddrLoader) whole = nddr_loader_new (dataset, &o);
  NddrLoader *shares[3];
  o.parts = 2;
  o.shares = 3;
  for (o.share = 0; o.share < 3; o.share++)
    shares[o.share] = nddr_loader_new (dataset, &o);
  for (guint t = 0; t < 4; t++) {
    guint64 valid[3] = { 0 };
    NddrBatch *all = nddr_loader_next (whole, NULL);
    for (guint s = 0; s < 3; s++) {
      NddrBatch *batch = nddr_loader_next (shares[s], NULL);
      g_assert_cmpuint (batch->n_samples, ==, 4);
      for (guint i = 0; i < 4; i++)
        expect_same_sample (batch, i, all, i / 2 * 6 + s * 2 + i % 2);
      for (guint k = 0; k < 3; k++)
        valid[k] += batch->valid[k];
      nddr_loader_return (shares[s], batch);
    }
    g_assert_cmpmem (valid, sizeof valid, all->valid, sizeof all->valid);
    nddr_loader_return (whole, all);
  }
  for (guint s = 0; s < 3; s++)
    nddr_loader_free (shares[s]);
}

static void
test_single_pass (void)
{
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = options (4);
  o.repeat = o.shuffle = FALSE;
  o.labels = NDDR_LABEL (NDDR_TASK_SEGMENTATION);
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  g_autoptr (GError) error = NULL;
  guint next = 0;
  NddrBatch *batch;
  while ((batch = nddr_loader_next (loader, &error))) {
    guint64 valid = 0;
    g_assert_cmpuint (batch->n_samples, ==, next == 0 ? 4 : 3);
    g_assert_true (batch->segmentation && !batch->normal && !batch->depth);
    for (guint i = 0; i < batch->n_samples; i++)
      g_assert_cmpuint (batch->indices[i], ==, next++);
    for (guint i = 0; i < 4 * PIXELS; i++) {
      valid += batch->segmentation[i] != 255;
      if (i / PIXELS >= batch->n_samples) {
        g_assert_cmpuint (batch->segmentation[i], ==, 255);
        g_assert_cmpfloat (batch->image[4 * i] + batch->image[4 * i + 1] + batch->image[4 * i + 2], ==, 0);
      }
    }
    g_assert_cmpuint (valid, ==, batch->valid[NDDR_TASK_SEGMENTATION]);
    nddr_loader_return (loader, batch);
  }
  g_assert_no_error (error);
  g_assert_cmpuint (next, ==, SAMPLES);
}

static void
test_broken_sample (void)
{
  g_autoptr (NddrDataset) dataset = open_dataset ();
  g_autofree char *path = fixture_path (folder, "train/image/2.png");
  g_autofree char *good = NULL;
  gsize bytes;
  g_assert_true (g_file_get_contents (path, &good, &bytes, NULL));
  fixture_write (path, good, bytes / 2);
  NddrLoaderOptions o = options (2);
  o.shuffle = FALSE;
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  for (guint t = 0; t < 3; t++) {
    g_autoptr (GError) error = NULL;
    NddrBatch *batch = nddr_loader_next (loader, &error);
    g_assert_true ((batch == NULL) == (t == 1));
    if (batch)
      nddr_loader_return (loader, batch);
    else
      g_assert_nonnull (strstr (error->message, "2.png"));
  }
  fixture_write (path, good, bytes);
}

/** Of several that are broken the message is about the first, whichever thread is done first: the same files, the same words. */
static void
test_first_broken (void)
{
  static const guint broken[] = { 1, 4 };
  g_autoptr (NddrSample) large = fixture_sample (400, 300, 1);
  char *other = fixture_folder ();
  for (guint i = 0; i < 6; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (14, 11, i);
    g_autofree char *name = g_strdup_printf ("%u", i);
    fixture_write_sample (other, "train", name, i == broken[0] ? large : sample, FALSE);
  }
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) { /* the first is found out last: its picture is the larger one, and broken at its end */
    g_autofree char *path = fixture_path (other, "train/image/%u.png", broken[i]), *good = NULL;
    gsize bytes;
    g_assert_true (g_file_get_contents (path, &good, &bytes, NULL));
    fixture_write (path, good, bytes - 20);
  }
  g_autofree char *spec = g_strdup_printf ("folder:%s", other);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", NULL);
  for (guint round = 0; round < 20; round++) {
    NddrLoaderOptions o = options (6);
    o.shuffle = FALSE;
    o.threads = 4;
    o.prefetch = 1;
    g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
    g_autoptr (GError) error = NULL;
    g_assert_null (nddr_loader_next (loader, &error));
    g_assert_nonnull (strstr (error->message, "image/1.png"));
  }
  fixture_remove (other);
}

/** Broken samples skipped: in their place the next that is sound, whatever the threads, the cache and where the loader starts. */
static void
test_skipping (void)
{
  static const char *const broken[] = { "train/image/2.png", "train/depth/3.png", "train/normal/6.png" };
  static const guint instead[SAMPLES] = { 0, 1, 4, 4, 4, 5, 0 };
  char *good[G_N_ELEMENTS (broken)] = { NULL };
  gsize bytes[G_N_ELEMENTS (broken)];
  guint order[3 * SAMPLES]; /* while all are sound */
  {
    g_autoptr (NddrDataset) dataset = open_dataset ();
    NddrLoaderOptions o = options (3);
    g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
    for (guint t = 0; t < SAMPLES; t++) {
      NddrBatch *batch = nddr_loader_next (loader, NULL);
      memcpy (order + 3 * t, batch->indices, 3 * sizeof (guint));
      nddr_loader_return (loader, batch);
    }
  }
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autofree char *path = fixture_path (folder, "%s", broken[i]);
    g_assert_true (g_file_get_contents (path, &good[i], &bytes[i], NULL));
    fixture_write (path, good[i], bytes[i] - 20);
  }

  g_autoptr (GPtrArray) sums = g_ptr_array_new_with_free_func (g_free);
  for (guint first = 0; first < SAMPLES; first++) {
    g_autoptr (NddrDataset) dataset = open_dataset ();
    nddr_dataset_set_skip (dataset, TRUE);
    nddr_dataset_set_cache (dataset, first % 2 ? 0 : 2000);
    NddrLoaderOptions o = options (3);
    o.threads = 1 + first % 4;
    o.prefetch = 1 + first % 3;
    o.first = first;
    g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
    for (guint t = first; t < SAMPLES; t++) {
      g_autoptr (GError) error = NULL;
      NddrBatch *batch = nddr_loader_next (loader, &error);
      g_assert_no_error (error);
      guint skipped = 0;
      for (guint i = 0; i < 3; i++) {
        guint wanted = order[3 * t + i];
        g_assert_cmpuint (batch->indices[i], ==, instead[wanted]);
        skipped += instead[wanted] != wanted;
      }
      g_assert_cmpuint (batch->n_skipped, ==, skipped);
      char *sum = checksum (batch, 3);
      if (first == 0)
        g_ptr_array_add (sums, sum);
      else {
        g_assert_cmpstr (sum, ==, sums->pdata[t]);
        g_free (sum);
      }
      nddr_loader_return (loader, batch);
    }
    if (first > 0)
      continue;
    g_autofree char *news = NULL, *more = NULL;
    g_assert_cmpuint (nddr_dataset_count_broken (dataset, &news), ==, 3);
    g_assert_true (strstr (news, "image/2.png") && strstr (news, "depth/3.png") && strstr (news, "normal/6.png"));
    g_assert_cmpuint (nddr_dataset_count_broken (dataset, &more), ==, 3);
    g_assert_null (more);

    /* one pass leaves them out */
    guint at = 0, seen = 0;
    g_autoptr (NddrReader) reader = nddr_reader_new (dataset, NDDR_LABELS_ALL, 0);
    g_autoptr (NddrSample) sample = NULL;
    while ((sample = nddr_reader_next (reader, &at, NULL))) {
      static const guint sound[] = { 0, 1, 4, 5 };
      g_assert_cmpuint (at, ==, sound[seen++]);
      g_clear_pointer (&sample, nddr_sample_unref);
    }
    g_assert_cmpuint (seen, ==, 4);
    /* where only the depth of a sample is broken, the rest can still be had */
    guint three = 3;
    sample = nddr_dataset_load_sound (dataset, &three, NDDR_LABEL (NDDR_TASK_NORMAL), NULL);
    g_assert_cmpuint (three, ==, 3);
  }
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autofree char *path = fixture_path (folder, "%s", broken[i]);
    fixture_write (path, good[i], bytes[i]);
    g_free (good[i]);
  }
}

static void
test_all_broken (void)
{
  char *other = fixture_folder ();
  for (guint i = 0; i < 3; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (14, 11, i);
    g_autofree char *name = g_strdup_printf ("%u", i), *path = fixture_path (other, "train/image/%u.png", i);
    fixture_write_sample (other, "train", name, sample, FALSE);
    fixture_write (path, "nothing", 7);
  }
  g_autofree char *spec = g_strdup_printf ("folder:%s", other);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", NULL);
  nddr_dataset_set_skip (dataset, TRUE);
  NddrLoaderOptions o = options (2);
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  g_autoptr (GError) error = NULL;
  g_assert_null (nddr_loader_next (loader, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "3 samples in a row are broken"));
  guint at = 0;
  g_autoptr (GError) none = NULL;
  g_autoptr (NddrReader) reader = nddr_reader_new (dataset, 0, 0);
  g_assert_null (nddr_reader_next (reader, &at, &none));
  g_assert_no_error (none);
  fixture_remove (other);
}

/* ---- one pass */

/* Samples come in the data set's order and as the data set loads them, whatever the number of threads; one that cannot be read ends the pass; a reader may be
 * left at any time. */
static void
test_reader (void)
{
  char *other = fixture_folder ();
  enum { N = 23 };
  for (guint i = 0; i < N; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (14, 11, i);
    g_autofree char *name = g_strdup_printf ("%02u", i);
    fixture_write_sample (other, "train", name, sample, FALSE);
  }
  g_autofree char *spec = g_strdup_printf ("folder:%s", other), *path = fixture_path (other, "train/image/17.png");
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", NULL);
  for (guint threads = 1; threads <= 5; threads += 2) {
    g_autoptr (NddrReader) reader = nddr_reader_new (dataset, NDDR_LABELS_ALL, threads);
    for (guint i = 0; i < N; i++) {
      guint index = N;
      g_autoptr (NddrSample) sample = nddr_reader_next (reader, &index, NULL);
      g_autoptr (NddrSample) same = nddr_dataset_load (dataset, i, NDDR_LABELS_ALL, NULL);
      g_assert_cmpuint (index, ==, i);
      g_assert_cmpmem (sample->rgb, 14 * 11 * 3, same->rgb, 14 * 11 * 3);
      g_assert_cmpmem (sample->segmentation, 14 * 11, same->segmentation, 14 * 11);
      g_assert_cmpmem (sample->normal, 14 * 11 * 3, same->normal, 14 * 11 * 3);
    }
    guint index = 0;
    g_autoptr (GError) error = NULL;
    g_assert_null (nddr_reader_next (reader, &index, &error));
    g_assert_no_error (error);
  }
  fixture_write (path, "nothing", 7);
  g_autoptr (NddrReader) reader = nddr_reader_new (dataset, NDDR_LABELS_ALL, 3);
  g_autoptr (GError) error = NULL;
  guint index = 0;
  for (NddrSample *sample; (sample = nddr_reader_next (reader, &index, &error));)
    nddr_sample_unref (sample);
  g_assert_cmpuint (index, ==, 17);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, path));
  fixture_remove (other);
}

/* ---- timing */

static gint threads_left = -1; /* that can be started; negative: any number */

/* What GLib starts threads by. */
int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*function) (void *), void *argument)
{
  int (*create) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) = dlsym (RTLD_NEXT, __func__);

  if (threads_left == 0)
    return EAGAIN;
  threads_left -= threads_left > 0;
  return create (thread, attributes, function, argument);
}

/* Where the system gives no threads, that is an error. */
static void
test_no_threads (void)
{
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = options (3);
  guint index;

  o.threads = 4;
  for (int given = 0; given <= 1; given++) { /* none, then as many as are asked for */
    g_autoptr (GError) error = NULL, other = NULL;
    g_autoptr (NddrLoader) loader = NULL;

    g_thread_pool_stop_unused_threads (); /* pools before left some */
    while (g_thread_pool_get_num_unused_threads () > 0)
      g_usleep (1000);
    threads_left = -given;
    loader = nddr_loader_new (dataset, &o);
    NddrBatch *batch = nddr_loader_next (loader, &error);
    NddrReader *reader = nddr_reader_new (dataset, NDDR_LABELS_ALL, 4);
    g_autoptr (NddrSample) sample = nddr_reader_next (reader, &index, &other);

    g_assert_true ((batch != NULL) == (given > 0) && (sample != NULL) == (given > 0));
    if (given == 0) {
      g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FAILED);
      g_assert_nonnull (strstr (error->message, "no thread can be started"));
      g_assert_error (other, NDDR_ERROR, NDDR_ERROR_FAILED);
    }
    nddr_reader_free (reader);
  }
  threads_left = -1;
}

static double
seconds (clockid_t clock)
{
  struct timespec now;
  clock_gettime (clock, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

/** A pass over all pictures: read and decoded first, then from memory. */
static void
time_pass (NddrLoader *loader, guint n, guint batch_size, const char *what)
{
  double wall = seconds (CLOCK_MONOTONIC), cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
  guint made = 0;
  for (; made < n; made += batch_size) {
    g_autoptr (GError) error = NULL;
    NddrBatch *batch = nddr_loader_next (loader, &error);
    g_assert_no_error (error);
    nddr_loader_return (loader, batch);
  }
  wall = seconds (CLOCK_MONOTONIC) - wall;
  cpu = seconds (CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf ("%-8s %8.1f pictures a second of a processor, %8.1f a second\n", what, made / cpu, made / wall);
}

static int
bench (const char *spec, const char *config, guint threads)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrRecipe) r = nddr_recipe_load (config, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  nddr_dataset_set_cache (dataset, (gsize) r->cache << 20);
  static const double half[3] = { 0.5, 0.5, 0.5 };
  NddrLoaderOptions o = { .batch = r->batch, .labels = NDDR_LABEL (NDDR_TASK_SEGMENTATION) | NDDR_LABEL (NDDR_TASK_NORMAL), .repeat = TRUE, .shuffle = TRUE,
    .threads = threads };
  nddr_augment_plain (&o.augment, r->crop.width, r->crop.height, half, half);
  o.augment.input_width = r->input.width;
  o.augment.input_height = r->input.height;
  o.augment.scale_min = r->scale[0];
  o.augment.scale_max = r->scale[1];
  o.augment.mirror = r->mirror;
  o.augment.brightness = r->brightness;
  o.augment.contrast = r->contrast;
  o.augment.saturation = r->saturation;
  o.cutmix = r->cutmix;
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &o);
  for (int i = 0; i < 4; i++)
    time_pass (loader, nddr_dataset_size (dataset), r->batch, i ? "cached" : "read");
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc > 3 && g_str_equal (argv[1], "--bench"))
    return bench (argv[2], argv[3], argc > 4 ? atoi (argv[4]) : 0);
  g_test_init (&argc, &argv, NULL);
  folder = fixture_folder ();
  for (guint i = 0; i < SAMPLES; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    g_autoptr (NddrSample) sample = fixture_sample (14, 11, i);
    fixture_write_sample (folder, "train", name, sample, FALSE);
  }
  g_test_add_func ("/loader/order", test_order);
  g_test_add_func ("/loader/epochs", test_epochs);
  g_test_add_func ("/loader/shares", test_shares);
  g_test_add_func ("/loader/single-pass", test_single_pass);
  g_test_add_func ("/loader/broken-sample", test_broken_sample);
  g_test_add_func ("/loader/broken-sample/first", test_first_broken);
  g_test_add_func ("/loader/skipping", test_skipping);
  g_test_add_func ("/loader/all-broken", test_all_broken);
  g_test_add_func ("/loader/reader", test_reader);
  g_test_add_func ("/loader/no-threads", test_no_threads);
  int status = g_test_run ();
  fixture_remove (folder);
  return status;
}
