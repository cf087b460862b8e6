#version 450
// Adds wgrad.comp's partial sums over its splits, always in the same order, and puts them where the file has them: dw is
// [branch][out][in][taps].  A lane takes one quad of the lane side and 8 channels of the shared side.
#extension GL_GOOGLE_include_directive : require
#include "memory.glsl"

layout (constant_id = 0) const int QUADS = 8; // as in wgrad.comp
layout (constant_id = 1) const bool SWAP = false;

LOAD_BUFFER (0, part)
layout (binding = 1) writeonly buffer Weight { float dw[]; };
layout (push_constant) uniform Push {
  int part_base;      // texels
  int splits, tiles, lane_tiles;
  int sources;        // z is branch * sources + source
  int x_quads, x_channels, dy_channels;
  int in_channels;    // of all sources: the length of a row of dw
  int first_channel;  // in that row, of source 0
  int taps;
};
LOCAL_SIZE

#define PUT(e, m) \
  if (!SWAP && in_quad * 4 + m < x_channels && out_channel < dy_channels) \
    dw[row + (in_quad * 4 + m) * taps] = sum.e; \
  if (SWAP && out_quad * 4 + m < dy_channels && in_channel < x_channels) \
    dw[((branch * dy_channels + out_quad * 4 + m) * in_channels + first + in_channel) * taps] = sum.e;

void
main ()
{
  int lane = int (gl_SubgroupInvocationID), tile = int (gl_WorkGroupID.y), z = int (gl_WorkGroupID.z);
  int shared_tile = tile / lane_tiles, lane_quad = (tile - shared_tile * lane_tiles) * 8 + lane;
  int branch = z / sources, source = z - branch * sources, first = first_channel + source * x_channels;
  int x_channels = x_channels, dy_channels = dy_channels, in_channels = in_channels, taps = taps;
  int tap = SWAP ? 0 : lane_quad / x_quads, in_quad = lane_quad - tap * x_quads, out_quad = lane_quad;
  int count = splits, stride = tiles * QUADS * 32, start = part_base + (z * splits * tiles + tile) * QUADS * 32;
  if (tap < taps) {
    int c = int (gl_WorkGroupID.x) * 8, end = c + 8;
    do {
      int a = start + ((c >> 1) * 8 + lane) * 2 + (c & 1), k = 0;
      vec4 sum = vec4 (0);
      do {
        sum += imageLoad (part, a);
        a += stride;
        k++;
      } while (k < count);
      int out_channel = shared_tile * QUADS * 4 + c, in_channel = out_channel;
      int row = ((branch * dy_channels + out_channel) * in_channels + first) * taps + tap;
      PUT (x, 0) PUT (y, 1) PUT (z, 2) PUT (w, 3)
      c++;
    } while (c < end);
  }
}
