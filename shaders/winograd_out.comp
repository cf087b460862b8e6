#version 450
#extension GL_GOOGLE_include_directive : require
// Winograd convolution, third of three: A^T m A of each tile, bias, residual, activation.  A lane is a tile, four channels of it.
// Grid: (channels / 4 of the output, blocks of 8 tiles, branches).
#include "memory.glsl"
#include "winograd_keep.glsl"

layout (constant_id = 0) const bool RESIDUAL = false;

LOAD_BUFFER (0, products) // winograd_gemm's
layout (binding = 1, rgba32ui) readonly uniform uimageBuffer tiles;
LOAD_BUFFER (2, bias)     // [channel]: bias, 0, 0, 0
LOAD_BUFFER (3, residual)
STORE_BUFFER (4, y)
layout (push_constant) uniform Push
{
  int products_base, tiles_base, bias_base, residual_base; // of the first branch
  int bias_branch, residual_branch, y_branch;              // from one to the next
  int height, width, quads, dilation; // of the output
  int blocks, octets;                 // of tiles in this part; of the products' channels
  int y_start;
  float low, high;
};
LOCAL_SIZE

#define AT(i, j) LOAD (products, from + ((i) * 6 + (j)) * point)
#define TRANSFORM(m0, m1, m2, m3, m4, m5, o) { vec4 last = m5, a = m1 + m2, b = m1 - m2, c = m3 + m4, d = m3 - m4; \
  o (0, m0 + a + c) o (1, b + 2.0 * d) o (2, a + 4.0 * c) o (3, b + 8.0 * d + last) }
#define COLUMN(j) { vec4 m0 = AT (0, j), m1 = AT (1, j), m2 = AT (2, j), m3 = AT (3, j), m4 = AT (4, j), m5 = AT (5, j); \
  TRANSFORM (m0, m1, m2, m3, m4, m5, KEEP##j) }
#define SUM(j, e) r[j] = e + bias4;
#define PLACE(i, j) (((image + top + dilation * (i)) * width + left + dilation * (j)) * quads + quad)
#define INSIDE(i, j) top + dilation * (i) < height && left + dilation * (j) < width
#define ADD(i, j) r[j] += LOAD (residual, INSIDE (i, j) ? residual_start + PLACE (i, j) : 0);
// What is stored is made before the test whether it is: where lanes part, software drivers read even a push constant lane by lane.
#define PUT(i, j) { int place = start + PLACE (i, j); vec4 v = clamp (r[j], low4, high4); if (INSIDE (i, j)) STORE (y, place, v) }
#define ROW(i) { vec4 r[4]; TRANSFORM (t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], SUM) \
  if (RESIDUAL) { ADD (i, 0) ADD (i, 1) ADD (i, 2) ADD (i, 3) } \
  PUT (i, 0) PUT (i, 1) PUT (i, 2) PUT (i, 3) }

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), quad = int (gl_WorkGroupID.x), block = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z);
  uvec4 tile = imageLoad (tiles, tiles_base + block * 8 + lane);
  int top = int (tile.x), left = int (tile.y), image = int (tile.z) * height, c = bias_base + branch * bias_branch + quad * 4;
  vec4 bias4 = vec4 (LOAD (bias, c).x, LOAD (bias, c + 1).x, LOAD (bias, c + 2).x, LOAD (bias, c + 3).x);
  int height = height, width = width, quads = quads, dilation = dilation, start = y_start + branch * y_branch;
  int residual_start = residual_base + branch * residual_branch;
  vec4 low4 = vec4 (low), high4 = vec4 (high);
  int point = blocks * octets * 16, from = products_base + branch * 36 * point + ((block * octets + (quad >> 1)) * 8 + lane) * 2 + (quad & 1);
  vec4 t[4][6];

  COLUMN (0) COLUMN (1) COLUMN (2) COLUMN (3) COLUMN (4) COLUMN (5)
  ROW (0) ROW (1) ROW (2) ROW (3)
}
