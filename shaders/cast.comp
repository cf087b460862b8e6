#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_16bit_storage : require
// A map of float32 as float16: what lies beyond float16's range becomes infinite, whichever way the device rounds.  A lane takes `run` quads of y.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
layout (binding = 1) writeonly buffer Output { f16vec4 y[]; };
layout (push_constant) uniform Push {
  int n;                 // quads of y
  int x_quads, y_quads;  // a pixel's: y has one more where x's channels are padded to four and y's to eight
  int run;
};
LOCAL_SIZE

const float BEYOND = 65520.0; // the least that is rounded to no finite half

vec4
bounded (vec4 v)
{
  return mix (v, sign (v) * uintBitsToFloat (0x7f800000), greaterThanEqual (abs (v), vec4 (BEYOND)));
}

void
main ()
{
  int at = GROUP_INDEX * LOCAL * run + LANE_IN_GROUP;

  for (int k = 0; k < run && at < n; k++, at += LOCAL) {
    int pixel = at / y_quads, q = at % y_quads;
    y[at] = f16vec4 (q < x_quads ? bounded (LOAD (x, pixel * x_quads + q)) : vec4 (0));
  }
}
