/* What kernels are told of dropout (shaders/dropout.glsl).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>

/** A random word below this makes an element 0. */
static inline guint32
nddr_dropout_threshold (double probability)
{
  return (guint32) MIN (probability * 4294967296.0, 4294967295.0);
}

/** What the other elements are multiplied by. */
static inline float
nddr_dropout_scale (double probability)
{
  return (float) (1 / (1 - probability));
}

/** The kernels' DROPOUT. */
static inline guint32
nddr_dropout_kind (double probability, NddrShare share)
{
  return probability > 0 ? share.count > 1 ? 2 : 1 : 0;
}

/** Their share_first and share_skip; @texels: of a branch of the share. */
static inline void
nddr_dropout_push_share (NddrStep *step, NddrShare share, gsize texels)
{
  nddr_step_push_i (step, share.index * texels);
  nddr_step_push_i (step, share.count > 1 ? (share.count - 1) * texels : 0);
}
