#version 450
#extension GL_GOOGLE_include_directive : require
// Max pooling's gradient at stride 1: a pixel collects from the nine windows around it those whose maximum it is.  A lane walks
// a row; each column of windows adds to three pixels, the first of which it completes.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, dy)
LOAD_BUFFER (1, places) // pool_max_places.comp
LOAD_BUFFER (2, before) // what dx held: read where it is added to
STORE_BUFFER (3, dx)
layout (constant_id = 0) const int ACCUMULATE = 0;
layout (push_constant) uniform Push
{
  int dy_base, places_base, before_base, quads, width, height, run, segments, lanes;
  float inv_quads, inv_segments, inv_height;
};
LOCAL_SIZE

// Windows of one row in this column, of which the pixels to the left, here and to the right are at @place and the next two
#define WINDOWS(r, inside, place) \
  { \
    vec4 d_ = LOAD (dy, dy_base + r + o), p_ = LOAD (places, places_base + r + o); \
    d_ *= inside && valid ? 1.0 : 0.0; \
    left += mix (vec4 (0), d_, equal (p_, vec4 (place))); \
    middle += mix (vec4 (0), d_, equal (p_, vec4 (place + 1.0))); \
    right += mix (vec4 (0), d_, equal (p_, vec4 (place + 2.0))); \
  }
#define COLUMN(at) \
  { \
    int i_ = at, o = clamp (i_, 0, width - 1) * quads; \
    bool valid = i_ >= 0 && i_ < width; \
    WINDOWS (r0, y > 0, 6.0) \
    WINDOWS (r1, true, 3.0) \
    WINDOWS (r2, y < height - 1, 0.0) \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), x = (s - row * segments) * run;
  int plane = QUOTIENT (row, height, inv_height), y = row - plane * height;

  int pitch = width * quads, origin = plane * height * pitch + c;
  int r0 = origin + max (y - 1, 0) * pitch, r1 = origin + y * pitch, r2 = origin + min (y + 1, height - 1) * pitch;
  int to = r1 + x * quads, end = lane < lanes ? width : 0;

  int before_base = before_base;
  vec4 left = vec4 (0), middle = vec4 (0), right = vec4 (0);
  COLUMN (x - 1)
  left = middle;
  middle = right;
  right = vec4 (0);
  COLUMN (x)
  int k = 0;
  do {
    left = middle;
    middle = right;
    right = vec4 (0);
    COLUMN (x + 1)
    if (ACCUMULATE != 0)
      left += LOAD (before, before_base + (x < end ? to : c));
    if (x < end)
      STORE (dx, to, left);
    to += quads;
    x++;
    k++;
  } while (k < run);
}
