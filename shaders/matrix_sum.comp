#version 450
#extension GL_GOOGLE_include_directive : require
// The end of a convolution whose sums matrix_conv split: y = clamp (sum of the parts, in their order, + bias + residual).
#include "memory.glsl"

LOAD32_BUFFER (0, part)                                      // [split][branch][pixel][quad]
layout (binding = 1) readonly buffer Bias { float bias[]; }; // [branch][output channel]
ADDEND_BUFFER (2, residual)
OUTPUT_BUFFER (3, y)
layout (push_constant) uniform Push {
  int n;                      // quads of a branch
  int out_channels, out_quads; // quads a pixel of y
  int splits;
  float low, high;
  int has_bias, has_residual;
  int y_first, y_step, r_first, r_step; // quads
};
LOCAL_SIZE

void
main ()
{
  int i = GLOBAL_INDEX, branch = int (gl_WorkGroupID.y), branches = int (gl_NumWorkGroups.y);
  if (i >= n)
    return;
  int channel = i % out_quads * 4;
  vec4 v = vec4 (0);
  for (int s = 0; s < splits; s++)
    v += LOAD32 (part, (s * branches + branch) * n + i);
  if (has_bias != 0)
    for (int j = 0; j < 4; j++)
      if (channel + j < out_channels)
        v[j] += bias[branch * out_channels + channel + j];
  if (has_residual != 0)
    v += ADDEND (residual, r_first + branch * r_step + i);
  OUTPUT (y, y_first + branch * y_step + i, clamp (v, vec4 (low), vec4 (high)));
}
