#version 450
#extension GL_GOOGLE_include_directive : require
// T^2 times the Kullback-Leibler divergence of softmax (x / T) from softmax (teacher / T) (Hinton et al., 2015), whose gradient is T times their
// difference.
#include "distillation.glsl"
#include "exponential.glsl"

#define LEAST -3.0e38

// Quad q of a pixel's scores; channels that are padding never count
#define SCORES(v, map, at) \
  vec4 v = LOAD (map, (at) + q); \
  v = mix (vec4 (LEAST), v, lessThan (ivec4 (4 * q) + ivec4 (0, 1, 2, 3), ivec4 (channels)));

float
most_of (vec4 v)
{
  return max (max (v.x, v.y), max (v.z, v.w));
}

float
sum_of (vec4 v)
{
  return v.x + v.y + v.z + v.w;
}

void
main ()
{
  float mean = scale[0], weight = scale[1], temperature = 1.0 / inverse_temperature, sum = 0.0;
  COPY_PUSHED
  int p = FIRST_PIXEL, k = 0;
  do {
    int safe = min (p, pixels - 1), at = x_base + safe * quads, teacher_at = teacher_base + safe * quads, q = 0;
    bool valid = COUNTS (p);
    vec4 most = vec4 (LEAST), teacher_most = vec4 (LEAST);
    do {
      SCORES (v, x, at)
      SCORES (t, teacher, teacher_at)
      most = max (most, v);
      teacher_most = max (teacher_most, t);
      q++;
    } while (q < quads);
    float m = most_of (most), tm = most_of (teacher_most);
    vec4 total = vec4 (0), teacher_total = vec4 (0), between = vec4 (0);
    q = 0;
    do {
      SCORES (v, x, at)
      SCORES (t, teacher, teacher_at)
      v = (v - m) * inverse_temperature;
      t = (t - tm) * inverse_temperature;
      vec4 e = exponential (t);
      total += exponential (v);
      teacher_total += e;
      between += mix (vec4 (0), e * (t - v), greaterThan (e, vec4 (0)));
      q++;
    } while (q < quads);
    float all = sum_of (total), teacher_all = sum_of (teacher_total);
    float divergence = sum_of (between) / teacher_all + logarithm (all) - logarithm (teacher_all);
    sum += valid ? divergence * temperature * temperature : 0.0;
    float factor = valid ? mean * weight * temperature : 0.0, share = factor / all, teacher_share = factor / teacher_all;
    q = 0;
    do {
      SCORES (v, x, at)
      SCORES (t, teacher, teacher_at)
      vec4 d = exponential ((v - m) * inverse_temperature) * share - exponential ((t - tm) * inverse_temperature) * teacher_share;
      d += LOAD (before, before_base + safe * quads + q);
      if (p < pixels)
        STORE (gradient, gradient_base + safe * quads + q, d);
      q++;
    } while (q < quads);
    p += LOCAL;
    k++;
  } while (k < run);
  STORE (parts, LANE_INDEX, vec4 (sum, 0, 0, 0));
}
