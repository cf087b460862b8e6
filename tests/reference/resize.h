/* Bilinear resizing, not antialiased, and its gradient in plain C, double precision.
 *
 * Maps are [planes][height][width][channels], unpadded.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>

typedef struct
{
  int planes, height, width, channels; /* of x */
  int out_height, out_width;
  NddrResizeMode mode;
} RefResize;

void ref_resize_forward (const RefResize *r, double *y, const double *x);
/** dx is written. */
void ref_resize_backward (const RefResize *r, double *dx, const double *dy);
