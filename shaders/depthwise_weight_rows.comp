#version 450
// The gradient to a depthwise 3x3's weights and bias for software drivers: stride 1 with any dilation, and stride 2 with dilation 1.
// A lane sums one channel quad over a few pairs of the result's rows, one dilation apart, which share some of x's rows (and, with
// dilation d, over every d-th column), into [branch][split][row][channel quad] texels: rows 0 to 8 the taps, 9 the bias.
//
// It walks along x's columns and keeps the two or three values of dy that a column meets, which is less to keep than x's
// columns would be.  Addresses outside are made negative, and read texel 0 of the arena, which is zero.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "ahead.glsl"

layout (constant_id = 0) const int STRIDE = 1;
layout (constant_id = 1) const int AHEAD = 0; // 1: read what the next run of pairs needs (stride and dilation 1)

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
STORE_BUFFER (2, part)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width, dilation;
  int x_base, x_branch;       // texels
  int dy_base, dy_branch;
  int residues;               // of columns: min (dilation, width)
  int splits;                 // runs * residues
  int run;                    // pairs of rows a lane sums
  int pairs;                  // of an image and one residue of rows
  int image_pairs;            // of an image
  int batch_pairs;
  int steps;                  // along x
  float inv_quads, inv_residues, inv_image_pairs, inv_pairs;
  int zero;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)
#define X_ROW(i) int r##i; { int v = row * STRIDE + (i - 1) * d; \
  r##i = live && uint (v) < uint (source_height) ? image + ((n * source_height + v) * source_width + left) * quads : OUTSIDE; }
#define NEXT(i, o) imageLoad (x, max (r##i + (o), 0)); r##i += stride;
#define DY_ROW(i) int q##i = live && row + i * d < height ? gradient + ((n * height + row + i * d) * width + left) * quads : OUTSIDE; \
  vec4 before##i = vec4 (0), now##i = imageLoad (dy, max (q##i + (left < width ? 0 : OUTSIDE), 0));
#define DY_NEXT(i) q##i += stride; vec4 after##i = imageLoad (dy, max (q##i + (column + d < width ? 0 : OUTSIDE), 0));
#define DY_SHIFT(i) before##i = now##i; now##i = after##i;

void
main ()
{
  int g = GLOBAL_INDEX, branch = int (gl_WorkGroupID.z), d = dilation;
  int split = int ((float (g) + 0.5) * inv_quads), quad = g - split * quads;
  int first = int ((float (split) + 0.5) * inv_residues), left = split - first * residues;
  bool ok = split < splits;

  int image = x_base + branch * x_branch + quad, gradient = dy_base + branch * dy_branch + quad;
  int stride = quads * d, pair = first * run, j = 0, turns = run, last = steps;
  vec4 s0 = vec4 (0), s1 = vec4 (0), s2 = vec4 (0), s3 = vec4 (0), s4 = vec4 (0), s5 = vec4 (0), s6 = vec4 (0), s7 = vec4 (0), s8 = vec4 (0);
  vec4 s9 = vec4 (0);
  do {
    int n = int ((float (pair) + 0.5) * inv_image_pairs), rest = pair - n * image_pairs;
    int residue = int ((float (rest) + 0.5) * inv_pairs), row = residue + (rest - residue * pairs) * 2 * d;
    bool live = ok && pair < batch_pairs;
    X_ROW (0) X_ROW (1) X_ROW (2) X_ROW (3)
    DY_ROW (0) DY_ROW (1)
    int column = left, k = 0;
    if (AHEAD != 0) {
      int lane = int (gl_SubgroupInvocationID), share = 2 * ((pair + turns) * last * quads + (g - lane - split * quads) * last + 2 * lane);
      int from = image - quad + share, to = gradient - quad + share;
      uint seen = 0;
      do {
        seen |= LINES (x, from) | LINES (dy, to);
        from += LINES_TEXELS;
        to += LINES_TEXELS;
        k += LINES_TEXELS;
      } while (k < 16 * last);
      k = int (seen) & zero;
    }
    if (STRIDE == 1) {
      do {
        DY_NEXT (0) DY_NEXT (1)
        int o = column < source_width ? 0 : OUTSIDE;
        vec4 a = NEXT (0, o) vec4 b = NEXT (1, o) vec4 c = NEXT (2, o) vec4 e = NEXT (3, o)
        s0 += a * after0 + b * after1; s1 += a * now0 + b * now1; s2 += a * before0 + b * before1;
        s3 += b * after0 + c * after1; s4 += b * now0 + c * now1; s5 += b * before0 + c * before1;
        s6 += c * after0 + e * after1; s7 += c * now0 + e * now1; s8 += c * before0 + e * before1;
        s9 += now0 + now1;
        DY_SHIFT (0) DY_SHIFT (1)
        column += d;
        k++;
      } while (k < last);
    } else {
      X_ROW (4)
      do {
        DY_NEXT (0) DY_NEXT (1)
        int o = 2 * column + 1 < source_width ? 0 : OUTSIDE;
        vec4 a0 = NEXT (0, 0) vec4 a1 = NEXT (1, 0) vec4 a2 = NEXT (2, 0) vec4 a3 = NEXT (3, 0) vec4 a4 = NEXT (4, 0)
        vec4 b0 = NEXT (0, o) vec4 b1 = NEXT (1, o) vec4 b2 = NEXT (2, o) vec4 b3 = NEXT (3, o) vec4 b4 = NEXT (4, o)
        s0 += b0 * after0 + b2 * after1; s1 += a0 * now0 + a2 * now1; s2 += b0 * now0 + b2 * now1;
        s3 += b1 * after0 + b3 * after1; s4 += a1 * now0 + a3 * now1; s5 += b1 * now0 + b3 * now1;
        s6 += b2 * after0 + b4 * after1; s7 += a2 * now0 + a4 * now1; s8 += b2 * now0 + b4 * now1;
        s9 += now0 + now1;
        DY_SHIFT (0) DY_SHIFT (1)
        column++;
        k++;
      } while (k < last);
    }
    pair++;
    j++;
  } while (j < turns);

  int o = (branch * splits + split) * 10 * quads + quad;
  if (ok) {
    STORE (part, o, s0); STORE (part, o + quads, s1); STORE (part, o + 2 * quads, s2);
    STORE (part, o + 3 * quads, s3); STORE (part, o + 4 * quads, s4); STORE (part, o + 5 * quads, s5);
    STORE (part, o + 6 * quads, s6); STORE (part, o + 7 * quads, s7); STORE (part, o + 8 * quads, s8);
    STORE (part, o + 9 * quads, s9);
  }
}
