#version 450
#extension GL_GOOGLE_include_directive : require
// Max pooling's gradient at stride 2: as pool_max_backward.comp, for two rows and two columns of pixels at once.  Counted from the
// padding, pixels 2i and 2i + 1 of an axis lie in window i, and pixel 2i in window i - 1 too.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, dy)
LOAD_BUFFER (1, places) // pool_max_places.comp
LOAD_BUFFER (2, before) // what dx held: read where it is added to
STORE_BUFFER (3, dx)
layout (constant_id = 0) const int ACCUMULATE = 0;
layout (push_constant) uniform Push
{
  int dy_base, places_base, before_base, quads, width, height, out_width, out_height;
  int x_pad, y_pad;        // before the first column and row
  int rows, run, segments, lanes; // rows: pairs of them in a plane; run: pairs of columns
  float inv_quads, inv_segments, inv_rows;
};
LOCAL_SIZE

#define TAKEN(d, p, place) mix (vec4 (0), d, equal (p, vec4 (place)))

// Column j of windows: those above (row i - 1) reach the even row alone
#define COLUMN(j) \
  { \
    int j_ = j, o_ = clamp (j_, 0, out_width - 1) * quads; \
    float valid_ = j_ >= 0 && j_ < out_width ? 1.0 : 0.0; \
    vec4 da = LOAD (dy, dy_base + above + o_) * (valid_ * above_counts), pa = LOAD (places, places_base + above + o_); \
    vec4 db = LOAD (dy, dy_base + below + o_) * (valid_ * below_counts), pb = LOAD (places, places_base + below + o_); \
    even0 = even2 + TAKEN (da, pa, 6.0) + TAKEN (db, pb, 0.0); \
    even1 = TAKEN (da, pa, 7.0) + TAKEN (db, pb, 1.0); \
    even2 = TAKEN (da, pa, 8.0) + TAKEN (db, pb, 2.0); \
    odd0 = odd2 + TAKEN (db, pb, 3.0); \
    odd1 = TAKEN (db, pb, 4.0); \
    odd2 = TAKEN (db, pb, 5.0); \
  }
#define WRITE(v, at, inside) \
  if (inside) { \
    vec4 v_ = v; \
    if (ACCUMULATE != 0) \
      v_ += LOAD (before, before_base + (at)); \
    STORE (dx, at, v_); \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, quads, inv_quads), c = g - s * quads;
  int row = QUOTIENT (s, segments, inv_segments), j = (s - row * segments) * run;
  int plane = QUOTIENT (row, rows, inv_rows), i = row - plane * rows;

  int out_pitch = out_width * quads, origin = plane * out_height * out_pitch + c;
  int above = origin + clamp (i - 1, 0, out_height - 1) * out_pitch, below = origin + clamp (i, 0, out_height - 1) * out_pitch;
  float above_counts = i > 0 ? 1.0 : 0.0, below_counts = i < out_height ? 1.0 : 0.0;
  int y = 2 * i - y_pad, x = 2 * j - x_pad, pitch = width * quads;
  int to = (plane * height + y) * pitch + x * quads + c, end = lane < lanes ? width : 0;
  bool even_inside = y >= 0, odd_inside = y + 1 < height;

  int before_base = before_base;
  vec4 even0, even1, even2 = vec4 (0), odd0, odd1, odd2 = vec4 (0);
  COLUMN (j - 1)
  int k = 0;
  do {
    COLUMN (j)
    WRITE (even0, to, even_inside && x >= 0 && x < end)
    WRITE (even1, to + quads, even_inside && x + 1 < end)
    WRITE (odd0, to + pitch, odd_inside && x >= 0 && x < end)
    WRITE (odd1, to + pitch + quads, odd_inside && x + 1 < end)
    to += 2 * quads;
    x += 2;
    j++;
    k++;
  } while (k < run);
}
