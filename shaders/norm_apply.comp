#version 450
#extension GL_GOOGLE_include_directive : require
// z = dropout (clamp ((y - mean) * inv * weight + bias + residual, low, high)).
#include "norm.glsl"
#include "tiles.glsl"

LOAD_BUFFER (0, y)
LOAD_BUFFER (1, saved)
LOAD_BUFFER (2, residual)
layout (binding = 3) readonly buffer Random { uvec4 random; };
STORE_BUFFER (4, z)
layout (constant_id = 1) const int RESIDUAL = 0;
layout (constant_id = 2) const int DROPOUT = 0; // 2: of a share of the batch
layout (push_constant) uniform Push
{
  int y_base, saved_base, residual_base, residual_pitch; // pitch: from branch to branch
  int quads, columns, step, pixels, run, lanes;
  uint layer, threshold;
  float low, high, scale, inv_columns, inv_step;
  int share_first, share_skip; // texels: see dropout.glsl
};
LOCAL_SIZE

#define PARAMETERS(t) \
  if (t < TILES) { \
    int at = s + t * step; \
    mean[t] = LOAD (saved, at); \
    factor[t] = LOAD (saved, at + quads) * LOAD (saved, at + 2 * quads); \
    bias[t] = LOAD (saved, at + 3 * quads); \
  }
#define READ(i) \
  if (i < UNITS) { \
    o[i] = TEXEL_OF (i); \
    v[i] = LOAD (y, from + o[i]); \
    if (RESIDUAL != 0) \
      r[i] = LOAD (residual, other + o[i]); \
  }
#define RESULT(i) \
  if (i < UNITS) { \
    v[i] = clamp (normalised (v[i], mean[TILE (i)], factor[TILE (i)], bias[TILE (i)], r[i]), vec4 (low), vec4 (high)); \
    if (DROPOUT != 0) \
      v[i] *= dropout_mask (mask_at + o[i], layer, words, threshold, scale); \
  }
#define WRITE(i) \
  if (i < UNITS && PIXEL (i) < stop) \
    STORE (z, to + o[i], v[i]);

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, columns = columns, step = step, run = run;
  uint layer = layer, threshold = threshold;
  float low = low, high = high, scale = scale;
  int k = QUOTIENT (g, columns, inv_columns), c = COLUMN (g - k * columns);
  int p = k * run, end = min (p + run, pixels), stop = lane < lanes ? end : 0;
  int to = branch * pixels * quads + c, from = y_base + to, other = residual_base + branch * residual_pitch + c;
  int mask_at = to + (DROPOUT == 2 ? share_first + branch * share_skip : 0);
  int s = saved_base + branch * 4 * quads + c;
  int o[MOST];
  vec4 v[MOST], r[MOST] = NOTHING, mean[MOST], factor[MOST], bias[MOST];

  EACH (PARAMETERS)
  k = 0;
  do {
    EACH (READ)
    EACH (RESULT)
    EACH (WRITE)
    p += ROUND;
    k += ROUND;
  } while (k < run);
}
