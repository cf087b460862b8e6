#version 450
#extension GL_GOOGLE_include_directive : require
// Adds the partial sums of `count` lanes, in their order.  FINISH 1: all of them, their four channels together; 2: and the factor that
// brings the norm under the limit; 3: of what is to be multiplied by `unit` first, and 0 where the sum is not finite.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, parts)
STORE_BUFFER (1, result)
layout (binding = 2) writeonly buffer Total { float total[]; };
layout (binding = 3) writeonly buffer Factor { float factor[]; };
layout (binding = 4) readonly buffer Unit { float unit; };
layout (constant_id = 0) const int FINISH = 0;
layout (push_constant) uniform Push { int parts_base, n, count, groups; float limit; };
LOCAL_SIZE

void
main ()
{
  int parts_base = parts_base;
  int lane = LANE_INDEX, i = min (lane, groups - 1) * count, end = min (i + count, n);
  vec4 sum = vec4 (0);
  for (; i < end; i++)
    sum += LOAD (parts, parts_base + i);
  if (lane >= groups)
    return;
  if (FINISH == 0) {
    STORE (result, lane, sum);
    return;
  }
  float s = sum.x + sum.y + sum.z + sum.w;
  total[0] = s;
  if (FINISH == 2)
    factor[0] = min (1.0, limit / (sqrt (s) + 1e-6));
  if (FINISH == 3) {
    bool finite = (floatBitsToUint (s) & 0x7f800000) != 0x7f800000; // isinf () and isnan () may be taken for granted
    factor[0] = finite ? min (1.0, limit / (sqrt (s) * unit + 1e-6)) * unit : 0.0;
  }
}
