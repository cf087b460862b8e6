#version 450
#extension GL_GOOGLE_include_directive : require
// The two sums that the gradient of batch normalisation needs, over runs of pixels: of the gradient d behind the clamp, and of
// d * (y - mean) * inv: [branch][run][2][quads].
#include "norm_backward.glsl"

STORE_BUFFER (5, parts)
layout (push_constant) uniform Push
{
  int y_base, dz_base, saved_base, residual_base, residual_pitch;
  int quads, pixels, run, runs, lanes;
  uint layer, threshold;
  float low, high, scale, inv_quads;
  int share_first, share_skip;
};

#define ADD(i, s, q) \
  d##i *= p + i < end ? 1.0 : 0.0; \
  s += d##i; \
  q += d##i * xhat##i;

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, run = run, y_base = y_base, dz_base = dz_base;
  uint layer = layer, threshold = threshold;
  float low = low, high = high, scale = scale;
  int r = QUOTIENT (g, quads, inv_quads), c = g - r * quads;
  int p = r * run, end = min (p + run, pixels);
  int to = branch * pixels * quads + c, other = residual_base + branch * residual_pitch + c;
  int mask_at = MASK_AT;
  int at = saved_base + branch * 4 * quads + c;
  vec4 mean = LOAD (saved, at), inv = LOAD (saved, at + quads), factor = inv * LOAD (saved, at + 2 * quads);
  vec4 bias = LOAD (saved, at + 3 * quads);

  vec4 s0 = vec4 (0), s1 = vec4 (0), q0 = vec4 (0), q1 = vec4 (0);
  int k = 0;
  do {
    PIXEL (0)
    PIXEL (1)
    PIXEL (2)
    PIXEL (3)
    GRADIENT (0)
    GRADIENT (1)
    GRADIENT (2)
    GRADIENT (3)
    ADD (0, s0, q0)
    ADD (1, s1, q1)
    ADD (2, s0, q0)
    ADD (3, s1, q1)
    p += 4;
    k += 4;
  } while (k < run);

  if (lane < lanes) {
    int o = (branch * runs + r) * 2 * quads + c;
    STORE (parts, o, s0 + s1);
    STORE (parts, o + quads, q0 + q1);
  }
}
