#version 450
#extension GL_GOOGLE_include_directive : require
// P = A B^T of the two halves A and B of a branch's filters (z), and the squares of it added up.  A lane makes 4 x 4 of P, and writes it
// as it is and turned: [branch][P, P^T][row][quad] texels.
#include "memory.glsl"
#include "lanes.glsl"

LOAD32_BUFFER (0, turned) // [branch][column][quad of both halves' rows]
STORE32_BUFFER (1, products)
STORE32_BUFFER (2, parts) // a lane's sum of squares, in x
layout (push_constant) uniform Push
{
  int turned_base, quads, columns; // texels; of a half's rows
  int lanes;                       // quads * quads
  float inv_quads;
};
LOCAL_SIZE

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z), end = lanes;
  int i = QUOTIENT (g, quads, inv_quads), j = g - i * quads, step = 2 * quads, columns = columns, k = 0;
  int a = turned_base + branch * columns * step + i, b = a - i + quads + j;
  vec4 p0 = vec4 (0), p1 = vec4 (0), p2 = vec4 (0), p3 = vec4 (0);
  do {
    vec4 u = LOAD32 (turned, a), v = LOAD32 (turned, b);
    p0 += u.x * v;
    p1 += u.y * v;
    p2 += u.z * v;
    p3 += u.w * v;
    a += step;
    b += step;
    k++;
  } while (k < columns);
  if (lane >= end)
    return;
  int half_texels = step / 2 * step * 2, to = branch * 2 * half_texels;
  int straight = to + 4 * i * step / 2 + j, across = to + half_texels + 4 * j * step / 2 + i;
  mat4 t = transpose (mat4 (p0, p1, p2, p3));
  STORE32 (products, straight, p0);
  STORE32 (products, straight + step / 2, p1);
  STORE32 (products, straight + step, p2);
  STORE32 (products, straight + step + step / 2, p3);
  STORE32 (products, across, t[0]);
  STORE32 (products, across + step / 2, t[1]);
  STORE32 (products, across + step, t[2]);
  STORE32 (products, across + step + step / 2, t[3]);
  STORE32 (parts, branch * end + lane, vec4 (dot (p0, p0) + dot (p1, p1) + dot (p2, p2) + dot (p3, p3), 0, 0, 0));
}
