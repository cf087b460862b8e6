// Dropout's mask: counter-based, so that the backward pass makes it again instead of reading it.
//
// Philox-4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): the counter is the texel's
// index, the layer and the training step; the key is the seed.  A texel's four words decide its four channels.

uvec4
philox (uvec4 counter, uvec2 key)
{
  for (int round = 0; round < 10; round++) {
    uint high0, low0, high1, low1;
    umulExtended (0xD2511F53u, counter.x, high0, low0);
    umulExtended (0xCD9E8D57u, counter.z, high1, low1);
    counter = uvec4 (high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key += uvec2 (0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

// Where several processes each have a share of the batch, texels count as if one had all of it: a texel of branch b of the share has the
// index share_first + b * share_skip more.

// What the four channels of a texel are multiplied by: 0, or @scale = 1 / (1 - probability).  @random: seed (2), step (2);
// @threshold: probability * 2^32.
vec4
dropout_mask (int texel, uint layer, uvec4 random, uint threshold, float scale)
{
  uvec4 word = philox (uvec4 (uint (texel), layer, random.z, random.w), random.xy);
  return mix (vec4 (0), vec4 (scale), greaterThanEqual (word, uvec4 (threshold)));
}
