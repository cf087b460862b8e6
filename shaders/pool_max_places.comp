#version 450
#extension GL_GOOGLE_include_directive : require
// Where the maximum of each 3x3 window lies in it, 3 * row + column, as a float: what max pooling's gradient asks.  The first in
// row-major order wins a tie; a tap outside is moved to the nearest pixel inside, which keeps its own place.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, places)
layout (constant_id = 0) const int STRIDE = 1;
layout (push_constant) uniform Push
{
  int x_base, quads, width, height, out_width, out_height;
  int x_pad, y_pad; // before the first column and row
  int run, segments, lanes;
  float inv_quads, inv_segments, inv_out_height;
};
LOCAL_SIZE

// The largest of a column: its value m and row r
#define COLUMN(m, r, at) \
  { \
    int o_ = clamp (at, 0, width - 1) * quads; \
    vec4 b_ = LOAD (x, r1 + o_), c_ = LOAD (x, r2 + o_); \
    m = LOAD (x, r0 + o_); \
    r = vec4 (y0); \
    r = mix (r, vec4 (y1), greaterThan (b_, m)); \
    m = max (m, b_); \
    r = mix (r, vec4 (y2), greaterThan (c_, m)); \
    m = max (m, c_); \
  }

// Whether (m, r) is before (m0, r0): larger, or as large and higher up
#define BETTER(m, r, m0, r0) mix (greaterThan (m, m0), lessThan (r, r0), equal (m, m0))

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), ox = (s - row * segments) * run;
  int plane = QUOTIENT (row, out_height, inv_out_height), iy = (row - plane * out_height) * STRIDE - y_pad;

  int pitch = width * quads, origin = x_base + plane * height * pitch + c;
  int i0 = clamp (iy, 0, height - 1), i1 = clamp (iy + 1, 0, height - 1), i2 = clamp (iy + 2, 0, height - 1);
  int r0 = origin + i0 * pitch, r1 = origin + i1 * pitch, r2 = origin + i2 * pitch;
  float y0 = float (i0 - iy), y1 = float (i1 - iy), y2 = float (i2 - iy);
  int ix = ox * STRIDE - x_pad, to = (row * out_width + ox) * quads + c;
  int end = lane < lanes ? out_width : 0;

  vec4 ma, mb, mc, ra, rb, rc;
  COLUMN (ma, ra, ix)
  if (STRIDE == 1)
    COLUMN (mb, rb, ix + 1)
  int k = 0;
  do {
    if (STRIDE == 2)
      COLUMN (mb, rb, ix + 1)
    COLUMN (mc, rc, ix + 2)
    bvec4 second = BETTER (mb, rb, ma, ra);
    vec4 m = mix (ma, mb, second), r = mix (ra, rb, second);
    vec4 column = mix (vec4 (clamp (ix, 0, width - 1) - ix), vec4 (clamp (ix + 1, 0, width - 1) - ix), second);
    bvec4 third = BETTER (mc, rc, m, r);
    r = mix (r, rc, third);
    column = mix (column, vec4 (clamp (ix + 2, 0, width - 1) - ix), third);
    if (ox < end)
      STORE (places, to, r * 3.0 + column);
    ma = STRIDE == 1 ? mb : mc;
    ra = STRIDE == 1 ? rb : rc;
    mb = mc;
    rb = rc;
    ix += STRIDE;
    to += quads;
    ox++;
    k++;
  } while (k < run);
}
