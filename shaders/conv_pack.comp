#version 450
#extension GL_GOOGLE_include_directive : require
// Weights for conv_direct and the Winograd kernels, software family: one source's segments, and for the bias one segment of one
// column.  A flat tensor is read by strides: row (an output channel of the convolution to come), column (an input channel), tap.
// The gradient's weights are transposed and flipped by strides alone.
//
// A lane owns a row and walks columns, four at a time, and taps.  Grid: (rows / 8, parts of the columns, branches).
#include "memory.glsl"

LOAD_BUFFER (0, flat_weights)
STORE_BUFFER (1, packed)

layout (push_constant) uniform Push
{
  int flat_base;                       // texels
  int start, branch_stride, row_stride, column_stride, tap_y_stride, tap_x_stride; // floats
  int rows, columns;                   // beyond these: zero
  int taps_y, taps_x;
  int quads, quads_per_group;          // columns / 4, rounded up
  int block;                           // rows in one
  float inv_block;
  int packed_start, packed_branch, packed_block; // texels
};
LOCAL_SIZE

// one float of the texel buffer
float
pick (int i)
{
  vec4 t = LOAD (flat_weights, flat_base + (i >> 2));
  vec2 h = (i & 2) != 0 ? t.zw : t.xy;
  return (i & 1) != 0 ? h.y : h.x;
}

void
main ()
{
  int row = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z), quad = int (gl_WorkGroupID.y) * quads_per_group;
  int last = min (quad + quads_per_group, quads), n_block = int ((float (row) + 0.5) * inv_block);
  int from = start + branch * branch_stride + row * row_stride;
  int to = packed_start + branch * packed_branch + n_block * packed_block + row - n_block * block;
  do
    {
      int c = quad * 4;
      bvec4 real = bvec4 (row < rows && c < columns, row < rows && c + 1 < columns, row < rows && c + 2 < columns, row < rows && c + 3 < columns);
      int ty = 0, d = to + quad * block;
      do
        {
          int tx = 0, i = from + c * column_stride + ty * tap_y_stride;
          do
            {
              vec4 v = vec4 (pick (real.x ? i : 0), pick (real.y ? i + column_stride : 0), pick (real.z ? i + 2 * column_stride : 0),
                             pick (real.w ? i + 3 * column_stride : 0));
              STORE (packed, d, mix (vec4 (0), v, real))
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
