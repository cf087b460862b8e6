/* See optimizer.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "optimizer.h"

#include <math.h>

void
ref_sgd (int n, double *w, double *v, const double *g, double rate, double decay, double momentum)
{
  for (int i = 0; i < n; i++) {
    v[i] = momentum * v[i] + g[i] + decay * w[i];
    w[i] -= rate * v[i];
  }
}

void
ref_adamw (int n, double *w, double *m, double *v, const double *g, double rate, double decay, double beta1, double beta2, double eps, int t)
{
  for (int i = 0; i < n; i++) {
    w[i] -= rate * decay * w[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    w[i] -= rate * (m[i] / (1 - pow (beta1, t))) / (sqrt (v[i] / (1 - pow (beta2, t))) + eps);
  }
}
