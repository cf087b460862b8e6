#version 450
#extension GL_GOOGLE_include_directive : require
// total = part, or with ADD total + part: flat tensors.  A lane takes `run` texels.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, part)
LOAD_BUFFER (1, before)
STORE_BUFFER (2, total)
layout (constant_id = 0) const int ADD = 0;
layout (push_constant) uniform Push { int part_base, before_base, texels, run; };
LOCAL_SIZE

#define READ(i) \
  int o##i = min (p + i * LOCAL, texels - 1); \
  vec4 v##i = LOAD (part, part_base + o##i); \
  if (ADD != 0) \
    v##i += LOAD (before, before_base + o##i);
#define WRITE(i) \
  if (p + i * LOCAL < texels) \
    STORE (total, o##i, v##i);

void
main ()
{
  int part_base = part_base, before_base = before_base, texels = texels, run = run;
  int p = GROUP_INDEX * LOCAL * run + LANE_IN_GROUP, k = 0;
  do {
    READ (0)
    READ (1)
    READ (2)
    READ (3)
    WRITE (0)
    WRITE (1)
    WRITE (2)
    WRITE (3)
    p += 4 * LOCAL;
    k += 4;
  } while (k < run);
}
