#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient of batch normalisation's input: inv * weight * (d - mean (d) - xhat * mean (d * xhat)), in place where dy is dz; and
// that of its residual, which is d, written or added.  RUNNING: mean and inv were not the batch's, and it is inv * weight * d.
#include "norm_backward.glsl"

LOAD_BUFFER (5, means)
LOAD_BUFFER (6, before)         // the residual's gradient so far
STORE_BUFFER (7, dresidual)
STORE_BUFFER (8, dy)
layout (constant_id = 4) const int RESIDUAL_GRADIENT = 0; // 1: written, 2: added
layout (constant_id = 5) const int RUNNING = 0;
layout (push_constant) uniform Push
{
  int y_base, dz_base, saved_base, residual_base, residual_pitch, means_base, before_base, dresidual_base, dresidual_pitch;
  int quads, columns, step, pixels, run, lanes;
  uint layer, threshold;
  float low, high, scale, inv_columns, inv_step;
  int share_first, share_skip;
};

#define MEANS(t) \
  if (t < TILES && RUNNING == 0) { \
    mean_d[t] = LOAD (means, m + t * step); \
    mean_dx[t] = LOAD (means, m + t * step + quads); \
  }
#define MORE(i) \
  if (i < UNITS && RESIDUAL_GRADIENT == 2) \
    e[i] = LOAD (before, before_base + skip + o[i]);
#define WRITE(i) \
  if (i < UNITS && PIXEL (i) < stop) { \
    if (RESIDUAL_GRADIENT != 0) \
      STORE (dresidual, dresidual_base + skip + o[i], e[i] + d[i]); \
    STORE (dy, to + o[i], factor[TILE (i)] * (d[i] - mean_d[TILE (i)] - xhat[i] * mean_dx[TILE (i)])); \
  }

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, columns = columns, step = step, run = run, y_base = y_base, dz_base = dz_base, before_base = before_base;
  int dresidual_base = dresidual_base;
  uint layer = layer, threshold = threshold;
  float low = low, high = high, scale = scale;
  int k = QUOTIENT (g, columns, inv_columns), c = COLUMN (g - k * columns);
  int p = k * run, end = min (p + run, pixels), stop = lane < lanes ? end : 0;
  int to = branch * pixels * quads + c, other = residual_base + branch * residual_pitch + c;
  int skip = branch * dresidual_pitch + c;
  int mask_at = MASK_AT, at = saved_base + branch * 4 * quads + c, m = means_base + branch * 2 * quads + c;
  int o[MOST];
  vec4 mean[MOST], inv[MOST], factor[MOST], bias[MOST], mean_d[MOST] = NOTHING, mean_dx[MOST] = NOTHING;
  vec4 xhat[MOST], d[MOST], r[MOST] = NOTHING, e[MOST] = NOTHING;

  EACH (PARAMETERS)
  EACH (MEANS)
  k = 0;
  do {
    EACH (READ)
    EACH (MORE)
    EACH (GRADIENT)
    EACH (WRITE)
    p += ROUND;
    k += ROUND;
  } while (k < run);
}
