#version 450
#extension GL_GOOGLE_include_directive : require
// The rows of a frame as R'G'B', resized along x: out[y][x] = sum over k of weights[k][x] . group first[x] + k of row y.
#define FRAME_BINDING 0
#include "memory.glsl"
#include "pixels.glsl"

LOAD32_BUFFER (1, table) // [1 + steps][width]: the first group, then four weights a step
STORE32_BUFFER (2, rows) // [height][width]
layout (push_constant) uniform Push
{
  FRAME_PUSH
  int table_base, width, height, steps;
  int block; // rows that one lane does
};
LOCAL_SIZE

void
main ()
{
  Frame f = FRAME;
  int x = GLOBAL_INDEX, y = int (gl_WorkGroupID.y) * block, end = min (y + block, height), n = steps, w = width;
  bool live = x < w;
  int column = table_base + min (x, w - 1), first = int (LOAD32 (table, column).x), at = y * w + x;
  do
    {
      vec3 sum = vec3 (0);
      int k = 0, t = column + w;
      do
        {
          vec4 weight = LOAD32 (table, t), r, g, b;
          load_pixels (f, first + k, y, r, g, b);
          sum += vec3 (dot (weight, r), dot (weight, g), dot (weight, b));
          t += w;
        }
      while (++k < n);
      if (live)
        STORE32 (rows, at, vec4 (sum, 0));
      at += w;
    }
  while (++y < end);
}
