#version 450
// A 1x1 convolution and the depthwise 3x3 one behind it, which alone reads it, for software drivers: what lies between them, by far the largest
// map of an inverted residual (Sandler et al., MobileNetV2, CVPR 2018), never leaves the registers.
//
// A lane is a channel: VECTORS times 8 of them are a workgroup's, whose weights stay with it.  It walks down a strip of the map between, of all
// pixels that 8 columns of the result read: each row is convolved, pixel by pixel (an input texel is passed to all lanes by a shuffle), and
// added to the rows of the result that it is a tap of.  Of finished rows 8 pixels times 8 channels are transposed, so that a lane
// stores 8 channels of a pixel.
//
// Loops over constants are unrolled, and arrays live in registers: only the loop over rows is one.  Its machine code has to fit the cache of
// instructions: so no more columns, and few weights.
//
// Grid: (blocks of channels, strips of all images, branches).  Packed weights of the convolution: conv_direct.comp's, BLOCK = 8 * VECTORS.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"
#include "lanes.glsl"

layout (constant_id = 0) const int QUADS = 4;   // texels of an input pixel
layout (constant_id = 1) const int VECTORS = 2;
layout (constant_id = 2) const int STRIDE = 1;  // of the depthwise convolution: 1 or 2
layout (constant_id = 3) const int IN = 10;     // 7 * STRIDE + 3: pixels of a row that a strip reads
layout (constant_id = 4) const int LOADS = 5;   // IN * QUADS / 8, rounded up

LOAD_BUFFER (0, x)        // the whole arena; its first texels are zero
LOAD_BUFFER (1, weights)
LOAD_BUFFER (2, rows)     // depthwise_pack.comp's
layout (binding = 3) writeonly buffer Y { u64vec4 y[]; };
layout (push_constant) uniform Push
{
  int zero;                              // 0, which the compiler must not know
  int height, width, out_height, out_width;
  int strips;                            // of an image
  float inv_strips;
  int x_base, x_branch;                  // texels
  int weights_base, weights_branch, weights_block;
  int rows_base;
  int y_first, y_branch, out_quads;      // texels; of a pixel of the result
  float low, high;                       // of the map between
  float out_low, out_high;
};
LOCAL_SIZE

#define OUTSIDE (-0x40000000)

// Exchanges what lanes that differ in @bit hold: of @a where it is set, of @b where it is not.
void
exchange (inout float a, inout float b, int lane, int bit)
{
  bool set = (lane & bit) != 0;
  float passed = subgroupShuffle (set ? a : b, uint (lane ^ bit));
  a = set ? passed : a;
  b = set ? b : passed;
}

// Stores 8 pixels times 8 channels.  @place: this lane's texel; @inside: whether it is stored.
void
store (float c[8], int lane, int place, bool inside, float low, float high)
{
  for (int i = 0; i < 8; i++)
    c[i] = clamp (c[i], low, high);
  exchange (c[0], c[1], lane, 1); exchange (c[2], c[3], lane, 1); exchange (c[4], c[5], lane, 1); exchange (c[6], c[7], lane, 1);
  exchange (c[0], c[2], lane, 2); exchange (c[1], c[3], lane, 2); exchange (c[4], c[6], lane, 2); exchange (c[5], c[7], lane, 2);
  exchange (c[0], c[4], lane, 4); exchange (c[1], c[5], lane, 4); exchange (c[2], c[6], lane, 4); exchange (c[3], c[7], lane, 4);
  u64vec4 eight = u64vec4 (PAIR (c[0], c[1]), PAIR (c[2], c[3]), PAIR (c[4], c[5]), PAIR (c[6], c[7]));
  if (inside)
    y[place >> 1] = eight;
}

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), branch = int (gl_WorkGroupID.z), block = int (gl_WorkGroupID.x) * VECTORS * 2; // texels
  int image = QUOTIENT (int (gl_WorkGroupID.y), strips, inv_strips), column = (int (gl_WorkGroupID.y) - image * strips) * 8;
  int left = column * STRIDE - 1;
  uint z = uint (zero);

  // weights and bias of the convolution; taps and bias of the depthwise one
  vec4 w[VECTORS][QUADS];
  float bias[VECTORS], taps[VECTORS][9], out_bias[VECTORS];
  int from = weights_base + branch * weights_branch + int (gl_WorkGroupID.x) * weights_block + lane;
  int row_base = rows_base + branch * 11 * out_quads + block + lane / 4;
  for (int v = 0; v < VECTORS; v++) {
    bias[v] = LOAD (weights, from + v * 8).x;
    for (int i = 0; i < QUADS; i++)
      w[v][i] = LOAD (weights, from + ((i + 1) * VECTORS + v) * 8);
    for (int i = 0; i < 10; i++) {
      vec4 four = LOAD (rows, row_base + i * out_quads + v * 2);
      float own = (lane & 2) == 0 ? (lane & 1) == 0 ? four.x : four.y : (lane & 1) == 0 ? four.z : four.w;
      if (i < 9)
        taps[v][i] = own;
      else
        out_bias[v] = own;
    }
  }

  // this lane's texel of each load, from the start of a row; outside the map so far negative that max () makes it texel 0
  int aim[LOADS];
  for (int i = 0; i < LOADS; i++) {
    int texel = i * 8 + lane, at = left + texel / QUADS;
    aim[i] = at >= 0 && at < width && texel < IN * QUADS ? left * QUADS + texel : OUTSIDE;
  }
  // what pixels between are clamped to: beyond the map they are zero
  float lows[IN], highs[IN];
  for (int p = 0; p < IN; p++) {
    bool inside = left + p >= 0 && left + p < width;
    lows[p] = inside ? low : 0;
    highs[p] = inside ? high : 0;
  }
  // sums of the row of the result that the next row between completes, and of the one below it
  float sum[VECTORS][8], next[VECTORS][8];
  for (int v = 0; v < VECTORS; v++)
    for (int o = 0; o < 8; o++)
      sum[v][o] = next[v][o] = out_bias[v];

  int from_row = x_base + branch * x_branch + image * height * width * QUADS, in_texels = width * QUADS, row = 0, last = height;
  int place = y_first + branch * y_branch + (image * out_height * out_width + column + lane) * out_quads + block, out_texels = out_width * out_quads;
  bool inside = column + lane < out_width;
  float final_low = out_low, final_high = out_high;
  do {
    vec4 t[LOADS];
    for (int i = 0; i < LOADS; i++)
      t[i] = LOAD (x, max (from_row + aim[i], 0));
    float e[VECTORS][IN];
    for (int p = 0; p < IN; p++) {
      float s[VECTORS];
      for (int v = 0; v < VECTORS; v++)
        s[v] = bias[v];
      for (int i = 0; i < QUADS; i++) {
        int texel = p * QUADS + i;
        vec4 b = subgroupShuffle (t[texel / 8], z + uint (texel % 8));
        for (int v = 0; v < VECTORS; v++) {
          s[v] += b.x * w[v][i].x;
          s[v] += b.y * w[v][i].y;
          s[v] += b.z * w[v][i].z;
          s[v] += b.w * w[v][i].w;
        }
      }
      for (int v = 0; v < VECTORS; v++)
        e[v][p] = clamp (s[v], lows[p], highs[p]);
    }

    bool odd = (row & 1) != 0;
    bool whole = STRIDE == 1 ? row > 0 : odd;
    for (int v = 0; v < VECTORS; v++) {
      float made[8];
      for (int o = 0; o < 8; o++) {
        float a = e[v][o * STRIDE], b = e[v][o * STRIDE + 1], c = e[v][o * STRIDE + 2];
        float top = out_bias[v] + (a * taps[v][0] + b * taps[v][1] + c * taps[v][2]);
        if (STRIDE == 1) {
          made[o] = sum[v][o] + (a * taps[v][6] + b * taps[v][7] + c * taps[v][8]);
          sum[v][o] = next[v][o] + (a * taps[v][3] + b * taps[v][4] + c * taps[v][5]);
          next[v][o] = top;
        } else { // an odd row completes one and begins the next, an even one is a row's middle
          made[o] = sum[v][o] + (a * (odd ? taps[v][6] : taps[v][3]) + b * (odd ? taps[v][7] : taps[v][4]) + c * (odd ? taps[v][8] : taps[v][5]));
          sum[v][o] = odd ? top : made[o];
        }
      }
      store (made, lane, place + v * 2, whole && inside, final_low, final_high);
    }
    place += whole ? out_texels : 0;
    from_row += in_texels;
    row++;
  } while (row < last);
  // the last row of the result, where nothing but the border lies below what is summed
  for (int v = 0; v < VECTORS; v++)
    store (sum[v], lane, place + v * 2, inside && (STRIDE == 1 || (last & 1) != 0), final_low, final_high);
}
