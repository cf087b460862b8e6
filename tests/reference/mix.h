/* Weighted sums of maps and their gradients in plain C, double precision.
 *
 * Maps are [branches][pixels][channels].  A branch's channels are cut into parts; parts are numbered branch by branch: r of the
 * output, q of the inputs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reference.h"

typedef struct
{
  int pixels, channels;
  int branches, n_inputs, parts;
  gboolean each_channel; /* weights [channels / parts][r][q], else [r][q] */
} RefMix;

/** How many weights there are. */
int ref_mix_weights (const RefMix *m);

/** y, dx and dw are written. */
void ref_mix_forward (const RefMix *m, double *y, const double *x, const double *w);
void ref_mix_backward_data (const RefMix *m, double *dx, const double *dy, const double *w);
void ref_mix_backward_weight (const RefMix *m, double *dw, const double *x, const double *dy);
