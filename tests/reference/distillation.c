/* See distillation.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "distillation.h"

#include <math.h>

static gsize
count (const RefShown *s)
{
  gsize n = 0;

  for (int b = 0; b < s->batch; b++)
    n += (gsize) s->shown[b][0] * s->shown[b][1];
  return n;
}

static gboolean
is_shown (const RefShown *s, int p)
{
  int x = p % s->width, y = p / s->width % s->height, b = p / s->width / s->height;

  return x < s->shown[b][0] && y < s->shown[b][1];
}

static void
log_softmax (int n, double *logs, const double *x, double temperature)
{
  double most = x[0], sum = 0;

  for (int c = 0; c < n; c++)
    most = MAX (most, x[c]);
  for (int c = 0; c < n; c++)
    sum += exp ((x[c] - most) / temperature);
  for (int c = 0; c < n; c++)
    logs[c] = (x[c] - most) / temperature - log (sum);
}

double
ref_distill_segmentation (const RefShown *s, double *gradient, const double *x, const double *teacher, double temperature, double weight)
{
  int n = s->channels;
  double loss = 0, pixels = count (s);
  g_autofree double *log_p = g_new (double, n), *log_q = g_new (double, n);

  for (int i = 0; i < s->batch * s->height * s->width; i++) {
    if (!is_shown (s, i))
      continue;
    log_softmax (n, log_p, teacher + (gsize) i * n, temperature);
    log_softmax (n, log_q, x + (gsize) i * n, temperature);
    for (int c = 0; c < n; c++) {
      loss += temperature * temperature * exp (log_p[c]) * (log_p[c] - log_q[c]) / pixels;
      gradient[(gsize) i * n + c] += temperature * (exp (log_q[c]) - exp (log_p[c])) * weight / pixels;
    }
  }
  return loss;
}

double
ref_distill_normal (const RefShown *s, double *gradient, const double *x, const double *teacher, gboolean angle, double weight)
{
  double loss = 0, pixels = count (s);

  for (int i = 0; i < s->batch * s->height * s->width; i++) {
    const double *v = x + 3 * i, *t = teacher + 3 * i;
    double length = sqrt (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), n = MAX (length, 1e-8);
    double m = MAX (sqrt (t[0] * t[0] + t[1] * t[1] + t[2] * t[2]), 1e-8), dot = (v[0] * t[0] + v[1] * t[1] + v[2] * t[2]) / m;

    if (!is_shown (s, i))
      continue;
    double slope = angle ? 1 / MAX (sqrt (MAX (1 - dot * dot / (n * n), 0)), 1e-3) : 1;
    loss += (angle ? acos (CLAMP (dot / n, -1, 1)) : 1 - dot / n) / pixels;
    for (int c = 0; c < 3; c++)
      gradient[3 * i + c] -= (t[c] / m / n - (length > 1e-8 ? dot * v[c] / (n * n * n) : 0)) * slope * weight / pixels;
  }
  return loss;
}

double
ref_distill_depth (const RefShown *s, double *gradient, const double *x, const double *teacher, double weight)
{
  double loss = 0, pixels = count (s);

  for (int i = 0; i < s->batch * s->height * s->width; i++) {
    double e = x[i] - teacher[i];

    if (!is_shown (s, i))
      continue;
    loss += fabs (e) / pixels;
    gradient[i] += ((e > 0) - (e < 0)) * weight / pixels;
  }
  return loss;
}
