#version 450
#extension GL_GOOGLE_include_directive : require
// Weights for winograd_gemm: G g G^T of each 3x3 filter g, 36 points (Lavin and Gray, arXiv 1509.09308).
// Packed, in texels: [branch][36][block][4 input channels][BLOCK].  What a block of four columns will write are up to 512 bytes at each of 36 places.
#include "conv_pack.glsl"
#include "ahead.glsl"

LOAD_BUFFER (3, packed_before) // packed, to read ahead

#define TRANSFORM(g0, g1, g2, o) { vec4 even = (g0 + g2) * (-1.0 / 6.0), odd = g1 * (1.0 / 6.0), e = g0 * (1.0 / 24.0) + g2 * (1.0 / 6.0); \
  vec4 h = g1 * (1.0 / 12.0); o (0, g0 * 0.25) o (1, even - odd) o (2, even + odd) o (3, e + h) o (4, e - h) o (5, g2) }

void
main ()
{
  put_biases ();
  int lane = int (gl_SubgroupInvocationID), n_block = int (gl_WorkGroupID.x), branch = int (gl_WorkGroupID.z);
  int quad = int (gl_WorkGroupID.y) * quads_per_group, last = min (quad + quads_per_group, quads), block = block;
  int from = start + branch * branch_stride + (n_block * block + lane) * row_stride;
  int first = packed_start + branch * packed_branch + n_block * packed_block + quad * block, line = packed_base + first + 4 * lane;
  int to = first + lane;
  uint seen = 0;
  do {
    int r = 0, c = quad * 4, point = 0, at = line;
    do {
      seen |= LINES (packed_before, at);
      at += packed_point;
      point++;
    } while (point < 36);
    do {
      int i = from + r * row_stride + c * column_stride, d = to + r + int (seen & zero);
      bvec4 real = REAL (n_block * block + lane + r, c);
      vec4 t[6][3];
      for (int x = 0; x < 3; x++) {
        vec4 g0 = pick4 (i + x * tap_x_stride, real), g1 = pick4 (i + x * tap_x_stride + tap_y_stride, real);
        vec4 g2 = pick4 (i + x * tap_x_stride + 2 * tap_y_stride, real);
#define KEEP(j, e) t[j][x] = e;
        TRANSFORM (g0, g1, g2, KEEP)
      }
      for (int y = 0; y < 6; y++) {
#define PUT(j, e) STORE (packed, d, e) d += packed_point;
        TRANSFORM (t[y][0], t[y][1], t[y][2], PUT)
      }
      r += 8;
    } while (r < block);
    to += block;
    line += block;
    quad++;
  } while (quad < last);
}
