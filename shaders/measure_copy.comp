#version 450
#extension GL_GOOGLE_include_directive : require
// The rate of memory, read and written: y = x.
#include "memory.glsl"

LOAD32_BUFFER (0, x)
STORE32_BUFFER (1, y)
layout (push_constant) uniform Push {
  int base; // of x
  int n;    // texels
};
LOCAL_SIZE

void
main ()
{
  int lanes = int (gl_NumWorkGroups.x) * LOCAL;

  for (int i = GLOBAL_INDEX; i < n; i += lanes)
    STORE32 (y, i, LOAD32 (x, base + i));
}
