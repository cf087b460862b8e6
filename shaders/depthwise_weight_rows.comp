#version 450
// The gradient to a depthwise 3x3's weights and bias for software drivers: stride 1 with any dilation, and stride 2 with dilation 1.
// A lane sums one channel quad over a few rows of the result (and, with dilation d, over every d-th column), into
// [branch][split][row][channel quad] texels: rows 0 to 8 the taps, 9 the bias.
//
// It walks along x's columns and keeps the two or three values of dy that a column meets, which is less to keep than x's
// columns would be.  Addresses outside are made negative, and read texel 0 of the arena, which is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

layout (constant_id = 0) const int STRIDE = 1;

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
STORE_BUFFER (2, part)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width, dilation;
  int x_base, x_branch;       // texels
  int dy_base, dy_branch;
  int residues;               // of columns: min (dilation, width)
  int splits;                 // runs * residues
  int run;                    // rows a lane sums
  int lines;                  // rows of the batch
  int steps;                  // along x
  float inv_quads, inv_residues, inv_height;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)
#define ROW(i) int r##i; { int v = row * STRIDE + (i - 1) * d; \
  r##i = live && uint (v) < uint (source_height) ? image + ((n * source_height + v) * source_width + left * STRIDE) * quads : OUTSIDE; }
#define NEXT(r, o) imageLoad (x, max (r + (o), 0)); r += stride;

void
main ()
{
  int g = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z), d = dilation;
  int split = int ((float (g) + 0.5) * inv_quads), quad = g - split * quads;
  int first = int ((float (split) + 0.5) * inv_residues), left = split - first * residues;
  bool ok = split < splits;

  int image = x_base + branch * x_branch + quad, gradient = dy_base + branch * dy_branch + quad;
  int stride = quads * d, line = first * run, j = 0, rows = run, last = steps;
  vec4 s0 = vec4 (0), s1 = vec4 (0), s2 = vec4 (0), s3 = vec4 (0), s4 = vec4 (0), s5 = vec4 (0), s6 = vec4 (0), s7 = vec4 (0), s8 = vec4 (0);
  vec4 s9 = vec4 (0);
  do {
    int n = int ((float (line) + 0.5) * inv_height), row = line - n * height;
    bool live = ok && line < lines;
    ROW (0) ROW (1) ROW (2)
    int q = live ? gradient + (line * width + left) * quads : OUTSIDE, column = left, k = 0;
    vec4 before = vec4 (0), now = imageLoad (dy, max (q + (left < width ? 0 : OUTSIDE), 0));
    do {
      q += stride;
      vec4 after = imageLoad (dy, max (q + (column + d < width ? 0 : OUTSIDE), 0));
      if (STRIDE == 1) {
        int o = column < source_width ? 0 : OUTSIDE;
        vec4 a = NEXT (r0, o) vec4 b = NEXT (r1, o) vec4 c = NEXT (r2, o)
        s0 += a * after; s1 += a * now; s2 += a * before;
        s3 += b * after; s4 += b * now; s5 += b * before;
        s6 += c * after; s7 += c * now; s8 += c * before;
      } else {
        int o = 2 * column + 1 < source_width ? 0 : OUTSIDE;
        vec4 a = NEXT (r0, 0) vec4 b = NEXT (r1, 0) vec4 c = NEXT (r2, 0)
        vec4 e = NEXT (r0, o) vec4 f = NEXT (r1, o) vec4 h = NEXT (r2, o)
        s0 += e * after; s1 += a * now; s2 += e * now;
        s3 += f * after; s4 += b * now; s5 += f * now;
        s6 += h * after; s7 += c * now; s8 += h * now;
      }
      s9 += now;
      before = now;
      now = after;
      column += d;
      k++;
    } while (k < last);
    line++;
    j++;
  } while (j < rows);

  int o = (branch * splits + split) * 10 * quads + quad;
  if (ok) {
    STORE (part, o, s0); STORE (part, o + quads, s1); STORE (part, o + 2 * quads, s2);
    STORE (part, o + 3 * quads, s3); STORE (part, o + 4 * quads, s4); STORE (part, o + 5 * quads, s5);
    STORE (part, o + 6 * quads, s6); STORE (part, o + 7 * quads, s7); STORE (part, o + 8 * quads, s8);
    STORE (part, o + 9 * quads, s9);
  }
}
