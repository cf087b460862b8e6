#version 450
#extension GL_GOOGLE_include_directive : require
// Adds the ranges of gpu_wgrad in order, into the file's layout: dw[branch][output channel][first_in + input channel][tap].
#include "memory.glsl"
#include "lanes.glsl"

layout (binding = 0) readonly buffer Part { float part[]; };
layout (binding = 1) writeonly buffer Dw { float dw[]; };
layout (push_constant) uniform Push {
  int n;                // weights of this source: branches * out_channels * channels * taps
  int ranges, range_stride;
  int channels, stride; // of the source: dense, padded
  int taps, first_in, in_channels;
};
LOCAL_SIZE

void
main ()
{
  int i = LANE_INDEX;
  if (i >= n)
    return;
  int tap = i % taps, c = i / taps % channels, row = i / taps / channels;
  int at = (row * taps + tap) * stride + c;
  float sum = 0;
  for (int r = 0; r < ranges; r++)
    sum += part[r * range_stride + at];
  dw[(row * in_channels + first_in + c) * taps + tap] = sum;
}
