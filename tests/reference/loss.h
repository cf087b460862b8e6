/* Losses and their gradients in plain C, double precision.
 *
 * Predictions are [pixels][channels], unpadded.  Each returns the mean over the valid pixels and writes @gradient, the mean's
 * times @weight.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Softmax cross-entropy. @label: 255 is ignored. @class_weights: (nullable): [channels]: a weighted mean. */
double ref_loss_segmentation (int pixels, int channels, double *gradient, const double *x, const guint8 *label, const double *class_weights,
    double weight);
/** 1 - cos, the prediction's length at least 1e-8. @label: [pixels][4]: x, y, z, valid. */
double ref_loss_normal (int pixels, double *gradient, const double *x, const double *label, gboolean angle, double weight);
/** The absolute error. @label: 0 is ignored. */
double ref_loss_depth (int pixels, double *gradient, const double *x, const double *label, double weight);
