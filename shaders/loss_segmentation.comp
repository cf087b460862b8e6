#version 450
#extension GL_GOOGLE_include_directive : require
// Softmax cross-entropy: log (sum exp x) - x[label], about the pixel's largest score, times the weight of the label's class where classes are
// WEIGHTED.  Label 255 is ignored.
#include "loss.glsl"
#include "exponential.glsl"

layout (binding = 1) readonly buffer Label { uint label[]; }; // four pixels a word
layout (binding = 5) readonly buffer Weights { float weights[]; };
layout (constant_id = 0) const int WEIGHTED = 0;

#define LEAST -3.0e38

// Quad q of a pixel's scores; channels that are padding never count
#define SCORES(v, q) \
  vec4 v = LOAD (x, at + (q)); \
  v = mix (vec4 (LEAST), v, lessThan (ivec4 (4 * (q)) + ivec4 (0, 1, 2, 3), ivec4 (channels)));

void
main ()
{
  float mean = scale[0], factor = mean * scale[1], sum = 0.0;
  int x_base = x_base, gradient_base = gradient_base, quads = quads, pixels = pixels, run = run, channels = channels;
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1), at = x_base + safe * quads;
    int wanted = int (label[safe >> 2] >> (8 * (safe & 3))) & 255;
    bool valid = p < pixels && wanted < channels;
    vec4 most = vec4 (LEAST), total = vec4 (0), picked = vec4 (0);
    int q = 0;
    do {
      SCORES (v, q)
      most = max (most, v);
      q++;
    } while (q < quads);
    float m = max (max (most.x, most.y), max (most.z, most.w));
    q = 0;
    do {
      SCORES (v, q)
      total += exponential (v - m);
      picked += mix (vec4 (0), v - m, equal (ivec4 (4 * q) + ivec4 (0, 1, 2, 3), ivec4 (wanted)));
      q++;
    } while (q < quads);
    float all = total.x + total.y + total.z + total.w;
    float loss = logarithm (all) - (picked.x + picked.y + picked.z + picked.w);
    float weight = 1.0;
    if (WEIGHTED != 0)
      weight = weights[min (wanted, channels - 1)];
    sum += valid ? weight * loss : 0.0;
    float taken = valid ? factor * weight : 0.0, share = taken / all;
    q = 0;
    do {
      SCORES (v, q)
      vec4 d = exponential (v - m) * share;
      d -= mix (vec4 (0), vec4 (taken), equal (ivec4 (4 * q) + ivec4 (0, 1, 2, 3), ivec4 (wanted)));
      if (p < pixels)
        STORE (gradient, gradient_base + safe * quads + q, d);
      q++;
    } while (q < quads);
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
