#version 450
#extension GL_GOOGLE_include_directive : require
// Writes zeros: x[i] = 0 for i < n.
#include "memory.glsl"
#include "lanes.glsl"

STORE_BUFFER (0, x)
layout (push_constant) uniform Push { int n; /* texels */ };
LOCAL_SIZE

void
main ()
{
  int i = LANE_INDEX;
  if (i < n)
    STORE (x, i, vec4 (0));
}
