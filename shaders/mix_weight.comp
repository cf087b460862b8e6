#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient of a mixture's weights: dy x summed over a run of pixels, for one output group and one input group (z), into
// [output group][input group][segment][quad] texels.  See mix.comp.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
STORE_BUFFER (2, part)
layout (push_constant) uniform Push
{
  int x_base, x_row, x_branch, dy_base, dy_branch; // texels
  int shift, n, part_quads, quads;
  int pixels, run, segments, lanes; // run: a multiple of 4
  float inv_part_quads, inv_n;
};
LOCAL_SIZE

#define ADD(s, i) \
  { \
    int at = min (p + i, pixels - 1) * quads; \
    vec4 product = LOAD (x, from + at) * LOAD (dy, gradient + at); \
    s += p + i < pixels ? product : vec4 (0); \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), cell = int (gl_WorkGroupID.z), mask = (1 << shift) - 1;
  int segment = QUOTIENT (g, part_quads, inv_part_quads), quad = g - segment * part_quads;
  int row = QUOTIENT (cell, n, inv_n), q = cell - row * n;
  int from = x_base + row * x_row + (q >> shift) * x_branch + (q & mask) * part_quads + quad;
  int gradient = dy_base + (row >> shift) * dy_branch + (row & mask) * part_quads + quad;
  int p = segment * run, pixels = pixels, quads = quads, run = run, k = 0;
  vec4 s0 = vec4 (0), s1 = vec4 (0);
  do {
    ADD (s0, 0)
    ADD (s1, 1)
    ADD (s0, 2)
    ADD (s1, 3)
    p += 4;
    k += 4;
  } while (k < run);
  if (lane < lanes)
    STORE (part, (cell * segments + segment) * part_quads + quad, s0 + s1);
}
