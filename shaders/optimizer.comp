#version 450
#extension GL_GOOGLE_include_directive : require
// One step of SGD with momentum, or of AdamW, for flat tensors of one length.  Each 64 parameters (16 texels) belong to a group
// with a learning rate and a weight decay of its own.  CLIP: gradients are multiplied by a factor first; 2: where that is 0, nothing is done.  A
// workgroup takes LOCAL * 16 texels.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, params)
LOAD_BUFFER (1, gradients)
LOAD_BUFFER (2, moments1)
LOAD_BUFFER (3, moments2)
layout (binding = 4) readonly buffer Groups { uint groups[]; };
layout (binding = 5) readonly buffer Rates { vec4 rates[]; }; // rate, decay; then for AdamW a row with what corrects the moments' bias
STORE_BUFFER (6, new_params)
STORE_BUFFER (7, new_moments1)
STORE_BUFFER (8, new_moments2)
layout (binding = 9) readonly buffer Clip { float clip; };
layout (constant_id = 0) const int ADAMW = 0;
layout (constant_id = 1) const int CLIP = 0;
layout (push_constant) uniform Push
{
  int params_base, gradients_base, moments1_base, moments2_base;
  int texels;      // of this dispatch
  int first_block; // of 64 parameters: the first of this dispatch
  int last_block, n_groups;
  float keep1, add1, keep2, add2, eps; // SGD: keep1 is the momentum
};
LOCAL_SIZE

vec2
rate_of (int block)
{
  return rates[groups[min (first_block + block, last_block)]].xy;
}

#ifdef NDDR_SOFTWARE
// eight blocks a workgroup: each lane reads the rate of one, and hands it round
#define MY_RATE vec2 mine = rate_of (GROUP_INDEX * 8 + LANE_IN_GROUP);
#define RATE(i) subgroupShuffle (mine, (k + i) >> 1)
#else
#define MY_RATE
#define RATE(i) rate_of (o##i >> 4)
#endif

#define READ(i) \
  int o##i = min (at + i * LOCAL, texels - 1); \
  vec4 w##i = LOAD (params, params_base + o##i), g##i = LOAD (gradients, gradients_base + o##i); \
  vec4 m##i = LOAD (moments1, moments1_base + o##i), v##i = vec4 (0); \
  if (CLIP != 0) \
    g##i *= factor; \
  if (ADAMW != 0) \
    v##i = LOAD (moments2, moments2_base + o##i);
#define STEP(i) \
  vec2 rate##i = RATE (i); \
  if (ADAMW != 0) { \
    m##i = keep1 * m##i + add1 * g##i; \
    v##i = keep2 * v##i + add2 * g##i * g##i; \
    w##i -= rate##i.x * rate##i.y * w##i; \
    w##i -= rate##i.x * (m##i * unbias.x) / (sqrt (v##i * unbias.y) + eps); \
  } else { \
    m##i = keep1 * m##i + g##i + rate##i.y * w##i; \
    w##i -= rate##i.x * m##i; \
  }
#define WRITE(i) \
  if (at + i * LOCAL < texels) { \
    STORE (new_params, o##i, w##i); \
    STORE (new_moments1, o##i, m##i); \
    if (ADAMW != 0) \
      STORE (new_moments2, o##i, v##i); \
  }

void
main ()
{
  vec2 unbias = ADAMW != 0 ? rates[n_groups].xy : vec2 (0);
  int params_base = params_base, gradients_base = gradients_base, moments1_base = moments1_base, moments2_base = moments2_base;
  int texels = texels;
  float factor = CLIP != 0 ? clip : 1.0, keep1 = keep1, add1 = add1, keep2 = keep2, add2 = add2, eps = eps;
  if (CLIP == 2 && factor == 0)
    return;
  MY_RATE
  int at = GROUP_INDEX * LOCAL * 16 + LANE_IN_GROUP, k = 0;
  do {
    READ (0)
    READ (1)
    STEP (0)
    STEP (1)
    WRITE (0)
    WRITE (1)
    at += 2 * LOCAL;
    k += 2;
  } while (k < 16);
}
