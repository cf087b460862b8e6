/* Bilinear upsampling on the host, a row at a time, as the network's `resize` says.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>

G_BEGIN_DECLS

/** Where the outputs along one axis lie between two inputs: (1 - weight[i]) * in[low[i]] + weight[i] * in[high[i]]. */
typedef struct
{
  guint n;
  guint *low, *high;
  float *weight;
} NddrUpsampleAxis;

void nddr_upsample_axis_init (NddrUpsampleAxis *axis, guint in, guint out, NddrResizeMode mode);
void nddr_upsample_axis_clear (NddrUpsampleAxis *axis);

/** One output row. @input: [y->n's inputs][width][stride]; @blend: room for width * stride floats; @row: [x->n][stride]. */
void nddr_upsample_row (const NddrUpsampleAxis *x, const NddrUpsampleAxis *y, guint at, const float *input, guint width,
    guint stride, float *blend, float *row);

G_END_DECLS
