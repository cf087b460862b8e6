#version 450
#extension GL_GOOGLE_include_directive : require
// Adds the sums of `count` runs, in their order.  FINISH: all of them: they are the gradients of bias and weight, and divided by
// the number of pixels what the gradient of the input needs.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, parts)
STORE_BUFFER (1, result)
layout (binding = 2) writeonly buffer Weight { float dweight[]; };
layout (binding = 3) writeonly buffer Bias { float dbias[]; };
layout (constant_id = 0) const int FINISH = 0;
layout (push_constant) uniform Push { int parts_base, quads, pixels, runs, count, groups, channels; };
LOCAL_SIZE

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, groups * quads - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, parts_base = parts_base;
  int group = g / quads, c = g - group * quads;
  int i = group * count, end = min (i + count, runs);
  int at = parts_base + (branch * runs + i) * 2 * quads + c;
  vec4 s = vec4 (0), q = vec4 (0);
  for (; i < end; i++) {
    s += LOAD (parts, at);
    q += LOAD (parts, at + quads);
    at += 2 * quads;
  }

  if (lane >= groups * quads)
    return;
  if (FINISH != 0) {
    for (int j = 0; j < 4; j++)
      if (4 * c + j < channels) {
        dbias[branch * channels + 4 * c + j] = s[j];
        dweight[branch * channels + 4 * c + j] = q[j];
      }
    s /= float (pixels);
    q /= float (pixels);
  }
  int to = (branch * groups + group) * 2 * quads + c;
  STORE (result, to, s);
  STORE (result, to + quads, q);
}
