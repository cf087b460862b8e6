/* A class balance: what a pixel of each class counts with in losses of segmentation, so that rare classes are learnt, too.
 *
 * With f_c the share of class c of the labelled training pixels, and an exponent e between 0 and 1,
 *
 *   w_c = f_c^-e / sum_k f_k^(1-e)
 *
 * which is 1 in the mean over pixels.  0: pixels count alike; 1: classes do, whatever their size (the inverse frequencies of long-tailed recognition);
 * 0.5: inverse square roots.  A class without a pixel has weight 0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/dataset.h>

G_BEGIN_DECLS

/**
 * Counts the pixels of a data set's segmentation, each picture at @width x @height, once and unchanged.
 * @weights: (out): [the data set's classes]
 */
gboolean nddr_class_balance_measure (NddrDataset *dataset, guint width, guint height, double exponent, double *weights, GError **error);

/** w_c from the classes' numbers of pixels. */
void nddr_class_balance_weigh (const guint64 *pixels, guint n, double exponent, double *weights);

/** (transfer full): @weights to the last bit, and back: exactly @n. */
char *nddr_class_balance_to_text (const double *weights, guint n);
gboolean nddr_class_balance_from_text (double *weights, guint n, const char *text, GError **error);

G_END_DECLS
