#version 450
#extension GL_GOOGLE_include_directive : require
// Winograd convolution, software family, first of three: B^T d B of each 6x6 patch of the input.
#define FIRST -1
#include "winograd_patch.glsl"

#define TRANSFORM(d0, d1, d2, d3, d4, d5, o) { vec4 e = d4 - 4.0 * d2, f = d3 - 4.0 * d1, g = d4 - d2, h = 2.0 * (d3 - d1); \
  vec4 first = 4.0 * d0 - 5.0 * d2 + d4, last = 4.0 * d1 - 5.0 * d3 + d5; o (0, first) o (1, e + f) o (2, e - f) o (3, g + h) o (4, g - h) o (5, last) }
#define COLUMN(j) { vec4 d0 = AT (0, j), d1 = AT (1, j), d2 = AT (2, j), d3 = AT (3, j), d4 = AT (4, j), d5 = AT (5, j); \
  TRANSFORM (d0, d1, d2, d3, d4, d5, KEEP##j) }
#define ROW(i) TRANSFORM (t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], PUT)

void
main ()
{
  BEGIN
  ROW_AT (0) ROW_AT (1) ROW_AT (2) ROW_AT (3) ROW_AT (4) ROW_AT (5)
  COLUMN_AT (0) COLUMN_AT (1) COLUMN_AT (2) COLUMN_AT (3) COLUMN_AT (4) COLUMN_AT (5)
  COLUMN (0) COLUMN (1) COLUMN (2) COLUMN (3) COLUMN (4) COLUMN (5)
  ROW (0) ROW (1) ROW (2) ROW (3) ROW (4) ROW (5)
}
