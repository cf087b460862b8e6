/* See loss.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loss.h"

#include <math.h>
#include <string.h>

double
ref_loss_segmentation (int pixels, int channels, double *gradient, const double *x, const guint8 *label, const double *class_weights, double weight)
{
  double loss = 0, valid = 0;

  for (int p = 0; p < pixels; p++)
    valid += label[p] == 255 ? 0 : class_weights ? class_weights[label[p]] : 1;
  memset (gradient, 0, sizeof *gradient * pixels * channels);
  for (int p = 0; p < pixels; p++) {
    const double *v = x + (gsize) p * channels;
    double *g = gradient + (gsize) p * channels, most = v[0], sum = 0, share;

    if (label[p] == 255)
      continue;
    share = (class_weights ? class_weights[label[p]] : 1) / valid;
    for (int c = 0; c < channels; c++)
      most = MAX (most, v[c]);
    for (int c = 0; c < channels; c++)
      sum += exp (v[c] - most);
    loss += (log (sum) + most - v[label[p]]) * share;
    for (int c = 0; c < channels; c++)
      g[c] = (exp (v[c] - most) / sum - (c == label[p])) * weight * share;
  }
  return loss;
}

double
ref_loss_normal (int pixels, double *gradient, const double *x, const double *label, gboolean angle, double weight)
{
  double loss = 0;
  int valid = 0;

  for (int p = 0; p < pixels; p++)
    valid += label[4 * p + 3] > 0;
  memset (gradient, 0, sizeof *gradient * pixels * 3);
  for (int p = 0; p < pixels; p++) {
    const double *v = x + 3 * p, *l = label + 4 * p;
    double length = sqrt (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), n = MAX (length, 1e-8);
    double dot = v[0] * l[0] + v[1] * l[1] + v[2] * l[2];

    if (!(l[3] > 0))
      continue;
    double slope = angle ? 1 / MAX (sqrt (MAX (1 - dot * dot / (n * n), 0)), 1e-3) : 1; /* d acos (c) = - d c / sqrt (1 - c^2) */
    loss += (angle ? acos (CLAMP (dot / n, -1, 1)) : 1 - dot / n) / valid;
    for (int c = 0; c < 3; c++) /* d (dot / n) = l / n - dot * v / n^3, n constant where it is clamped */
      gradient[3 * p + c] = -(l[c] / n - (length > 1e-8 ? dot * v[c] / (n * n * n) : 0)) * slope * weight / valid;
  }
  return loss;
}

double
ref_loss_depth (int pixels, double *gradient, const double *x, const double *label, double weight)
{
  double loss = 0;
  int valid = 0;

  for (int p = 0; p < pixels; p++)
    valid += label[p] > 0;
  for (int p = 0; p < pixels; p++) {
    double e = x[p] - label[p];

    gradient[p] = label[p] > 0 ? ((e > 0) - (e < 0)) * weight / valid : 0;
    loss += label[p] > 0 ? fabs (e) / valid : 0;
  }
  return loss;
}
