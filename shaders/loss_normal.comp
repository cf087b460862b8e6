#version 450
#extension GL_GOOGLE_include_directive : require
// 1 - cos (prediction, label), where the label is valid.  The prediction's length counts as at least 1e-8.
#include "loss.glsl"

layout (binding = 1) readonly buffer Label { vec4 label[]; }; // a unit vector; valid 1 or 0

void
main ()
{
  float factor = scale[0] * scale[1], sum = 0.0;
  int x_base = x_base, gradient_base = gradient_base, quads = quads, pixels = pixels, run = run;
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    vec3 v = LOAD (x, x_base + safe * quads).xyz;
    vec4 l = label[safe];
    float valid = p < pixels && l.w > 0.0 ? 1.0 : 0.0, length_v = sqrt (dot (v, v)), n = max (length_v, 1e-8);
    vec3 u = v / n;
    float cosine = dot (u, l.xyz);
    sum += valid * (1.0 - cosine);
    vec3 d = (length_v > 1e-8 ? u * cosine : vec3 (0)) - l.xyz;
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, vec4 (d * (valid * factor / n), 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
