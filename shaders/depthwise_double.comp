#version 450
// The gradient to the input of a depthwise 3x3 with stride 2, dilation 1, for software drivers: a lane takes two rows of the
// result, 2 r and 2 r + 1, and one channel quad, and walks along them, one column of the source and two of the result a step.
//
// Addresses outside the map are made negative, and read texel 0 of the arena, which is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "ahead.glsl"

layout (constant_id = 0) const int ADD = 0;   // 1: to what is in dx
layout (constant_id = 1) const int AHEAD = 0; // 1: read what the next rows need, and are written to

LOAD_BUFFER (0, dy)
LOAD_BUFFER (1, rows) // depthwise_pack.comp's
STORE_BUFFER (2, dx)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width; // the source is dy
  int lanes;
  int x_base, x_branch;       // of dy
  int rows_base;
  int y_base, y_first, y_branch; // of dx
  float inv_quads;
  int zero;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)
#define ROW(i) int r##i = live && row + i < source_height ? image + (row + i) * source_width * quads : OUTSIDE;
#define NEXT(i, o) imageLoad (dy, max (r##i + (o), 0)); r##i += quads;
#define TAP(t) imageLoad (rows, weights + t * quads)
#define KEPT(q, ok) (ADD != 0 ? imageLoad (dy, ok ? in_arena + q : 0) : vec4 (0))

void
main ()
{
  int g = GLOBAL_INDEX, n = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z);
  int row = int ((float (g) + 0.5) * inv_quads), quad = g - row * quads;
  bool live = g < lanes, lower = live && 2 * row + 1 < height;

  int weights = rows_base + branch * 11 * quads + quad;
  vec4 w0 = TAP (0), w1 = TAP (1), w2 = TAP (2), w3 = TAP (3), w4 = TAP (4), w5 = TAP (5), w6 = TAP (6), w7 = TAP (7), w8 = TAP (8);

  int image = x_base + branch * x_branch + n * source_height * source_width * quads + quad;
  ROW (0) ROW (1)
  int q0 = y_first + branch * y_branch + (n * height + 2 * row) * width * quads + quad, q1 = q0 + width * quads;
  int in_arena = y_base - y_first, column = 0, k = 0, last = source_width;

  if (AHEAD != 0) {
    int lane = int (gl_SubgroupInvocationID), share = (g - lane - row * quads) * last;
    int from = image - quad + (row + 2) * last * quads + share + 4 * lane;
    int to = y_base + branch * y_branch + (n * height + 2 * row + 2) * width * quads + 4 * (share + lane);
    uint seen = 0;
    do {
      seen |= LINES (dy, from) | LINES (dy, to) | LINES (dy, to + LINES_TEXELS) | LINES (dy, to + 2 * LINES_TEXELS) | LINES (dy, to + 3 * LINES_TEXELS);
      from += LINES_TEXELS;
      to += 4 * LINES_TEXELS;
      k += LINES_TEXELS;
    } while (k < 8 * last);
    k = int (seen) & zero;
  }

  vec4 a0 = NEXT (0, 0) vec4 a1 = NEXT (1, 0)
  do {
    k++;
    int o = k < source_width ? 0 : OUTSIDE;
    bool right = column + 1 < width;
    vec4 b0 = NEXT (0, o) vec4 b1 = NEXT (1, o)
    vec4 e0 = w4 * a0 + KEPT (q0, live);
    vec4 e1 = w5 * a0 + w3 * b0 + KEPT (q0 + quads, live && right);
    vec4 e2 = w7 * a0 + w1 * a1 + KEPT (q1, lower);
    vec4 e3 = w8 * a0 + w6 * b0 + w2 * a1 + w0 * b1 + KEPT (q1 + quads, lower && right);
    if (live)
      STORE (dx, q0, e0);
    if (live && right)
      STORE (dx, q0 + quads, e1);
    if (lower)
      STORE (dx, q1, e2);
    if (lower && right)
      STORE (dx, q1 + quads, e3);
    q0 += 2 * quads;
    q1 += 2 * quads;
    column += 2;
    a0 = b0;
    a1 = b1;
  } while (k < last);
}
