#version 450
// Brings depthwise 3x3 weights into the kernels' layout: [branch][row][channel quad] texels, rows 0 to 8 the taps, 9 the
// bias (zeros where there is none), 10 zeros: what a gradient takes for its bias.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

layout (binding = 0) readonly buffer Weight { float weight[]; }; // [branch][channels][9]
layout (binding = 1) readonly buffer Bias { float bias[]; };     // [branch][channels]
layout (binding = 2) writeonly buffer Rows { vec4 rows[]; };
layout (push_constant) uniform Push {
  int total;    // texels
  int quads;    // channel quads
  int channels;
  int has_bias;
};
LOCAL_SIZE

float
element (int b, int row, int c)
{
  float v = 0.0;
  if (c < channels && row < 9)
    v = weight[(b * channels + c) * 9 + row];
  if (c < channels && row == 9 && has_bias != 0)
    v = bias[b * channels + c];
  return v;
}

void
main ()
{
  int i = GLOBAL_INDEX;
  if (i >= total)
    return;
  int line = i / quads, c = (i - line * quads) * 4, b = line / 11, row = line - b * 11;
  rows[i] = vec4 (element (b, row, c), element (b, row, c + 1), element (b, row, c + 2), element (b, row, c + 3));
}
