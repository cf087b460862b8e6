#version 450
#extension GL_GOOGLE_include_directive : require
// Batch statistics, second part: means and squared deviations of `count` runs become one (Chan, Golub and LeVeque, 1979), in
// the order of the runs.  FINISH: all of them, and then what normalising needs, and the running statistics.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, parts)
STORE_BUFFER (1, result) // parts, or FINISH: the four vectors of norm.glsl
layout (binding = 2) readonly buffer Weight { float weight[]; };
layout (binding = 3) readonly buffer Bias { float bias[]; };
layout (binding = 4) buffer RunningMean { float running_mean[]; };
layout (binding = 5) buffer RunningVar { float running_var[]; };
layout (constant_id = 0) const int FINISH = 0;
layout (push_constant) uniform Push
{
  int parts_base, quads, pixels, run, runs, count, groups, channels;
  float eps, momentum;
};
LOCAL_SIZE

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, groups * quads - 1), branch = int (gl_WorkGroupID.z);
  int quads = quads, pixels = pixels, run = run, parts_base = parts_base;
  int group = g / quads, c = g - group * quads;
  int first = group * count, last = min (first + count, runs) - 1;
  int at = parts_base + (branch * runs + first) * 2 * quads + c;
  float n = float (min (run, pixels - first * run));
  vec4 mean = LOAD (parts, at), m2 = LOAD (parts, at + quads);

  int i = first;
  while (i < last) {
    i++;
    at += 2 * quads;
    float other = float (min (run, pixels - i * run)), total = n + other;
    vec4 delta = LOAD (parts, at) - mean;
    mean += delta * (other / total);
    m2 += LOAD (parts, at + quads) + delta * delta * (n * other / total);
    n = total;
  }

  if (lane >= groups * quads)
    return;
  if (FINISH == 0) {
    int to = (branch * groups + group) * 2 * quads + c;
    STORE (result, to, mean);
    STORE (result, to + quads, m2);
    return;
  }

  vec4 w = vec4 (0), b = vec4 (0), unbiased = m2 / max (n - 1.0, 1.0);
  for (int j = 0; j < 4; j++)
    if (4 * c + j < channels) {
      int k = branch * channels + 4 * c + j;
      w[j] = weight[k];
      b[j] = bias[k];
      running_mean[k] = (1.0 - momentum) * running_mean[k] + momentum * mean[j];
      running_var[k] = (1.0 - momentum) * running_var[k] + momentum * unbiased[j];
    }
  int to = branch * 4 * quads + c;
  STORE (result, to, mean);
  STORE (result, to + quads, 1.0 / sqrt (m2 / n + eps));
  STORE (result, to + 2 * quads, w);
  STORE (result, to + 3 * quads, b);
}
