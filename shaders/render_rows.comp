#version 450
#extension GL_GOOGLE_include_directive : require
// A head's output resized along y: out[y][i] = mix (head[r0][i], head[r1][i], f), float32, channels padded to four.
#include "memory.glsl"

LOAD_BUFFER (0, head)      // [source height][width][texels]
LOAD32_BUFFER (1, table) // [height]: r0, r1, f
STORE32_BUFFER (2, rows) // [height][width][quads]
layout (push_constant) uniform Push
{
  int head_base, table_base, width, texels, quads, height, block;
};
LOCAL_SIZE

void
main ()
{
  int i = GLOBAL_INDEX, y = int (gl_WorkGroupID.y) * block, end = min (y + block, height), n = width * quads, m = width * texels;
  int x = i / quads, q = i - x * quads, tb = table_base;
  int column = head_base + min (x * texels + q, m - 1), at = y * n + i;
  bool live = i < n;
  do {
    vec4 t = LOAD32 (table, tb + y);
    vec4 a = LOAD (head, column + int (t.x) * m), b = LOAD (head, column + int (t.y) * m);
    if (live)
      STORE32 (rows, at, mix (a, b, t.z));
    at += n;
  } while (++y < end);
}
