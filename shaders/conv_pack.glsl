// What brings weights into a kernel's layout: a flat tensor is read by strides: row (an output channel of the convolution to
// come), column (an input channel), tap.  The gradient's weights are transposed and flipped by strides alone.
//
// A workgroup takes a block of rows and walks columns, four at a time; a lane has every eighth row.  So for each tap or point it writes on and on in a
// row.  Grid: (blocks, parts of the columns, branches).
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
  int block;                           // rows in one, a multiple of 8
  int packed_start, packed_branch, packed_block; // texels
  // winograd_pack:
  int packed_point;                    // from one of the 36 points to the next, texels
  int packed_base;                     // of what is bound, in its space, texels
  uint zero;                           // 0, which the compiler must not know
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

// one tap of four columns from float i on; zero where they are not real
vec4
pick4 (int i, bvec4 real)
{
  vec4 v = vec4 (pick (real.x ? i : 0), pick (real.y ? i + column_stride : 0), pick (real.z ? i + 2 * column_stride : 0),
                 pick (real.w ? i + 3 * column_stride : 0));
  return mix (vec4 (0), v, real);
}

#define REAL(row, c) bvec4 (row < rows && c < columns, row < rows && c + 1 < columns, row < rows && c + 2 < columns, row < rows && c + 3 < columns)
