#version 450
#extension GL_GOOGLE_include_directive : require
// Sums of squares of a flat tensor, one from each lane.  A workgroup takes LOCAL * run texels; what lies past the end is zero.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, parts)
layout (push_constant) uniform Push { int x_base, texels, run, first_part; };
LOCAL_SIZE

#define SQUARE(i, s) \
  { \
    vec4 v_ = LOAD (x, x_base + min (p + i * LOCAL, texels - 1)); \
    s += p + i * LOCAL < texels ? v_ * v_ : vec4 (0); \
  }

void
main ()
{
  int x_base = x_base, texels = texels, run = run;
  int p = GROUP_INDEX * LOCAL * run + LANE_IN_GROUP, k = 0;
  vec4 s0 = vec4 (0), s1 = vec4 (0);
  do {
    SQUARE (0, s0)
    SQUARE (1, s1)
    SQUARE (2, s0)
    SQUARE (3, s1)
    p += 4 * LOCAL;
    k += 4;
  } while (k < run);
  STORE (parts, first_part + LANE_INDEX, s0 + s1);
}
