/* What classes count with, against its definition.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "train/class-balance.h"

#include <math.h>

#define N_CLASSES 13
#define N_TRAIN 11 /* more than a batch, and no multiple of one */
#define WIDTH 60
#define HEIGHT 44

static void
test_weigh (void)
{
  static const guint64 pixels[] = { 1, 100, 0, 9899, 250000 };
  for (double e = 0; e <= 1; e += 0.25) {
    double weights[G_N_ELEMENTS (pixels)], sum = 0, all = 0;
    nddr_class_balance_weigh (pixels, G_N_ELEMENTS (pixels), e, weights);
    for (guint c = 0; c < G_N_ELEMENTS (pixels); c++) {
      all += pixels[c];
      sum += pixels[c] * weights[c];
      /* twice as rare counts 2^e as much */
      if (pixels[c] > 0)
        g_assert_cmpfloat_with_epsilon (weights[c] / weights[0], pow (pixels[c], -e), 1e-12);
    }
    g_assert_cmpfloat (weights[2], ==, 0);
    g_assert_cmpfloat_with_epsilon (sum / all, 1, 1e-12);
  }
  /* nothing is labelled */
  static const guint64 none[2];
  double weights[2];
  nddr_class_balance_weigh (none, 2, 0.5, weights);
  g_assert_cmpfloat (weights[0] + weights[1], ==, 0);
}

/* Every sample counts once, at its own size here; ignored pixels do not. */
static void
test_measure (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  guint64 counts[256] = { 0 };
  double weights[N_CLASSES], want[N_CLASSES];
  fixture_write_splits (folder, N_TRAIN, 1);
  for (guint i = 0; i < N_TRAIN; i++) {
    NddrSample *sample = fixture_sample (WIDTH, HEIGHT, i);
    for (guint p = 0; p < WIDTH * HEIGHT; p++)
      counts[sample->segmentation[p]]++;
    nddr_sample_unref (sample);
  }
  g_assert_cmpuint (counts[255], >, 0);
  nddr_class_balance_weigh (counts, N_CLASSES, 0.5, want);
  g_autofree char *spec = g_strdup_printf ("folder:%s,train", folder);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  nddr_class_balance_measure (dataset, WIDTH, HEIGHT, 0.5, weights, &error);
  g_assert_no_error (error);
  for (guint c = 0; c < N_CLASSES; c++)
    g_assert_cmpfloat_with_epsilon (weights[c], want[c], 1e-12 * want[c]);
  /* a file that is broken is an error that names it */
  g_autofree char *broken = fixture_path (folder, "train/segmentation/5.png");
  fixture_write (broken, "no picture", 10);
  g_assert_false (nddr_class_balance_measure (dataset, WIDTH, HEIGHT, 0.5, weights, &error));
  g_assert_nonnull (strstr (error->message, "5.png"));
  fixture_remove (folder);
}

static void
test_text (void)
{
  static const double weights[] = { 1 / 3.0, 0, 1e-30, 12345.678901234567 };
  static const char *const wrong[] = { "", "[class_balance]\n", "[class_balance]\nweights=1;2;3\n", "[class_balance]\nweights=1;2;-3;4\n",
    "[class_balance]\nweights=1;2;nan;4\n", "[class_balance]\nweights=1;2;x;4\n" };
  g_autoptr (GError) error = NULL;
  double read[4] = { 0 };
  g_autofree char *text = nddr_class_balance_to_text (weights, 4);
  nddr_class_balance_from_text (read, 4, text, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (read, sizeof read, weights, sizeof weights);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_assert_false (nddr_class_balance_from_text (read, 4, wrong[i], &error));
    g_assert_nonnull (error);
    g_clear_error (&error);
  }
  g_assert_cmpmem (read, sizeof read, weights, sizeof weights);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/class-balance/weigh", test_weigh);
  g_test_add_func ("/class-balance/measure", test_measure);
  g_test_add_func ("/class-balance/text", test_text);
  return g_test_run ();
}
