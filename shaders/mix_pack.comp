#version 450
#extension GL_GOOGLE_include_directive : require
// Brings a mixture's weights into its kernels' layout, [row][column][quad] texels: of four channels each, zeros past the last; or one
// quad that holds the same number four times.
#include "memory.glsl"

layout (binding = 0) readonly buffer Weight { float weight[]; }; // [channel][row][column], or [row][column]
STORE32_BUFFER (1, packed)
layout (push_constant) uniform Push
{
  int total, quads, cells; // texels; of a cell; rows * columns
  int channels;            // 0: each channel's weight is the same
};
LOCAL_SIZE

float
element (int cell, int c)
{
  return channels == 0 ? weight[cell] : c < channels ? weight[c * cells + cell] : 0.0;
}

void
main ()
{
  int i = GLOBAL_INDEX;
  if (i >= total)
    return;
  int cell = i / quads, c = (i - cell * quads) * 4;
  STORE32 (packed, i, vec4 (element (cell, c), element (cell, c + 1), element (cell, c + 2), element (cell, c + 3)));
}
