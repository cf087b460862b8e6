/* Bilinear upsampling: first along y, where the input's rows are short, then along x.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/upsample.h"

#include <math.h>

static double
source_position (guint i, guint in, guint out, NddrResizeMode mode)
{
  switch (mode) {
    case NDDR_RESIZE_ALIGN_CORNERS:
      return out > 1 ? i * (double) (in - 1) / (out - 1) : 0;
    case NDDR_RESIZE_ASYMMETRIC:
      return i * (double) in / out;
    case NDDR_RESIZE_HALF_PIXEL:
      break;
  }
  return MAX (0, (i + 0.5) * in / out - 0.5);
}

void
nddr_upsample_axis_init (NddrUpsampleAxis *axis, guint in, guint out, NddrResizeMode mode)
{
  axis->n = out;
  axis->low = g_new (guint, out);
  axis->high = g_new (guint, out);
  axis->weight = g_new (float, out);
  for (guint i = 0; i < out; i++) {
    double at = source_position (i, in, out, mode);
    axis->low[i] = MIN ((guint) at, in - 1);
    axis->high[i] = MIN (axis->low[i] + 1, in - 1);
    axis->weight[i] = at - axis->low[i];
  }
}

void
nddr_upsample_axis_clear (NddrUpsampleAxis *axis)
{
  g_clear_pointer (&axis->low, g_free);
  g_clear_pointer (&axis->high, g_free);
  g_clear_pointer (&axis->weight, g_free);
}

void
nddr_upsample_row (const NddrUpsampleAxis *x, const NddrUpsampleAxis *y, guint at, const float *input, guint width,
    guint stride, float *restrict blend, float *restrict row)
{
  gsize n = (gsize) width * stride;
  const float *low = input + y->low[at] * n, *high = input + y->high[at] * n;
  float weight = y->weight[at];
  for (gsize i = 0; i < n; i++)
    blend[i] = low[i] + weight * (high[i] - low[i]);
  for (guint i = 0; i < x->n; i++) {
    const float *left = blend + (gsize) x->low[i] * stride, *right = blend + (gsize) x->high[i] * stride;
    float *out = row + (gsize) i * stride;
    for (guint c = 0; c < stride; c++)
      out[c] = left[c] + x->weight[i] * (right[c] - left[c]);
  }
}
