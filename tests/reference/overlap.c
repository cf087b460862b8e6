/* The overlap of two halves of filters in double precision: see overlap.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "overlap.h"

static double
product (int columns, const double *a, const double *b)
{
  double sum = 0;

  for (int k = 0; k < columns; k++)
    sum += a[k] * b[k];
  return sum;
}

double
ref_overlap (int rows, int columns, const double *w)
{
  double sum = 0;

  for (int i = 0; i < rows / 2; i++)
    for (int j = rows / 2; j < rows; j++) {
      double p = product (columns, w + (gsize) i * columns, w + (gsize) j * columns);

      sum += p * p;
    }
  return sum;
}

void
ref_overlap_gradient (int rows, int columns, const double *w, double factor, double *dw)
{
  for (int i = 0; i < rows / 2; i++)
    for (int j = rows / 2; j < rows; j++) {
      const double *a = w + (gsize) i * columns, *b = w + (gsize) j * columns;
      double p = product (columns, a, b);

      for (int k = 0; k < columns; k++) {
        dw[(gsize) i * columns + k] += 2 * factor * p * b[k];
        dw[(gsize) j * columns + k] += 2 * factor * p * a[k];
      }
    }
}
