#version 450
#extension GL_GOOGLE_include_directive : require
// Weights for conv_direct, software family: one source's segments.
#include "conv_pack.glsl"

void
main ()
{
  put_biases ();
  int lane = int (gl_SubgroupInvocationID), n_block = int (gl_WorkGroupID.x), branch = int (gl_WorkGroupID.z);
  int quad = int (gl_WorkGroupID.y) * quads_per_group, last = min (quad + quads_per_group, quads), block = block, tap = quads * block;
  int from = start + branch * branch_stride + (n_block * block + lane) * row_stride;
  int to = packed_start + branch * packed_branch + n_block * packed_block + lane + quad * block;
  do {
    int r = 0, c = quad * 4;
    do {
      int ty = 0, d = to + r;
      bvec4 real = REAL (n_block * block + lane + r, c);
      do {
        int tx = 0, i = from + r * row_stride + c * column_stride + ty * tap_y_stride;
        do {
          STORE (packed, d, pick4 (i, real))
          i += tap_x_stride;
          d += tap;
          tx++;
        } while (tx < taps_x);
        ty++;
      } while (ty < taps_y);
      r += 8;
    } while (r < block);
    to += block;
    quad++;
  } while (quad < last);
}
