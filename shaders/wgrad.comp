#version 450
// The gradient to a dense convolution's weights, for software drivers: a product of x and dy summed over pixels.
//
// A workgroup is one subgroup. Its 8 lanes hold 8 quads of one operand (the lane side), each with 4 * QUADS channels of the other
// (the shared side), whose values the lanes load together and pass round.  The lane side is x, its quads counted over taps too,
// and the shared side dy; SWAP, for 1x1 kernels, turns that round: good where x has few channels.
//
// A workgroup sums over one split of the pixels.  Within it, sums of `steps` steps of four pixels are added up in memory, so that
// no float takes part in much more than a thousand additions.  Result, in floats: [z][split][tile][shared pair][lane][2][4]:
// the four channels of the lane's quad for one shared channel, then for the next.
//
// Pixels and taps outside read texel 0 of the arena, which is zero.  CUT leaves out the rows and columns of dy from which none of a workgroup's taps
// reaches x: with large dilations those are most.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

layout (constant_id = 0) const int QUADS = 8;      // of the shared side in a tile: 4 or 8
layout (constant_id = 1) const bool SWAP = false;  // kernel 1 alone
layout (constant_id = 2) const bool PLAIN = false; // kernel 1, stride 1: pixel p of x goes with pixel p of dy
layout (constant_id = 3) const bool TILES = false; // PLAIN, of Winograd's transforms: [block of 8 pixels][quad][8]
layout (constant_id = 4) const bool CUT = false;   // not where PLAIN

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
layout (binding = 2) buffer Part { u64vec4 part[]; };
layout (push_constant) uniform Push {
  int x_quads, dy_quads;
  int pixels;                          // of dy: batch * height * width
  int steps, rounds;                   // four pixels a step
  int x_base, x_branch, x_source;      // texels
  int sources;                         // z is branch * sources + source
  int dy_base, dy_branch;
  int tiles, lane_tiles;               // lane_tiles of a row of tiles
  int height, width;                   // of x
  int dy_height, dy_width;
  int kernel, stride, dilation, padding;
  int add;                             // 1: to the sums that are there
  uint zero;                           // 0, unknown to the compiler: folded shuffle indices are slow
  float inv_lane_tiles, inv_x_quads, inv_kernel, inv_dy_height, inv_dy_width;
};
LOCAL_SIZE

// pixel q of what is left of dy, from the split's first row on, and the pixel of x under the invocation's tap that goes with it: 0 where there is none.
// Products with inverses are exact: a split's pixels and all images' rows are fewer than four million each.
#define TILE_AT(q, quads) (((q) >> 3) * (quads) * 8 + ((q) & 7))
#define ROW_OF(q) int ((float (q) + 0.5) * inv_columns)
#define IMAGE_OF(row) int ((float (row) + 0.5) * inv_rows)
#define DY_AT(q, address) int address = TILES ? dy_start + TILE_AT (q, yq) : dy_start + (q) * yq; \
    if (CUT) { \
      int row = ROW_OF (q), column = (q) - row * columns; \
      row += start_row; \
      address = dy_start + ((row + IMAGE_OF (row) * rows_left_out) * all_columns + column) * yq; \
    }
#define X_AT(q, address) int address; { \
    address = TILES ? x_start + TILE_AT (q, xq) : x_start + (q) * xq; \
    if (!PLAIN) { \
      int row = ROW_OF (q), column = (q) - row * columns; \
      row += start_row; \
      int n = IMAGE_OF (row), v = (row - n * rows + (CUT ? first_row : 0)) * across + tap_row, u = (column + (CUT ? first_column : 0)) * across + tap_column; \
      address = uint (v) < uint (h) && uint (u) < uint (w) ? x_start + ((n * h + v) * w + u) * xq : 0; \
    } \
  }
#define LOAD_LANE(i) { \
    bool ok = lane_ok && p + i < pixel_count; \
    if (SWAP) { \
      DY_AT (p + i, at) \
      a[i] = imageLoad (dy, ok ? at : 0); \
    } else { \
      X_AT (p + i, at) \
      a[i] = imageLoad (x, ok ? at : 0); \
    } \
  }
#define LOAD_SHARED(i, q) { \
    bool ok = shared_ok && q < pixel_count; \
    if (SWAP) { \
      X_AT (q, at) \
      b[i] = imageLoad (x, ok ? at : 0); \
    } else { \
      DY_AT (q, at) \
      b[i] = imageLoad (dy, ok ? at : 0); \
    } \
  }

#define ADD_PRODUCT(j, c, e) s[j][c] += a[0].e * b0; s[j][c] += a[1].e * b1; s[j][c] += a[2].e * b2; s[j][c] += a[3].e * b3;
#define ADD_CHANNEL(c, l, f) { \
    float b0 = subgroupShuffle (b[0].f, index[l]), b1 = subgroupShuffle (b[QUADS == 4 ? 0 : 1].f, index[QUADS == 4 ? l ^ 4 : l]); \
    float b2 = subgroupShuffle (b[QUADS == 4 ? 1 : 2].f, index[l]), b3 = subgroupShuffle (b[QUADS == 4 ? 1 : 3].f, index[QUADS == 4 ? l ^ 4 : l]); \
    ADD_PRODUCT (0, c, x) ADD_PRODUCT (1, c, y) ADD_PRODUCT (2, c, z) ADD_PRODUCT (3, c, w) \
  }
#define ADD_QUAD(l) ADD_CHANNEL (4 * l, l, x) ADD_CHANNEL (4 * l + 1, l, y) ADD_CHANNEL (4 * l + 2, l, z) ADD_CHANNEL (4 * l + 3, l, w)

#define UNPACK(v) uintBitsToFloat (unpackUint2x32 (v))
#define SUMS(c) vec4 (s[0][c], s[1][c], s[2][c], s[3][c])
#define PUT_PAIR(i) { \
    vec4 e = SUMS (2 * i), f = SUMS (2 * i + 1); \
    if (round + addition > 0) { \
      u64vec4 old = part[o + i * 8]; \
      e += vec4 (UNPACK (old.x), UNPACK (old.y)); \
      f += vec4 (UNPACK (old.z), UNPACK (old.w)); \
    } \
    part[o + i * 8] = u64vec4 (PAIR (e.x, e.y), PAIR (e.z, e.w), PAIR (f.x, f.y), PAIR (f.z, f.w)); \
  }

// How many rows or columns of dy, out of count, taps from .. to of an axis reach x from, which has size: those from first on.
int
reached (int from, int to, int size, int count, out int first)
{
  int end = min (count, (max (size - (from * dilation - padding), 0) + stride - 1) / stride);
  first = min ((max (padding - to * dilation, 0) + stride - 1) / stride, count);
  return max (end - first, 0);
}

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), tile = int (gl_WorkGroupID.x), split = int (gl_WorkGroupID.y), z = int (gl_WorkGroupID.z);
  int shared_tile = int ((float (tile) + 0.5) * inv_lane_tiles), lane_tile = tile - shared_tile * lane_tiles;
  int branch = z / sources, source = z - branch * sources;
  uint index[8] = uint[8] (zero, zero + 1u, zero + 2u, zero + 3u, zero + 4u, zero + 5u, zero + 6u, zero + 7u);

  int lane_quad = lane_tile * 8 + lane, shared_quad = shared_tile * QUADS + (lane & (QUADS - 1));
  int tap = 0, x_quad = SWAP ? shared_quad : lane_quad, dy_quad = SWAP ? lane_quad : shared_quad;
  if (!SWAP) {
    tap = int ((float (lane_quad) + 0.5) * inv_x_quads);
    x_quad = lane_quad - tap * x_quads;
  }
  bool lane_ok = SWAP ? lane_quad < dy_quads : tap < kernel * kernel;
  bool shared_ok = shared_quad < (SWAP ? x_quads : dy_quads);
  int tap_y = int ((float (tap) + 0.5) * inv_kernel), tap_row = tap_y * dilation - padding, tap_column = (tap - tap_y * kernel) * dilation - padding;
  int apart = TILES ? 8 : 1, addition = add;
  int x_start = x_base + branch * x_branch + source * x_source + x_quad * apart, dy_start = dy_base + branch * dy_branch + dy_quad * apart;

  /* in registers: pushed values are loads each time */
  int xq = x_quads, yq = dy_quads, pixel_count = pixels, rows = dy_height, columns = dy_width, h = height, w = width, across = stride;
  float inv_rows = inv_dy_height, inv_columns = inv_dy_width;
  int second = lane >> 2, step_count = steps, round_count = rounds, round = 0;
  int first_row = 0, first_column = 0, rows_left_out = 0, all_columns = columns, start_row = 0;
  if (CUT) {
    int images = pixel_count / (rows * columns), all_rows = rows, last_tap = kernel * kernel - 1;
    int from = min (lane_tile * 8 / xq, last_tap), to = min ((lane_tile * 8 + 7) / xq, last_tap); /* the workgroup's taps */
    int from_row = from / kernel, to_row = to / kernel;
    bool one_row = from_row == to_row;
    rows = reached (from_row, to_row, h, all_rows, first_row);
    columns = reached (one_row ? from - from_row * kernel : 0, one_row ? to - to_row * kernel : kernel - 1, w, all_columns, first_column);
    rows_left_out = all_rows - rows;
    dy_start += (first_row * all_columns + first_column) * yq;
    inv_rows = 1.0 / float (max (rows, 1));
    inv_columns = 1.0 / float (max (columns, 1));
    pixel_count = images * rows * columns;
    int share = int (gl_NumWorkGroups.y) * round_count * 4;
    step_count = max ((pixel_count + share - 1) / share, 1);
  }
  int p = split * step_count * round_count * 4;
  if (!PLAIN) {
    start_row = p / max (columns, 1);
    int before = start_row * columns;
    p -= before;
    pixel_count -= before;
    if (!CUT)
      dy_start += before * yq;
  }
  int o = ((z * int (gl_NumWorkGroups.y) + split) * tiles + tile) * QUADS * 16 + lane;
  float s[4][32];
  do {
    for (int j = 0; j < 4; j++)
      for (int c = 0; c < 32; c++)
        s[j][c] = 0.0;
    int k = 0;
    do {
      vec4 a[4], b[4];
      LOAD_LANE (0) LOAD_LANE (1) LOAD_LANE (2) LOAD_LANE (3)
      if (QUADS == 4) { /* a load brings four quads of two pixels */
        LOAD_SHARED (0, p + second) LOAD_SHARED (1, p + 2 + second)
      } else {
        LOAD_SHARED (0, p) LOAD_SHARED (1, p + 1) LOAD_SHARED (2, p + 2) LOAD_SHARED (3, p + 3)
      }
      ADD_QUAD (0) ADD_QUAD (1) ADD_QUAD (2) ADD_QUAD (3)
      if (QUADS > 4) {
        ADD_QUAD (4) ADD_QUAD (5) ADD_QUAD (6) ADD_QUAD (7)
      }
      p += 4;
      k++;
    } while (k < step_count);
    PUT_PAIR (0) PUT_PAIR (1) PUT_PAIR (2) PUT_PAIR (3) PUT_PAIR (4) PUT_PAIR (5) PUT_PAIR (6) PUT_PAIR (7)
    if (QUADS > 4) {
      PUT_PAIR (8) PUT_PAIR (9) PUT_PAIR (10) PUT_PAIR (11) PUT_PAIR (12) PUT_PAIR (13) PUT_PAIR (14) PUT_PAIR (15)
    }
    round++;
  } while (round < round_count);
}
