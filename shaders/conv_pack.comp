#version 450
#extension GL_GOOGLE_include_directive : require
// Weights for conv_direct, software family: one source's segments.
#include "conv_pack.glsl"

layout (constant_id = 0) const int LAYOUT = 0; // of 1x1 kernels' weights: 1: columns lie in a row, 2: rows do, in whole texels; 0: anything else

// Texels of four columns are what is to be written.
void
copy_columns (int from, int to, int first_row, int quad, int last)
{
  int lane = int (gl_SubgroupInvocationID), block = block;
  do {
    int r = lane, c = quad * 4;
    do {
      bvec4 real = REAL (first_row + r, c);
      STORE (packed, to + r, mix (vec4 (0), LOAD (flat_weights, flat_base + (real.x ? (from + r * row_stride + c) >> 2 : 0)), real))
      r += 8;
    } while (r < block + lane);
    to += block;
    quad++;
  } while (quad < last);
}

// Texels of four rows: a lane takes four columns of them, and turns them round.
void
turn_rows (int from, int to, int first_row, int quad, int last)
{
  int row = 4 * int (gl_SubgroupInvocationID), block = block;
  bool mine = row < block;
  bvec4 is_row = bvec4 (first_row + row < rows, first_row + row + 1 < rows, first_row + row + 2 < rows, first_row + row + 3 < rows);
  do {
    int c = quad * 4, at = from + row + c * column_stride;
    bvec4 real = REAL (first_row + row, c);
    mat4 t = mat4 (LOAD (flat_weights, flat_base + (real.x ? at >> 2 : 0)), LOAD (flat_weights, flat_base + (real.y ? (at + column_stride) >> 2 : 0)),
                   LOAD (flat_weights, flat_base + (real.z ? (at + 2 * column_stride) >> 2 : 0)),
                   LOAD (flat_weights, flat_base + (real.w ? (at + 3 * column_stride) >> 2 : 0)));
    t = transpose (t);
    bvec4 column = bvec4 (c < columns, c + 1 < columns, c + 2 < columns, c + 3 < columns);
    for (int i = 0; i < 4; i++) {
      vec4 v = is_row[i] ? mix (vec4 (0), t[i], column) : vec4 (0);
      if (mine)
        STORE (packed, to + row + i, v)
    }
    to += block;
    quad++;
  } while (quad < last);
}

void
main ()
{
  put_biases ();
  int lane = int (gl_SubgroupInvocationID), n_block = int (gl_WorkGroupID.x), branch = int (gl_WorkGroupID.z);
  int quad = int (gl_WorkGroupID.y) * quads_per_group, last = min (quad + quads_per_group, quads), block = block, tap = quads * block;
  int first_row = n_block * block, from = start + branch * branch_stride + first_row * row_stride;
  int to = packed_start + branch * packed_branch + n_block * packed_block + quad * block;
  if (LAYOUT == 1) {
    copy_columns (from, to, first_row, quad, last);
    return;
  }
  if (LAYOUT == 2) {
    turn_rows (from, to, first_row, quad, last);
    return;
  }
  from += lane * row_stride;
  to += lane;
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
