#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient of batch normalisation's input: inv * weight * (d - mean (d) - xhat * mean (d * xhat)), in place where dy is dz; and
// that of its residual, which is d, written or added.  RUNNING: mean and inv were not the batch's, and it is inv * weight * d.
#include "norm_backward.glsl"

LOAD_BUFFER (5, means)
LOAD_BUFFER (6, before)         // the residual's gradient so far
LOAD_BUFFER (7, touched)        // dy, before it is written
STORE_BUFFER (8, dresidual)
STORE_BUFFER (9, dy)
layout (constant_id = 3) const int RESIDUAL_GRADIENT = 0; // 1: written, 2: added
layout (constant_id = 4) const int TOUCH = 0;
layout (constant_id = 5) const int RUNNING = 0;
layout (push_constant) uniform Push
{
  int y_base, dz_base, saved_base, residual_base, residual_pitch, means_base, before_base, dresidual_base, dresidual_pitch, touched_base;
  int quads, pixels, run, lanes;
  uint layer, threshold, zero;
  float low, high, scale, inv_quads;
  int share_first, share_skip;
};

#define MORE(i) \
  vec4 e##i = vec4 (0); \
  if (RESIDUAL_GRADIENT == 2) \
    e##i = LOAD (before, before_base + skip + o##i); \
  if (TOUCH != 0) \
    xhat##i += uintBitsToFloat (floatBitsToUint (LOAD (touched, touched_base + to + o##i).x) & zero);
#define WRITE(i) \
  if (p + i < stop) { \
    if (RESIDUAL_GRADIENT != 0) \
      STORE (dresidual, dresidual_base + skip + o##i, e##i + d##i); \
    STORE (dy, to + o##i, factor * (d##i - mean_d - xhat##i * mean_dx)); \
  }

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, run = run, y_base = y_base, dz_base = dz_base, before_base = before_base, touched_base = touched_base;
  int dresidual_base = dresidual_base;
  uint layer = layer, threshold = threshold, zero = zero;
  float low = low, high = high, scale = scale;
  int r = QUOTIENT (g, quads, inv_quads), c = g - r * quads;
  int p = r * run, end = min (p + run, pixels), stop = lane < lanes ? end : 0;
  int to = branch * pixels * quads + c, other = residual_base + branch * residual_pitch + c;
  int skip = branch * dresidual_pitch + c;
  int mask_at = MASK_AT;
  int at = saved_base + branch * 4 * quads + c, m = means_base + branch * 2 * quads + c;
  vec4 mean = LOAD (saved, at), inv = LOAD (saved, at + quads), factor = inv * LOAD (saved, at + 2 * quads);
  vec4 bias = LOAD (saved, at + 3 * quads), mean_d = vec4 (0), mean_dx = vec4 (0);
  if (RUNNING == 0) {
    mean_d = LOAD (means, m);
    mean_dx = LOAD (means, m + quads);
  }

  int k = 0;
  do {
    PIXEL (0)
    PIXEL (1)
    PIXEL (2)
    PIXEL (3)
    MORE (0)
    MORE (1)
    MORE (2)
    MORE (3)
    GRADIENT (0)
    GRADIENT (1)
    GRADIENT (2)
    GRADIENT (3)
    WRITE (0)
    WRITE (1)
    WRITE (2)
    WRITE (3)
    p += 4;
    k += 4;
  } while (k < run);
}
