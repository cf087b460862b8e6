/* How the convolutions of GPUs count: what convolution-gpu.c and convolution-weight-gpu.c share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/convolution.h>

G_BEGIN_DECLS

/* a branch, in units of @unit channels */
static inline int
branch_units (const NddrTensor *t, int unit)
{
  return t->batch * t->height * t->width * (t->stride / unit);
}

static inline int
branch_quads (const NddrTensor *t)
{
  return branch_units (t, 4);
}

static inline int
groups (gsize n, int size)
{
  return (int) ((n + size - 1) / size);
}

/* where input @s's channels begin among all */
static inline int
first_channel (const NddrConvolution *op, int s)
{
  int first = 0;

  for (int i = 0; i < s; i++)
    first += op->inputs[i].tensor->channels;
  return first;
}

G_END_DECLS
