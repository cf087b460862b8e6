#version 450
#extension GL_GOOGLE_include_directive : require
// One source's part of a convolution's weights: from the file's layout to gpu_conv's, [branch][output channel][source, tap, quad].
#include "memory.glsl"
#include "lanes.glsl"

layout (binding = 0) readonly buffer Params { float params[]; };
STORE_BUFFER (1, w)
layout (push_constant) uniform Push {
  int n;                          // quads to write: branches * out_channels * taps * quads
  int out_channels, taps, quads;  // quads of the source
  int channels;                   // of the source
  int row_quads, first_quad;      // of a row of w, and where the source begins in it
  int base, branch_stride, out_stride, in_stride, flip; // where a weight lies in params; taps are contiguous
};
LOCAL_SIZE

void
main ()
{
  int i = LANE_INDEX;
  if (i >= n)
    return;
  int q = i % quads, t = i / quads, tap = t % taps, row = t / taps, o = row % out_channels, b = row / out_channels;
  int at = base + b * branch_stride + o * out_stride + (flip != 0 ? taps - 1 - tap : tap);
  vec4 v = vec4 (0);
  for (int j = 0; j < 4; j++)
    if (q * 4 + j < channels)
      v[j] = params[at + (q * 4 + j) * in_stride];
  STORE (w, row * row_quads + first_quad + tap * quads + q, v);
}
