#version 450
// Adds partial sums of a weight gradient, always in the same order: part [branch][split][rows][channel quad] texels ->
// dw [branch][channel][rows - 1] floats from the first rows, db [branch][channel] from the last.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

LOAD_BUFFER (0, part)
layout (binding = 1) writeonly buffer Weight { float dw[]; };
layout (binding = 2) writeonly buffer Bias { float db[]; };
layout (push_constant) uniform Push {
  int total;    // branches * rows * quads
  int quads, channels, rows, splits;
  int part_base;
  int has_bias;
};
LOCAL_SIZE

void
put (int b, int row, int c, float v)
{
  if (c < channels) {
    if (row < rows - 1)
      dw[(b * channels + c) * (rows - 1) + row] = v;
    else if (has_bias != 0)
      db[b * channels + c] = v;
  }
}

void
main ()
{
  int i = GLOBAL_INDEX;
  if (i >= total)
    return;
  int line = i / quads, c = (i - line * quads) * 4, b = line / rows, row = line - b * rows;
  int stride = rows * quads, a = part_base + i + b * (splits - 1) * stride, k = 0;
  vec4 sum = vec4 (0);
  do {
    sum += LOAD (part, a);
    a += stride;
    k++;
  } while (k < splits);
  put (b, row, c, sum.x);
  put (b, row, c + 1, sum.y);
  put (b, row, c + 2, sum.z);
  put (b, row, c + 3, sum.w);
}
