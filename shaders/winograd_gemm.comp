#version 450
#extension GL_GOOGLE_include_directive : require
// Winograd convolution, second of three: at each of the 36 points the patches times the weights.
// Grid: (blocks of channels, blocks of tiles / OCTETS, branches * 36).  Written, 8 floats an element:
// [branch][36][block of tiles][channels / 8][8 tiles].
#include "memory.glsl"

layout (constant_id = 0) const int BLOCK = 32;  // output channels: 8, 16, 24 or 32
layout (constant_id = 1) const int OCTETS = 4;  // blocks of tiles: 1 to 6

LOAD_BUFFER (0, patches)
LOAD_BUFFER (1, weights)
layout (binding = 2) writeonly buffer Products { u64vec4 products[]; };
layout (push_constant) uniform Push
{
  int zero;                       // 0, which the compiler must not know
  int patches_base, weights_base, weights_branch;
  int quads, blocks;              // input channels / 4; blocks of tiles in this part
  int channel_blocks;
};
LOCAL_SIZE
#define MAX_OCTETS 6
#include "conv_tile.glsl"

#define CLEAR(c) for (int p = 0; p < MAX_OCTETS; p++) for (int i = 0; i < 8; i++) s[p][c + i] = 0.0;
#define HALF(p, c) PAIR (s[p][c], s[p][c + 1]), PAIR (s[p][c + 2], s[p][c + 3])
#define PUT(p, c) products[o + (p * channel_blocks * (BLOCK / 8) + (c) / 8) * 8] = u64vec4 (HALF (p, c), HALF (p, c + 4));
#define PUTS(c) PUT (0, c) if (OCTETS > 1) { PUT (1, c) } if (OCTETS > 2) { PUT (2, c) } if (OCTETS > 3) { PUT (3, c) } \
  if (OCTETS > 4) { PUT (4, c) } if (OCTETS > 5) { PUT (5, c) }

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), branch = int (gl_WorkGroupID.z) / 36, point = int (gl_WorkGroupID.z) - branch * 36;
  int block = int (gl_WorkGroupID.z) * blocks + int (gl_WorkGroupID.y) * OCTETS, channel_block = int (gl_WorkGroupID.x);
  uint z = uint (zero);
  uint index[8] = uint[8] (z, z + 1u, z + 2u, z + 3u, z + 4u, z + 5u, z + 6u, z + 7u);
  int at = weights_base + branch * weights_branch + (point * channel_blocks + channel_block) * quads * BLOCK + lane;
  int from = patches_base + block * quads * 8 + lane, next = quads * 8;
  vec4 v[MAX_OCTETS], f[4];
  float s[MAX_OCTETS][32];

  EVERY (CLEAR)
  int k = 0;
  do {
    v[0] = LOAD (patches, from);
    if (OCTETS > 1) v[1] = LOAD (patches, from + next);
    if (OCTETS > 2) v[2] = LOAD (patches, from + 2 * next);
    if (OCTETS > 3) v[3] = LOAD (patches, from + 3 * next);
    if (OCTETS > 4) v[4] = LOAD (patches, from + 4 * next);
    if (OCTETS > 5) v[5] = LOAD (patches, from + 5 * next);
    LOAD_WEIGHTS
    EVERY (COLUMNS)
    from += 8;
    k++;
  } while (k < quads);
  int o = (block * channel_blocks + channel_block) * BLOCK + lane;
  EVERY (PUTS)
}
