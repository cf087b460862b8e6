#version 450
#extension GL_GOOGLE_include_directive : require
// Adds the partial sums of a mixture's weight gradient, always in the same order: a lane takes a quad of channels, or all of them where they
// share a weight.
#include "memory.glsl"

LOAD_BUFFER (0, part) // [output group][input group][segment][quad] texels
layout (binding = 1) buffer Weight { float dw[]; };
layout (push_constant) uniform Push
{
  int part_base, total, quads;     // lanes; of a cell: 1 where all channels share a weight
  int cell, count, step;           // texels of a cell; how many a lane adds, and from one to the next
  int n, first, row, column;       // input groups; where the weight of (0, 0) lies in dw, and the next ones
  int channels, channel;           // 0: shared; from channel to channel
};
LOCAL_SIZE

void
put (int at, int c, float v)
{
  if (c < channels)
    dw[at + c * channel] = v;
}

void
main ()
{
  int i = GLOBAL_INDEX;
  if (i >= total)
    return;
  int which = i / quads, quad = i - which * quads, r = which / n, at = first + r * row + (which - r * n) * column;
  int a = part_base + which * cell + quad, k = 0, count = count, step = step;
  vec4 sum = vec4 (0);
  do {
    sum += LOAD (part, a);
    a += step;
    k++;
  } while (k < count);
  if (channels == 0) {
    dw[at] = sum.x + sum.y + sum.z + sum.w;
    return;
  }
  put (at, 4 * quad, sum.x);
  put (at, 4 * quad + 1, sum.y);
  put (at, 4 * quad + 2, sum.z);
  put (at, 4 * quad + 3, sum.w);
}
