#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient of a bilinear resize along one axis: sample i collects from the outputs that read it.  Maps are seen as
// [outer][samples or outputs][inner texels]; a lane takes one inner texel of a run of samples.
#include "memory.glsl"
#include "lanes.glsl"
#include "resample.glsl"

LOAD_BUFFER (0, dy)
LOAD_BUFFER (1, before) // what dx held: read where it is added to
STORE_BUFFER (2, dx)
layout (constant_id = 0) const int ACCUMULATE = 0;
layout (push_constant) uniform Push
{
  int dy_base, before_base, inner, samples, outputs, run, segments, lanes;
  int first, step, den; // see resample.glsl
  float inv_inner, inv_segments, inv_den, inv_step; // 1 / step is 0 where step is
};
LOCAL_SIZE

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1);
  int s = QUOTIENT (g, inner, inv_inner), c = g - s * inner;
  int outer = QUOTIENT (s, segments, inv_segments), i = (s - outer * segments) * run;
  int end = lane < lanes ? samples : 0, from = dy_base + outer * outputs * inner + c;
  int to = (outer * samples + i) * inner + c;

  int inner = inner, samples = samples, outputs = outputs, run = run, first = first, step = step, den = den;
  int before_base = before_base;
  float inv_den = inv_den, inv_step = inv_step;
  int k = 0;
  do {
    // the outputs that lie between samples i - 1 and i + 1, or beyond the ends; one too many on either side counts nothing
    int o = int (floor (float ((i - 1) * den - first) * inv_step)), last = int (ceil (float ((i + 1) * den - first) * inv_step));
    o = i == 0 ? 0 : clamp (o, 0, outputs - 1);
    last = i >= samples - 1 ? outputs - 1 : clamp (last, o, outputs - 1);
    vec4 sum = vec4 (0);
    for (; o <= last; o++) {
      float high;
      int at = source (o, first, step, den, inv_den, high);
      float low = at == samples - 1 ? 1.0 : 1.0 - high;
      float weight = at == i ? low : at == i - 1 ? high : 0.0;
      sum += LOAD (dy, from + o * inner) * weight;
    }
    if (ACCUMULATE != 0)
      sum += LOAD (before, before_base + (i < end ? to : c));
    if (i < end)
      STORE (dx, to, sum);
    to += inner;
    i++;
    k++;
  } while (k < run);
}
