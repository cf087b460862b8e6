#version 450
#extension GL_GOOGLE_include_directive : require
// The absolute difference of x and teacher.
#include "distillation.glsl"

void
main ()
{
  float mean = scale[0], factor = mean * scale[1], sum = 0.0;
  COPY_PUSHED
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    float e = LOAD (x, x_base + safe * quads).x - LOAD (teacher, teacher_base + safe * quads).x, valid = COUNTS (p) ? 1.0 : 0.0;
    sum += valid * abs (e);
    vec4 gradient_before = LOAD (before, before_base + safe * quads);
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, gradient_before + vec4 (sign (e) * (valid * factor), 0, 0, 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
