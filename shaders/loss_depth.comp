#version 450
#extension GL_GOOGLE_include_directive : require
// The absolute error where the label is above 0.
#include "loss.glsl"

layout (binding = 1) readonly buffer Label { float label[]; };

void
main ()
{
  float factor = scale[0] * scale[1], sum = 0.0;
  int x_base = x_base, gradient_base = gradient_base, quads = quads, pixels = pixels, run = run;
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1);
    float l = label[safe], e = LOAD (x, x_base + safe * quads).x - l, valid = p < pixels && l > 0.0 ? 1.0 : 0.0;
    sum += valid * abs (e);
    if (p < pixels)
      STORE (gradient, gradient_base + safe * quads, vec4 (sign (e) * (valid * factor), 0, 0, 0));
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
