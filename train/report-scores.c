/* See report-scores.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/report-scores.h>

#include <math.h>
#include <string.h>
#include <train/chart.h>
#include <train/html.h>

#define MAX_MATRIX 60 /* classes that a confusion matrix shows */
#define WIDE_MATRIX 20 /* classes from which on it takes the page's width */
#define MAX_NAME 17   /* characters of a class's name beside it */
#define MAX_MISTAKES 8
#define ANGLE_BINS 90 /* each a degree */
#define DEPTH_BINS 80
#define DEPTH_LIMIT 2.0 /* metres */

/* ---- numbers */

const char *
nddr_report_metric_name (const NddrMetric *metric)
{
  static const char *const names[][2] = {
    { "miou", "mean IoU" }, { "pixel_accuracy", "pixel accuracy" }, { "mean", "mean angle error" }, { "median", "median angle error" },
    { "within_11.25", "within 11.25°" }, { "within_22.5", "within 22.5°" }, { "within_30", "within 30°" }, { "abs", "mean error" },
    { "rel", "relative error" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i][0], metric->name))
      return names[i][1];
  return metric->title;
}

const char *
nddr_report_unit (NddrUnit unit)
{
  static const char *const units[] = { [NDDR_UNIT_FRACTION] = "%", [NDDR_UNIT_DEGREES] = "°", [NDDR_UNIT_METRES] = "m", [NDDR_UNIT_RATIO] = "" };
  return units[unit];
}

static double
score_of (const NddrMetrics *metrics, const NddrTask *task, const char *metric)
{
  g_autofree char *name = g_strconcat (task->name, ".", metric, NULL);
  return nddr_metrics_get (metrics, name);
}

/* ---- segmentation */

typedef struct
{
  guint id;
  double iou;       /* NAN: neither labelled nor predicted */
  guint64 labelled, predicted; /* pixels */
} Class;

static int
compare_iou (gconstpointer a, gconstpointer b)
{
  const Class *one = a, *other = b;
  double x = isfinite (one->iou) ? one->iou : -1, y = isfinite (other->iou) ? other->iou : -1;
  return x > y ? -1 : x < y ? 1 : (int) one->id - (int) other->id;
}

static int
compare_pixels (gconstpointer a, gconstpointer b)
{
  const Class *one = a, *other = b;
  guint64 x = one->labelled + one->predicted, y = other->labelled + other->predicted;
  return x > y ? -1 : x < y ? 1 : (int) one->id - (int) other->id;
}

static int
compare_ids (gconstpointer a, gconstpointer b)
{
  return (int) ((const Class *) a)->id - (int) ((const Class *) b)->id;
}

/* [n_classes], and the number of labelled pixels. */
static Class *
count_classes (const NddrTask *task, const guint64 *confusion, guint64 *total)
{
  guint n = task->n_classes;
  Class *classes = g_new0 (Class, n);
  *total = 0;
  for (guint l = 0; l < n; l++)
    for (guint p = 0; p < n; p++) {
      classes[l].labelled += confusion[l * n + p];
      classes[p].predicted += confusion[l * n + p];
      *total += confusion[l * n + p];
    }
  for (guint c = 0; c < n; c++) {
    double either = classes[c].labelled + classes[c].predicted - confusion[c * n + c];
    classes[c].id = c;
    classes[c].iou = either > 0 ? confusion[c * n + c] / either : NAN;
  }
  return classes;
}

static void
add_class_bars (GString *html, const NddrTask *task, Class *classes, guint64 total)
{
  qsort (classes, task->n_classes, sizeof *classes, compare_iou);
  g_string_append (html,
      "<div class=\"card\"><h3>IoU of each class</h3>\n<p class=\"note\">In percent; the faint number is the class's share of the labelled pixels.</p>\n"
                         "<ol class=\"bars\">\n");
  for (guint i = 0; i < task->n_classes; i++) {
    const Class *class = &classes[i];
    const NddrClass *known = &task->classes[class->id];
    g_autofree char *iou = nddr_score_format (class->iou, NDDR_UNIT_FRACTION);
    nddr_html_add (html, "<li><span class=\"swatch\" style=\"background:#%06x\"></span><span class=\"name\" title=\"%s\">%s</span>",
        known->color & 0xffffff, known->name, known->name);
    nddr_html_add (html, "<span class=\"track\"><div style=\"width:%.2f%%;background:#%06x\"></div></span>",
        isfinite (class->iou) ? 100 * class->iou : 0.0, known->color & 0xffffff);
    nddr_html_add (html, "<span class=\"number\">%s</span><span class=\"share\">%.1f%%</span></li>\n", iou,
        100.0 * class->labelled / MAX (total, 1));
  }
  g_string_append (html, "</ol></div>\n");
}

static char *
shorten (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  if (g_utf8_strlen (valid, -1) <= MAX_NAME)
    return g_steal_pointer (&valid);
  g_autofree char *start = g_utf8_substring (valid, 0, MAX_NAME - 1);
  return g_strconcat (start, "…", NULL);
}

static void
add_matrix_cell (GString *html, double x, double y, double size, double share, gboolean values, const char *label, const char *prediction)
{
  nddr_html_add (html,
      "<rect class=\"cell\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" style=\"--v:%.3f\"><title>%s, taken for %s: %.1f %%</title></rect>",
      x, y, size - 1, size - 1, share, label, prediction, 100 * share);
  if (values && share >= 0.005)
    nddr_html_add (html, "<text class=\"value%s\" x=\"%.1f\" y=\"%.1f\" pointer-events=\"none\">%.0f</text>", share > 0.55 ? " deep" : "",
        x + (size - 1) / 2, y + size / 2 + 3, 100 * share);
  g_string_append_c (html, '\n');
}

/* Rows are labels, columns predictions; a row's cells are shares of its pixels. */
static void
add_matrix (GString *html, const NddrTask *task, const guint64 *confusion, Class *classes)
{
  guint n = 0, all = task->n_classes;
  qsort (classes, all, sizeof *classes, compare_pixels);
  while (n < MIN (all, MAX_MATRIX) && classes[n].labelled + classes[n].predicted > 0)
    n++;
  gboolean is_whole = n == all || classes[n].labelled + classes[n].predicted == 0;
  qsort (classes, n, sizeof *classes, compare_ids);
  glong longest = 4;
  for (guint i = 0; i < n; i++)
    longest = MAX (longest, g_utf8_strlen (task->classes[classes[i].id].name, -1));
  longest = MIN (longest, MAX_NAME);
  gboolean is_wide = n > WIDE_MATRIX;
  double size = is_wide ? 960.0 / MAX (n, 32) : MIN (430.0 / n, 34), letter = 0.6 * MIN (11, size + 1), left = 16 + letter * longest,
      top = 14 + 0.82 * letter * longest;
  double side = n * size, width = left + side + 0.58 * letter * longest, height = top + side + 4;
  g_string_append (html, is_wide ? "<div class=\"card wide\">" : "<div class=\"card\">");
  g_string_append (html,
      "<h3>Confusion matrix</h3>\n<p class=\"note\">Rows: the label; columns: what it was taken for, in percent of the row's pixels.");
  if (!is_whole)
    nddr_html_add (html, " The %u classes with the most pixels.", n);
  nddr_html_add (html, "</p>\n<div class=\"matrix\"><svg viewBox=\"0 0 %.0f %.0f\" style=\"min-width:%.0fpx;max-width:%.0fpx\" role=\"img\" "
                       "aria-label=\"Confusion matrix\">\n", width, height, 0.7 * width, is_wide ? width : 1.15 * width);
  for (guint i = 0; i < n; i++) {
    const NddrClass *known = &task->classes[classes[i].id];
    g_autofree char *name = shorten (known->name);
    double at = (i + 0.5) * size, font = MIN (11, size + 1);
    nddr_html_add (html, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" style=\"font-size:%.1fpx\">%s</text>", left - 8, top + at + 0.35 * font,
        font, name);
    nddr_html_add (html, "<text transform=\"translate(%.1f %.1f) rotate(-55)\" style=\"font-size:%.1fpx\">%s</text>", left + at + 0.2 * font,
        top - 8, font, name);
    nddr_html_add (html, "<rect x=\"%.1f\" y=\"%.1f\" width=\"3\" height=\"%.1f\" fill=\"#%06x\"/>\n", left - 5, top + i * size, size - 1,
        known->color & 0xffffff);
  }
  for (guint l = 0; l < n; l++)
    for (guint p = 0; p < n; p++) {
      double share = classes[l].labelled ? (double) confusion[classes[l].id * all + classes[p].id] / classes[l].labelled : 0;
      if (share >= 0.0005)
        add_matrix_cell (html, left + p * size, top + l * size, size, share, size >= 20, task->classes[classes[l].id].name,
            task->classes[classes[p].id].name);
    }
  for (guint i = 0; i < n; i++)
    nddr_html_add (html, "<rect class=\"diagonal\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" pointer-events=\"none\"/>", left + i * size,
        top + i * size, size - 1, size - 1);
  g_string_append (html, "\n</svg></div></div>\n");
}

/* The pairs that most pixels fell to. */
static void
add_mistakes (GString *html, const NddrTask *task, const guint64 *confusion, const Class *classes, guint64 total)
{
  guint n = task->n_classes;
  guint64 before = G_MAXUINT64;
  guint before_at = 0, rows = 0;
  for (; rows < MAX_MISTAKES; rows++) {
    /* the largest that comes after the one before, those of equal size by their place */
    guint64 best = 0;
    guint best_at = 0;
    for (guint i = 0; i < n * n; i++)
      if (i % (n + 1) && confusion[i] > best && (confusion[i] < before || (confusion[i] == before && i > before_at))) {
        best = confusion[i];
        best_at = i;
      }
    if (best == 0)
      break;
    guint64 labelled = 0;
    for (guint c = 0; c < n; c++)
      if (classes[c].id == best_at / n)
        labelled = classes[c].labelled;
    if (rows == 0)
      g_string_append (html,
          "<div class=\"card\"><h3>What is mistaken most</h3>\n<div class=\"scroll\"><table><tr><th>label</th><th class=\"left\">taken for</th>"
          "<th>of the class</th><th>of all pixels</th></tr>\n");
    nddr_html_add (html, "<tr><td>%s</td><td class=\"left\">%s</td><td>%.1f%%</td><td>%.1f%%</td></tr>\n", task->classes[best_at / n].name,
        task->classes[best_at % n].name, 100.0 * best / MAX (labelled, 1), 100.0 * best / MAX (total, 1));
    before = best;
    before_at = best_at;
  }
  if (rows)
    g_string_append (html, "</table></div></div>\n");
}

static void
add_segmentation (GString *html, const NddrMetrics *metrics, const NddrTask *task, guint index)
{
  const guint64 *confusion = nddr_metrics_get_confusion (metrics, index);
  guint64 total;
  g_autofree Class *classes = count_classes (task, confusion, &total);
  if (total == 0)
    return;
  nddr_html_add (html, "<h2 id=\"task-%s\">%s</h2>\n", task->name, task->name);
  add_class_bars (html, task, classes, total);
  g_string_append (html, "<div class=\"grid gap\">\n");
  add_matrix (html, task, confusion, classes);
  add_mistakes (html, task, confusion, classes, total);
  g_string_append (html, "</div>\n");
}

/* ---- normals and depth */

static void
add_normal (GString *html, const NddrMetrics *metrics, const NddrTask *task, guint index)
{
  guint64 bins[ANGLE_BINS + 1], total = nddr_metrics_get_errors (metrics, index, ANGLE_BINS + 1, ANGLE_BINS + 1, bins); /* one for all beyond */
  if (total == 0)
    return;
  NddrChartLine averages[] = { { score_of (metrics, task, "median"), "median" }, { score_of (metrics, task, "mean"), "mean" } };
  NddrChartLine limits[] = { { 11.25, "≤ 11.25°", score_of (metrics, task, "within_11.25") },
    { 22.5, "≤ 22.5°", score_of (metrics, task, "within_22.5") }, { 30, "≤ 30°", score_of (metrics, task, "within_30") } };
  NddrChart spread = { "Angle errors", "°", 1, 1, ANGLE_BINS }, below = { "Pixels within an angle", "°", 1, 1, ANGLE_BINS };
  nddr_html_add (html, "<h2 id=\"task-%s\">%s</h2>\n<div class=\"grid charts\">\n", task->name, task->name);
  nddr_chart_add_histogram (html, &spread, bins, ANGLE_BINS, total, averages, G_N_ELEMENTS (averages));
  nddr_chart_add_cumulative (html, &below, bins, ANGLE_BINS, total, limits, G_N_ELEMENTS (limits));
  g_string_append (html, "</div>\n");
}

static double
share_within (const NddrMetrics *metrics, guint index, double limit, guint64 total)
{
  guint64 halves[2];
  nddr_metrics_get_errors (metrics, index, 2 * limit, 2, halves);
  return (double) halves[0] / total;
}

static void
add_depth (GString *html, const NddrMetrics *metrics, const NddrTask *task, guint index)
{
  double limit = DEPTH_LIMIT * (DEPTH_BINS + 1) / DEPTH_BINS;
  guint64 bins[DEPTH_BINS + 1], total = nddr_metrics_get_errors (metrics, index, limit, DEPTH_BINS + 1, bins); /* one for all beyond */
  if (total == 0)
    return;
  NddrChartLine averages[] = { { score_of (metrics, task, "abs"), "mean" }, { score_of (metrics, task, "rmse"), "rmse" } };
  NddrChartLine limits[] = { { 0.1, "≤ 0.1 m", 0 }, { 0.25, "≤ 0.25 m", 0 }, { 0.5, "≤ 0.5 m", 0 }, { 1, "≤ 1 m", 0 } };
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    limits[i].share = share_within (metrics, index, limits[i].at, total);
  NddrChart spread = { "Depth errors", " m", 1, 2, DEPTH_LIMIT }, below = { "Pixels within an error", " m", 1, 2, DEPTH_LIMIT };
  nddr_html_add (html, "<h2 id=\"task-%s\">%s</h2>\n<div class=\"grid charts\">\n", task->name, task->name);
  nddr_chart_add_histogram (html, &spread, bins, DEPTH_BINS, total, averages, G_N_ELEMENTS (averages));
  nddr_chart_add_cumulative (html, &below, bins, DEPTH_BINS, total, limits, G_N_ELEMENTS (limits));
  g_string_append (html, "</div>\n");
}

void
nddr_report_add_task (GString *html, const NddrMetrics *metrics, const NddrTask *task, guint index)
{
  if (task->kind == NDDR_TASK_SEGMENTATION)
    add_segmentation (html, metrics, task, index);
  else if (task->kind == NDDR_TASK_NORMAL)
    add_normal (html, metrics, task, index);
  else
    add_depth (html, metrics, task, index);
}
