/* See norm.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "norm.h"

#include <math.h>

void
ref_philox (const guint32 counter[4], const guint32 key[2], guint32 out[4])
{
  guint32 c[4] = { counter[0], counter[1], counter[2], counter[3] }, k[2] = { key[0], key[1] };

  for (int round = 0; round < 10; round++) {
    guint64 a = (guint64) 0xD2511F53u * c[0], b = (guint64) 0xCD9E8D57u * c[2];
    guint32 next[4] = { (guint32) (b >> 32) ^ c[1] ^ k[0], (guint32) b, (guint32) (a >> 32) ^ c[3] ^ k[1], (guint32) a };

    for (int i = 0; i < 4; i++)
      c[i] = next[i];
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  for (int i = 0; i < 4; i++)
    out[i] = c[i];
}

void
ref_dropout_mask (const RefNorm *n, double *mask)
{
  int quads = (n->channels + 3) / 4, shares = MAX (n->shares, 1);

  for (int p = 0; p < n->branches * n->pixels; p++)
    for (int c = 0; c < n->channels; c++) {
      int at = (p / n->pixels * shares + n->share) * n->pixels + p % n->pixels; /* of the whole batch */
      guint32 counter[4] = { at * quads + c / 4, n->layer, n->random[2], n->random[3] }, words[4];

      ref_philox (counter, n->random, words);
      *mask++ = words[c % 4] < n->dropout * 4294967296.0 ? 0 : 1 / (1 - n->dropout);
    }
}

/* Element of pixel @p and channel @c of branch @b. */
static gsize
at (const RefNorm *n, int b, int p, int c)
{
  return ((gsize) b * n->pixels + p) * n->channels + c;
}

static void
statistics (const RefNorm *n, const double *y, int b, int c, double *mean, double *var)
{
  if (n->mean) {
    *mean = n->mean[b * n->channels + c];
    *var = n->var[b * n->channels + c];
    return;
  }
  *mean = *var = 0;
  for (int p = 0; p < n->pixels; p++)
    *mean += y[at (n, b, p, c)] / n->pixels;
  for (int p = 0; p < n->pixels; p++)
    *var += (y[at (n, b, p, c)] - *mean) * (y[at (n, b, p, c)] - *mean) / n->pixels;
}

void
ref_norm_forward (const RefNorm *n, double *z, const double *y, const double *residual, const double *weight, const double *bias,
    double *running_mean, double *running_var)
{
  g_autofree double *mask = g_new (double, (gsize) n->branches * n->pixels * n->channels);

  ref_dropout_mask (n, mask);
  for (int b = 0; b < n->branches; b++)
    for (int c = 0; c < n->channels; c++) {
      int k = b * n->channels + c;
      double mean, var, m = n->momentum;

      statistics (n, y, b, c, &mean, &var);
      for (int p = 0; p < n->pixels; p++) {
        gsize i = at (n, b, p, c);
        double t = (y[i] - mean) / sqrt (var + n->eps) * weight[k] + bias[k] + (residual ? residual[i] : 0);

        z[i] = CLAMP (t, n->low, n->high) * mask[i];
      }
      if (n->mean)
        continue;
      running_mean[k] = (1 - m) * running_mean[k] + m * mean;
      running_var[k] = (1 - m) * running_var[k] + m * var * n->pixels / MAX (n->pixels - 1, 1);
    }
}

void
ref_norm_backward (const RefNorm *n, double *dy, double *dresidual, double *dweight, double *dbias, const double *y,
    const double *residual, const double *weight, const double *bias, const double *dz)
{
  g_autofree double *mask = g_new (double, (gsize) n->branches * n->pixels * n->channels);

  ref_dropout_mask (n, mask);
  for (int b = 0; b < n->branches; b++)
    for (int c = 0; c < n->channels; c++) {
      int k = b * n->channels + c;
      double mean, var, inv;

      statistics (n, y, b, c, &mean, &var);
      inv = 1 / sqrt (var + n->eps);
      dweight[k] = dbias[k] = 0;
      for (int p = 0; p < n->pixels; p++) {
        gsize i = at (n, b, p, c);
        double t = (y[i] - mean) * inv * weight[k] + bias[k] + (residual ? residual[i] : 0);

        dresidual[i] = t > n->low && t < n->high ? dz[i] * mask[i] : 0;
        dbias[k] += dresidual[i];
        dweight[k] += dresidual[i] * (y[i] - mean) * inv;
      }
      for (int p = 0; p < n->pixels; p++) {
        gsize i = at (n, b, p, c);

        dy[i] = inv * weight[k] * (n->mean ? dresidual[i] : dresidual[i] - dbias[k] / n->pixels - (y[i] - mean) * inv * dweight[k] / n->pixels);
      }
    }
}

void
ref_activate_forward (const RefNorm *n, double *z, const double *y)
{
  gsize count = (gsize) n->branches * n->pixels * n->channels;
  g_autofree double *mask = g_new (double, count);

  ref_dropout_mask (n, mask);
  for (gsize i = 0; i < count; i++)
    z[i] = CLAMP (y[i], n->low, n->high) * mask[i];
}

void
ref_activate_backward (const RefNorm *n, double *dy, const double *y, const double *dz)
{
  gsize count = (gsize) n->branches * n->pixels * n->channels;
  g_autofree double *mask = g_new (double, count);

  ref_dropout_mask (n, mask);
  for (gsize i = 0; i < count; i++)
    dy[i] = y[i] > n->low && y[i] < n->high ? dz[i] * mask[i] : 0;
}
