/* Batch normalisation, activation and dropout with their gradients in plain C, double precision.
 *
 * Maps are [branches][pixels][channels], unpadded; a pixel is one of batch, height and width.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  int branches, pixels, channels;
  double eps, momentum, low, high, dropout;
  guint32 layer, random[4]; /* seed, step */
  const double *mean, *var; /* [branches][channels]: statistics that are not the batch's, and stay; NULL: the batch's */
  int share, shares;        /* the maps are the share-th of so many parts of the batch, which chance goes by; shares 0: all of it */
} RefNorm;

/** Philox-4x32-10. */
void ref_philox (const guint32 counter[4], const guint32 key[2], guint32 out[4]);
/** What dropout multiplies each element by: 0 or 1 / (1 - p).  Four channels of a pixel share a counter. */
void ref_dropout_mask (const RefNorm *n, double *mask);

/** z, and the running statistics updated.  @residual: (nullable). */
void ref_norm_forward (const RefNorm *n, double *z, const double *y, const double *residual, const double *weight, const double *bias,
    double *running_mean, double *running_var);
/** All written.  @dresidual: the residual's gradient. */
void ref_norm_backward (const RefNorm *n, double *dy, double *dresidual, double *dweight, double *dbias, const double *y,
    const double *residual, const double *weight, const double *bias, const double *dz);

void ref_activate_forward (const RefNorm *n, double *z, const double *y);
void ref_activate_backward (const RefNorm *n, double *dy, const double *y, const double *dz);
