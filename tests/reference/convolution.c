/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "convolution.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

int
ref_convolution_height (const RefConvolution *c)
{
  return (c->height + c->stride - 1) / c->stride;
}

int
ref_convolution_width (const RefConvolution *c)
{
  return (c->width + c->stride - 1) / c->stride;
}

int
ref_convolution_in (const RefConvolution *c)
{
  int in = 0;
  for (int s = 0; s < c->n_sources; s++)
    in += c->in[s];
  return in;
}

/** One pair of pixels that a tap connects. */
typedef struct
{
  size_t x, y; /* pixel numbers, in a source and in the output */
  int tap;
} Pair;

/** Steps through all pairs: @i counts from 0 until it returns false; *@exists says whether this one's input lies inside. */
static bool
next_pair (const RefConvolution *c, size_t i, Pair *pair, bool *exists)
{
  int height = ref_convolution_height (c), width = ref_convolution_width (c), taps = c->kernel * c->kernel;
  pair->tap = i % taps;
  pair->y = i / taps;
  int column = pair->y % width, row = pair->y / width % height, image = pair->y / width / height;
  int y = row * c->stride + (pair->tap / c->kernel - c->kernel / 2) * c->dilation;
  int x = column * c->stride + (pair->tap % c->kernel - c->kernel / 2) * c->dilation;
  *exists = y >= 0 && y < c->height && x >= 0 && x < c->width;
  pair->x = ((size_t) image * c->height + y) * c->width + x;
  return image < c->batch;
}

void
ref_convolution_forward (const RefConvolution *c, double *y, const double *const *x, const double *w, const double *bias,
    const double *residual, double low, double high)
{
  size_t pixels = (size_t) c->batch * ref_convolution_height (c) * ref_convolution_width (c);
  int taps = c->kernel * c->kernel, in = ref_convolution_in (c);
  Pair pair;
  bool exists;

  for (size_t p = 0; p < pixels; p++)
    for (int o = 0; o < c->out; o++)
      y[p * c->out + o] = (residual ? residual[p * c->out + o] : 0) + (bias ? bias[o] : 0);
  for (size_t i = 0; next_pair (c, i, &pair, &exists); i++)
    for (int o = 0; exists && o < c->out; o++) {
      const double *weight = w + (size_t) o * in * taps + pair.tap;
      double sum = 0;
      for (int s = 0; s < c->n_sources; s++)
        for (int k = 0; k < c->in[s]; k++, weight += taps)
          sum += x[s][pair.x * c->in[s] + k] * *weight;
      y[pair.y * c->out + o] += sum;
    }
  for (size_t i = 0; i < pixels * c->out; i++)
    y[i] = fmin (fmax (y[i], low), high);
}

void
ref_convolution_backward_data (const RefConvolution *c, int s, double *dx, const double *dy, const double *w)
{
  int taps = c->kernel * c->kernel, in = ref_convolution_in (c), before = 0;
  Pair pair;
  bool exists;

  for (int i = 0; i < s; i++)
    before += c->in[i];
  memset (dx, 0, (size_t) c->batch * c->height * c->width * c->in[s] * sizeof *dx);
  for (size_t i = 0; next_pair (c, i, &pair, &exists); i++)
    for (int o = 0; exists && o < c->out; o++)
      for (int k = 0; k < c->in[s]; k++)
        dx[pair.x * c->in[s] + k] += dy[pair.y * c->out + o] * w[((size_t) o * in + before + k) * taps + pair.tap];
}

void
ref_convolution_backward_weight (const RefConvolution *c, double *dw, double *db, const double *const *x, const double *dy)
{
  size_t pixels = (size_t) c->batch * ref_convolution_height (c) * ref_convolution_width (c);
  int taps = c->kernel * c->kernel, in = ref_convolution_in (c);
  Pair pair;
  bool exists;

  memset (dw, 0, (size_t) c->out * in * taps * sizeof *dw);
  for (size_t i = 0; next_pair (c, i, &pair, &exists); i++)
    for (int o = 0; exists && o < c->out; o++) {
      double *weight = dw + (size_t) o * in * taps + pair.tap;
      for (int s = 0; s < c->n_sources; s++)
        for (int k = 0; k < c->in[s]; k++, weight += taps)
          *weight += x[s][pair.x * c->in[s] + k] * dy[pair.y * c->out + o];
    }
  memset (db, 0, c->out * sizeof *db);
  for (size_t p = 0; p < pixels; p++)
    for (int o = 0; o < c->out; o++)
      db[o] += dy[p * c->out + o];
}
