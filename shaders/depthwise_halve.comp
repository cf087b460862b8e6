#version 450
// Depthwise 3x3, stride 2, dilation 1, for software drivers: a lane takes one row of the result and one channel quad, and walks
// along it, two columns of the source a step.
//
// Addresses outside the map are made negative, and read texel 0 of the arena, which is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "ahead.glsl"

layout (constant_id = 0) const int AHEAD = 0; // 1: read what the next row needs, and is written to

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, rows) // depthwise_pack.comp's
STORE_BUFFER (2, y)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width;
  int lanes;
  int x_base, x_branch;       // texels
  int rows_base;
  int y_base, y_first, y_branch; // of branch 0 within the arena, and within the tensor
  float low, high;
  float inv_quads;
  int zero;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)
#define ROW(i) int r##i; { int v = 2 * row + i - 1; r##i = live && uint (v) < uint (source_height) ? image + v * source_width * quads : OUTSIDE; }
#define NEXT(i, o) imageLoad (x, max (r##i + (o), 0)); r##i += quads;
#define TAP(t) imageLoad (rows, weights + t * quads)
#define COLUMN(k, a, b, c) (a * w[k] + b * w[3 + k] + c * w[6 + k])

void
main ()
{
  int g = GLOBAL_INDEX, n = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z);
  int row = int ((float (g) + 0.5) * inv_quads), quad = g - row * quads;
  bool live = g < lanes;

  int weights = rows_base + branch * 11 * quads + quad;
  vec4 w[9];
  w[0] = TAP (0); w[1] = TAP (1); w[2] = TAP (2);
  w[3] = TAP (3); w[4] = TAP (4); w[5] = TAP (5);
  w[6] = TAP (6); w[7] = TAP (7); w[8] = TAP (8);
  vec4 bias = TAP (9), kept = bias;
  float low = low, high = high;

  int image = x_base + branch * x_branch + n * source_height * source_width * quads + quad;
  ROW (0) ROW (1) ROW (2)
  int q = y_first + branch * y_branch + (n * height + row) * width * quads + quad, column = 1, k = 0, last = width;

  if (AHEAD != 0) {
    int lane = int (gl_SubgroupInvocationID), share = (g - lane - row * quads) * last;
    int from = image - quad + (2 * row + 2) * source_width * quads + 4 * (share + lane);
    int to = y_base + branch * y_branch + (n * height + row + 1) * last * quads + share + 4 * lane;
    uint seen = 0;
    do {
      seen |= LINES (x, from) | LINES (x, from + LINES_TEXELS) | LINES (x, from + 2 * LINES_TEXELS) | LINES (x, from + 3 * LINES_TEXELS) | LINES (x, to);
      from += 4 * LINES_TEXELS;
      to += LINES_TEXELS;
      k += LINES_TEXELS;
    } while (k < 8 * last);
    k = int (seen) & zero;
  }

  do {
    int o = column < source_width ? 0 : OUTSIDE;
    vec4 a0 = NEXT (0, 0) vec4 a1 = NEXT (1, 0) vec4 a2 = NEXT (2, 0)
    vec4 b0 = NEXT (0, o) vec4 b1 = NEXT (1, o) vec4 b2 = NEXT (2, o)
    vec4 e = clamp (kept + COLUMN (1, a0, a1, a2) + COLUMN (2, b0, b1, b2), low, high);
    kept = bias + COLUMN (0, b0, b1, b2);
    if (live)
      STORE (y, q, e);
    q += quads;
    column += 2;
    k++;
  } while (k < last);
}
