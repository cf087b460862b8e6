#version 450
#extension GL_GOOGLE_include_directive : require
// Rows resized along y and normalised, as the network's input: out[y][x] = (sum over k of weights[k][y] * rows[first[y] + k][x]) * scale + shift.
#include "memory.glsl"

LOAD32_BUFFER (0, rows)  // [source][width]
LOAD32_BUFFER (1, table) // [1 + steps][height]: the first row, then four weights a step
STORE_BUFFER (2, image)    // [height][width][texels]
layout (push_constant) uniform Push
{
  vec4 scale, shift;
  int rows_base, table_base, source, width, height, steps, block, texels;
};
LOCAL_SIZE

void
main ()
{
  int x = GLOBAL_INDEX, y = int (gl_WorkGroupID.y) * block, h = height, end = min (y + block, h), w = width, n = steps, m = texels;
  int last = (source - 1) * w;
  bool live = x < w;
  int column = rows_base + min (x, w - 1), tb = table_base;
  vec3 a = scale.rgb, b = shift.rgb;
  do {
    vec3 sum = vec3 (0);
    int k = 0, t = tb + y, row = int (LOAD32 (table, t).x) * w;
    do {
      t += h;
      vec4 weight = LOAD32 (table, t);
      sum += weight.x * LOAD32 (rows, column + min (row, last)).rgb + weight.y * LOAD32 (rows, column + min (row + w, last)).rgb
           + weight.z * LOAD32 (rows, column + min (row + 2 * w, last)).rgb + weight.w * LOAD32 (rows, column + min (row + 3 * w, last)).rgb;
      row += 4 * w;
    } while (++k < n);
    if (live) {
      int at = (y * w + x) * m;
      STORE (image, at, vec4 (sum * a + b, 0));
#ifdef NDDR_HALF
      STORE (image, at + 1, vec4 (0));
#endif
    }
  } while (++y < end);
}
