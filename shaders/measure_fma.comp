#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// The rate of multiply-adds in 32 bits: 16 sums an invocation, which do not wait for each other, each 32 * rounds times a = a * factor + shift.
#include "memory.glsl"

STORE32_BUFFER (0, y)
layout (push_constant) uniform Push {
  int rounds;
  float factor, shift;
};
LOCAL_SIZE

void
main ()
{
  int i = GLOBAL_INDEX;
  vec4 a = vec4 (0, 1, 2, 3) + float (i % 8), b = a + 4.0, c = a + 8.0, d = a + 12.0;

  // within a loop, software drivers read push constants lane by lane
  int last = rounds, r = 0;
  float factor = factor, shift = shift;

  do {
    [[unroll]] for (int k = 0; k < 32; k++) {
      a = a * factor + shift;
      b = b * factor + shift;
      c = c * factor + shift;
      d = d * factor + shift;
    }
    r++;
  } while (r < last);
  STORE32 (y, i, a + b + c + d);
}
