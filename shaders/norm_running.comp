#version 450
#extension GL_GOOGLE_include_directive : require
// The four vectors of norm.glsl from running statistics in place of a batch's, which they stay.
#include "memory.glsl"
#include "lanes.glsl"

layout (binding = 0) readonly buffer Weight { float weight[]; };
layout (binding = 1) readonly buffer Bias { float bias[]; };
layout (binding = 2) readonly buffer RunningMean { float running_mean[]; };
layout (binding = 3) readonly buffer RunningVar { float running_var[]; };
STORE_BUFFER (4, result)
layout (push_constant) uniform Push { int quads, channels; float eps; };
LOCAL_SIZE

void
main ()
{
  int c = LANE_INDEX, branch = int (gl_WorkGroupID.z);
  if (c >= quads)
    return;
  vec4 mean = vec4 (0), inv = vec4 (0), w = vec4 (0), b = vec4 (0);
  for (int j = 0; j < 4; j++)
    if (4 * c + j < channels) {
      int k = branch * channels + 4 * c + j;
      mean[j] = running_mean[k];
      inv[j] = 1.0 / sqrt (running_var[k] + eps);
      w[j] = weight[k];
      b[j] = bias[k];
    }
  int to = branch * 4 * quads + c;
  STORE (result, to, mean);
  STORE (result, to + quads, inv);
  STORE (result, to + 2 * quads, w);
  STORE (result, to + 3 * quads, b);
}
