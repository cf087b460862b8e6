/* Charts as inline SVG: curves over steps, histograms, and how much lies below a limit. Their colours are the page's style's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Points in the order of x. What is not finite is left out. */
typedef struct
{
  const char *name;   /* in the legend */
  const double *x, *y;
  guint n;
  gboolean noisy;     /* many points of chance: drawn as means, before a band from least to greatest */
} NddrCurve;

typedef struct
{
  const char *title, *unit; /* unit: behind numbers in the legend and on the axis, "" for none */
  double scale;             /* of y, as it is shown: 100 for percent */
  int digits;               /* behind the point in the legend: 1 or 3; -1: as many as the number needs */
  double x_end;             /* the x axis goes from 0 to here */
} NddrChart;

/** Up to four curves in one card, with a legend that says the last values. */
void nddr_chart_add_curves (GString *html, const NddrChart *chart, const NddrCurve *curves, guint n_curves);

/** A line across a chart, with its name. */
typedef struct
{
  double at;
  const char *name;
  double share; /* at or below it, 0 to 1: nddr_chart_add_cumulative() alone */
} NddrChartLine;

/** Bars of a histogram: @bins of equal width from 0 to chart->x_end, in percent of @total, which counts what lies beyond, too; chart->unit is x's. */
void nddr_chart_add_histogram (GString *html, const NddrChart *chart, const guint64 *bins, guint n_bins, guint64 total, const NddrChartLine *lines,
    guint n_lines);
/** The share of @total at or below x, from the same bins; each line has its share in the legend. */
void nddr_chart_add_cumulative (GString *html, const NddrChart *chart, const guint64 *bins, guint n_bins, guint64 total, const NddrChartLine *lines,
    guint n_lines);

G_END_DECLS
