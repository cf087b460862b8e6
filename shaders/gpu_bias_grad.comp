#version 450
#extension GL_GOOGLE_include_directive : require
// db[branch][channel] = the sum of dy over pixels: a workgroup a quad of channels, added pairwise in a fixed order.
#include "memory.glsl"

LOAD_BUFFER (0, dy)
layout (binding = 1) writeonly buffer Db { float db[]; };
layout (push_constant) uniform Push { int pixels, channels, quads, first, step; };
LOCAL_SIZE
shared vec4 sums[LOCAL];

void
main ()
{
  int id = int (gl_LocalInvocationID.x), q = int (gl_WorkGroupID.x), branch = int (gl_WorkGroupID.y);
  vec4 sum = vec4 (0), carry = vec4 (0); // Kahan's: pixels may be millions

  for (int p = id; p < pixels; p += LOCAL) {
    precise vec4 v = LOAD (dy, first + branch * step + p * quads + q) - carry;
    precise vec4 t = sum + v;
    carry = (t - sum) - v;
    sum = t;
  }
  sums[id] = sum;
  for (int n = LOCAL / 2; n > 0; n /= 2) {
    barrier ();
    if (id < n)
      sums[id] += sums[id + n];
  }
  if (id == 0)
    for (int j = 0; j < 4; j++)
      if (q * 4 + j < channels)
        db[branch * channels + q * 4 + j] = sums[0][j];
}
