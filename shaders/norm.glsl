// What the kernels of batch normalisation share.  For each branch, forward leaves four vectors of the channels (padded to
// whole texels): mean, inv = 1 / sqrt (variance + eps), weight, bias.
#include "memory.glsl"
#include "dropout.glsl"

// The value before the clamp.  Precise: the backward pass sees from it whether the clamp was active, so both must get
// the same bits.
vec4
normalised (vec4 y, vec4 mean, vec4 scale, vec4 bias, vec4 residual)
{
  precise vec4 t = (y - mean) * scale + bias + residual;
  return t;
}

// 1 where the clamp let a value pass with its gradient: strictly inside, as PyTorch's ReLU and hardtanh
vec4
passed (vec4 t, float low, float high)
{
  return mix (vec4 (0), mix (vec4 (0), vec4 (1), lessThan (t, vec4 (high))), greaterThan (t, vec4 (low)));
}
