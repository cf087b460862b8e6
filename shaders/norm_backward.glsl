// What both passes over the pixels of batch normalisation's backward share: dz through dropout and clamp, and the
// normalised value.
#include "norm.glsl"

LOAD_BUFFER (0, y)
LOAD_BUFFER (1, dz)
LOAD_BUFFER (2, saved)
LOAD_BUFFER (3, residual)
layout (binding = 4) readonly buffer Random { uvec4 random; };
layout (constant_id = 0) const int RESIDUAL = 0;
layout (constant_id = 1) const int DROPOUT = 0; // 2: of a share of the batch
layout (constant_id = 2) const int CLAMP = 0;
LOCAL_SIZE

// Where dropout's mask has the first texel: see dropout.glsl
#define MASK_AT (to + (DROPOUT == 2 ? share_first + branch * share_skip : 0))

// xhat##i: (y - mean) * inv; d##i: the gradient of the value before the clamp
#define PIXEL(i) \
  int o##i = (min (p + i, end - 1)) * quads; \
  vec4 xhat##i = LOAD (y, y_base + to + o##i), d##i = LOAD (dz, dz_base + to + o##i), r##i = vec4 (0); \
  if (RESIDUAL != 0 && CLAMP != 0) \
    r##i = LOAD (residual, other + o##i);
#define GRADIENT(i) \
  if (DROPOUT != 0) \
    d##i *= dropout_mask (mask_at + o##i, layer, words, threshold, scale); \
  if (CLAMP != 0) \
    d##i *= passed (normalised (xhat##i, mean, factor, bias, r##i), low, high); \
  xhat##i = (xhat##i - mean) * inv;
