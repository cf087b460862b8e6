#version 450
// The gradient to a depthwise 3x3's weights and bias, for any stride and dilation: an invocation sums one channel quad over a run
// of the result's pixels, into [branch][split][row][channel quad] texels: rows 0 to 8 the taps, 9 the bias.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
STORE_BUFFER (2, part)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width;
  int stride, dilation;
  int x_base, x_branch;       // texels
  int dy_base, dy_branch;
  int splits, run;            // pixels
  int pixels;                 // batch * height * width
  float inv_quads;
};
LOCAL_SIZE

void
main ()
{
  int g = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z);
  int split = int ((float (g) + 0.5) * inv_quads), quad = g - split * quads;
  if (split >= splits)
    return;

  int image = x_base + branch * x_branch + quad, gradient = dy_base + branch * dy_branch + quad;
  int p = split * run, end = min (p + run, pixels);
  vec4 sum[10];
  for (int t = 0; t < 10; t++)
    sum[t] = vec4 (0);
  for (; p < end; p++) {
    int line = p / width, column = (p - line * width) * stride, n = line / height, row = (line - n * height) * stride;
    vec4 e = LOAD (dy, gradient + p * quads);
#define TAP(t) { int v = row + (t / 3 - 1) * dilation, u = column + (t % 3 - 1) * dilation; \
    if (uint (v) < uint (source_height) && uint (u) < uint (source_width)) \
      sum[t] += e * LOAD (x, image + ((n * source_height + v) * source_width + u) * quads); }
    TAP (0) TAP (1) TAP (2) TAP (3) TAP (4) TAP (5) TAP (6) TAP (7) TAP (8)
    sum[9] += e;
  }
  int o = (branch * splits + split) * 10 * quads + quad;
  for (int t = 0; t < 10; t++)
    STORE (part, o + t * quads, sum[t]);
}
