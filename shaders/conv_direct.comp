#version 450
#extension GL_GOOGLE_include_directive : require
// Convolution for software drivers: a lane sums 4 pixels x BLOCK output channels.  One subgroup of 8 lanes is a workgroup; its lanes
// are neighbouring pixels.  The summed dimension is a list of segments, each a tap of a source; within one, the innermost step
// takes 4 input channels: a texel for each pixel, and BLOCK texels of weights spread over the lanes and passed round by shuffles.
//
// Grid: (blocks of channels, groups of 32 pixels, branches).  Pixels of all images are one row of numbers; the output may be
// every out_stride'th pixel of a larger map (the gradient of a strided convolution goes one residue class at a time).
//
// Packed weights, in texels: [branch][block][BLOCK: bias, 0, 0, 0][segment][4 input channels][BLOCK]: each texel the
// weights of one output channel for 4 input channels.
#include "memory.glsl"

layout (constant_id = 0) const int BLOCK = 32;     // 8, 16, 24 or 32
layout (constant_id = 1) const bool WIDE = true;   // whether the output's texels per pixel are even: then stores are of 8 floats
layout (constant_id = 2) const bool RESIDUAL = false;

LOAD_BUFFER (0, x)        // the whole arena; its first texels are zero
LOAD_BUFFER (6, weights)
// dy << 16 | dx & 0xffff, source | its channels / 4 << 3, texels from pixel to pixel, from branch to branch
layout (binding = 7, rgba32ui) readonly uniform uimageBuffer segments;
LOAD_BUFFER (8, residual)
layout (binding = 9) writeonly buffer Y2 { u64vec2 y2[]; };
layout (binding = 9) writeonly buffer Y4 { u64vec4 y4[]; };

layout (push_constant) uniform Push
{
  int zero;                                 // 0, which the compiler must not know
  int grid_width, grid_pixels, total;       // pixels in a row, in an image, in all images
  float inv_width, inv_pixels;              // 1 / grid_width, 1 / grid_pixels
  int in_height, in_width, in_stride;
  int out_width, out_pixels, out_stride;    // the map that is written
  int out_start, out_texels;                // its first texel; its texels per pixel
  int n_segments, segments_base;
  int weights_base, weights_branch, weights_block;
  int residual_base, residual_branch, out_branch; // texels
  float low, high;
  int source0, source1, source2, source3, source4, source5; // the first texel of each
};
LOCAL_SIZE

const int OCTETS = 4;
#define MAX_OCTETS 4
#include "conv_tile.glsl"

#define START(c) { float b = subgroupShuffle (f[(c) / 8].x, index[(c) % 8]); s[0][c] = b; s[1][c] = b; s[2][c] = b; s[3][c] = b; }
#define STARTS(c) START (c) START (c + 1) START (c + 2) START (c + 3) START (c + 4) START (c + 5) START (c + 6) START (c + 7)

// pixel p of this lane: where its window starts, and where it is written
#define PLACE(p) { int q = first + p * 8 + lane; inside[p] = q < total; q = min (q, total - 1); \
  int n = int ((float (q) + 0.5) * inv_pixels); q -= n * grid_pixels; \
  int row = int ((float (q) + 0.5) * inv_width); q -= row * grid_width; \
  top[p] = row * in_stride; left[p] = q * in_stride; image[p] = n * in_height; \
  place[p] = (n * out_pixels + (row * out_width + q) * out_stride) * out_texels; }
// its texel of a segment, or one so far negative that max () turns all of them into texel 0
#define AIM(p) { int row = top[p] + dy, column = left[p] + dx; \
  a[p] = uint (row) < uint (in_height) && uint (column) < uint (in_width) ? base + ((image[p] + row) * in_width + column) * pitch : -0x40000000; }

#define ADD(p, c) { vec4 r = LOAD (residual, from[p] + (c) / 4); s[p][c] += r.x; s[p][c + 1] += r.y; s[p][c + 2] += r.z; s[p][c + 3] += r.w; }
#define ADDS(c) ADD (0, c) ADD (1, c) ADD (2, c) ADD (3, c) ADD (0, c + 4) ADD (1, c + 4) ADD (2, c + 4) ADD (3, c + 4)

// What is stored is made before the test whether it is: where lanes part, software drivers read even a push constant lane by lane.
#define OUT(p, c) clamp (s[p][c], low, high)
#define HALF(p, c) PAIR (OUT (p, c), OUT (p, c + 1)), PAIR (OUT (p, c + 2), OUT (p, c + 3))
#define PUT(p, c) { u64vec4 eight = u64vec4 (HALF (p, c), HALF (p, c + 4)); \
  if (WIDE) { if (room[p] > (c) / 4) y4[(place[p] + (c) / 4) >> 1] = eight; } \
  else { if (room[p] > (c) / 4) y2[place[p] + (c) / 4] = eight.xy; \
         if (room[p] > (c) / 4 + 1) y2[place[p] + (c) / 4 + 1] = eight.zw; } }
#define PUTS(c) PUT (0, c) PUT (1, c) PUT (2, c) PUT (3, c)

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), first = int (gl_WorkGroupID.y) * 32, branch = int (gl_WorkGroupID.z);
  int block = int (gl_WorkGroupID.x) * (BLOCK / 4);
  uint z = uint (zero);
  uint index[8] = uint[8] (z, z + 1u, z + 2u, z + 3u, z + 4u, z + 5u, z + 6u, z + 7u);
  int top[4], left[4], image[4], place[4], a[4];
  bool inside[4];
  vec4 f[4];
  float s[4][32];

  PLACE (0) PLACE (1) PLACE (2) PLACE (3)
  int at = weights_base + branch * weights_branch + int (gl_WorkGroupID.x) * weights_block + lane;
  LOAD_WEIGHTS
  EVERY (STARTS)

  int t = segments_base, last = segments_base + n_segments, in_height = in_height, in_width = in_width;
  int source0 = source0, source1 = source1, source2 = source2, source3 = source3, source4 = source4, source5 = source5;
  do {
    uvec4 segment = imageLoad (segments, t);
    int dy = int (segment.x) >> 16, dx = int (segment.x << 16) >> 16, source = int (segment.y) & 7, depth = int (segment.y) >> 3, pitch = int (segment.z);
    int base = source == 0 ? source0 : source == 1 ? source1 : source == 2 ? source2 : source == 3 ? source3 : source == 4 ? source4 : source5;
    base += branch * int (segment.w);
    AIM (0) AIM (1) AIM (2) AIM (3)
    // where the tap misses the map for all 32 pixels, a wide dilation's often, one step of zeros stands for all
    int reach = max (max (a[0], a[1]), max (a[2], a[3]));
    reach = max (reach, subgroupShuffle (reach, uint (lane ^ 1)));
    reach = max (reach, subgroupShuffle (reach, uint (lane ^ 2)));
    reach = max (reach, subgroupShuffle (reach, uint (lane ^ 4)));
    int end = reach < 0 ? 1 : depth, k = 0;
    do {
      vec4 v[4] = vec4[4] (LOAD (x, max (a[0] + k, 0)), LOAD (x, max (a[1] + k, 0)), LOAD (x, max (a[2] + k, 0)), LOAD (x, max (a[3] + k, 0)));
      LOAD_WEIGHTS
      EVERY (COLUMNS)
      k++;
    } while (k < end);
    at += (depth - end) * BLOCK;
    t++;
  } while (t < last);

  if (RESIDUAL) {
    int from[4];
    int r = residual_base + branch * residual_branch + block;
    from[0] = r + place[0]; from[1] = r + place[1]; from[2] = r + place[2]; from[3] = r + place[3];
    EVERY (ADDS)
  }
  int o = out_start + branch * out_branch + block, rest = out_texels - block;
  int room[4] = int[4] (inside[0] ? rest : 0, inside[1] ? rest : 0, inside[2] ? rest : 0, inside[3] ? rest : 0);
  float low = low, high = high;
  place[0] += o; place[1] += o; place[2] += o; place[3] += o;
  EVERY (PUTS)
}
