#version 450
#extension GL_GOOGLE_include_directive : require
// Batch statistics, first part: the mean of each run of pixels and the sum of squared deviations from it, [branch][run][2][quads].
// Sums are taken about the run's first pixel; one past the end is replaced by that, and so counts nothing.
#include "memory.glsl"
#include "tiles.glsl"

LOAD_BUFFER (0, x)
STORE_BUFFER (1, parts)
layout (push_constant) uniform Push
{
  int x_base, quads, columns, step, pixels, run, runs, lanes;
  float inv_columns, inv_step;
};
LOCAL_SIZE

#define FIRST(t) \
  if (t < TILES) \
    shift[t] = LOAD (x, first + t * step);
#define ADD(i) \
  if (i < UNITS) { \
    vec4 v = LOAD (x, (PIXEL (i) < end ? at + i / TILES * quads : first) + TILE (i) * step) - shift[TILE (i)]; \
    s[i] += v; \
    q[i] += v * v; \
  }
#define WRITE(t) \
  if (t < TILES) { \
    vec4 sum = SUM (s, t), mean = sum / count; \
    STORE (parts, to + t * step, shift[t] + mean); \
    STORE (parts, to + t * step + quads, max (SUM (q, t) - sum * mean, vec4 (0))); \
  }

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, columns = columns, step = step, run = run;
  int r = QUOTIENT (g, columns, inv_columns), c = COLUMN (g - r * columns);
  int p = r * run, end = min (p + run, pixels);
  int first = x_base + (branch * pixels + p) * quads + c, at = first, to = (branch * runs + r) * 2 * quads + c;
  float count = float (end - p);
  vec4 shift[MOST], s[MOST] = NOTHING, q[MOST] = NOTHING;

  EACH (FIRST)
  int k = 0;
  do {
    EACH (ADD)
    at += ROUND * quads;
    p += ROUND;
    k += ROUND;
  } while (k < run);
  if (lane < lanes) {
    EACH (WRITE)
  }
}
