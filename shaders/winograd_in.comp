#version 450
#extension GL_GOOGLE_include_directive : require
// Winograd convolution F(4x4, 3x3), software family, first of three: B^T d B of each 6x6 patch of the input.  A lane is a tile of 4x4
// outputs, four channels of it.  Tiles of a dilated convolution have their rows and columns `dilation' apart.
// Grid: (channels / 4, blocks of 8 tiles, branches).  Written, in texels: [branch][36][block][channels / 4][8 tiles].
#include "memory.glsl"
#include "ahead.glsl"

LOAD_BUFFER (0, x)
layout (binding = 1, rgba32ui) readonly uniform uimageBuffer tiles; // first row and column of the output, image
STORE_BUFFER (2, patches)
layout (push_constant) uniform Push
{
  int x_base, x_branch, tiles_base;   // of the first branch; from one to the next
  int height, width, quads, dilation;
  int blocks;                         // in this part
  int patches_base;                   // in the arena, as x
  uint zero;                          // 0, which the compiler must not know
};
LOCAL_SIZE

#define ROW_AT(i) { int y = int (tile.x) + dilation * (i - 1); row[i] = uint (y) < uint (height) ? x_base + (image + y) * width * quads : -0x40000000; }
#define COLUMN_AT(j) { int at = int (tile.y) + dilation * (j - 1); column[j] = uint (at) < uint (width) ? at * quads + quad : -0x40000000; }
#define AT(i, j) LOAD (x, max (row[i] + column[j], 0)) // a negative sum is padding: texel 0 is zero
#define TRANSFORM(d0, d1, d2, d3, d4, d5, o) { vec4 e = d4 - 4.0 * d2, f = d3 - 4.0 * d1, g = d4 - d2, h = 2.0 * (d3 - d1); \
  vec4 first = 4.0 * d0 - 5.0 * d2 + d4, last = 4.0 * d1 - 5.0 * d3 + d5; o (0, first) o (1, e + f) o (2, e - f) o (3, g + h) o (4, g - h) o (5, last) }

#define COLUMN(j) { vec4 d0 = AT (0, j), d1 = AT (1, j), d2 = AT (2, j), d3 = AT (3, j), d4 = AT (4, j), d5 = AT (5, j); \
  TRANSFORM (d0, d1, d2, d3, d4, d5, KEEP##j) }
#define KEEP0(i, e) t[i][0] = e;
#define KEEP1(i, e) t[i][1] = e;
#define KEEP2(i, e) t[i][2] = e;
#define KEEP3(i, e) t[i][3] = e;
#define KEEP4(i, e) t[i][4] = e;
#define KEEP5(i, e) t[i][5] = e;
#define PUT(j, e) STORE (patches, o, e) o += point;
#define ROW(i) TRANSFORM (t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT)

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), quad = int (gl_WorkGroupID.x), block = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z);
  uvec4 tile = imageLoad (tiles, tiles_base + block * 8 + lane);
  int image = int (tile.z) * height, row[6], column[6];
  vec4 t[6][6];

  /* the two lines of each point that will be written, of four points at once */
  int point = blocks * quads * 8, o = (block * quads + quad) * 8 + branch * 36 * point;
  int x_base = x_base + branch * x_branch, line = patches_base + o + (lane >> 1) * point + (lane & 1) * 4;
  uint seen = 0;
#define SEE(i) seen |= LINES (x, line + 4 * (i) * point);
  SEE (0) SEE (1) SEE (2) SEE (3) SEE (4) SEE (5) SEE (6) SEE (7) SEE (8)
  o += lane + int (seen & zero);

  ROW_AT (0) ROW_AT (1) ROW_AT (2) ROW_AT (3) ROW_AT (4) ROW_AT (5)
  COLUMN_AT (0) COLUMN_AT (1) COLUMN_AT (2) COLUMN_AT (3) COLUMN_AT (4) COLUMN_AT (5)
  COLUMN (0) COLUMN (1) COLUMN (2) COLUMN (3) COLUMN (4) COLUMN (5)
  ROW (0) ROW (1) ROW (2) ROW (3) ROW (4) ROW (5)
}
