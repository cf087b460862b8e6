// The inner step of software convolutions: OCTETS (1 to MAX_OCTETS, 4 or 6) x 8 pixels (or tiles) times BLOCK output channels, over 4 input
// channels.  v[MAX_OCTETS]: activations, a lane a pixel; f[4]: weights, texel c + lane for channels 8 c + lane; s[MAX_OCTETS][32]: the sums;
// index[8]: 0 .. 7, from a zero that the compiler does not know, which makes a shuffle one instruction; at: the next weights.
#define MAC(p, c) s[p][c] += v[p].x * b.x; s[p][c] += v[p].y * b.y; s[p][c] += v[p].z * b.z; s[p][c] += v[p].w * b.w;
#if MAX_OCTETS > 4
#define MORE(c) if (OCTETS > 4) { MAC (4, c) } if (OCTETS > 5) { MAC (5, c) }
#else
#define MORE(c)
#endif
#define COLUMN(c) { vec4 b = subgroupShuffle (f[(c) / 8], index[(c) % 8]); \
  MAC (0, c) if (OCTETS > 1) { MAC (1, c) } if (OCTETS > 2) { MAC (2, c) } if (OCTETS > 3) { MAC (3, c) } MORE (c) }
#define COLUMNS(c) COLUMN (c) COLUMN (c + 1) COLUMN (c + 2) COLUMN (c + 3) COLUMN (c + 4) COLUMN (c + 5) COLUMN (c + 6) COLUMN (c + 7)
#define EVERY(columns) columns (0) if (BLOCK > 8) { columns (8) } if (BLOCK > 16) { columns (16) } if (BLOCK > 24) { columns (24) }
#define LOAD_WEIGHTS f[0] = LOAD (weights, at); if (BLOCK > 8) f[1] = LOAD (weights, at + 8); \
  if (BLOCK > 16) f[2] = LOAD (weights, at + 16); if (BLOCK > 24) f[3] = LOAD (weights, at + 24); at += BLOCK;
