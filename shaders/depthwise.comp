#version 450
// Depthwise 3x3 for any stride and dilation, forward and gradient to the input: an invocation makes one texel.
//
// Row r of the result reads row (r * multiply + (tap - 1) * dilation) / DIVIDE of the source, where that divides and lies
// inside; columns likewise.  Forward: multiply = stride, DIVIDE = 1; gradient: multiply = 1, DIVIDE = stride, taps mirrored.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "lanes.glsl"

layout (constant_id = 0) const int DIVIDE = 1;
layout (constant_id = 1) const bool ADD = false; // to what is there

LOAD_BUFFER (0, x)
LOAD32_BUFFER (1, rows) // depthwise_pack.comp's
UPDATE_BUFFER (2, y)
layout (push_constant) uniform Push {
  int quads, source_height, source_width, height, width;
  int multiply, dilation;
  int x_base, x_branch;       // where x starts, and from branch to branch, in texels
  int rows_base;
  int y_base, y_branch;
  int first_tap, tap_step;    // 0 and 1; mirrored: 8 and -1
  int bias_row;               // 9 or 10
  float low, high;
  float inv_quads;            // 1 / quads
  int lines, branches;        // of all images; lines that y has no room for go on in z behind the branches
};
LOCAL_SIZE

void
main ()
{
  int i = GLOBAL_INDEX, fold = int (gl_WorkGroupID.z) / branches, b = int (gl_WorkGroupID.z) - fold * branches;
  int line = fold * int (gl_NumWorkGroups.y) + int (gl_WorkGroupID.y);
  if (i >= width * quads || line >= lines)
    return;
  int column = QUOTIENT (i, quads, inv_quads), quad = i - column * quads;
  int n = line / height, row = line - n * height;
  int weights = rows_base + b * 11 * quads + quad, image = x_base + b * x_branch + n * source_height * source_width * quads + quad;

  vec4 sum = LOAD32 (rows, weights + bias_row * quads);
  for (int ky = 0; ky < 3; ky++)
    for (int kx = 0; kx < 3; kx++) {
      int v = row * multiply + (ky - 1) * dilation, u = column * multiply + (kx - 1) * dilation;
      int sv = v / DIVIDE, su = u / DIVIDE;
      if (v >= 0 && u >= 0 && sv < source_height && su < source_width && sv * DIVIDE == v && su * DIVIDE == u)
        sum += LOAD (x, image + (sv * source_width + su) * quads) * LOAD32 (rows, weights + (first_tap + tap_step * (ky * 3 + kx)) * quads);
    }
  sum = clamp (sum, low, high);
  int o = y_base + b * y_branch + line * width * quads + i;
  if (ADD)
    sum += FETCH (y, o);
  UPDATE (y, o, sum);
}
