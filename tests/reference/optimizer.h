/* Optimisers in plain C, double precision: one step of @n parameters of one group.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/** PyTorch's SGD with momentum; @v: its buffer. */
void ref_sgd (int n, double *w, double *v, const double *g, double rate, double decay, double momentum);
/** PyTorch's AdamW, step @t = 1, 2, ...; @m, @v: first and second moment. */
void ref_adamw (int n, double *w, double *m, double *v, const double *g, double rate, double decay, double beta1, double beta2, double eps, int t);
