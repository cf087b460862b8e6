#version 450
#extension GL_GOOGLE_include_directive : require
// 3x3 max pooling.  A lane takes one quad of channels of a run of outputs along x and carries the columns' maxima that the
// next output needs too.  Padding never wins: a tap outside is moved to the nearest pixel inside, which the window
// contains as well.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, y)
layout (constant_id = 0) const int STRIDE = 1;
layout (push_constant) uniform Push
{
  int x_base, quads, width, height, out_width, out_height;
  int x_pad, y_pad; // before the first column and row
  int run, segments, lanes;
  float inv_quads, inv_segments, inv_out_height;
};
LOCAL_SIZE

#define COLUMN(m, at) \
  { \
    int o_ = clamp (at, 0, width - 1) * quads; \
    vec4 a_ = LOAD (x, r0 + o_), b_ = LOAD (x, r1 + o_), c_ = LOAD (x, r2 + o_); \
    m = max (max (a_, b_), c_); \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), ox = (s - row * segments) * run;
  int plane = QUOTIENT (row, out_height, inv_out_height), iy = (row - plane * out_height) * STRIDE - y_pad;

  int pitch = width * quads, origin = x_base + plane * height * pitch + c;
  int r0 = origin + clamp (iy, 0, height - 1) * pitch;
  int r1 = origin + clamp (iy + 1, 0, height - 1) * pitch;
  int r2 = origin + clamp (iy + 2, 0, height - 1) * pitch;
  int ix = ox * STRIDE - x_pad, to = (row * out_width + ox) * quads + c;
  int end = lane < lanes ? out_width : 0;

  vec4 m0, m1, m2;
  COLUMN (m0, ix)
  if (STRIDE == 1)
    COLUMN (m1, ix + 1)
  int k = 0;
  do {
    if (STRIDE == 2)
      COLUMN (m1, ix + 1)
    COLUMN (m2, ix + 2)
    vec4 m = max (max (m0, m1), m2);
    if (ox < end)
      STORE (y, to, m);
    m0 = STRIDE == 1 ? m1 : m2;
    m1 = m2;
    ix += STRIDE;
    to += quads;
    ox++;
    k++;
  } while (k < run);
}
