#version 450
#extension GL_GOOGLE_include_directive : require
// The two sums that the gradient of batch normalisation needs, over runs of pixels: of the gradient d behind the clamp, and of
// d * (y - mean) * inv: [branch][run][2][quads].
#include "norm_backward.glsl"

STORE_BUFFER (5, parts)
layout (push_constant) uniform Push
{
  int y_base, dz_base, saved_base, residual_base, residual_pitch;
  int quads, columns, step, pixels, run, runs, lanes;
  uint layer, threshold;
  float low, high, scale, inv_columns, inv_step;
  int share_first, share_skip;
};

#define ADD(i) \
  if (i < UNITS) { \
    d[i] *= PIXEL (i) < end ? 1.0 : 0.0; \
    sum[i] += d[i]; \
    sum_x[i] += d[i] * xhat[i]; \
  }
#define WRITE(t) \
  if (t < TILES) { \
    STORE (parts, out_at + t * step, SUM (sum, t)); \
    STORE (parts, out_at + t * step + quads, SUM (sum_x, t)); \
  }

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, columns = columns, step = step, run = run, y_base = y_base, dz_base = dz_base;
  uint layer = layer, threshold = threshold;
  float low = low, high = high, scale = scale;
  int part = QUOTIENT (g, columns, inv_columns), c = COLUMN (g - part * columns);
  int p = part * run, end = min (p + run, pixels);
  int to = branch * pixels * quads + c, other = residual_base + branch * residual_pitch + c;
  int mask_at = MASK_AT, at = saved_base + branch * 4 * quads + c, out_at = (branch * runs + part) * 2 * quads + c;
  int o[MOST];
  vec4 mean[MOST], inv[MOST], factor[MOST], bias[MOST], xhat[MOST], d[MOST], r[MOST] = NOTHING, sum[MOST] = NOTHING, sum_x[MOST] = NOTHING;

  EACH (PARAMETERS)
  int k = 0;
  do {
    EACH (READ)
    EACH (GRADIENT)
    EACH (ADD)
    p += ROUND;
    k += ROUND;
  } while (k < run);
  if (lane < lanes) {
    EACH (WRITE)
  }
}
