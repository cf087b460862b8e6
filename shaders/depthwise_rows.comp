#version 450
// Depthwise 3x3, stride 1, for software drivers: a lane takes two rows of one channel quad, one dilation apart, and walks along
// them, so that each column is loaded once.  Forward, and the gradient to the input with the taps mirrored.
//
// With dilation d a map is d * d maps of dilation 1, interleaved: a lane belongs to one residue of rows and one of columns.
// An address that lies outside the map is made negative, and negative addresses read texel 0 of the arena, which is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "ahead.glsl"

layout (constant_id = 0) const int ADD = 0;   // 1: to what is in y
layout (constant_id = 1) const int AHEAD = 0; // 1: read what the next pair of rows needs, and is written to
layout (constant_id = 2) const int PAIRED = 0; // 1: a pixel's quads are even in number: two lanes are two quads of one pixel

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, rows) // depthwise_pack.comp's
STORE_BUFFER (2, y)
layout (binding = 2) writeonly buffer Y8 { u64vec4 y8[]; };
layout (push_constant) uniform Push {
  int quads, height, width, dilation;
  int residues;               // of columns: min (dilation, width)
  int pairs;                  // of rows, for each residue
  int steps;                  // columns of a residue
  int lanes;
  int x_base, x_branch;       // texels
  int rows_base;
  int y_base;                 // of branch 0 within the arena
  int y_first, y_branch;      // of branch 0 within the tensor, and from branch to branch
  int first_tap, tap_step;    // 0 and 1; mirrored: 8 and -1
  int bias_row;               // 9 or 10
  float low, high;
  float inv_quads, inv_residues, inv_pairs;
  int zero;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)
#define ROW(i) int r##i; { int v = top + (i - 1) * d; r##i = live && uint (v) < uint (height) ? image + (v * width + left) * quads : OUTSIDE; }
#define NEXT(i, o) imageLoad (x, max (r##i + (o), 0)); r##i += stride;
#define TAP(t) imageLoad (rows, weights + (first_tap + tap_step * t) * quads)
#define COLUMN(k, a, b, c) (a * w[k] + b * w[3 + k] + c * w[6 + k])
#define KEPT(i) (ADD != 0 ? imageLoad (x, ok##i ? in_arena + q##i : 0) : vec4 (0))
#define MAKE(i, a, b, c, p, q) vec4 e##i = clamp (p + COLUMN (2, a, b, c), low, high) + KEPT (i); p = q + COLUMN (1, a, b, c); q = bias + COLUMN (0, a, b, c);
#define PUT(i) if (ok##i && inside) STORE (y, q##i, e##i);
// Stores are loops over lanes: instead of four channels of both rows a lane stores eight of one, the first of a pair the upper.
#define PUT_PAIR { vec4 passed = subgroupShuffle (second ? e0 : e1, uint (lane ^ 1)), a = second ? passed : e0, b = second ? e1 : passed; \
  u64vec4 eight = u64vec4 (PAIR (a.x, a.y), PAIR (a.z, a.w), PAIR (b.x, b.y), PAIR (b.z, b.w)); \
  if ((second ? ok1 : ok0) && inside) y8[(second ? q1 : q0) >> 1] = eight; }

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), g = GLOBAL_INDEX, n = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z), d = dilation;
  int place = int ((float (g) + 0.5) * inv_quads), quad = g - place * quads;
  int group = int ((float (place) + 0.5) * inv_residues), left = place - group * residues;
  int residue = int ((float (group) + 0.5) * inv_pairs), top = residue + (group - residue * pairs) * 2 * d;
  bool live = g < lanes, second = (lane & 1) != 0;

  int weights = rows_base + branch * 11 * quads + quad;
  vec4 w[9];
  w[0] = TAP (0); w[1] = TAP (1); w[2] = TAP (2);
  w[3] = TAP (3); w[4] = TAP (4); w[5] = TAP (5);
  w[6] = TAP (6); w[7] = TAP (7); w[8] = TAP (8);
  vec4 bias = imageLoad (rows, weights + bias_row * quads);
  float low = low, high = high;

  int stride = quads * d, image = x_base + branch * x_branch + n * height * width * quads + quad;
  ROW (0) ROW (1) ROW (2) ROW (3)
  bool ok0 = live && top < height, ok1 = live && top + d < height;
  int q0 = y_first + branch * y_branch + ((n * height + top) * width + left) * quads + quad, q1 = q0 + d * width * quads;
  int in_arena = y_base - y_first, column = left, k = 0, last = steps;

  if (AHEAD != 0) {
    int row = d * width * quads;
    int share = (top + 2 * d) * width * quads + (g - lane - group * quads * residues) * last + 4 * lane;
    int from = image - quad + row + share, to = y_base + branch * y_branch + n * height * width * quads + share;
    uint seen = 0;
    do {
      seen |= LINES (x, from) | LINES (x, from + row) | LINES (x, to) | LINES (x, to + row);
      from += LINES_TEXELS;
      to += LINES_TEXELS;
      k += LINES_TEXELS;
    } while (k < 8 * last);
    k = int (seen) & zero;
  }

  vec4 v0 = NEXT (0, 0) vec4 v1 = NEXT (1, 0) vec4 v2 = NEXT (2, 0) vec4 v3 = NEXT (3, 0)
  vec4 a0 = bias + COLUMN (1, v0, v1, v2), b0 = bias + COLUMN (0, v0, v1, v2);
  vec4 a1 = bias + COLUMN (1, v1, v2, v3), b1 = bias + COLUMN (0, v1, v2, v3);
  do {
    bool inside = column < width;
    column += d;
    int o = column < width ? 0 : OUTSIDE;
    v0 = NEXT (0, o) v1 = NEXT (1, o) v2 = NEXT (2, o) v3 = NEXT (3, o)
    MAKE (0, v0, v1, v2, a0, b0) MAKE (1, v1, v2, v3, a1, b1)
    if (PAIRED != 0)
      PUT_PAIR
    else {
      PUT (0)
      PUT (1)
    }
    q0 += stride;
    q1 += stride;
    k++;
  } while (k < last);
}
