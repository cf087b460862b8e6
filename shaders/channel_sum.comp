#version 450
// The gradient to a bias, for software drivers: a lane sums one channel quad of a map over a run of pixels, into
// [branch][split][channel quad] texels.  Every lane goes round equally often: pixels past the end read texel 0 of the arena, which
// is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, part)
layout (push_constant) uniform Push {
  int quads, x_base, x_branch; // texels
  int splits, run;             // pixels, a multiple of 4
  int pixels;                  // of a branch
  float inv_quads;
};
LOCAL_SIZE

#define ADD(s, i) s += imageLoad (x, p + i < count ? a + i * stride : 0);

void
main ()
{
  int g = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z);
  int split = int ((float (g) + 0.5) * inv_quads), quad = g - split * quads;
  int p = split * run, a = x_base + branch * x_branch + p * quads + quad, stride = quads, count = pixels, k = 0, steps = run;
  vec4 s0 = vec4 (0), s1 = vec4 (0);
  do {
    ADD (s0, 0) ADD (s1, 1) ADD (s0, 2) ADD (s1, 3)
    a += 4 * stride;
    p += 4;
    k += 4;
  } while (k < steps);
  if (split < splits)
    STORE (part, (branch * splits + split) * stride + quad, s0 + s1);
}
