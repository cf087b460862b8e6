#version 450
// The gradient of a convolution's weights on cooperative matrices, from 16-bit maps into 32-bit sums: for one tap, [output channels] x [pixels] x
// [input channels of one source].  gpu_wgrad is the same without them.
//
// A workgroup makes TILE_M output x TILE_N input channels of one tap, over one range of pixels; a subgroup ROWS x COLUMNS matrices of
// it.  An oct is eight channels, 16 bytes.  PIXELS pixels at a time go through shared memory, as they lie in the maps; the next ones are
// under way to registers while these are multiplied.  Ranges are added afterwards in a fixed order (gpu_wgrad_reduce).
//
// As in matrix_conv, what is unrolled holds no loop that is not; compiled/ keeps what this compiles to.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#pragma use_vulkan_memory_model

layout (local_size_x_id = 0) in; // THREADS
// the device's matrices: [M][K] x [K][N]
layout (constant_id = 1) const int M = 16; // a multiple of 8, as N is
layout (constant_id = 2) const int N = 16;
layout (constant_id = 3) const int K = 16;
layout (constant_id = 4) const int SUBGROUP = 32; // invocations of one
layout (constant_id = 5) const int SUBGROUPS_M = 2;
layout (constant_id = 6) const int SUBGROUPS_N = 4;
layout (constant_id = 7) const int ROWS = 4;
layout (constant_id = 8) const int COLUMNS = 2;
layout (constant_id = 9) const int PIXELS = 64; // a multiple of K

const int SUBGROUPS = SUBGROUPS_M * SUBGROUPS_N, THREADS = SUBGROUPS * SUBGROUP;
const int TILE_M = SUBGROUPS_M * ROWS * M, TILE_N = SUBGROUPS_N * COLUMNS * N;
const int DY_WIDTH = TILE_M / 8, X_WIDTH = TILE_N / 8; // octs of a pixel: divisors of THREADS
const int DY_PITCH = DY_WIDTH + 1, X_PITCH = X_WIDTH + 1; // in shared memory: one more, so that pixels begin in different banks
const int DY_OCTS = PIXELS * DY_PITCH, X_OCTS = PIXELS * X_PITCH;
const int DY_LOADS = (PIXELS * DY_WIDTH + THREADS - 1) / THREADS, X_LOADS = (PIXELS * X_WIDTH + THREADS - 1) / THREADS;
const int RESULT = M * N / 4; // a matrix of sums in shared memory, in uvec4
const int STORES = (RESULT + SUBGROUP - 1) / SUBGROUP;
const int SHARED = DY_OCTS + X_OCTS > SUBGROUPS * RESULT ? DY_OCTS + X_OCTS : SUBGROUPS * RESULT;

layout (binding = 0) readonly buffer X { uvec4 x[]; };
layout (binding = 1) readonly buffer Dy { uvec4 dy[]; };
layout (binding = 2) writeonly buffer Part { uvec4 part[]; }; // floats: [range][branch][output channel][tap][input channel]

layout (push_constant) uniform Push {
  int height, width, out_height, out_width, pixels;
  int x_octs, dy_octs, out_channels;
  int kernel, stride, dilation;
  int range; // pixels of one
  int branches;
  int x_first, x_step, dy_first, dy_step; // octs
};

shared uvec4 tiles[SHARED]; // a tile of dy, a tile of x; in the end the sums

void
main ()
{
  const int id = int (gl_LocalInvocationID.x), taps = kernel * kernel, tap = int (gl_WorkGroupID.y) % taps;
  const int first_out = int (gl_WorkGroupID.x) * TILE_M, first_in = int (gl_WorkGroupID.y) / taps * TILE_N;
  const int branch = int (gl_WorkGroupID.z) % branches, which = int (gl_WorkGroupID.z) / branches;
  const int pad = dilation * (kernel - 1) / 2, ky = tap / kernel * dilation - pad, kx = tap % kernel * dilation - pad;
  const int begin = which * range, end = min (pixels, begin + range), steps = (end - begin + PIXELS - 1) / PIXELS;
  const int subgroup = int (gl_SubgroupID), lane = int (gl_SubgroupInvocationID);
  const int m0 = subgroup / SUBGROUPS_N * ROWS * M, n0 = subgroup % SUBGROUPS_N * COLUMNS * N;
  // what the invocation loads: this oct of this pixel and each `rows` further
  const int x_column = id % X_WIDTH, x_row = id / X_WIDTH, x_rows = THREADS / X_WIDTH;
  const int dy_column = id % DY_WIDTH, dy_row = id / DY_WIDTH, dy_rows = THREADS / DY_WIDTH;
  const bool x_inside = first_in / 8 + x_column < x_octs, dy_inside = first_out / 8 + dy_column < dy_octs;
  const int x_base = x_first + branch * x_step + first_in / 8 + x_column, dy_base = dy_first + branch * dy_step + first_out / 8 + dy_column;
  // how far PIXELS pixels are, in pictures, lines and columns
  const int area = out_height * out_width, far_image = PIXELS / area, far_y = PIXELS % area / out_width, far_x = PIXELS % area % out_width;

  ivec3 at[X_LOADS]; // {image, y, x} of the output's pixel
  [[unroll]] for (int i = 0; i < X_LOADS; i++) {
    int p = begin + x_row + i * x_rows, r = p % area;
    at[i] = ivec3 (p / area, r / out_width, r % out_width);
  }

  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[ROWS * COLUMNS];
  [[unroll]] for (int i = 0; i < ROWS * COLUMNS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> (0.0);

  uvec4 next_x[X_LOADS], next_dy[DY_LOADS];
  int first = begin;

  // one more round than there are steps: each loads a step's octs while those of the step before are multiplied
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
      [[unroll]] for (int i = 0; i < X_LOADS; i++) {
        int yy = at[i].y * stride + ky, xx = at[i].z * stride + kx;
        next_x[i] = uvec4 (0);
        if (x_inside && first + x_row + i * x_rows < end && yy >= 0 && xx >= 0 && yy < height && xx < width)
          next_x[i] = x[x_base + ((at[i].x * height + yy) * width + xx) * x_octs];
        at[i] += ivec3 (far_image, far_y, far_x);
        if (at[i].z >= out_width)
          at[i] += ivec3 (0, 1, -out_width);
        if (at[i].y >= out_height)
          at[i] += ivec3 (1, -out_height, 0);
      }
      [[unroll]] for (int i = 0; i < DY_LOADS; i++) {
        int p = first + dy_row + i * dy_rows;
        next_dy[i] = uvec4 (0);
        if (dy_inside && p < end)
          next_dy[i] = dy[dy_base + p * dy_octs];
      }
      first += PIXELS;
    }
    if (step > 0) {
      [[unroll]] for (int k = 0; k < PIXELS / K; k++) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++)
          coopMatLoad (a[i], tiles, k * K * DY_PITCH + (m0 + i * M) / 8, DY_PITCH, gl_CooperativeMatrixLayoutColumnMajor);
        [[unroll]] for (int j = 0; j < COLUMNS; j++) {
          coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
          coopMatLoad (b, tiles, DY_OCTS + k * K * X_PITCH + (n0 + j * N) / 8, X_PITCH, gl_CooperativeMatrixLayoutRowMajor);
          [[unroll]] for (int i = 0; i < ROWS; i++)
            sums[i * COLUMNS + j] = coopMatMulAdd (a[i], b, sums[i * COLUMNS + j]);
        }
      }
    }
    barrier ();
    if (step < steps) {
      [[unroll]] for (int i = 0; i < X_LOADS; i++)
        if (x_row + i * x_rows < PIXELS)
          tiles[DY_OCTS + (x_row + i * x_rows) * X_PITCH + x_column] = next_x[i];
      [[unroll]] for (int i = 0; i < DY_LOADS; i++)
        if (dy_row + i * dy_rows < PIXELS)
          tiles[(dy_row + i * dy_rows) * DY_PITCH + dy_column] = next_dy[i];
    }
    barrier ();
  }

  // which invocation holds which sum is the device's affair: each matrix goes through its subgroup's part of shared memory
  const int result = subgroup * RESULT;
  [[unroll]] for (int i = 0; i < ROWS; i++)
    [[unroll]] for (int j = 0; j < COLUMNS; j++) {
      coopMatStore (sums[i * COLUMNS + j], tiles, result, N / 4, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      [[unroll]] for (int s = 0; s < STORES; s++) {
        int e = lane + s * SUBGROUP, o = first_out + m0 + i * M + e / (N / 4), q = (first_in + n0 + j * N) / 4 + e % (N / 4);
        if (e < RESULT && o < out_channels && q < x_octs * 2)
          part[(((which * branches + branch) * out_channels + o) * taps + tap) * x_octs * 2 + q] = tiles[result + e];
      }
      subgroupBarrier ();
    }
}
