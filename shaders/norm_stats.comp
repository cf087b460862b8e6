#version 450
#extension GL_GOOGLE_include_directive : require
// Batch statistics, first part: the mean of each run of pixels and the sum of squared deviations from it, [branch][run][2][quads].
// Sums are taken about the run's first pixel; one past the end is replaced by that, and so counts nothing.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, parts)
layout (push_constant) uniform Push { int x_base, quads, pixels, run, runs, lanes; float inv_quads; };
LOCAL_SIZE

#define PIXEL(i, s, q) \
  { \
    vec4 v_ = LOAD (x, p + i < end ? at + i * quads : first) - shift; \
    s += v_; \
    q += v_ * v_; \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, run = run;
  int r = QUOTIENT (g, quads, inv_quads), c = g - r * quads;
  int p = r * run, end = min (p + run, pixels);
  int first = x_base + (branch * pixels + p) * quads + c, at = first;
  float count = float (end - p);

  vec4 shift = LOAD (x, first), s0 = vec4 (0), s1 = vec4 (0), q0 = vec4 (0), q1 = vec4 (0);
  int k = 0;
  do {
    PIXEL (0, s0, q0)
    PIXEL (1, s1, q1)
    PIXEL (2, s0, q0)
    PIXEL (3, s1, q1)
    PIXEL (4, s0, q0)
    PIXEL (5, s1, q1)
    PIXEL (6, s0, q0)
    PIXEL (7, s1, q1)
    at += 8 * quads;
    p += 8;
    k += 8;
  } while (k < run);

  vec4 s = s0 + s1, m = s / count;
  if (lane < lanes) {
    int to = (branch * runs + r) * 2 * quads + c;
    STORE (parts, to, shift + m);
    STORE (parts, to + quads, max (q0 + q1 - s * m, vec4 (0)));
  }
}
