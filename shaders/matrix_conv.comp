#version 450
// Dense convolution as an implicit matrix product on cooperative matrices (VK_KHR_cooperative_matrix): 16-bit maps and weights, sums in 32 bits.
// gpu_conv is the same without them, and `divide` as there: for gradients.
//
// A workgroup makes a tile of TILE_M pixels x TILE_N output channels of one branch, a subgroup ROWS x COLUMNS matrices of it. An oct is
// eight channels, 16 bytes.  A pixel's row of the product is all octs of all taps of all sources, one after the other as the weights
// are: DEPTH octs at a time go through shared memory, which is held twice, so that the next ones are under way while these are multiplied.
//
// Where that leaves too few workgroups, each makes but a range of the row's octs, and y are the parts of the sums, which matrix_sum adds:
// floats, [split][branch][pixel][channel].
//
// w: [branch][output channel][source, tap, oct]
//
// Debian 12's compiler does not know the extension: shaders/compiled/ keeps what this file compiles to.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#pragma use_vulkan_memory_model

layout (local_size_x_id = 0) in; // THREADS
// the device's matrices: [M][K] x [K][N]
layout (constant_id = 1) const int M = 16;
layout (constant_id = 2) const int N = 16;
layout (constant_id = 3) const int K = 16; // a multiple of 8
layout (constant_id = 4) const int SUBGROUP = 32; // invocations of one
layout (constant_id = 5) const int SUBGROUPS_M = 2;
layout (constant_id = 6) const int SUBGROUPS_N = 2;
layout (constant_id = 7) const int ROWS = 2;
layout (constant_id = 8) const int COLUMNS = 2;
layout (constant_id = 9) const int DEPTH = 4; // a divisor of THREADS; DEPTH * 8 is a multiple of K

const int SUBGROUPS = SUBGROUPS_M * SUBGROUPS_N, THREADS = SUBGROUPS * SUBGROUP;
const int TILE_M = SUBGROUPS_M * ROWS * M, TILE_N = SUBGROUPS_N * COLUMNS * N;
const int PITCH = DEPTH + 1; // octs from row to row in shared memory: one more, so that rows begin in different banks
const int X_OCTS = TILE_M * PITCH, W_OCTS = TILE_N * PITCH;
const int X_LOADS = (TILE_M * DEPTH + THREADS - 1) / THREADS, W_LOADS = (TILE_N * DEPTH + THREADS - 1) / THREADS;
const int RESULT = M * N / 4; // a matrix of sums in shared memory, in uvec4
const int TILES = 2 * (X_OCTS + W_OCTS), SHARED = TILES > SUBGROUPS * RESULT ? TILES : SUBGROUPS * RESULT;

layout (binding = 0) readonly buffer Weights { uvec4 w[]; };
layout (binding = 1) readonly buffer Bias { float bias[]; };       // [branch][output channel]
layout (binding = 2) readonly buffer Residual { uvec4 residual[]; };
layout (binding = 3) writeonly buffer Output { uvec4 y[]; };
layout (binding = 4) readonly buffer Sources { ivec4 sources[]; }; // {which x, first oct, octs a branch, octs a pixel}
layout (binding = 5) readonly buffer X0 { uvec4 x0[]; };
layout (binding = 6) readonly buffer X1 { uvec4 x1[]; };
layout (binding = 7) readonly buffer X2 { uvec4 x2[]; };
layout (binding = 8) readonly buffer X3 { uvec4 x3[]; };
layout (binding = 9) readonly buffer X4 { uvec4 x4[]; };
layout (binding = 10) readonly buffer X5 { uvec4 x5[]; };

layout (push_constant) uniform Push {
  int height, width;          // of the sources
  int out_height, out_width;
  int pixels;                 // batch * out_height * out_width
  int out_channels, out_octs; // octs a pixel of y
  int n_sources, row_octs;    // octs of one output channel's weights
  int kernel, stride, dilation, divide;
  float low, high;
  int has_bias, has_residual;
  int y_first, y_step, r_first, r_step; // octs
  int splits, range;          // range: octs of a row in one of them, a multiple of DEPTH
};

shared uvec4 tiles[SHARED]; // twice a tile of x, twice a tile of w; in the end the sums

uvec4
load_x (int which, int i)
{
  switch (which) {
    case 0: return x0[i];
    case 1: return x1[i];
    case 2: return x2[i];
    case 3: return x3[i];
    case 4: return x4[i];
    default: return x5[i];
  }
}

// where in its pixels' rows an invocation loads
struct Place
{
  int s, tap_y, tap_x, oct;
  ivec4 source;
};

void
advance (inout Place at, int octs)
{
  at.oct += octs;
  while (at.s < n_sources && at.oct >= at.source.w) {
    at.oct -= at.source.w;
    if (++at.tap_x == kernel) {
      at.tap_x = 0;
      if (++at.tap_y == kernel) {
        at.tap_y = 0;
        if (++at.s < n_sources)
          at.source = sources[at.s];
      }
    }
  }
}

void
main ()
{
  const int id = int (gl_LocalInvocationID.x), z = int (gl_WorkGroupID.z), split = z % splits, branch = z / splits;
  const int first_pixel = int (gl_WorkGroupID.x) * TILE_M, first_channel = int (gl_WorkGroupID.y) * TILE_N;
  const int row = id / DEPTH, column = id % DEPTH, rows = THREADS / DEPTH; // what the invocation loads: this row and each `rows` further
  const int subgroup = int (gl_SubgroupID), lane = int (gl_SubgroupInvocationID);
  const int m0 = subgroup / SUBGROUPS_N * ROWS * M, n0 = subgroup % SUBGROUPS_N * COLUMNS * N;
  const int first_oct = split * range, steps = (min (range, row_octs - first_oct) + DEPTH - 1) / DEPTH;

  ivec3 origins[X_LOADS]; // {first pixel of the image, y, x} of the pixel's first tap
  [[unroll]] for (int i = 0; i < X_LOADS; i++) {
    int p = first_pixel + row + i * rows, image = p / (out_height * out_width), r = p - image * out_height * out_width;
    int pad = dilation * (kernel - 1) / 2;
    origins[i] = ivec3 (image * height * width, (r / out_width) * stride - pad, (r % out_width) * stride - pad);
    if (p >= pixels)
      origins[i].y = -0x1000000; // all its taps lie outside
  }

  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[ROWS * COLUMNS];
  [[unroll]] for (int i = 0; i < ROWS * COLUMNS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> (0.0);

  Place at = Place (0, 0, 0, 0, sources[0]);
  advance (at, first_oct + column);
  int w_oct = first_oct + column;
  uvec4 next_x[X_LOADS], next_w[W_LOADS];

  // one more round than there are steps: each loads a step's octs while those of the step before are multiplied
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
      int dy = at.tap_y * dilation, dx = at.tap_x * dilation;
      [[unroll]] for (int i = 0; i < X_LOADS; i++) {
        int yy = origins[i].y + dy, xx = origins[i].z + dx;
        bool inside = at.s < n_sources && yy >= 0 && xx >= 0 && row + i * rows < TILE_M;

        if (divide > 1) {
          inside = inside && yy % divide == 0 && xx % divide == 0;
          yy /= divide;
          xx /= divide;
        }
        inside = inside && yy < height && xx < width;
        next_x[i] = uvec4 (0);
        if (inside)
          next_x[i] = load_x (at.source.x, at.source.y + branch * at.source.z + (origins[i].x + yy * width + xx) * at.source.w + at.oct);
      }
      [[unroll]] for (int i = 0; i < W_LOADS; i++) {
        int n = row + i * rows, c = first_channel + n;
        next_w[i] = uvec4 (0);
        if (n < TILE_N && c < out_channels && w_oct < row_octs)
          next_w[i] = w[(branch * out_channels + c) * row_octs + w_oct];
      }
      advance (at, DEPTH);
      w_oct += DEPTH;
    }
    if (step > 0) {
      int x_tile = ((step - 1) & 1) * X_OCTS, w_tile = 2 * X_OCTS + ((step - 1) & 1) * W_OCTS;
      [[unroll]] for (int k = 0; k < DEPTH * 8 / K; k++) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++)
          coopMatLoad (a[i], tiles, x_tile + (m0 + i * M) * PITCH + k * (K / 8), PITCH, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (int j = 0; j < COLUMNS; j++) {
          coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
          coopMatLoad (b, tiles, w_tile + (n0 + j * N) * PITCH + k * (K / 8), PITCH, gl_CooperativeMatrixLayoutColumnMajor);
          [[unroll]] for (int i = 0; i < ROWS; i++)
            sums[i * COLUMNS + j] = coopMatMulAdd (a[i], b, sums[i * COLUMNS + j]);
        }
      }
    }
    if (step < steps) {
      int x_tile = (step & 1) * X_OCTS, w_tile = 2 * X_OCTS + (step & 1) * W_OCTS;
      [[unroll]] for (int i = 0; i < X_LOADS; i++)
        if (row + i * rows < TILE_M)
          tiles[x_tile + (row + i * rows) * PITCH + column] = next_x[i];
      [[unroll]] for (int i = 0; i < W_LOADS; i++)
        if (row + i * rows < TILE_N)
          tiles[w_tile + (row + i * rows) * PITCH + column] = next_w[i];
    }
    barrier ();
  }

  // which invocation holds which sum is the device's affair: each matrix goes through its subgroup's part of shared memory
  const int result = subgroup * RESULT;
  [[unroll]] for (int i = 0; i < ROWS; i++)
    [[unroll]] for (int j = 0; j < COLUMNS; j++) {
      coopMatStore (sums[i * COLUMNS + j], tiles, result, N / 4, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      for (int e = lane; e < M * N / 8; e += SUBGROUP) {
        int p = first_pixel + m0 + i * M + e / (N / 8), oct = first_channel / 8 + (n0 + j * N) / 8 + e % (N / 8);
        if (p < pixels && oct < out_octs && splits > 1) {
          int to = (((split * (int (gl_NumWorkGroups.z) / splits) + branch) * pixels + p) * out_octs + oct) * 2;
          y[to] = tiles[result + e * 2];
          y[to + 1] = tiles[result + e * 2 + 1];
        } else if (p < pixels && oct < out_octs) {
          vec4 v[2] = vec4[2] (uintBitsToFloat (tiles[result + e * 2]), uintBitsToFloat (tiles[result + e * 2 + 1]));
          if (has_bias != 0)
            [[unroll]] for (int c = 0; c < 8; c++)
              if (oct * 8 + c < out_channels)
                v[c / 4][c % 4] += bias[branch * out_channels + oct * 8 + c];
          if (has_residual != 0) {
            uvec4 r = residual[r_first + branch * r_step + p * out_octs + oct];
            v[0] += vec4 (unpackFloat2x16 (r.x), unpackFloat2x16 (r.y));
            v[1] += vec4 (unpackFloat2x16 (r.z), unpackFloat2x16 (r.w));
          }
          v[0] = clamp (v[0], low, high);
          v[1] = clamp (v[1], low, high);
          y[y_first + branch * y_step + p * out_octs + oct] = uvec4 (packFloat2x16 (f16vec2 (v[0].xy)), packFloat2x16 (f16vec2 (v[0].zw)),
              packFloat2x16 (f16vec2 (v[1].xy)), packFloat2x16 (f16vec2 (v[1].zw)));
        }
      }
      subgroupBarrier ();
    }
}
