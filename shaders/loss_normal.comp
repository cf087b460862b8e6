#version 450
#extension GL_GOOGLE_include_directive : require
// How far predictions are from labels, where these are valid: see normals.glsl.
#include "loss.glsl"
#include "normals.glsl"

layout (binding = 1) readonly buffer Label { vec4 label[]; }; // a unit vector; valid 1 or 0

void
main ()
{
  float factor = scale[0] * scale[1], sum = 0.0;
  int x_base = x_base, gradient_base = gradient_base, quads = quads, pixels = pixels, run = run;
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    vec4 l = label[safe];
    bool valid = p < pixels && l.w > 0.0;
    vec3 d;
    float far = difference (LOAD (x, x_base + safe * quads).xyz, l.xyz, d);
    sum += valid ? far : 0.0;
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, vec4 (valid ? d * factor : vec3 (0), 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
