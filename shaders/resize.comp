#version 450
#extension GL_GOOGLE_include_directive : require
// Bilinear resize, not antialiased.  A lane takes one quad of channels of a run of outputs along x.
#include "memory.glsl"
#include "lanes.glsl"
#include "resample.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, y)
layout (push_constant) uniform Push
{
  int x_base, quads, width, height, out_width, out_height, run, segments, lanes;
  int x_first, x_step, x_den, y_first, y_step, y_den; // see resample.glsl
  float inv_quads, inv_segments, inv_out_height, inv_x_den, inv_y_den;
};
LOCAL_SIZE

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), ox = (s - row * segments) * run;
  int plane = QUOTIENT (row, out_height, inv_out_height), oy = row - plane * out_height;

  int quads = quads, width = width, out_width = out_width, run = run, x_first = x_first, x_step = x_step, x_den = x_den;
  float inv_x_den = inv_x_den;
  float fy;
  int iy = source (oy, y_first, y_step, y_den, inv_y_den, fy);
  int pitch = width * quads, r0 = x_base + (plane * height + iy) * pitch + c;
  int r1 = iy + 1 < height ? r0 + pitch : r0;
  int to = (row * out_width + ox) * quads + c;
  int end = lane < lanes ? out_width : 0;
  int k = 0;
  do {
    float fx;
    int ix = source (min (ox, out_width - 1), x_first, x_step, x_den, inv_x_den, fx);
    int o0 = ix * quads, o1 = min (ix + 1, width - 1) * quads;
    vec4 a = LOAD (x, r0 + o0), b = LOAD (x, r0 + o1), d = LOAD (x, r1 + o0), e = LOAD (x, r1 + o1);
    a += (b - a) * fx;
    d += (e - d) * fx;
    a += (d - a) * fy;
    if (ox < end)
      STORE (y, to, a);
    to += quads;
    ox++;
    k++;
  } while (k < run);
}
