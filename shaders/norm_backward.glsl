// What both passes over the pixels of batch normalisation's backward share: dz through dropout and clamp, and the
// normalised value.
#include "norm.glsl"
#include "tiles.glsl"

LOAD_BUFFER (0, y)
LOAD_BUFFER (1, dz)
LOAD_BUFFER (2, saved)
LOAD_BUFFER (3, residual)
layout (binding = 4) readonly buffer Random { uvec4 random; };
layout (constant_id = 1) const int RESIDUAL = 0;
layout (constant_id = 2) const int DROPOUT = 0; // 2: of a share of the batch
layout (constant_id = 3) const int CLAMP = 0;
LOCAL_SIZE

// Where dropout's mask has the first texel: see dropout.glsl
#define MASK_AT (to + (DROPOUT == 2 ? share_first + branch * share_skip : 0))

#define PARAMETERS(t) \
  if (t < TILES) { \
    int s = at + t * step; \
    mean[t] = LOAD (saved, s); \
    inv[t] = LOAD (saved, s + quads); \
    factor[t] = inv[t] * LOAD (saved, s + 2 * quads); \
    bias[t] = LOAD (saved, s + 3 * quads); \
  }
// xhat: (y - mean) * inv; d: the gradient of the value before the clamp
#define READ(i) \
  if (i < UNITS) { \
    o[i] = TEXEL_OF (i); \
    xhat[i] = LOAD (y, y_base + to + o[i]); \
    d[i] = LOAD (dz, dz_base + to + o[i]); \
    if (RESIDUAL != 0 && CLAMP != 0) \
      r[i] = LOAD (residual, other + o[i]); \
  }
#define GRADIENT(i) \
  if (i < UNITS) { \
    if (DROPOUT != 0) \
      d[i] *= dropout_mask (mask_at + o[i], layer, words, threshold, scale); \
    if (CLAMP != 0) \
      d[i] *= passed (normalised (xhat[i], mean[TILE (i)], factor[TILE (i)], bias[TILE (i)], r[i]), low, high); \
    xhat[i] = (xhat[i] - mean[TILE (i)]) * inv[TILE (i)]; \
  }
