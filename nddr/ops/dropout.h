/* What kernels are told of dropout (shaders/dropout.glsl).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

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
