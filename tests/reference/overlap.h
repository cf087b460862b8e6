/* The overlap of two halves of filters in plain C, double precision.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "reference.h"

/** The squared Frobenius norm of A B^T: A is the upper half of w [rows][columns], B the lower. */
double ref_overlap (int rows, int columns, const double *w);
/** dw += factor times its gradient. */
void ref_overlap_gradient (int rows, int columns, const double *w, double factor, double *dw);
