#version 450
#extension GL_GOOGLE_include_directive : require
// A head's output without its padding channels, float32: four values a lane.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, head)         // [pixels][texels]
STORE32_BUFFER (1, picture) // [pixels][channels]
layout (push_constant) uniform Push { int head_base, texels, channels, count; /* values */ };
LOCAL_SIZE

float
value (int i)
{
  i = min (i, count - 1);
  int p = i / channels, c = i - p * channels;
  return LOAD (head, head_base + p * texels + (c >> 2))[c & 3];
}

void
main ()
{
  int i = LANE_INDEX;
  if (4 * i < count)
    STORE32 (picture, i, vec4 (value (4 * i), value (4 * i + 1), value (4 * i + 2), value (4 * i + 3)));
}
