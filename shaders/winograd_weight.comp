#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient to a convolution's weights by Winograd's algorithm: G^T m G of wgrad.comp's sums at the 36 points, put where the file has weights:
// dw is [branch][out][in][3][3].  A lane takes four channels in, and 8 channels out one after the other.
// Grid: (channels out of a tile / 8, tiles, branches).
#include "memory.glsl"
#include "winograd_keep.glsl"

layout (constant_id = 0) const int QUADS = 8;      // as in wgrad.comp
layout (constant_id = 1) const bool WIDE = false;  // whether channels come in fours everywhere: then stores are of four floats

LOAD_BUFFER (0, part)
layout (binding = 1) writeonly buffer Weight { float dw[]; };
layout (binding = 1) writeonly buffer Weight4 { u64vec2 dw4[]; };
layout (push_constant) uniform Push {
  int part_base;      // texels
  int tiles, lane_tiles;
  int x_channels, dy_channels;
  int in_channels;    // of all sources: the length of a row of dw
  int first_channel;  // in that row
};
LOCAL_SIZE

#define TRANSFORM(m0, m1, m2, m3, m4, m5, o) { vec4 even = (m1 + m2) * (1.0 / 6.0), odd = (m2 - m1) * (1.0 / 6.0), e = m3 + m4, d = m3 - m4; \
  vec4 last = e * (1.0 / 6.0) - even + m5; o (0, m0 * 0.25 - even + e * (1.0 / 24.0)) o (1, odd + d * (1.0 / 12.0)) o (2, last) }
#define AT(i, j) LOAD (part, from + ((i) * 6 + (j)) * point)
#define COLUMN(j) { vec4 m0 = AT (0, j), m1 = AT (1, j), m2 = AT (2, j), m3 = AT (3, j), m4 = AT (4, j), m5 = AT (5, j); \
  TRANSFORM (m0, m1, m2, m3, m4, m5, KEEP##j) }
#define HOLD(j, e) w[row * 3 + j] = e;
#define ROW(i) { const int row = i; TRANSFORM (t[i][0], t[i][1], t[i][2], t[i][3], t[i][4], t[i][5], HOLD) }
#define PUT(e, m) if (count > m) { \
  dw[o + m * 9] = w[0].e; dw[o + m * 9 + 1] = w[1].e; dw[o + m * 9 + 2] = w[2].e; dw[o + m * 9 + 3] = w[3].e; dw[o + m * 9 + 4] = w[4].e; \
  dw[o + m * 9 + 5] = w[5].e; dw[o + m * 9 + 6] = w[6].e; dw[o + m * 9 + 7] = w[7].e; dw[o + m * 9 + 8] = w[8].e; }

// 36 floats: the nine taps of each of four channels
#define FOUR(i, a, b, c, d) { u64vec2 four = u64vec2 (PAIR (a, b), PAIR (c, d)); if (count > 0) dw4[(o >> 2) + i] = four; }
#define PUT_WIDE \
  FOUR (0, w[0].x, w[1].x, w[2].x, w[3].x) FOUR (1, w[4].x, w[5].x, w[6].x, w[7].x) FOUR (2, w[8].x, w[0].y, w[1].y, w[2].y) \
  FOUR (3, w[3].y, w[4].y, w[5].y, w[6].y) FOUR (4, w[7].y, w[8].y, w[0].z, w[1].z) FOUR (5, w[2].z, w[3].z, w[4].z, w[5].z) \
  FOUR (6, w[6].z, w[7].z, w[8].z, w[0].w) FOUR (7, w[1].w, w[2].w, w[3].w, w[4].w) FOUR (8, w[5].w, w[6].w, w[7].w, w[8].w)

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), tile = int (gl_WorkGroupID.y), branch = int (gl_WorkGroupID.z);
  int shared_tile = tile / lane_tiles, quad = (tile - shared_tile * lane_tiles) * 8 + lane;
  int point = tiles * QUADS * 32, start = part_base + branch * 36 * point + tile * QUADS * 32;
  int c = int (gl_WorkGroupID.x) * 8, end = c + 8, channels = dy_channels, row_channels = in_channels, rest = x_channels - quad * 4;
  int first = first_channel + quad * 4;

  do {
    int from = start + ((c >> 1) * 8 + lane) * 2 + (c & 1), out_channel = shared_tile * QUADS * 4 + c;
    int o = ((branch * channels + out_channel) * row_channels + first) * 9, count = out_channel < channels ? rest : 0;
    vec4 t[3][6], w[9];

    COLUMN (0) COLUMN (1) COLUMN (2) COLUMN (3) COLUMN (4) COLUMN (5)
    ROW (0) ROW (1) ROW (2)
    if (WIDE) {
      PUT_WIDE
    } else {
      PUT (x, 0) PUT (y, 1) PUT (z, 2) PUT (w, 3)
    }
    c++;
  } while (c < end);
}
