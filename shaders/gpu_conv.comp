#version 450
#extension GL_GOOGLE_include_directive : require
// Dense convolution as an implicit matrix product: [pixels] x [taps * channels of all sources] x [output channels].
//
// A workgroup makes a tile of TILE_M pixels x TILE_N output channels of one branch; an invocation 4 x 4 of it.  Tiles of pixels lie along x and,
// where that is full, go on in z behind the branches.  Four quads of
// channels at a time go through shared memory.  Sources follow one another in the inner loop.  Also the gradient to the
// input: with transposed, flipped weights, and `divide` where the convolution had a stride.
//
// w: [branch][output channel][source, tap, quad]
#include "memory.glsl"

layout (local_size_x_id = 0) in; // TILE_M * TILE_N / 16
layout (constant_id = 1) const int TILE_M = 64;
layout (constant_id = 2) const int TILE_N = 32;

LOAD_BUFFER (0, w)
layout (binding = 1) readonly buffer Bias { float bias[]; };      // [branch][output channel]
ADDEND_BUFFER (2, residual)
OUTPUT_BUFFER (3, y)
layout (binding = 4) readonly buffer Sources { ivec4 sources[]; }; // {which x, first quad, quads a branch, quads a pixel}
LOAD_BUFFER (5, x0)
LOAD_BUFFER (6, x1)
LOAD_BUFFER (7, x2)
LOAD_BUFFER (8, x3)
LOAD_BUFFER (9, x4)
LOAD_BUFFER (10, x5)

layout (push_constant) uniform Push {
  int height, width;          // of the sources
  int out_height, out_width;
  int pixels;                 // batch * out_height * out_width
  int out_channels, out_quads; // quads a pixel of y
  int branches;
  int n_sources, row_quads;   // quads of one output channel's weights
  int kernel, stride, dilation, divide;
  float low, high;
  int has_bias, has_residual;
  int y_first, y_step, r_first, r_step; // quads
};

const int DEPTH = 4; // quads of channels in shared memory
shared vec4 tile_x[DEPTH * TILE_M];
shared vec4 tile_w[DEPTH * TILE_N];
shared ivec4 origins[TILE_M]; // {first pixel of the image, y, x, whether there is such a pixel}

vec4
load_x (int which, int i)
{
  switch (which) {
    case 0: return LOAD (x0, i);
    case 1: return LOAD (x1, i);
    case 2: return LOAD (x2, i);
    case 3: return LOAD (x3, i);
    case 4: return LOAD (x4, i);
    default: return LOAD (x5, i);
  }
}

void
main ()
{
  int id = int (gl_LocalInvocationID.x), threads = TILE_M * TILE_N / 16, columns = TILE_N / 4, rows = TILE_M / 4;
  int fold = int (gl_WorkGroupID.z) / branches, branch = int (gl_WorkGroupID.z) % branches;
  int first_pixel = (fold * int (gl_NumWorkGroups.x) + int (gl_WorkGroupID.x)) * TILE_M, first_channel = int (gl_WorkGroupID.y) * TILE_N;
  int column = id % columns, row = id / columns, pad = dilation * (kernel - 1) / 2, taps = kernel * kernel;

  for (int m = id; m < TILE_M; m += threads) {
    int p = first_pixel + m, image = p / (out_height * out_width), r = p - image * out_height * out_width;
    origins[m] = ivec4 (image * height * width, (r / out_width) * stride - pad, (r % out_width) * stride - pad, p < pixels ? 1 : 0);
  }

  float sums[4][4];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      sums[i][j] = 0;

  int w_at = 0;
  for (int s = 0; s < n_sources; s++) {
    ivec4 source = sources[s];
    int base = source.y + branch * source.z, quads = source.w;

    for (int tap = 0; tap < taps; tap++, w_at += quads) {
      int dy = (tap / kernel) * dilation, dx = (tap % kernel) * dilation;

      for (int q0 = 0; q0 < quads; q0 += DEPTH) {
        barrier ();
        for (int i = id; i < TILE_M * DEPTH; i += threads) {
          int m = i / DEPTH, q = i % DEPTH, yy = origins[m].y + dy, xx = origins[m].z + dx;
          bool inside = origins[m].w != 0 && q0 + q < quads && yy >= 0 && xx >= 0;

          if (divide > 1) {
            inside = inside && yy % divide == 0 && xx % divide == 0;
            yy /= divide;
            xx /= divide;
          }
          inside = inside && yy < height && xx < width;
          tile_x[q * TILE_M + m] = inside ? load_x (source.x, base + (origins[m].x + yy * width + xx) * quads + q0 + q) : vec4 (0);
        }
        for (int i = id; i < TILE_N * DEPTH; i += threads) { // channel c lies at (c % 4) * columns + c / 4: no bank is hit twice
          int n = i / DEPTH, q = i % DEPTH, c = first_channel + n;
          bool inside = c < out_channels && q0 + q < quads;
          tile_w[q * TILE_N + (n % 4) * columns + n / 4] =
              inside ? LOAD (w, (branch * out_channels + c) * row_quads + w_at + q0 + q) : vec4 (0);
        }
        barrier ();
        for (int q = 0; q < DEPTH; q++) {
          vec4 a[4], b[4];
          for (int i = 0; i < 4; i++)
            a[i] = tile_x[q * TILE_M + i * rows + row];
          for (int j = 0; j < 4; j++)
            b[j] = tile_w[q * TILE_N + j * columns + column];
          for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
              sums[i][j] += dot (a[i], b[j]);
        }
      }
    }
  }

  int channel = first_channel + column * 4, quad = channel / 4;
  if (quad >= out_quads)
    return;
  vec4 shift = vec4 (0);
  if (has_bias != 0)
    for (int j = 0; j < 4; j++)
      if (channel + j < out_channels)
        shift[j] = bias[branch * out_channels + channel + j];
  for (int i = 0; i < 4; i++) {
    int p = first_pixel + i * rows + row;
    if (p < pixels) {
      vec4 v = vec4 (sums[i][0], sums[i][1], sums[i][2], sums[i][3]) + shift;
      if (has_residual != 0)
        v += ADDEND (residual, r_first + branch * r_step + p * out_quads + quad);
      OUTPUT (y, y_first + branch * y_step + p * out_quads + quad, clamp (v, vec4 (low), vec4 (high)));
    }
  }
}
