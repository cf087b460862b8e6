#version 450
#extension GL_GOOGLE_include_directive : require
// z = dropout (clamp (y, low, high)), or BACKWARD: dy = dz where the clamp let y pass, through dropout's mask.  Texel by texel: a
// group takes LOCAL * run of them.
#include "norm.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, y)
LOAD_BUFFER (1, dz)
layout (binding = 2) readonly buffer Random { uvec4 random; };
STORE_BUFFER (3, result)
layout (constant_id = 0) const int BACKWARD = 0;
layout (constant_id = 1) const int DROPOUT = 0; // 2: of a share of the batch
layout (push_constant) uniform Push
{
  int y_base, dz_base, texels, run;
  uint layer, threshold;
  float low, high, scale;
  int share_first, share_skip, branch_texels; // see dropout.glsl
};
LOCAL_SIZE

#define MASK_AT(o) ((o) + (DROPOUT == 2 ? share_first + (o) / branch_texels * share_skip : 0))
#define READ(i) \
  int o##i = min (at + i * LOCAL, texels - 1); \
  vec4 v##i = LOAD (y, y_base + o##i), d##i = vec4 (0); \
  if (BACKWARD != 0) \
    d##i = LOAD (dz, dz_base + o##i);
#define RESULT(i) \
  v##i = BACKWARD != 0 ? d##i * passed (v##i, low, high) : clamp (v##i, vec4 (low), vec4 (high)); \
  if (DROPOUT != 0) \
    v##i *= dropout_mask (MASK_AT (o##i), layer, words, threshold, scale);
#define WRITE(i) \
  if (at + i * LOCAL < texels) \
    STORE (result, o##i, v##i);

void
main ()
{
  uvec4 words = DROPOUT != 0 ? random : uvec4 (0);
  int texels = texels, run = run, y_base = y_base, dz_base = dz_base;
  uint layer = layer, threshold = threshold;
  float low = low, high = high, scale = scale;
  int at = GROUP_INDEX * LOCAL * run + LANE_IN_GROUP;
  int k = 0;
  do {
    READ (0)
    READ (1)
    READ (2)
    READ (3)
    RESULT (0)
    RESULT (1)
    RESULT (2)
    RESULT (3)
    WRITE (0)
    WRITE (1)
    WRITE (2)
    WRITE (3)
    at += 4 * LOCAL;
    k += 4;
  } while (k < run);
}
