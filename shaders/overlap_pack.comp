#version 450
#extension GL_GOOGLE_include_directive : require
// Turns filters so that a texel holds one column of four of them: [branch][row][column] floats -> [branch][column][row quad] texels.
#include "memory.glsl"
#include "lanes.glsl"

layout (binding = 0) readonly buffer Weight { float weight[]; };
STORE32_BUFFER (1, turned)
layout (push_constant) uniform Push
{
  int total, quads, columns; // texels; of rows, columns of a branch
};
LOCAL_SIZE

void
main ()
{
  int i = LANE_INDEX;
  if (i >= total)
    return;
  int line = i / quads, quad = i - line * quads, branch = line / columns, column = line - branch * columns;
  int a = (branch * quads + quad) * 4 * columns + column;
  STORE32 (turned, i, vec4 (weight[a], weight[a + columns], weight[a + 2 * columns], weight[a + 3 * columns]));
}
