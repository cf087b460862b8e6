/* Depthwise 3x3 convolution and its gradients in plain C, double precision.
 *
 * Maps are [batch][height][width][channels], unpadded; weights [channels][3][3].  Zero padding of one dilation on every side:
 * an output's size is ceil (size / stride).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

typedef struct
{
  int batch, height, width, channels; /* of x */
  int stride, dilation;
} RefDepthwise;

int ref_depthwise_height (const RefDepthwise *d);
int ref_depthwise_width (const RefDepthwise *d);

/** y = w * x + bias, without activation. @bias: (nullable): [channels] */
void ref_depthwise_forward (const RefDepthwise *d, double *y, const double *x, const double *w, const double *bias);
/** dx is written. */
void ref_depthwise_backward_data (const RefDepthwise *d, double *dx, const double *dy, const double *w);
/** dw and db are written. */
void ref_depthwise_backward_weight (const RefDepthwise *d, double *dw, double *db, const double *x, const double *dy);
