#version 450
#extension GL_GOOGLE_include_directive : require
// 3x3 average pooling, stride 1, padding not counted; and its gradient, which is the same sum with each tap divided by the
// count of the window that it was the centre of.  The count is a product: (rows inside) * (columns inside).
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, before) // what y held: read where it is added to
STORE_BUFFER (2, y)
layout (constant_id = 0) const int BACKWARD = 0;
layout (constant_id = 1) const int ACCUMULATE = 0;
layout (push_constant) uniform Push
{
  int x_base, before_base, quads, width, height, run, segments, lanes;
  float inv_quads, inv_segments, inv_height;
};
LOCAL_SIZE

// 1 / (how many of i - 1, i, i + 1 lie inside n)
float
share (int i, int n)
{
  return i > 0 && i < n - 1 ? 1.0 / 3.0 : n == 1 ? 1.0 : i == 0 || i == n - 1 ? 0.5 : 0.0;
}

// What tap i of an axis counts: nothing outside
float
tap (int i, int n)
{
  bool inside = i >= 0 && i < n;
  return inside ? BACKWARD != 0 ? share (i, n) : 1.0 : 0.0;
}

#define COLUMN(m, at) \
  { \
    int i_ = at, o_ = clamp (i_, 0, width - 1) * quads; \
    vec4 a_ = LOAD (x, r0 + o_), b_ = LOAD (x, r1 + o_), c_ = LOAD (x, r2 + o_); \
    m = (w0 * a_ + w1 * b_ + w2 * c_) * tap (i_, width); \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), ox = (s - row * segments) * run;
  int plane = QUOTIENT (row, height, inv_height), oy = row - plane * height;

  int pitch = width * quads, origin = x_base + plane * height * pitch + c;
  int r0 = origin + max (oy - 1, 0) * pitch, r1 = origin + oy * pitch, r2 = origin + min (oy + 1, height - 1) * pitch;
  float w0 = tap (oy - 1, height), w1 = tap (oy, height), w2 = tap (oy + 1, height);
  float rows = BACKWARD != 0 ? 1.0 : share (oy, height);
  int to = (row * width + ox) * quads + c;
  int end = lane < lanes ? width : 0;

  int before_base = before_base;
  vec4 m0, m1, m2;
  COLUMN (m0, ox - 1)
  COLUMN (m1, ox)
  int k = 0;
  do {
    COLUMN (m2, ox + 1)
    vec4 v = (m0 + m1 + m2) * (BACKWARD != 0 ? 1.0 : rows * share (ox, width));
    if (ACCUMULATE != 0)
      v += LOAD (before, before_base + (ox < end ? to : 0));
    if (ox < end)
      STORE (y, to, v);
    m0 = m1;
    m1 = m2;
    to += quads;
    ox++;
    k++;
  } while (k < run);
}
