#version 450
// Dense convolution as an implicit matrix product on cooperative matrices (VK_KHR_cooperative_matrix): 16-bit maps and weights, sums in 32 bits.
// gpu_conv is the same without them, and `divide` as there: for gradients.
//
// A workgroup makes a tile of TILE_M pixels x TILE_N output channels of one branch, a subgroup ROWS x COLUMNS matrices of it. An oct is
// eight channels, 16 bytes.  A pixel's row of the product is all octs of all taps of all sources, one after the other as the weights
// are: DEPTH octs at a time go through shared memory, and the next ones are under way to registers while these are multiplied.
//
// Where that leaves too few workgroups, each makes but a range of the row's octs, and y are the parts of the sums, which matrix_sum adds:
// floats, [split][branch][pixel][channel].
//
// w: [branch][output channel][source, tap, oct]
//
// A loop whose trips are not constants, inside one that is unrolled, keeps drivers from unrolling that too, and its matrices out of
// registers: seven times slower on one GPU.
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
layout (constant_id = 9) const int DEPTH = 8; // a divisor of THREADS; DEPTH * 8 is a multiple of K
layout (constant_id = 10) const int TENSORS = 6; // how many of x0 to x5 there are
layout (constant_id = 11) const int FULL = 0; // 1: y and residual are floats
layout (constant_id = 12) const int DIVIDE = 1;

const int SUBGROUPS = SUBGROUPS_M * SUBGROUPS_N, THREADS = SUBGROUPS * SUBGROUP;
const int TILE_M = SUBGROUPS_M * ROWS * M, TILE_N = SUBGROUPS_N * COLUMNS * N;
const int PITCH = DEPTH + 1; // octs from row to row in shared memory: one more, so that rows begin in different banks
const int X_OCTS = TILE_M * PITCH, W_OCTS = TILE_N * PITCH;
const int X_LOADS = (TILE_M * DEPTH + THREADS - 1) / THREADS, W_LOADS = (TILE_N * DEPTH + THREADS - 1) / THREADS;
const int RESULT = M * N / 4; // a matrix of sums in shared memory, in uvec4
const int STORES = (M * N / 8 + SUBGROUP - 1) / SUBGROUP; // octs of a matrix that an invocation stores
const int SHARED = X_OCTS + W_OCTS > SUBGROUPS * ROWS * RESULT ? X_OCTS + W_OCTS : SUBGROUPS * ROWS * RESULT;

layout (binding = 0) readonly buffer Weights { uvec4 w[]; };
layout (binding = 1) readonly buffer Bias { float bias[]; };       // [branch][output channel]
layout (binding = 2) readonly buffer Residual { uvec4 residual[]; };
layout (binding = 3) writeonly buffer Output { uvec4 y[]; };
layout (binding = 4) readonly buffer Octs { ivec4 octs[]; }; // of a row: {which x + 256 tap's y + 65536 tap's x, first, octs a branch, octs a pixel}
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
  int out_channels, out_quads; // quads a pixel of y
  int row_octs;               // octs of one output channel's weights
  int kernel, stride, dilation;
  float low, high;
  int has_bias, has_residual;
  int y_first, y_step, r_first, r_step; // octs; quads where these are floats
  int splits, range;          // range: octs of a row in one of them, a multiple of DEPTH
};

shared uvec4 tiles[SHARED]; // a tile of x, a tile of w; in the end the sums

uvec4
load_x (int which, int i)
{
  if (TENSORS == 1)
    return x0[i];
  switch (which) {
    case 0: return x0[i];
    case 1: return x1[i];
    case 2: return x2[i];
    case 3: return x3[i];
    case 4: return x4[i];
    default: return x5[i];
  }
}

float
bias_of (int branch, int channel)
{
  return has_bias != 0 && channel < out_channels ? bias[branch * out_channels + channel] : 0;
}

vec4
biases_of (int branch, int channel)
{
  return vec4 (bias_of (branch, channel), bias_of (branch, channel + 1), bias_of (branch, channel + 2), bias_of (branch, channel + 3));
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
    bool there = p < pixels && row + i * rows < TILE_M;
    origins[i] = ivec3 (image * height * width, there ? (r / out_width) * stride - pad : -0x1000000 /* all its taps lie outside */,
        (r % out_width) * stride - pad);
  }

  coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[ROWS * COLUMNS];
  [[unroll]] for (int i = 0; i < ROWS * COLUMNS; i++)
    sums[i] = coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> (0.0);

  uvec4 next_x[X_LOADS], next_w[W_LOADS];
  int oct = first_oct + column;
  ivec4 next_at = octs[min (oct, row_octs - 1)]; // known a step ahead, for what is loaded depends on it

  // one more round than there are steps: each loads a step's octs while those of the step before are multiplied
  for (int step = 0; step <= steps; step++) {
    if (step < steps) {
      bool in_row = oct < row_octs;
      ivec4 at = next_at;
      int dy = (at.x >> 8 & 255) * dilation, dx = (at.x >> 16) * dilation, first = at.y + branch * at.z;

      [[unroll]] for (int i = 0; i < X_LOADS; i++) {
        int yy = origins[i].y + dy, xx = origins[i].z + dx;
        bool inside = in_row && yy >= 0 && xx >= 0;

        if (DIVIDE > 1) {
          inside = inside && yy % DIVIDE == 0 && xx % DIVIDE == 0;
          yy /= DIVIDE;
          xx /= DIVIDE;
        }
        inside = inside && yy < height && xx < width;
        next_x[i] = uvec4 (0);
        if (inside)
          next_x[i] = load_x (at.x & 255, first + (origins[i].x + yy * width + xx) * at.w);
      }
      [[unroll]] for (int i = 0; i < W_LOADS; i++) {
        int n = row + i * rows, c = first_channel + n;
        next_w[i] = uvec4 (0);
        if (in_row && n < TILE_N && c < out_channels)
          next_w[i] = w[(branch * out_channels + c) * row_octs + oct];
      }
      oct += DEPTH;
      next_at = octs[min (oct, row_octs - 1)];
    }
    if (step > 0) {
      [[unroll]] for (int k = 0; k < DEPTH * 8 / K; k++) {
        coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++)
          coopMatLoad (a[i], tiles, (m0 + i * M) * PITCH + k * (K / 8), PITCH, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (int j = 0; j < COLUMNS; j++) {
          coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
          coopMatLoad (b, tiles, X_OCTS + (n0 + j * N) * PITCH + k * (K / 8), PITCH, gl_CooperativeMatrixLayoutColumnMajor);
          [[unroll]] for (int i = 0; i < ROWS; i++)
            sums[i * COLUMNS + j] = coopMatMulAdd (a[i], b, sums[i * COLUMNS + j]);
        }
      }
    }
    barrier ();
    if (step < steps) {
      [[unroll]] for (int i = 0; i < X_LOADS; i++)
        if (row + i * rows < TILE_M)
          tiles[(row + i * rows) * PITCH + column] = next_x[i];
      [[unroll]] for (int i = 0; i < W_LOADS; i++)
        if (row + i * rows < TILE_N)
          tiles[X_OCTS + (row + i * rows) * PITCH + column] = next_w[i];
    }
    barrier ();
  }

  // which invocation holds which sum is the device's affair: a column of matrices at a time goes through its subgroup's part of shared memory
  const int result = subgroup * ROWS * RESULT;
  [[unroll]] for (int j = 0; j < COLUMNS; j++) {
    [[unroll]] for (int i = 0; i < ROWS; i++)
      coopMatStore (sums[i * COLUMNS + j], tiles, result + i * RESULT, N / 4, gl_CooperativeMatrixLayoutRowMajor);
    subgroupBarrier ();
    [[unroll]] for (int s = 0; s < STORES; s++) {
      int e = lane + s * SUBGROUP, oct = (first_channel + n0 + j * N) / 8 + e % (N / 8);
      bool in_matrix = e < M * N / 8 && oct * 2 < out_quads, whole = oct * 2 + 1 < out_quads;
      vec4 low_bias = biases_of (branch, oct * 8), high_bias = biases_of (branch, oct * 8 + 4);

      [[unroll]] for (int i = 0; i < ROWS; i++) {
        int p = first_pixel + m0 + i * M + e / (N / 8), at = result + i * RESULT + e * 2;
        if (in_matrix && p < pixels && splits > 1) {
          int to = ((split * (int (gl_NumWorkGroups.z) / splits) + branch) * pixels + p) * out_quads + oct * 2;
          y[to] = tiles[at];
          if (whole)
            y[to + 1] = tiles[at + 1];
        } else if (in_matrix && p < pixels) {
          int place = FULL != 0 ? p * out_quads + oct * 2 : p * (out_quads / 2) + oct;
          int to = y_first + branch * y_step + place, from = r_first + branch * r_step + place;
          vec4 low_half = uintBitsToFloat (tiles[at]) + low_bias, high_half = uintBitsToFloat (tiles[at + 1]) + high_bias;

          if (has_residual != 0 && FULL != 0) {
            low_half += uintBitsToFloat (residual[from]);
            if (whole)
              high_half += uintBitsToFloat (residual[from + 1]);
          } else if (has_residual != 0) {
            uvec4 r = residual[from];
            low_half += vec4 (unpackFloat2x16 (r.x), unpackFloat2x16 (r.y));
            high_half += vec4 (unpackFloat2x16 (r.z), unpackFloat2x16 (r.w));
          }
          low_half = clamp (low_half, low, high);
          high_half = clamp (high_half, low, high);
          if (FULL != 0) {
            y[to] = floatBitsToUint (low_half);
            if (whole)
              y[to + 1] = floatBitsToUint (high_half);
          } else
            y[to] = uvec4 (packFloat2x16 (f16vec2 (low_half.xy)), packFloat2x16 (f16vec2 (low_half.zw)), packFloat2x16 (f16vec2 (high_half.xy)),
                packFloat2x16 (f16vec2 (high_half.zw)));
        }
      }
    }
    subgroupBarrier ();
  }
}
