#version 450
#extension GL_GOOGLE_include_directive : require
// The rows of a frame as R'G'B', resized along x: out[y][x] = sum over k of weights[k][x] . group first[x] + k of row y.  A lane does
// one column of a block of pairs of rows: an odd row and the even one after it, which share their chroma.
#define FRAME_BINDING 0
#include "memory.glsl"
#include "pixels.glsl"

LOAD32_BUFFER (1, table) // [1 + steps][width]: the first group, then four weights a step
STORE32_BUFFER (2, rows) // [height][width]
layout (push_constant) uniform Push
{
  FRAME_PUSH
  int table_base, width, height, steps;
  int block; // pairs
};
LOCAL_SIZE

void
main ()
{
  Frame f = FRAME;
  int x = GLOBAL_INDEX, last = height - 1, p = int (gl_WorkGroupID.y) * block, end = min (p + block, height / 2 + 1), n = steps, w = width;
  bool live = x < w;
  int column = table_base + min (x, w - 1), first = int (LOAD32 (table, column).x), at = (2 * p - 1) * w + x;
  do {
    vec3 sum0 = vec3 (0), sum1 = vec3 (0);
    int k = 0, t = column + w;
    do {
      vec4 weight = LOAD32 (table, t), r0, g0, b0, r1, g1, b1;
      load_pair (f, first + k, p, last, r0, g0, b0, r1, g1, b1);
      sum0 += vec3 (dot (weight, r0), dot (weight, g0), dot (weight, b0));
      sum1 += vec3 (dot (weight, r1), dot (weight, g1), dot (weight, b1));
      t += w;
    } while (++k < n);
    if (live && p > 0)
      STORE32 (rows, at, vec4 (sum0, 0));
    if (live && 2 * p <= last)
      STORE32 (rows, at + w, vec4 (sum1, 0));
    at += 2 * w;
  } while (++p < end);
}
