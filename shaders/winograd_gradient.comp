#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient to a convolution's weights by Winograd's algorithm: A d A^T of each 4x4 tile of the output's gradient, which products with
// winograd_in's patches then sum over tiles (wgrad.comp).
#define FIRST 0
#include "winograd_patch.glsl"

#define TRANSFORM(d0, d1, d2, d3, o) { vec4 first = d0, last = d3, e = d0 + d2, f = d1 + d3, g = d0 + 4.0 * d2, h = 2.0 * d1 + 8.0 * d3; \
  o (0, first) o (1, e + f) o (2, e - f) o (3, g + h) o (4, g - h) o (5, last) }
#define COLUMN(j) { vec4 d0 = AT (0, j), d1 = AT (1, j), d2 = AT (2, j), d3 = AT (3, j); TRANSFORM (d0, d1, d2, d3, KEEP##j) }
#define ROW(i) TRANSFORM (t[i][0], t[i][1], t[i][2], t[i][3], PUT)

void
main ()
{
  BEGIN
  ROW_AT (0) ROW_AT (1) ROW_AT (2) ROW_AT (3)
  COLUMN_AT (0) COLUMN_AT (1) COLUMN_AT (2) COLUMN_AT (3)
  COLUMN (0) COLUMN (1) COLUMN (2) COLUMN (3)
  ROW (0) ROW (1) ROW (2) ROW (3) ROW (4) ROW (5)
}
