#version 450
#extension GL_GOOGLE_include_directive : require
// How far predictions are from the teacher's: see normals.glsl.
#include "distillation.glsl"
#include "normals.glsl"

void
main ()
{
  float mean = scale[0], factor = mean * scale[1], sum = 0.0;
  COPY_PUSHED
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    vec3 t = LOAD (teacher, teacher_base + safe * quads).xyz, d;
    bool valid = COUNTS (p);
    float far = difference (LOAD (x, x_base + safe * quads).xyz, t / max (sqrt (dot (t, t)), SHORTEST), d);
    sum += valid ? far : 0.0;
    vec4 gradient_before = LOAD (before, before_base + safe * quads);
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, gradient_before + vec4 (valid ? d * factor : vec3 (0), 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
