// How Winograd's transforms of maps go about it: a lane is a tile of 4x4 outputs, four channels of it.  Tiles of a dilated convolution have their
// rows and columns `dilation' apart.  Includers define FIRST: where a tile's rows and columns begin, in steps of them, by the output's.
// Grid: (channels / 4, blocks of 8 tiles, branches).  Written, in texels: [branch][36][block][channels / 4][8 tiles].
#include "memory.glsl"
#include "winograd_keep.glsl"
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

#define ROW_AT(i) { int y = int (tile.x) + dilation * (i + FIRST); row[i] = uint (y) < uint (height) ? x_base + (image + y) * width * quads : -0x40000000; }
#define COLUMN_AT(j) { int at = int (tile.y) + dilation * (j + FIRST); column[j] = uint (at) < uint (width) ? at * quads + quad : -0x40000000; }
#define AT(i, j) LOAD (x, max (row[i] + column[j], 0)) // a negative sum is padding: texel 0 is zero

#define PUT(j, e) STORE (patches, o, e) o += point;

// Where this lane's tile is, and the two lines of each point that will be written, read four points at once.
#define SEE(i) seen |= LINES (x, line + 4 * (i) * point);
#define BEGIN \
  int lane = int (gl_SubgroupInvocationID), quad = int (gl_WorkGroupID.x), block = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z); \
  uvec4 tile = imageLoad (tiles, tiles_base + block * 8 + lane); \
  int image = int (tile.z) * height, row[6], column[6]; \
  vec4 t[6][6]; \
  int point = blocks * quads * 8, o = (block * quads + quad) * 8 + branch * 36 * point; \
  int x_base = x_base + branch * x_branch, line = patches_base + o + (lane >> 1) * point + (lane & 1) * 4; \
  uint seen = 0; \
  SEE (0) SEE (1) SEE (2) SEE (3) SEE (4) SEE (5) SEE (6) SEE (7) SEE (8) \
  o += lane + int (seen & zero);
