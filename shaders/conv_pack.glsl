// What brings weights into a kernel's layout: a flat tensor is read by strides: row (an output channel of the convolution to
// come), column (an input channel), tap.  The gradient's weights are transposed and flipped by strides alone.
//
// A workgroup takes a block of rows and walks columns, four at a time; a lane has every eighth row.  So for each tap or point it writes on and on in a
// row.  Grid: (blocks, parts of the columns, branches).  The first part writes the block's biases, too.
#include "memory.glsl"

LOAD_BUFFER (0, flat_weights)
STORE_BUFFER (1, packed)
LOAD_BUFFER (2, flat_bias)

layout (push_constant) uniform Push
{
  int flat_base;                       // texels
  int start, branch_stride, row_stride, column_stride, tap_y_stride, tap_x_stride; // floats
  int rows, columns;                   // beyond these: zero
  int taps_y, taps_x;
  int quads, quads_per_group;          // columns / 4, rounded up
  int block;                           // rows in one, a multiple of 8
  int packed_start, packed_branch, packed_block; // texels
  int bias_base, with_bias;            // texels; 0: another step writes them
  int bias_start, bias_channels;       // floats; from one branch to the next
  int packed_bias, packed_bias_block;  // texels
  // winograd_pack:
  int packed_point;                    // from one of the 36 points to the next, texels
  int packed_base;                     // of what is bound, in its space, texels
  uint zero;                           // 0, which the compiler must not know
};
LOCAL_SIZE

// float i of the texels of which t is the one that has it
float
part (vec4 t, int i)
{
  vec2 h = (i & 2) != 0 ? t.zw : t.xy;
  return (i & 1) != 0 ? h.y : h.x;
}

float
pick (int i)
{
  return part (LOAD (flat_weights, flat_base + (i >> 2)), i);
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

// the block's biases: bias, 0, 0, 0; zero where there are none
void
put_biases ()
{
  if (with_bias == 0 || gl_WorkGroupID.y > 0)
    return;
  int lane = int (gl_SubgroupInvocationID), n_block = int (gl_WorkGroupID.x), branch = int (gl_WorkGroupID.z), r = 0;
  int row = n_block * block + lane, to = packed_bias + branch * packed_branch + n_block * packed_bias_block + lane;
  do {
    bool real = row + r < bias_channels;
    int i = real ? bias_start + branch * bias_channels + row + r : 0;
    STORE (packed, to + r, vec4 (real ? part (LOAD (flat_bias, bias_base + (i >> 2)), i) : 0.0, 0, 0, 0))
    r += 8;
  } while (r < block);
}
