#version 450
#extension GL_GOOGLE_include_directive : require
// Adds to the gradient of filters that of their halves' overlap: 2 factor P B to A's, 2 factor P^T A to B's.  A lane does 4 rows of one half of
// a branch (z) and 4 columns.
#include "memory.glsl"
#include "lanes.glsl"

LOAD32_BUFFER (0, turned)   // [branch][column][quad of both halves' rows]
LOAD32_BUFFER (1, products) // [branch][P, P^T][row][quad]
layout (binding = 2) readonly buffer Scale { float scale[2]; };
layout (binding = 3) buffer Gradient { float dw[]; }; // [branch][row][column]
layout (push_constant) uniform Push
{
  int turned_base, products_base, quads, columns;
  int column_quads, lanes; // quads * column_quads
  float inv_column_quads;
};
LOCAL_SIZE

void
add (int row, int column, vec4 v)
{
  int a = row * columns + column;
  if (column < columns)
    dw[a] += v.x;
  if (column + 1 < columns)
    dw[a + 1] += v.y;
  if (column + 2 < columns)
    dw[a + 2] += v.z;
  if (column + 3 < columns)
    dw[a + 3] += v.w;
}

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), z = int (gl_WorkGroupID.z), branch = z >> 1, second = z & 1;
  int i = QUOTIENT (g, column_quads, inv_column_quads), column = (g - i * column_quads) * 4;
  int quads = quads, last = columns - 1, j = 0;
  int p = products_base + (z * 4 * quads + 4 * i) * quads;
  // the other half's rows at four columns; those past the last count for nothing
  int from = turned_base + branch * columns * 2 * quads + (1 - second) * quads;
  int t0 = from + column * 2 * quads, t1 = from + min (column + 1, last) * 2 * quads, t2 = from + min (column + 2, last) * 2 * quads;
  int t3 = from + min (column + 3, last) * 2 * quads;
  vec4 s0 = vec4 (0), s1 = vec4 (0), s2 = vec4 (0), s3 = vec4 (0);
  do {
    mat4 other = mat4 (LOAD32 (turned, t0 + j), LOAD32 (turned, t1 + j), LOAD32 (turned, t2 + j), LOAD32 (turned, t3 + j));
    s0 += LOAD32 (products, p + j) * other;
    s1 += LOAD32 (products, p + quads + j) * other;
    s2 += LOAD32 (products, p + 2 * quads + j) * other;
    s3 += LOAD32 (products, p + 3 * quads + j) * other;
    j++;
  } while (j < quads);
  if (lane >= lanes)
    return;
  float factor = 2.0 * scale[1];
  int row = (z * quads + i) * 4;
  add (row, column, factor * s0);
  add (row + 1, column, factor * s1);
  add (row + 2, column, factor * s2);
  add (row + 3, column, factor * s3);
}
