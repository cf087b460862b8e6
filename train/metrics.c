/* Metrics: counters of each task, and the scores that follow from them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/metrics.h"

#include <nddr/allocate.h>
#include <string.h>

#include "train/published-normals.h"
#include "train/upsample.h"

/* Angles are counted in buckets this fine, so that the median of any number of pixels is exact to half of that. */
#define ANGLE_BUCKETS_PER_DEGREE 32768
#define ANGLE_BUCKETS (180 * ANGLE_BUCKETS_PER_DEGREE + 1)
/* Depth's errors, in millimetres; the last bucket holds what lies beyond. */
#define DEPTH_BUCKETS_PER_METRE 1000
#define DEPTH_BUCKETS 65536

typedef struct
{
  guint64 *confusion; /* [label][prediction] */
} Segmentation;

typedef struct
{
  guint64 n, within[3];
  double sum, squares;
  guint64 *buckets;
} Normal;

typedef struct
{
  guint64 n;
  double absolute, squares, relative;
  guint64 *buckets;
} Depth;

typedef struct
{
  char *name; /* the task's, or TASK_paper */
  const NddrTask *task;
  gboolean published; /* normals, as the published code scores them */
  Segmentation segmentation; /* that of the task's kind is used */
  Normal normal;
  Depth depth;
} Score;

struct _NddrMetrics
{
  Score *scores; /* of the tasks, then what nddr_metrics_score_as_published() added */
  guint n_tasks, n_scores;
};

static const double within_degrees[3] = { 11.25, 22.5, 30 };

/** In any case it can be cleared then. */
static gboolean
score_init (Score *score, const NddrTask *task, const char *suffix, GError **error)
{
  *score = (Score) { .name = g_strconcat (task->name, suffix, NULL), .task = task };
  g_autofree char *what = g_strconcat ("the scores of task ", task->name, NULL);
  if (task->kind == NDDR_TASK_SEGMENTATION)
    return (score->segmentation.confusion = nddr_try_alloc0 ((gsize) task->n_classes * task->n_classes, sizeof (guint64), what, error)) != NULL;
  if (task->kind == NDDR_TASK_NORMAL)
    return (score->normal.buckets = nddr_try_alloc0 (ANGLE_BUCKETS, sizeof (guint64), what, error)) != NULL;
  return (score->depth.buckets = nddr_try_alloc0 (DEPTH_BUCKETS, sizeof (guint64), what, error)) != NULL;
}

NddrMetrics *
nddr_metrics_new (const NddrTask *tasks, guint n_tasks, GError **error)
{
  g_autoptr (NddrMetrics) metrics = g_new0 (NddrMetrics, 1);
  metrics->scores = g_new0 (Score, n_tasks);
  metrics->n_tasks = metrics->n_scores = n_tasks;
  for (guint i = 0; i < n_tasks; i++)
    if (!score_init (&metrics->scores[i], &tasks[i], "", error))
      return NULL;
  return g_steal_pointer (&metrics);
}

gboolean
nddr_metrics_score_as_published (NddrMetrics *metrics, GError **error)
{
  g_return_val_if_fail (metrics->n_scores == metrics->n_tasks, FALSE);
  metrics->scores = g_renew (Score, metrics->scores, 2 * metrics->n_tasks);
  for (guint i = 0; i < metrics->n_tasks; i++)
    if (metrics->scores[i].task->kind == NDDR_TASK_NORMAL) {
      Score *score = &metrics->scores[metrics->n_scores++];
      if (!score_init (score, metrics->scores[i].task, "_paper", error))
        return FALSE;
      score->published = TRUE;
    }
  return TRUE;
}

void
nddr_metrics_free (NddrMetrics *metrics)
{
  if (!metrics)
    return;
  for (guint i = 0; i < metrics->n_scores; i++) {
    g_free (metrics->scores[i].name);
    g_free (metrics->scores[i].segmentation.confusion);
    g_free (metrics->scores[i].normal.buckets);
    g_free (metrics->scores[i].depth.buckets);
  }
  g_free (metrics->scores);
  g_free (metrics);
}

/* ---- adding: a row of upsampled outputs [width][stride] against a row of labels */

static void
add_segmentation (Segmentation *s, guint n_classes, const float *row, guint stride, const guint8 *labels, guint width)
{
  for (guint x = 0; x < width; x++, row += stride) {
    if (labels[x] >= n_classes)
      continue;
    guint best = 0;
    for (guint c = 1; c < n_classes; c++)
      if (row[c] > row[best])
        best = c;
    s->confusion[labels[x] * n_classes + best]++;
  }
}

/** The angle between @v and the unit vector @n in degrees, exact also where it is small; 90 where @v has none. */
static double
angle_between (const float *v, const double *n)
{
  double length = sqrt ((double) v[0] * v[0] + (double) v[1] * v[1] + (double) v[2] * v[2]);
  if (!(length >= 1e-6 && length < INFINITY))
    return 90;
  double dot = v[0] * n[0] + v[1] * n[1] + v[2] * n[2];
  double x = v[1] * n[2] - v[2] * n[1], y = v[2] * n[0] - v[0] * n[2], z = v[0] * n[1] - v[1] * n[0];
  return atan2 (sqrt (x * x + y * y + z * z), dot) * (180 / G_PI);
}

/** As the published code measures it: the angle between both vectors' encodings, the prediction's not rounded.  FALSE: unknown label. */
static gboolean
published_angle (const float *v, const guint8 *label, double *angle)
{
  guint8 theirs[3];
  if (!nddr_published_normal_encode (label, theirs))
    return FALSE;
  double length = sqrt ((double) v[0] * v[0] + (double) v[1] * v[1] + (double) v[2] * v[2]);
  double scale = length >= 1e-6 && length < INFINITY ? 1 / length : 0, n[3], norm = 0;
  double axes[3] = { v[0], -v[2], v[1] };
  float encoded[3];
  for (int c = 0; c < 3; c++) {
    encoded[c] = scale > 0 ? (axes[c] * scale + 1) * 127.5 : 127.5;
    norm += (double) theirs[c] * theirs[c];
  }
  norm = sqrt (norm);
  for (int c = 0; c < 3; c++)
    n[c] = norm > 0 ? theirs[c] / norm : 0;
  *angle = norm > 0 ? angle_between (encoded, n) : 90; /* black: TensorFlow's l2_normalize leaves 0, at right angles to all */
  return TRUE;
}

static void
add_normal (Score *score, const float *row, guint stride, const guint8 *labels, guint width)
{
  Normal *s = &score->normal;
  for (guint x = 0; x < width; x++, row += stride, labels += 3) {
    double n[3], angle;
    if (score->published) {
      if (!published_angle (row, labels, &angle))
        continue;
    } else {
      if (!nddr_normal_decode (labels, n))
        continue;
      angle = angle_between (row, n);
    }
    s->n++;
    s->sum += angle;
    s->squares += angle * angle;
    for (int i = 0; i < 3; i++)
      s->within[i] += angle <= within_degrees[i];
    s->buckets[(guint) (angle * ANGLE_BUCKETS_PER_DEGREE + 0.5)]++;
  }
}

static void
add_depth (Depth *s, const float *row, guint stride, const guint16 *labels, guint width)
{
  for (guint x = 0; x < width; x++, row += stride) {
    if (!labels[x])
      continue;
    double truth = labels[x] / 1000.0, difference = fabs (row[0] - truth);
    s->n++;
    s->absolute += difference;
    s->squares += difference * difference;
    s->relative += difference / truth;
    double bucket = difference * DEPTH_BUCKETS_PER_METRE + 0.5;
    s->buckets[bucket < DEPTH_BUCKETS ? (guint) bucket : DEPTH_BUCKETS - 1]++;
  }
}

void
nddr_metrics_add (NddrMetrics *metrics, guint task, const NddrHeadOutput *output, NddrResizeMode resize,
    const NddrSample *truth)
{
  g_return_if_fail (task < metrics->n_tasks);
  Score *score = &metrics->scores[task];
  NddrTaskKind kind = score->task->kind;
  if (!(nddr_sample_labels (truth) & NDDR_LABEL (kind)))
    return;

  NddrUpsampleAxis x, y;
  nddr_upsample_axis_init (&x, output->width, truth->width, resize);
  nddr_upsample_axis_init (&y, output->height, truth->height, resize);
  g_autofree float *blend = g_new (float, (gsize) output->width * output->stride);
  g_autofree float *row = g_new (float, (gsize) truth->width * output->stride);
  for (guint i = 0; i < truth->height; i++) {
    gsize at = (gsize) i * truth->width;
    nddr_upsample_row (&x, &y, i, output->data, output->width, output->stride, blend, row);
    if (kind == NDDR_TASK_SEGMENTATION)
      add_segmentation (&score->segmentation, score->task->n_classes, row, output->stride, truth->segmentation + at,
          truth->width);
    else if (kind == NDDR_TASK_NORMAL) {
      for (guint other = 0; other < metrics->n_scores; other++)
        if (metrics->scores[other].task == score->task)
          add_normal (&metrics->scores[other], row, output->stride, truth->normal + 3 * at, truth->width);
    } else
      add_depth (&score->depth, row, output->stride, truth->depth + at, truth->width);
  }
  nddr_upsample_axis_clear (&x);
  nddr_upsample_axis_clear (&y);
}

/* ---- scores */

static double
ratio (double a, double b)
{
  return b > 0 ? a / b : NAN;
}

/** Intersection over union; NAN for a class that occurs in neither labels nor predictions. */
static double
class_iou (const Score *score, guint class)
{
  guint n = score->task->n_classes;
  const guint64 *confusion = score->segmentation.confusion;
  guint64 both = confusion[class * n + class], either = 0;
  for (guint i = 0; i < n; i++)
    either += confusion[class * n + i] + confusion[i * n + class];
  return ratio (both, either - both);
}

static double
miou (const Score *score)
{
  double sum = 0;
  guint n = 0;
  for (guint i = 0; i < score->task->n_classes; i++) {
    double iou = class_iou (score, i);
    if (isnan (iou))
      continue;
    sum += iou;
    n++;
  }
  return ratio (sum, n);
}

static double
pixel_accuracy (const Score *score)
{
  guint n = score->task->n_classes;
  guint64 right = 0, all = 0;
  for (guint i = 0; i < n * n; i++) {
    all += score->segmentation.confusion[i];
    right += i % (n + 1) == 0 ? score->segmentation.confusion[i] : 0;
  }
  return ratio (right, all);
}

static double normal_mean (const Score *score) { return ratio (score->normal.sum, score->normal.n); }
static double normal_rmse (const Score *score) { return sqrt (ratio (score->normal.squares, score->normal.n)); }
static double normal_within_0 (const Score *score) { return ratio (score->normal.within[0], score->normal.n); }
static double normal_within_1 (const Score *score) { return ratio (score->normal.within[1], score->normal.n); }
static double normal_within_2 (const Score *score) { return ratio (score->normal.within[2], score->normal.n); }
static double depth_abs (const Score *score) { return ratio (score->depth.absolute, score->depth.n); }
static double depth_rmse (const Score *score) { return sqrt (ratio (score->depth.squares, score->depth.n)); }
static double depth_rel (const Score *score) { return ratio (score->depth.relative, score->depth.n); }

/** The angle that @rank others, counted from the smallest, lie before. */
static double
ranked_angle (const Normal *s, guint64 rank)
{
  guint64 before = 0;
  for (guint i = 0; i < ANGLE_BUCKETS; i++) {
    before += s->buckets[i];
    if (before > rank)
      return i / (double) ANGLE_BUCKETS_PER_DEGREE;
  }
  return NAN;
}

static double
normal_median (const Score *score)
{
  guint64 n = score->normal.n;
  return n ? (ranked_angle (&score->normal, (n - 1) / 2) + ranked_angle (&score->normal, n / 2)) / 2 : NAN;
}

static const NddrMetric all_metrics[] = {
  { NDDR_TASK_SEGMENTATION, "miou", "mIoU", NDDR_UNIT_FRACTION, TRUE },
  { NDDR_TASK_SEGMENTATION, "pixel_accuracy", "PAcc", NDDR_UNIT_FRACTION, TRUE },
  { NDDR_TASK_NORMAL, "mean", "mean", NDDR_UNIT_DEGREES, FALSE },
  { NDDR_TASK_NORMAL, "median", "median", NDDR_UNIT_DEGREES, FALSE },
  { NDDR_TASK_NORMAL, "rmse", "rmse", NDDR_UNIT_DEGREES, FALSE },
  { NDDR_TASK_NORMAL, "within_11.25", "≤ 11.25°", NDDR_UNIT_FRACTION, TRUE },
  { NDDR_TASK_NORMAL, "within_22.5", "≤ 22.5°", NDDR_UNIT_FRACTION, TRUE },
  { NDDR_TASK_NORMAL, "within_30", "≤ 30°", NDDR_UNIT_FRACTION, TRUE },
  { NDDR_TASK_DEPTH, "abs", "abs", NDDR_UNIT_METRES, FALSE },
  { NDDR_TASK_DEPTH, "rmse", "rmse", NDDR_UNIT_METRES, FALSE },
  { NDDR_TASK_DEPTH, "rel", "rel", NDDR_UNIT_RATIO, FALSE },
};

/* How each follows from the counters. */
static double (*const getters[]) (const Score *score) = {
  miou, pixel_accuracy,
  normal_mean, normal_median, normal_rmse, normal_within_0, normal_within_1, normal_within_2,
  depth_abs, depth_rmse, depth_rel,
};
G_STATIC_ASSERT (G_N_ELEMENTS (getters) == G_N_ELEMENTS (all_metrics));

const NddrMetric *
nddr_metrics_list (guint *n)
{
  *n = G_N_ELEMENTS (all_metrics);
  return all_metrics;
}

static double
compute (const Score *score, const NddrMetric *m)
{
  return getters[m - all_metrics](score);
}

static const char class_iou_prefix[] = "class_iou.";

/** Finds what @name, "TASK.METRIC" or "TASK.class_iou.CLASS", names: a metric, or a class of @score. */
static const Score *
find_metric (const NddrMetrics *metrics, const char *name, const NddrMetric **found, guint *class)
{
  *found = NULL;
  for (guint i = 0; i < metrics->n_scores; i++) {
    const Score *score = &metrics->scores[i];
    gsize length = strlen (score->name);
    if (strncmp (name, score->name, length) || name[length] != '.')
      continue;
    const char *rest = name + length + 1;
    for (guint m = 0; m < G_N_ELEMENTS (all_metrics); m++)
      if (all_metrics[m].kind == score->task->kind && !strcmp (all_metrics[m].name, rest)) {
        *found = &all_metrics[m];
        return score;
      }
    if (score->task->kind != NDDR_TASK_SEGMENTATION || !g_str_has_prefix (rest, class_iou_prefix))
      return NULL;
    for (guint c = 0; c < score->task->n_classes; c++)
      if (!strcmp (score->task->classes[c].name, rest + strlen (class_iou_prefix))) {
        *class = c;
        return score;
      }
  }
  return NULL;
}

double
nddr_metrics_get (const NddrMetrics *metrics, const char *name)
{
  const NddrMetric *found;
  guint class;
  const Score *score = find_metric (metrics, name, &found, &class);
  if (!score)
    return NAN;
  return found ? compute (score, found) : class_iou (score, class);
}

gboolean
nddr_metrics_knows (const NddrMetrics *metrics, const char *name, gboolean *more_is_better)
{
  const NddrMetric *found;
  guint class;
  const Score *score = find_metric (metrics, name, &found, &class);
  *more_is_better = !found || found->more_is_better;
  return score != NULL;
}

/* ---- what lies behind the scores */

const guint64 *
nddr_metrics_get_confusion (const NddrMetrics *metrics, guint task)
{
  g_return_val_if_fail (task < metrics->n_tasks, NULL);
  return metrics->scores[task].segmentation.confusion;
}

guint64
nddr_metrics_get_errors (const NddrMetrics *metrics, guint task, double limit, guint n_bins, guint64 *bins)
{
  g_return_val_if_fail (task < metrics->n_tasks && limit > 0 && n_bins > 0, 0);
  const Score *score = &metrics->scores[task];
  gboolean degrees = score->task->kind == NDDR_TASK_NORMAL;
  const guint64 *buckets = degrees ? score->normal.buckets : score->depth.buckets;
  guint n_buckets = degrees ? ANGLE_BUCKETS : DEPTH_BUCKETS, per_unit = degrees ? ANGLE_BUCKETS_PER_DEGREE : DEPTH_BUCKETS_PER_METRE;
  memset (bins, 0, n_bins * sizeof *bins);
  for (guint i = 0; buckets && i < n_buckets; i++)
    if (buckets[i]) {
      double last = ceil (i * (double) n_bins / (per_unit * limit) - 1e-9) - 1; /* an error on an edge is in the bin that it ends */
      bins[(guint) CLAMP (last, 0, n_bins - 1)] += buckets[i];
    }
  return degrees ? score->normal.n : score->depth.n;
}

char *
nddr_score_format (double value, NddrUnit unit)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isfinite (value))
    return g_strdup ("–");
  gboolean tenths = unit == NDDR_UNIT_FRACTION || unit == NDDR_UNIT_DEGREES;
  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, tenths ? "%.1f" : "%.3f", unit == NDDR_UNIT_FRACTION ? 100 * value : value));
}

void
nddr_json_add_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

JsonNode *
nddr_metrics_to_json (const NddrMetrics *metrics)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  for (guint i = 0; i < metrics->n_scores; i++) {
    const Score *score = &metrics->scores[i];
    json_builder_set_member_name (builder, score->name);
    json_builder_begin_object (builder);
    for (guint m = 0; m < G_N_ELEMENTS (all_metrics); m++)
      if (all_metrics[m].kind == score->task->kind)
        nddr_json_add_number (builder, all_metrics[m].name, compute (score, &all_metrics[m]));
    if (score->task->kind == NDDR_TASK_SEGMENTATION) {
      json_builder_set_member_name (builder, "class_iou");
      json_builder_begin_object (builder);
      for (guint c = 0; c < score->task->n_classes; c++)
        nddr_json_add_number (builder, score->task->classes[c].name, class_iou (score, c));
      json_builder_end_object (builder);
    }
    json_builder_end_object (builder);
  }
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
