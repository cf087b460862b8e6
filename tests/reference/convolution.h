/* Convolution and its gradients in plain C, double precision.
 *
 * Maps are [batch][height][width][channels], unpadded; weights [out][in of all sources][kernel][kernel].  Zero padding of
 * dilation * (kernel - 1) / 2 on every side: an output's size is ceil (size / stride).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef struct
{
  int batch, height, width; /* of every source */
  int n_sources;
  const int *in;            /* channels of each source */
  int out;
  int kernel, stride, dilation;
} RefConvolution;

int ref_convolution_height (const RefConvolution *c);
int ref_convolution_width (const RefConvolution *c);
int ref_convolution_in (const RefConvolution *c); /* of all sources */

/** y = clamp (w * x + bias + residual, low, high).  @bias [out], @residual (shaped as @y): (nullable).  @residual may be @y. */
void ref_convolution_forward (const RefConvolution *c, double *y, const double *const *x, const double *w, const double *bias,
    const double *residual, double low, double high);
/** The gradient of source @s, of w * x alone: written. */
void ref_convolution_backward_data (const RefConvolution *c, int s, double *dx, const double *dy, const double *w);
/** dw and db are written. */
void ref_convolution_backward_weight (const RefConvolution *c, double *dw, double *db, const double *const *x, const double *dy);
