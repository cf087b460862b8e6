#version 450
#extension GL_GOOGLE_include_directive : require
// Weights for conv_direct, software family: one source's segments; also the bias, as one segment of one column.
#include "conv_pack.glsl"

void
main ()
{
  int row = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z), quad = int (gl_WorkGroupID.y) * quads_per_group;
  int last = min (quad + quads_per_group, quads), n_block = int ((float (row) + 0.5) * inv_block);
  int from = start + branch * branch_stride + row * row_stride;
  int to = packed_start + branch * packed_branch + n_block * packed_block + row - n_block * block;
  do
    {
      int c = quad * 4, ty = 0, d = to + quad * block;
      bvec4 real = REAL (row, c);
      do
        {
          int tx = 0, i = from + c * column_stride + ty * tap_y_stride;
          do
            {
              STORE (packed, d, pick4 (i, real))
              i += tap_x_stride;
              d += quads * block;
              tx++;
            }
          while (tx < taps_x);
          ty++;
        }
      while (ty < taps_y);
      quad++;
    }
  while (quad < last);
}
