/* See pool.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <string.h>

/* The samples of x that output (oy, ox) of a plane looks at, in row-major order, as indices of its first channel: how many. */
static int
window (const RefPool *p, int plane, int oy, int ox, gsize taps[9])
{
  int n = 0;

  for (int ky = 0; ky < 3; ky++)
    for (int kx = 0; kx < 3; kx++) {
      int y = oy * p->stride - p->before_y + ky, x = ox * p->stride - p->before_x + kx;

      if (y >= 0 && y < p->height && x >= 0 && x < p->width)
        taps[n++] = (((gsize) plane * p->height + y) * p->width + x) * p->channels;
    }
  return n;
}

void
ref_pool_forward (const RefPool *p, double *y, const double *x)
{
  gsize taps[9];

  for (int plane = 0; plane < p->planes; plane++)
    for (int oy = 0; oy < p->out_height; oy++)
      for (int ox = 0; ox < p->out_width; ox++) {
        int n = window (p, plane, oy, ox, taps);

        for (int c = 0; c < p->channels; c++) {
          double sum = 0, best = x[taps[0] + c];

          for (int t = 0; t < n; t++) {
            sum += x[taps[t] + c];
            best = MAX (best, x[taps[t] + c]);
          }
          *y++ = p->average ? sum / n : best;
        }
      }
}

void
ref_pool_backward (const RefPool *p, double *dx, const double *x, const double *dy)
{
  gsize taps[9];

  memset (dx, 0, sizeof *dx * p->planes * p->height * p->width * p->channels);
  for (int plane = 0; plane < p->planes; plane++)
    for (int oy = 0; oy < p->out_height; oy++)
      for (int ox = 0; ox < p->out_width; ox++) {
        int n = window (p, plane, oy, ox, taps);

        for (int c = 0; c < p->channels; c++, dy++) {
          int best = 0;

          for (int t = 0; t < n; t++) {
            if (x[taps[t] + c] > x[taps[best] + c])
              best = t;
            if (p->average)
              dx[taps[t] + c] += *dy / n;
          }
          if (!p->average)
            dx[taps[best] + c] += *dy;
        }
      }
}
