/* Metrics against their definitions: by hand on small pictures, and by brute force on random ones.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "train/metrics.h"
#include "train/published-normals.h"

static NddrClass classes[] = { { "a", 0 }, { "b", 0 }, { "c", 0 }, { "d", 0 } };
static const NddrTask tasks[] = {
  { "segmentation", NDDR_TASK_SEGMENTATION, classes, 4, 4 },
  { "normal", NDDR_TASK_NORMAL, NULL, 0, 3 },
  { "depth", NDDR_TASK_DEPTH, NULL, 0, 1 },
};

/** Outputs of the label's size: nothing is upsampled. */
static void
add_plain (NddrMetrics *metrics, guint task, const float *data, guint width, guint height, guint stride,
    const NddrSample *truth)
{
  nddr_metrics_add (metrics, task, &(NddrHeadOutput) { data, width, height, stride }, NDDR_RESIZE_HALF_PIXEL, truth);
}

static void
test_segmentation_by_hand (void)
{
  /* labels      a a b b -      predictions a b b b c: a: 1 of 2, b: 2 of 3, c: predicted where ignored only, d: nowhere */
  static const guint8 labels[] = { 0, 0, 1, 1, 255 }, predictions[] = { 0, 1, 1, 1, 2 };
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (5, 1);
  truth->segmentation = g_memdup2 (labels, 5);
  float scores[5 * 8] = { 0 };
  for (int i = 0; i < 5; i++)
    scores[8 * i + predictions[i]] = 1 + i;
  add_plain (metrics, 0, scores, 5, 1, 8, truth);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.miou"), (0.5 + 2.0 / 3) / 2, 1e-12);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.pixel_accuracy"), 0.75, 1e-12);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.class_iou.b"), 2.0 / 3, 1e-12);
  g_assert_true (isnan (nddr_metrics_get (metrics, "segmentation.class_iou.c")));
  g_assert_true (isnan (nddr_metrics_get (metrics, "segmentation.class_iou.e")));
  g_assert_true (isnan (nddr_metrics_get (metrics, "normal.mean")));

  /* A class that is predicted but never labelled counts, as 0. */
  truth->segmentation[4] = 3;
  add_plain (metrics, 0, scores, 5, 1, 8, truth);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.miou"), (0.5 + 2.0 / 3 + 0 + 0) / 4, 1e-12);

  /* Ties go to the lowest class. */
  g_autoptr (NddrMetrics) ties = nddr_metrics_new (tasks, 1, NULL);
  memset (truth->segmentation, 0, 5);
  memset (scores, 0, sizeof scores);
  add_plain (ties, 0, scores, 5, 1, 8, truth);
  g_assert_cmpfloat (nddr_metrics_get (ties, "segmentation.pixel_accuracy"), ==, 1);
}

static void
test_normal_by_hand (void)
{
  /* Against (0, 0, 1): angles 0, 90 (zero vector), 180, 22.5 (inclusive up to rounding), and one ignored. */
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (5, 1);
  static const guint8 normals[] = { 255, 0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 128, 128, 128 };
  truth->normal = g_memdup2 (normals, 15);
  double n[3];
  nddr_normal_decode (normals, n);
  double angle = 22.4999 * G_PI / 180, across[3] = { 0, M_SQRT1_2, -M_SQRT1_2 };
  float vectors[20] = { 3 * n[0], 3 * n[1], 3 * n[2], 9, 1e-8, 0, 0, 9, -n[0], -n[1], -n[2], 9 };
  for (int c = 0; c < 3; c++)
    vectors[12 + c] = 0.1 * (cos (angle) * n[c] + sin (angle) * across[c]);
  add_plain (metrics, 1, vectors, 5, 1, 4, truth);
  double mean = (0 + 90 + 180 + 22.4999) / 4;
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.mean"), mean, 1e-4);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.median"), (22.4999 + 90) / 2, 1e-4);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.rmse"), sqrt ((8100 + 32400 + 22.4999 * 22.4999) / 4),
      1e-3);
  g_assert_cmpfloat (nddr_metrics_get (metrics, "normal.within_11.25"), ==, 0.25);
  g_assert_cmpfloat (nddr_metrics_get (metrics, "normal.within_22.5"), ==, 0.5);
  g_assert_cmpfloat (nddr_metrics_get (metrics, "normal.within_30"), ==, 0.5);
}

static void
test_depth_by_hand (void)
{
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (3, 1);
  static const guint16 depths[] = { 1000, 0, 4000 };
  truth->depth = g_memdup2 (depths, 6);
  add_plain (metrics, 2, (const float[]) { 1.5, 7, 3 }, 3, 1, 1, truth);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.abs"), 0.75, 1e-12);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.rmse"), sqrt ((0.25 + 1) / 2), 1e-12);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.rel"), (0.5 + 0.25) / 2, 1e-12);
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static void
test_upsampled (void)
{
  static const struct
  {
    guint w, h, out_w, out_h;
  } sizes[] = { { 5, 4, 31, 23 }, { 1, 1, 8, 6 }, { 7, 3, 7, 3 }, { 6, 1, 5, 17 }, { 3, 5, 1, 1 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (NddrResizeMode mode = NDDR_RESIZE_HALF_PIXEL; mode <= NDDR_RESIZE_ASYMMETRIC; mode++) {
    g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
    g_autoptr (GArray) angles = g_array_new (FALSE, FALSE, sizeof (double));
    double right = 0, labelled = 0, angle_sum = 0, depth_sum = 0, depths = 0;
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      guint w = sizes[s].w, h = sizes[s].h, out_w = sizes[s].out_w, out_h = sizes[s].out_h;
      g_autoptr (NddrSample) truth = fixture_sample (out_w, out_h, s);
      g_autofree float *data = g_new (float, w * h * 4);
      for (guint i = 0; i < out_w * out_h; i++)
        truth->segmentation[i] = truth->segmentation[i] == 255 ? 255 : truth->segmentation[i] % 4;
      for (guint i = 0; i < w * h * 4; i++)
        data[i] = g_rand_double_range (rand, -1, 1);
      NddrHeadOutput output = { data, w, h, 4 };
      for (guint t = 0; t < 3; t++)
        nddr_metrics_add (metrics, t, &output, mode, truth);
      for (guint i = 0; i < out_w * out_h; i++) {
        double v[4], n[3];
        for (int c = 0; c < 4; c++)
          v[c] = fixture_interpolate (data, w, h, 4, c, i % out_w, i / out_w, out_w, out_h, mode);
        guint best = 0;
        for (guint c = 1; c < 4; c++)
          best = v[c] > v[best] ? c : best;
        labelled += truth->segmentation[i] != 255;
        right += truth->segmentation[i] == best;
        if (nddr_normal_decode (truth->normal + 3 * i, n)) {
          double length = sqrt (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
          double angle = acos (CLAMP ((v[0] * n[0] + v[1] * n[1] + v[2] * n[2]) / length, -1, 1)) * 180 / G_PI;
          g_array_append_val (angles, angle);
          angle_sum += angle;
        }
        depth_sum += fabs (v[0] - truth->depth[i] / 1000.0);
        depths++;
      }
    }
    g_array_sort (angles, compare_doubles);
    double median
        = (g_array_index (angles, double, (angles->len - 1) / 2) + g_array_index (angles, double, angles->len / 2)) / 2;
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.pixel_accuracy"), right / labelled, 1e-9);
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.mean"), angle_sum / angles->len, 1e-4);
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.median"), median, 1e-4);
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.abs"), depth_sum / depths, 1e-6);
  }
}

static const double thresholds[3] = { 11.25, 22.5, 30 };
static const char *const within_names[3] = { "normal.within_11.25", "normal.within_22.5", "normal.within_30" };
static const char *const paper_within[3] = { "normal_paper.within_11.25", "normal_paper.within_22.5", "normal_paper.within_30" };

/** What the published code computes, from labels in its own encoding, against vectors in our axes: the angle of the codes as they are. */
static void
test_published (void)
{
  enum { N = 4000 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_assert_true (nddr_metrics_score_as_published (metrics, NULL));
  g_autoptr (NddrSample) truth = nddr_sample_new (N, 1);
  truth->normal = g_malloc (3 * N);
  g_autofree float *vectors = g_new (float, 3 * N);
  g_autoptr (GArray) angles = g_array_new (FALSE, FALSE, sizeof (double));
  double sum = 0, squares = 0, within[3] = { 0 };
  for (int i = 0; i < N; i++) {
    double label[3], length = 0;
    guint8 code[3];
    for (int c = 0; c < 3; c++) {
      label[c] = g_rand_double_range (rand, -1, 1);
      vectors[3 * i + c] = label[c] + g_rand_double_range (rand, -0.7, 0.7);
      length += label[c] * label[c];
    }
    for (int c = 0; c < 3; c++)
      code[c] = floor ((label[c] / sqrt (length) + 1) / 2 * 255);
    if (i % 10 == 0)
      memset (code, 255, 3);
    else if (i % 10 == 1)
      memset (code, 127, 3);
    else if (i % 10 == 2)
      code[0] = code[1] = 255; /* not unknown: that takes all three */
    else if (i % 10 == 3)
      memset (code, 0, 3); /* a vector of no length, which TensorFlow's l2_normalize leaves so */
    nddr_published_normal_decode (code, truth->normal + 3 * i);
    if (i % 10 == 0)
      continue;
    /* the prediction: right, up, backward are ours; right, forward, up theirs */
    const float *v = vectors + 3 * i;
    double norm = sqrt (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    double p[3] = { (v[0] / norm + 1) * 127.5, (-v[2] / norm + 1) * 127.5, (v[1] / norm + 1) * 127.5 }, dot = 0, pp = 0, cc = 0;
    for (int c = 0; c < 3; c++) {
      dot += p[c] * code[c];
      pp += p[c] * p[c];
      cc += (double) code[c] * code[c];
    }
    double angle = cc > 0 ? acos (CLAMP (dot / sqrt (pp * cc), -1, 1)) * 180 / G_PI : 90;
    g_array_append_val (angles, angle);
    sum += angle;
    squares += angle * angle;
    for (int t = 0; t < 3; t++)
      within[t] += angle <= thresholds[t];
  }
  add_plain (metrics, 1, vectors, N, 1, 3, truth);
  g_array_sort (angles, compare_doubles);
  double median = (g_array_index (angles, double, (angles->len - 1) / 2) + g_array_index (angles, double, angles->len / 2)) / 2;
  /* a code of 126 comes back as 127 */
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal_paper.mean"), sum / angles->len, 0.01);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal_paper.median"), median, 0.05);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal_paper.rmse"), sqrt (squares / angles->len), 0.01);
  for (int t = 0; t < 3; t++)
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, paper_within[t]), within[t] / angles->len, 0.002);
  /* and the true angles, beside it, are those without it, and larger */
  g_autoptr (NddrMetrics) plain = nddr_metrics_new (tasks, 3, NULL);
  add_plain (plain, 1, vectors, N, 1, 3, truth);
  g_assert_cmpfloat (nddr_metrics_get (plain, "normal.mean"), ==, nddr_metrics_get (metrics, "normal.mean"));
  g_assert_cmpfloat (nddr_metrics_get (plain, "normal.mean"), >, 1.4 * sum / angles->len);
  g_assert_true (isnan (nddr_metrics_get (plain, "normal_paper.mean")));
  g_autoptr (JsonNode) root = nddr_metrics_to_json (metrics);
  g_assert_true (json_object_has_member (json_object_get_object_member (json_node_get_object (root), "normal_paper"), "within_11.25"));
}

/* ---- every score from lists of pixels, as its definition reads */

typedef struct
{
  GArray *labels, *predictions; /* guint8: of pixels that have a label */
  GArray *angles, *depths, *truths; /* double: degrees; metres, predicted and true */
} Pixels;

/** One picture of @n pixels: random outputs near its labels, @scale apart. */
static void
add_random_picture (NddrMetrics *metrics, Pixels *pixels, GRand *rand, guint n, double scale)
{
  g_autoptr (NddrSample) truth = nddr_sample_new (n, 1);
  truth->segmentation = g_malloc (n);
  truth->normal = g_malloc (3 * n);
  truth->depth = g_new (guint16, n);
  g_autofree float *scores = g_new0 (float, 4 * n), *vectors = g_new0 (float, 4 * n), *depths = g_new0 (float, n);
  for (guint i = 0; i < n; i++) {
    /* class 3 is labelled nowhere, class 2 predicted nowhere */
    guint8 label = g_rand_int_range (rand, 0, 10) ? g_rand_int_range (rand, 0, 3) : 255,
        prediction = (const guint8[]) { 0, 1, 3 }[g_rand_int_range (rand, 0, 3)];
    for (int c = 0; c < 4; c++)
      scores[4 * i + c] = g_rand_double_range (rand, -1, 1) + (c == prediction ? 3 : 0);
    truth->segmentation[i] = label;
    if (label != 255) {
      g_array_append_val (pixels->labels, label);
      g_array_append_val (pixels->predictions, prediction);
    }

    double n_true[3], v[3], dot = 0, length = 0, angle;
    for (int c = 0; c < 3; c++)
      truth->normal[3 * i + c] = g_rand_int_range (rand, 0, 256);
    gboolean known = nddr_normal_decode (truth->normal + 3 * i, n_true);
    gboolean zero = g_rand_int_range (rand, 0, 20) == 0;
    for (int c = 0; c < 3; c++) {
      v[c] = vectors[4 * i + c] = zero ? 0 : 2 * n_true[c] + scale * g_rand_double_range (rand, -1, 1);
      v[c] = vectors[4 * i + c];
      dot += v[c] * n_true[c];
      length += v[c] * v[c];
    }
    angle = zero ? 90 : acos (CLAMP (dot / sqrt (length), -1, 1)) * 180 / G_PI;
    if (known)
      g_array_append_val (pixels->angles, angle);

    truth->depth[i] = g_rand_int_range (rand, 0, 4) ? g_rand_int_range (rand, 1, 65536) : 0;
    depths[i] = truth->depth[i] / 1000.0 + scale * g_rand_double_range (rand, -1, 1);
    double metres = truth->depth[i] / 1000.0, predicted = depths[i];
    if (truth->depth[i]) {
      g_array_append_val (pixels->truths, metres);
      g_array_append_val (pixels->depths, predicted);
    }
  }
  add_plain (metrics, 0, scores, n, 1, 4, truth);
  add_plain (metrics, 1, vectors, n, 1, 4, truth);
  add_plain (metrics, 2, depths, n, 1, 1, truth);
}

static void
check_classes (NddrMetrics *metrics, const Pixels *pixels)
{
  static const char *const names[] = { "segmentation.class_iou.a", "segmentation.class_iou.b", "segmentation.class_iou.c",
      "segmentation.class_iou.d" };
  const guint8 *labels = (const guint8 *) pixels->labels->data, *predictions = (const guint8 *) pixels->predictions->data;
  double sum = 0, right = 0;
  guint n = pixels->labels->len;
  const guint64 *confusion = nddr_metrics_get_confusion (metrics, 0);
  for (guint c = 0; c < 4; c++) {
    double both = 0, either = 0;
    for (guint i = 0; i < n; i++) {
      both += labels[i] == c && predictions[i] == c;
      either += labels[i] == c || predictions[i] == c;
    }
    sum += both / either;
    right += both;
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, names[c]), both / either, 1e-12);
    for (guint p = 0; p < 4; p++) {
      guint64 pairs = 0;
      for (guint i = 0; i < n; i++)
        pairs += labels[i] == c && predictions[i] == p;
      g_assert_cmpuint (confusion[4 * c + p], ==, pairs);
    }
  }
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.miou"), sum / 4, 1e-12);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.pixel_accuracy"), right / n, 1e-12);
}

static void
check_angles (NddrMetrics *metrics, const Pixels *pixels)
{
  guint n = pixels->angles->len;
  double sum = 0, squares = 0, within[3] = { 0 };
  guint64 bins[18] = { 0 }, counted[18];
  for (guint i = 0; i < n; i++) {
    double angle = g_array_index (pixels->angles, double, i);
    sum += angle;
    squares += angle * angle;
    for (int t = 0; t < 3; t++)
      within[t] += angle <= thresholds[t];
    bins[MIN ((guint) (angle / 5), 17)]++;
  }
  g_array_sort (pixels->angles, compare_doubles);
  double median = (g_array_index (pixels->angles, double, (n - 1) / 2) + g_array_index (pixels->angles, double, n / 2)) / 2;
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.mean"), sum / n, 1e-5);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.median"), median, 1e-4);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.rmse"), sqrt (squares / n), 1e-5);
  for (int t = 0; t < 3; t++)
    g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, within_names[t]), within[t] / n, 1e-9);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 1, 90, 18, counted), ==, n);
  for (int b = 0; b < 18; b++)
    g_assert_cmpint (ABS ((gint64) counted[b] - (gint64) bins[b]), <=, 2); /* an angle at a bin's border, to a bucket */
}

static void
check_depths (NddrMetrics *metrics, const Pixels *pixels)
{
  guint n = pixels->depths->len;
  double absolute = 0, squares = 0, relative = 0;
  guint64 bins[10] = { 0 }, counted[10];
  for (guint i = 0; i < n; i++) {
    double truth = g_array_index (pixels->truths, double, i), error = fabs (g_array_index (pixels->depths, double, i) - truth);
    absolute += error;
    squares += error * error;
    relative += error / truth;
    bins[MIN ((guint) (error / 0.05), 9)]++;
  }
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.abs"), absolute / n, 1e-9);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.rmse"), sqrt (squares / n), 1e-9);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.rel"), relative / n, 1e-9);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 2, 0.5, 10, counted), ==, n);
  for (int b = 0; b < 10; b++)
    g_assert_cmpint (ABS ((gint64) counted[b] - (gint64) bins[b]), <=, n / 50); /* millimetres are rounded */
}

/** Scores pool the pixels of all pictures, of whatever size: they are no means of pictures' scores. */
static void
test_definitions (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (77);
  for (int round = 0; round < 5; round++) {
    Pixels pixels = { g_array_new (FALSE, FALSE, 1), g_array_new (FALSE, FALSE, 1), g_array_new (FALSE, FALSE, sizeof (double)),
      g_array_new (FALSE, FALSE, sizeof (double)), g_array_new (FALSE, FALSE, sizeof (double)) };
    g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
    for (guint i = 0; i < 4; i++)
      add_random_picture (metrics, &pixels, rand, 50 + 700 * i, 0.2 + 0.5 * round);
    check_classes (metrics, &pixels);
    check_angles (metrics, &pixels);
    check_depths (metrics, &pixels);
    g_array_unref (pixels.labels);
    g_array_unref (pixels.predictions);
    g_array_unref (pixels.angles);
    g_array_unref (pixels.depths);
    g_array_unref (pixels.truths);
  }
}

/** What is no number at all is an error beyond all bins, and does not stop the rest. */
static void
test_depth_not_finite (void)
{
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (1, 1);
  static const float outputs[] = { 1.3, NAN, INFINITY, 1e9 };
  guint64 bins[4];
  truth->depth = g_memdup2 ((const guint16[]) { 1000 }, 2);
  for (int i = 0; i < 4; i++)
    add_plain (metrics, 2, &outputs[i], 1, 1, 1, truth);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 2, 1, 4, bins), ==, 4);
  g_assert_cmpuint (bins[1], ==, 1);
  g_assert_cmpuint (bins[3], ==, 3);
}

/** An error on the edge of two bins is within the lower one's limit: "within 0.1 m" holds 0.1 m. */
static void
test_edges (void)
{
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (1, 1);
  static const float none[3] = { 0, 0, 0 }, depths[] = { 0.1, 0.2, 0.31 };
  guint64 bins[91];
  truth->depth = g_memdup2 ((const guint16[]) { 200 }, 2);
  truth->normal = g_memdup2 ((const guint8[]) { 255, 128, 128 }, 3);
  for (int i = 0; i < 3; i++)
    add_plain (metrics, 2, &depths[i], 1, 1, 1, truth);
  add_plain (metrics, 1, none, 1, 1, 3, truth);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 2, 0.2, 2, bins), ==, 3);
  g_assert_cmpuint (bins[0], ==, 2);
  g_assert_cmpuint (bins[1], ==, 1);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 1, 91, 91, bins), ==, 1);
  g_assert_cmpuint (bins[89], ==, 1);
}

static void
test_list (void)
{
  guint n;
  const NddrMetric *all_metrics = nddr_metrics_list (&n);
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_assert_cmpuint (n, ==, 11);
  for (guint m = 0; m < n; m++) {
    gboolean more;
    g_autofree char *name = g_strconcat (tasks[all_metrics[m].kind].name, ".", all_metrics[m].name, NULL);
    g_assert_true (nddr_metrics_knows (metrics, name, &more));
    g_assert_true (more == all_metrics[m].more_is_better);
  }
}

static void
test_json (void)
{
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (1, 1);
  truth->segmentation = g_malloc0 (1);
  add_plain (metrics, 0, (const float[]) { 1, 0, 0, 0 }, 1, 1, 4, truth);
  g_autoptr (JsonNode) root = nddr_metrics_to_json (metrics);
  g_autofree char *text = json_to_string (root, FALSE);
  g_assert_cmpstr (text, ==,
      "{\"segmentation\":{\"miou\":1.0,\"pixel_accuracy\":1.0,\"class_iou\":{\"a\":1.0,\"b\":null,\"c\":null,\"d\":null}},"
      "\"normal\":{\"mean\":null,\"median\":null,\"rmse\":null,"
      "\"within_11.25\":null,\"within_22.5\":null,\"within_30\":null},"
      "\"depth\":{\"abs\":null,\"rmse\":null,\"rel\":null}}");
  gboolean more;
  g_assert_true (nddr_metrics_knows (metrics, "normal.within_11.25", &more) && more);
  g_assert_true (nddr_metrics_knows (metrics, "depth.rel", &more) && !more);
  g_assert_true (nddr_metrics_knows (metrics, "segmentation.class_iou.d", &more) && more);
  g_assert_false (nddr_metrics_knows (metrics, "segmentation.mean", &more));
  g_assert_false (nddr_metrics_knows (metrics, "loss", &more));
}

/* More pixels of one error than a 32-bit word counts: a hundred frames of 8K whose prediction is no number.  Takes half a minute: with -m slow alone. */
static void
test_many_pixels (void)
{
  const guint side = 8192, times = 65;
  const float infinite = INFINITY;
  guint64 bins[4];
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (tasks, 3, NULL);
  g_autoptr (NddrSample) truth = nddr_sample_new (side, side);
  truth->depth = g_new (guint16, (gsize) side * side);
  memset (truth->depth, 1, (gsize) side * side * sizeof *truth->depth);
  for (guint i = 0; i < times; i++)
    add_plain (metrics, 2, &infinite, 1, 1, 1, truth);
  g_assert_cmpuint (nddr_metrics_get_errors (metrics, 2, 10, G_N_ELEMENTS (bins), bins), ==, (guint64) times * side * side);
  for (guint i = 0; i < G_N_ELEMENTS (bins); i++)
    g_assert_cmpuint (bins[i], ==, i + 1 == G_N_ELEMENTS (bins) ? (guint64) times * side * side : 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/segmentation", test_segmentation_by_hand);
  g_test_add_func ("/metrics/normal", test_normal_by_hand);
  g_test_add_func ("/metrics/depth", test_depth_by_hand);
  g_test_add_func ("/metrics/upsampled", test_upsampled);
  g_test_add_func ("/metrics/edges", test_edges);
  g_test_add_func ("/metrics/published", test_published);
  g_test_add_func ("/metrics/definitions", test_definitions);
  g_test_add_func ("/metrics/depth-not-finite", test_depth_not_finite);
  if (g_test_slow ())
    g_test_add_func ("/metrics/many-pixels", test_many_pixels);
  g_test_add_func ("/metrics/list", test_list);
  g_test_add_func ("/metrics/json", test_json);
  return g_test_run ();
}
