#version 450
#extension GL_GOOGLE_include_directive : require
// The rate of memory, read and written: y = x.  A workgroup copies one piece, from its beginning to its end.
#include "memory.glsl"

LOAD32_BUFFER (0, x)
STORE32_BUFFER (1, y)
layout (push_constant) uniform Push {
  int base;  // of x
  int n;     // texels
  int steps; // of an invocation
};
LOCAL_SIZE

#define READ(j) int i##j = min (i + j * LOCAL, last); vec4 v##j = LOAD32 (x, from + i##j);
#define WRITE(j) STORE32 (y, i##j, v##j);

void
main ()
{
  int from = base, last = n - 1, steps = steps, k = 0;
  int i = int (gl_WorkGroupID.x) * LOCAL * steps + GLOBAL_INDEX % LOCAL;

  do {
    READ (0) READ (1) READ (2) READ (3)
    WRITE (0) WRITE (1) WRITE (2) WRITE (3)
    i += 4 * LOCAL;
    k += 4;
  } while (k < steps);
}
