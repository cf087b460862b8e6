/* 3x3 pooling and its gradient in plain C, double precision.
 *
 * Maps are [planes][height][width][channels], unpadded.  Output o of an axis looks at the samples o * stride - before + 0, 1, 2, those
 * outside left out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  int planes, height, width, channels; /* of x */
  int out_height, out_width;
  int stride, before_y, before_x; /* rows and columns of padding before the first */
  gboolean average;               /* else the maximum */
} RefPool;

void ref_pool_forward (const RefPool *p, double *y, const double *x);
/** dx is written.  The maximum's gradient goes to the first maximum of the window in row-major order. */
void ref_pool_backward (const RefPool *p, double *dx, const double *x, const double *dy);
