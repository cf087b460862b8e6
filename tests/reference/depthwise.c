/* Depthwise 3x3 convolution in double precision: see depthwise.h.  Written for being evidently right, not for speed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "depthwise.h"

#include <stddef.h>
#include <string.h>

int
ref_depthwise_height (const RefDepthwise *d)
{
  return (d->height + d->stride - 1) / d->stride;
}

int
ref_depthwise_width (const RefDepthwise *d)
{
  return (d->width + d->stride - 1) / d->stride;
}

static size_t
at (int n, int row, int column, int c, int height, int width, int channels)
{
  return (((size_t) n * height + row) * width + column) * channels + c;
}

typedef void (*Visit) (void *data, size_t y, size_t x, int tap, int c);

/* Calls @visit for every product of the convolution: output element, input element, tap, channel. */
static void
each_product (const RefDepthwise *d, Visit visit, void *data)
{
  int height = ref_depthwise_height (d), width = ref_depthwise_width (d);

  for (int n = 0; n < d->batch; n++)
    for (int oy = 0; oy < height; oy++)
      for (int ox = 0; ox < width; ox++)
        for (int ky = 0; ky < 3; ky++)
          for (int kx = 0; kx < 3; kx++) {
            int iy = oy * d->stride + (ky - 1) * d->dilation, ix = ox * d->stride + (kx - 1) * d->dilation;
            if (iy < 0 || iy >= d->height || ix < 0 || ix >= d->width)
              continue;
            for (int c = 0; c < d->channels; c++)
              visit (data, at (n, oy, ox, c, height, width, d->channels), at (n, iy, ix, c, d->height, d->width, d->channels), ky * 3 + kx, c);
          }
}

typedef struct { const double *from, *by; double *to; } Product;

static void
forward (void *data, size_t y, size_t x, int tap, int c)
{
  Product *p = data;
  p->to[y] += p->from[x] * p->by[c * 9 + tap];
}

static void
backward_data (void *data, size_t y, size_t x, int tap, int c)
{
  Product *p = data;
  p->to[x] += p->from[y] * p->by[c * 9 + tap];
}

static void
backward_weight (void *data, size_t y, size_t x, int tap, int c)
{
  Product *p = data;
  p->to[c * 9 + tap] += p->from[y] * p->by[x];
}

void
ref_depthwise_forward (const RefDepthwise *d, double *y, const double *x, const double *w, const double *bias)
{
  size_t pixels = (size_t) d->batch * ref_depthwise_height (d) * ref_depthwise_width (d);

  for (size_t p = 0; p < pixels; p++)
    for (int c = 0; c < d->channels; c++)
      y[p * d->channels + c] = bias ? bias[c] : 0;
  each_product (d, forward, &(Product){ .from = x, .by = w, .to = y });
}

void
ref_depthwise_backward_data (const RefDepthwise *d, double *dx, const double *dy, const double *w)
{
  memset (dx, 0, (size_t) d->batch * d->height * d->width * d->channels * sizeof *dx);
  each_product (d, backward_data, &(Product){ .from = dy, .by = w, .to = dx });
}

void
ref_depthwise_backward_weight (const RefDepthwise *d, double *dw, double *db, const double *x, const double *dy)
{
  size_t pixels = (size_t) d->batch * ref_depthwise_height (d) * ref_depthwise_width (d);

  memset (dw, 0, (size_t) d->channels * 9 * sizeof *dw);
  memset (db, 0, (size_t) d->channels * sizeof *db);
  for (size_t p = 0; p < pixels; p++)
    for (int c = 0; c < d->channels; c++)
      db[c] += dy[p * d->channels + c];
  each_product (d, backward_weight, &(Product){ .from = dy, .by = x, .to = dw });
}
