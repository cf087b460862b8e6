#version 450
#extension GL_GOOGLE_include_directive : require
// 1 - cos (x, teacher).  Lengths count as at least 1e-8.
#include "distillation.glsl"

void
main ()
{
  float mean = scale[0], factor = mean * scale[1], sum = 0.0;
  COPY_PUSHED
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    vec3 v = LOAD (x, x_base + safe * quads).xyz, t = LOAD (teacher, teacher_base + safe * quads).xyz;
    float valid = COUNTS (p) ? 1.0 : 0.0, length_v = sqrt (dot (v, v)), n = max (length_v, 1e-8);
    vec3 u = v / n;
    t /= max (sqrt (dot (t, t)), 1e-8);
    float cosine = dot (u, t);
    sum += valid * (1.0 - cosine);
    vec3 d = ((length_v > 1e-8 ? u * cosine : vec3 (0)) - t) * (valid * factor / n);
    vec4 gradient_before = LOAD (before, before_base + safe * quads);
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, gradient_before + vec4 (d, 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
