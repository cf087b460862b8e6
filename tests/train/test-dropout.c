/* Chance in dropout: each batch of a step has its own, and so has each step.  What a batch loses tells which elements were taken.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <math.h>
#include <string.h>

#define CASE "vgg16-nddr"

static gpointer
double_bytes (gconstpointer data, gsize bytes)
{
  guint8 *twice = g_malloc (2 * bytes);
  memcpy (twice, data, bytes);
  memcpy (twice + bytes, data, bytes);
  return twice;
}

/* @batch, and the same again. */
static NddrBatch *
double_batch (const Golden *golden, const NddrBatch *batch)
{
  NddrBatch *twice = g_new0 (NddrBatch, 1);
  const NddrSize crop = golden->recipe->crop;
  guint width, height, n = batch->n_samples;
  nddr_learner_get_label_size (golden->learner, &width, &height);
  gsize labels = (gsize) n * width * height;
  g_assert_true (batch->segmentation && batch->normal && !batch->depth);
  twice->n_samples = 2 * n;
  twice->image = double_bytes (batch->image, (gsize) n * crop.width * crop.height * 16);
  twice->segmentation = double_bytes (batch->segmentation, labels);
  twice->normal = double_bytes (batch->normal, labels * 16);
  for (guint k = 0; k < G_N_ELEMENTS (batch->valid); k++)
    twice->valid[k] = 2 * batch->valid[k];
  return twice;
}

/* The losses of step @t, in which nothing is learnt. */
static void
run (const Golden *golden, const NddrBatch *batch, gint64 t, double *losses)
{
  g_autoptr (GError) error = NULL;
  nddr_learner_step (golden->learner, batch, t, 1 << NDDR_TRAINING_PACK | 1 << NDDR_TRAINING_FORWARD, losses, &error);
  g_assert_no_error (error);
}

static void
expect (const double *a, const double *b, gboolean same)
{
  for (guint k = 0; k < 2; k++)
    if ((fabs (a[k] - b[k]) <= 1e-5 * fabs (b[k])) != same)
      g_error ("loss %u is %.7g, and %.7g: expected %s", k, a[k], b[k], same ? "the same" : "another");
}

/* A batch in one step and in the next, and a step of that batch twice: all the same without dropout alone. */
static void
test_batches (void)
{
  static const char *const one_sets[][2] = { { "train.dropout=0.5" }, { "train.dropout=0" } };
  static const char *const two_sets[][3] = { { "train.dropout=0.5", "train.accumulate=2" }, { "train.dropout=0", "train.accumulate=2" } };
  for (int same = FALSE; same <= TRUE; same++) {
    double first[2], again[2], later[2], twice[2];
    g_autoptr (Golden) one = golden_load_with (CASE, NDDR_FAMILY_SOFTWARE, one_sets[same], 0);
    g_autoptr (Golden) two = golden_load_with (CASE, NDDR_FAMILY_SOFTWARE, two_sets[same], 0);
    g_autoptr (NddrBatch) batch = golden_batch (one, 1);
    g_autoptr (NddrBatch) doubled = double_batch (one, batch);
    run (one, batch, 0, first);
    run (one, batch, 1, later);
    run (one, batch, 0, again);
    run (two, doubled, 0, twice);
    expect (again, first, TRUE);
    expect (later, first, same);
    expect (twice, first, same);
  }
}

int
main (int argc, char **argv)
{
  golden_init (&argc, &argv);
  g_test_add_func ("/dropout/batches", test_batches);
  return golden_run ();
}
