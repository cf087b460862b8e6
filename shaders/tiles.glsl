// How the kernels of batch normalisation walk along a map (nddr/ops/lanes.h is the other side): a lane takes TILES texels of each
// pixel of a run, STEP apart, so that a subgroup reads memory in long pieces, which processors' caches fetch ahead, and not a
// few lines of each pixel.  A round of the loop takes UNITS texels: unit i is tile i % TILES of pixel p + i / TILES.  Arrays have a place
// for each unit, or tile; constants are all that indexes them, which keeps them in registers.
#include "lanes.glsl"

layout (constant_id = 0) const int TILES = 1; // 1 to MOST
#define MOST 6
#define UNITS (TILES > 2 ? TILES : 4)
#define ROUND (UNITS / TILES) // pixels
#define TILE(i) (i % TILES)
#define PIXEL(i) (p + i / TILES)

// A pixel's lane j has texel COLUMN (j), and those that follow it STEP by STEP
#define COLUMN(j) (TILES == 1 ? (j) : (j) + QUOTIENT (j, step, inv_step) * (TILES - 1) * step)
// Unit i's texel, from the first pixel's on; past the run's end that of the last pixel
#define TEXEL_OF(i) (min (PIXEL (i), end - 1) * quads + TILE (i) * step)

#define EACH(m) m (0) m (1) m (2) m (3) m (4) m (5)
#define NOTHING vec4[MOST] (vec4 (0), vec4 (0), vec4 (0), vec4 (0), vec4 (0), vec4 (0))
// Tile t's sum of what its units have
#define SUM(v, t) (v[t] + (TILES <= 2 ? v[(t + TILES) % MOST] : vec4 (0)) + (TILES == 1 ? v[2] + v[3] : vec4 (0)))
