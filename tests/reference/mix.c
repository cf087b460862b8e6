/* Weighted sums of maps in double precision: see mix.h.  Written for being evidently right, not for speed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mix.h"

#include <string.h>

int
ref_mix_weights (const RefMix *m)
{
  return m->branches * m->parts * m->n_inputs * m->parts * (m->each_channel ? m->channels / m->parts : 1);
}

/* Channel @c of part @r of a map. */
static gsize
at (const RefMix *m, int r, int p, int c)
{
  int width = m->channels / m->parts;

  return ((gsize) (r / m->parts) * m->pixels + p) * m->channels + r % m->parts * width + c;
}

typedef void (*Visit) (double *to, const double *a, const double *b, gsize y, gsize x, gsize w);

/* Calls @visit for every product: output element, input element, weight. */
static void
each_product (const RefMix *m, Visit visit, double *to, const double *a, const double *b)
{
  int rows = m->branches * m->parts, columns = m->n_inputs * m->parts;

  for (int r = 0; r < rows; r++)
    for (int q = 0; q < columns; q++)
      for (int p = 0; p < m->pixels; p++)
        for (int c = 0; c < m->channels / m->parts; c++)
          visit (to, a, b, at (m, r, p, c), at (m, q, p, c), ((gsize) (m->each_channel ? c : 0) * rows + r) * columns + q);
}

static void
forward (double *to, const double *x, const double *w, gsize iy, gsize ix, gsize iw)
{
  to[iy] += w[iw] * x[ix];
}

static void
backward_data (double *to, const double *dy, const double *w, gsize iy, gsize ix, gsize iw)
{
  to[ix] += w[iw] * dy[iy];
}

static void
backward_weight (double *to, const double *x, const double *dy, gsize iy, gsize ix, gsize iw)
{
  to[iw] += dy[iy] * x[ix];
}

void
ref_mix_forward (const RefMix *m, double *y, const double *x, const double *w)
{
  memset (y, 0, (gsize) m->branches * m->pixels * m->channels * sizeof *y);
  each_product (m, forward, y, x, w);
}

void
ref_mix_backward_data (const RefMix *m, double *dx, const double *dy, const double *w)
{
  memset (dx, 0, (gsize) m->n_inputs * m->pixels * m->channels * sizeof *dx);
  each_product (m, backward_data, dx, dy, w);
}

void
ref_mix_backward_weight (const RefMix *m, double *dw, const double *x, const double *dy)
{
  memset (dw, 0, ref_mix_weights (m) * sizeof *dw);
  each_product (m, backward_weight, dw, x, dy);
}
