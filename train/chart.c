/* See chart.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/chart.h>
#include <train/html.h>

#include <math.h>

#define WIDTH 560.0
#define HEIGHT 220.0
#define LEFT 48.0
#define RIGHT 8.0
#define TOP 8.0
#define BOTTOM 22.0
#define MAX_BUCKETS 200 /* that a noisy curve is drawn by */
#define MAX_CURVES 4

/* What a chart shows, in the units of its axes. */
typedef struct
{
  double x_end, y_low, y_high, y_step;
} Frame;

static double
place_x (const Frame *frame, double x)
{
  return LEFT + CLAMP (x / frame->x_end, 0, 1) * (WIDTH - LEFT - RIGHT);
}

static double
place_y (const Frame *frame, double y)
{
  return HEIGHT - BOTTOM - CLAMP ((y - frame->y_low) / (frame->y_high - frame->y_low), 0, 1) * (HEIGHT - TOP - BOTTOM);
}

/* A step of 1, 2 or 5 times a power of ten that goes about @n times into @range. */
static double
round_step (double range, int n)
{
  double raw = range / n, power = pow (10, floor (log10 (raw))), digit = raw / power;
  return (digit < 1.5 ? 1 : digit < 3 ? 2 : digit < 7 ? 5 : 10) * power;
}

/* The range from @low to @high, widened to whole steps. */
static void
frame_set_y (Frame *frame, double low, double high)
{
  if (!(low <= high))
    low = 0, high = 1;
  if (high - low < 1e-9 * MAX (fabs (high), 1e-300)) {
    /* what is one number all the time: from zero to there, which leaves shares within their range */
    low = MIN (low, 0);
    high = high != 0 ? MAX (high, 0) : 1;
  }
  frame->y_step = round_step (high - low, 4);
  frame->y_low = floor (low / frame->y_step + 1e-6) * frame->y_step;
  frame->y_high = ceil (high / frame->y_step - 1e-6) * frame->y_step;
}

/* ---- what all charts have */

static void
begin_card (GString *html, const char *title)
{
  nddr_html_add (html, "<div class=\"card\"><h3>%s</h3>\n", title);
}

static void
begin_plot (GString *html, const NddrChart *chart)
{
  nddr_html_add (html, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT, chart->title);
}

static void
end_plot (GString *html)
{
  g_string_append (html, "</svg></div>\n");
}

static void
add_axes (GString *html, const Frame *frame, const char *x_unit, const char *y_unit)
{
  for (double y = frame->y_low; y <= frame->y_high + 0.5 * frame->y_step; y += frame->y_step) {
    double shown = round (y / frame->y_step) * frame->y_step;
    nddr_html_add (html, "<line class=\"rule\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, place_y (frame, y),
        place_y (frame, y));
    nddr_html_add (html, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g%s</text>\n", LEFT - 6, place_y (frame, y) + 4,
        shown == 0 ? 0.0 : shown, y_unit);
  }
  nddr_html_add (html, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM,
      HEIGHT - BOTTOM);
  double step = *x_unit ? round_step (frame->x_end, 6) : MAX (round_step (frame->x_end, 6), 1); /* training's steps are whole */
  for (double x = 0; x <= frame->x_end * (1 + 1e-9); x += step) {
    gboolean thousands = frame->x_end >= 10000 && x > 0;
    nddr_html_add (html, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g%s%s</text>\n", place_x (frame, x), HEIGHT - BOTTOM + 15,
        thousands ? x / 1000 : x, thousands ? "k" : "", x_unit);
  }
}

/* ---- curves */

typedef struct
{
  double x, mean, low, high;
  guint n;
} Bucket;

/* A noisy curve's points, those that lie together in one. Returns how many there are. */
static guint
collect_buckets (const NddrCurve *curve, double x_end, double scale, Bucket *buckets)
{
  guint n = 0, last = G_MAXUINT;
  for (guint i = 0; i < curve->n; i++) {
    double y = curve->y[i] * scale;
    guint place = curve->noisy ? (guint) CLAMP (curve->x[i] / x_end * MAX_BUCKETS, 0, MAX_BUCKETS - 1) : i;
    if (!isfinite (y))
      continue;
    if (n == 0 || place != last)
      buckets[n++] = (Bucket){ .low = y, .high = y };
    last = place;
    Bucket *bucket = &buckets[n - 1];
    bucket->n++;
    bucket->x += (curve->x[i] - bucket->x) / bucket->n;
    bucket->mean += (y - bucket->mean) / bucket->n;
    bucket->low = MIN (bucket->low, y);
    bucket->high = MAX (bucket->high, y);
  }
  return n;
}

static void
add_band (GString *html, const Frame *frame, const Bucket *buckets, guint n)
{
  g_string_append (html, "<path class=\"band\" d=\"");
  for (guint i = 0; i < n; i++)
    nddr_html_add (html, "%s%.1f %.1f", i ? "L" : "M", place_x (frame, buckets[i].x), place_y (frame, buckets[i].high));
  for (guint i = n; i-- > 0;)
    nddr_html_add (html, "L%.1f %.1f", place_x (frame, buckets[i].x), place_y (frame, buckets[i].low));
  g_string_append (html, "Z\"/>\n");
}

static void
add_curve (GString *html, const NddrChart *chart, const Frame *frame, const NddrCurve *curve, guint number, const Bucket *buckets, guint n)
{
  nddr_html_add (html, "<g class=\"c%u\">", number + 1);
  if (curve->noisy && n > 1)
    add_band (html, frame, buckets, n);
  g_string_append (html, "<path class=\"curve\" d=\"");
  for (guint i = 0; i < n; i++)
    nddr_html_add (html, "%s%.1f %.1f", i ? "L" : "M", place_x (frame, buckets[i].x), place_y (frame, buckets[i].mean));
  g_string_append (html, "\"/>\n");
  for (guint i = 0; i < n && (!curve->noisy || n == 1); i++)
    nddr_html_add (html, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%s, step %.0f: %.4g%s</title></circle>\n",
        place_x (frame, buckets[i].x),
        place_y (frame, buckets[i].mean), n > 40 ? "2" : "3.5", curve->name, buckets[i].x, buckets[i].mean, chart->unit);
  g_string_append (html, "</g>\n");
}

/* The last value of a curve that has any. */
static double
last_value (const NddrCurve *curve, double scale)
{
  for (guint i = curve->n; i-- > 0;)
    if (isfinite (curve->y[i] * scale))
      return curve->y[i] * scale;
  return NAN;
}

static void
add_legend (GString *html, const NddrChart *chart, const NddrCurve *curves, guint n_curves)
{
  g_string_append (html, "<div class=\"legend\">");
  for (guint c = 0; c < n_curves; c++) {
    nddr_html_add (html, "<span class=\"c%u\"><i></i>%s", c + 1, curves[c].name);
    double value = last_value (&curves[c], chart->scale);
    if (isfinite (value) && chart->digits < 0)
      nddr_html_add (html, " <b>%.3g%s</b>", value, chart->unit);
    else if (isfinite (value))
      nddr_html_add (html, chart->digits == 1 ? " <b>%.1f%s</b>" : " <b>%.3f%s</b>", value, chart->unit);
    g_string_append (html, "</span>");
  }
  g_string_append (html, "</div>\n");
}

void
nddr_chart_add_curves (GString *html, const NddrChart *chart, const NddrCurve *curves, guint n_curves)
{
  g_return_if_fail (n_curves <= MAX_CURVES);
  Bucket *buckets[MAX_CURVES];
  guint n[MAX_CURVES];
  double low = INFINITY, high = -INFINITY;
  for (guint c = 0; c < n_curves; c++) {
    buckets[c] = g_new0 (Bucket, MAX (curves[c].n, 1));
    n[c] = collect_buckets (&curves[c], chart->x_end, chart->scale, buckets[c]);
    for (guint i = 0; i < n[c]; i++) {
      low = MIN (low, buckets[c][i].mean);
      high = MAX (high, buckets[c][i].mean);
    }
  }
  Frame frame = { .x_end = chart->x_end };
  frame_set_y (&frame, low, high);
  begin_card (html, chart->title);
  add_legend (html, chart, curves, n_curves);
  begin_plot (html, chart);
  add_axes (html, &frame, "", chart->unit);
  for (guint c = 0; c < n_curves; c++) {
    add_curve (html, chart, &frame, &curves[c], c, buckets[c], n[c]);
    g_free (buckets[c]);
  }
  end_plot (html);
}

/* ---- histograms */

static void
add_line (GString *html, const Frame *frame, const NddrChartLine *line, guint row, const char *unit)
{
  double x = place_x (frame, line->at);
  gboolean left = x > 0.75 * WIDTH;
  if (line->at <= frame->x_end)
    nddr_html_add (html, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, TOP, HEIGHT - BOTTOM);
  nddr_html_add (html, "<text class=\"mark-text\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s ", left ? x - 5 : x + 5, TOP + 10 + 15 * row,
      left ? "end" : "start", line->name);
  nddr_html_add (html, frame->x_end > 10 ? "%.1f%s</text>\n" : "%.2f%s</text>\n", line->at, unit);
}

void
nddr_chart_add_histogram (GString *html, const NddrChart *chart, const guint64 *bins, guint n_bins, guint64 total, const NddrChartLine *lines,
    guint n_lines)
{
  Frame frame = { .x_end = chart->x_end };
  double highest = 0, width = chart->x_end / n_bins;
  guint64 inside = 0;
  for (guint b = 0; b < n_bins; b++) {
    highest = MAX (highest, 100.0 * bins[b] / MAX (total, 1));
    inside += bins[b];
  }
  frame_set_y (&frame, 0, MAX (highest, 1e-3));
  begin_card (html, chart->title);
  nddr_html_add (html, "<div class=\"legend\"><span>share of pixels</span><span>beyond %g%s <b>%.1f%%</b></span></div>\n", chart->x_end, chart->unit,
      100.0 * (total - inside) / MAX (total, 1));
  begin_plot (html, chart);
  add_axes (html, &frame, chart->unit, "%");
  for (guint b = 0; b < n_bins; b++) {
    double share = 100.0 * bins[b] / MAX (total, 1), x = place_x (&frame, b * width), y = place_y (&frame, share);
    nddr_html_add (html,
        "<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%g to %g%s: %.2f %% of pixels</title></rect>\n", x + 0.5,
        y, place_x (&frame, (b + 1) * width) - x - 1, HEIGHT - BOTTOM - y, b * width, (b + 1) * width, chart->unit, share);
  }
  for (guint m = 0; m < n_lines; m++)
    add_line (html, &frame, &lines[m], m, chart->unit);
  end_plot (html);
}

void
nddr_chart_add_cumulative (GString *html, const NddrChart *chart, const guint64 *bins, guint n_bins, guint64 total, const NddrChartLine *lines,
    guint n_lines)
{
  Frame frame = { .x_end = chart->x_end, .y_low = 0, .y_high = 100, .y_step = 25 };
  double width = chart->x_end / n_bins, sum = 0;
  begin_card (html, chart->title);
  g_string_append (html, "<div class=\"legend\"><span>share of pixels whose error is at most so large</span>");
  for (guint m = 0; m < n_lines; m++)
    nddr_html_add (html, "<span>%s <b>%.1f%%</b></span>", lines[m].name, 100 * lines[m].share);
  g_string_append (html, "</div>\n");
  begin_plot (html, chart);
  add_axes (html, &frame, chart->unit, "%");
  g_string_append (html, "<g class=\"c1\"><path class=\"curve\" d=\"");
  nddr_html_add (html, "M%.1f %.1f", place_x (&frame, 0), place_y (&frame, 0));
  for (guint b = 0; b < n_bins; b++) {
    sum += 100.0 * bins[b] / MAX (total, 1);
    nddr_html_add (html, "L%.1f %.1f", place_x (&frame, (b + 1) * width), place_y (&frame, sum));
  }
  g_string_append (html, "\"/></g>\n");
  for (guint m = 0; m < n_lines; m++) {
    double x = place_x (&frame, lines[m].at), y = place_y (&frame, 100 * lines[m].share);
    nddr_html_add (html, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, y, HEIGHT - BOTTOM);
  }
  for (guint m = 0; m < n_lines; m++) {
    double x = place_x (&frame, lines[m].at), y = place_y (&frame, 100 * lines[m].share);
    nddr_html_add (html, "<circle class=\"dot c2\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>%s: %.1f %% of pixels</title></circle>\n", x, y,
        lines[m].name, 100 * lines[m].share);
  }
  end_plot (html);
}
