#version 450
#extension GL_GOOGLE_include_directive : require
// z = dropout (clamp ((y - mean) * inv * weight + bias + residual, low, high)).  A lane takes one quad of channels of a run of
// pixels.
#include "norm.glsl"

LOAD_BUFFER (0, y)
LOAD_BUFFER (1, saved)
LOAD_BUFFER (2, residual)
layout (binding = 3) readonly buffer Random { uvec4 random; };
LOAD_BUFFER (4, before)
STORE_BUFFER (5, z)
layout (constant_id = 0) const int RESIDUAL = 0;
layout (constant_id = 1) const int DROPOUT = 0; // 2: of a share of the batch
// reads a line of the output before it is written: strided stores to lines that are not in the cache stall software drivers
layout (constant_id = 2) const int TOUCH = 0;
layout (push_constant) uniform Push
{
  int y_base, saved_base, residual_base, residual_pitch, before_base; // pitch: from branch to branch
  int quads, pixels, run, lanes;
  uint layer, threshold, zero;
  float low, high, scale, inv_quads;
  int share_first, share_skip; // texels: see dropout.glsl
};
LOCAL_SIZE

#define PIXEL(i) \
  int o##i = (min (p + i, end - 1)) * quads; \
  vec4 v##i = LOAD (y, from + o##i), r##i = vec4 (0); \
  if (RESIDUAL != 0) \
    r##i = LOAD (residual, other + o##i); \
  if (TOUCH != 0) \
    r##i += uintBitsToFloat (floatBitsToUint (LOAD (before, before_base + to + o##i).x) & zero);
#define RESULT(i) \
  v##i = clamp (normalised (v##i, mean, factor, bias, r##i), vec4 (low), vec4 (high)); \
  if (DROPOUT != 0) \
    v##i *= dropout_mask (mask_at + o##i, layer, words, threshold, scale);

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, run = run, before_base = before_base;
  uint layer = layer, threshold = threshold, zero = zero;
  float low = low, high = high, scale = scale;
  int r = QUOTIENT (g, quads, inv_quads), c = g - r * quads;
  int p = r * run, end = min (p + run, pixels), stop = lane < lanes ? end : 0;
  int to = branch * pixels * quads + c, from = y_base + to, other = residual_base + branch * residual_pitch + c;
  int mask_at = to + (DROPOUT == 2 ? share_first + branch * share_skip : 0);
  int s = saved_base + branch * 4 * quads + c;
  vec4 mean = LOAD (saved, s), factor = LOAD (saved, s + quads) * LOAD (saved, s + 2 * quads), bias = LOAD (saved, s + 3 * quads);

  int k = 0;
  do {
    PIXEL (0)
    PIXEL (1)
    PIXEL (2)
    PIXEL (3)
    RESULT (0)
    RESULT (1)
    RESULT (2)
    RESULT (3)
    if (p < stop)
      STORE (z, to + o0, v0);
    if (p + 1 < stop)
      STORE (z, to + o1, v1);
    if (p + 2 < stop)
      STORE (z, to + o2, v2);
    if (p + 3 < stop)
      STORE (z, to + o3, v3);
    p += 4;
    k += 4;
  } while (k < run);
}
