/* What a teacher gives, as a loss, and its gradient, in plain C, double precision.
 *
 * Predictions and the teacher's outputs are [batch][height][width][channels], unpadded; of each picture the pixels left of and above @shown count.  Each
 * returns the mean over those and adds the mean's gradient, times @weight, to @gradient.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  int batch, height, width, channels;
  const int (*shown)[2]; /* [batch]: width, height */
} RefShown;

/** T² sum p log (p / q) with p = softmax (teacher / T), q = softmax (x / T). */
double ref_distill_segmentation (const RefShown *pixels, double *gradient, const double *x, const double *teacher, double temperature, double weight);
/** 1 - cos, lengths at least 1e-8. */
double ref_distill_normal (const RefShown *pixels, double *gradient, const double *x, const double *teacher, gboolean angle, double weight);
/** The absolute difference. */
double ref_distill_depth (const RefShown *pixels, double *gradient, const double *x, const double *teacher, double weight);
