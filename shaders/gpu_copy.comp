#version 450
#extension GL_GOOGLE_include_directive : require
// y[i] = x[i] for i < n: floats.
#include "memory.glsl"
#include "lanes.glsl"

layout (binding = 0) readonly buffer X { float x[]; };
layout (binding = 1) writeonly buffer Y { float y[]; };
layout (push_constant) uniform Push { int n; };
LOCAL_SIZE

void
main ()
{
  int i = LANE_INDEX;
  if (i < n)
    y[i] = x[i];
}
