#version 450
#extension GL_GOOGLE_include_directive : require
// Adds the partial sums of `count` lanes, in their order.  FINISH: all of them, as a mean.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, parts)
layout (binding = 1) readonly buffer Scale { float scale[2]; };
STORE_BUFFER (2, result)
layout (binding = 3) writeonly buffer Loss { float loss[]; };
layout (constant_id = 0) const int FINISH = 0;
layout (push_constant) uniform Push { int parts_base, n, count, groups; };
LOCAL_SIZE

void
main ()
{
  float mean = scale[0];
  int parts_base = parts_base;
  int lane = LANE_INDEX, i = min (lane, groups - 1) * count, end = min (i + count, n);
  vec4 sum = vec4 (0);
  for (; i < end; i++)
    sum += LOAD (parts, parts_base + i);
  if (lane >= groups)
    return;
  if (FINISH != 0)
    loss[0] = sum.x * mean;
  else
    STORE (result, lane, sum);
}
