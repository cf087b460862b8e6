#version 450
#extension GL_GOOGLE_include_directive : require
// A map copied so that its pixels are `apart' texels farther from one another, for software drivers (nddr/ops/product-spread.c says why).  A workgroup
// copies a piece of 64 texels.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
layout (binding = 1) writeonly buffer Output { u64vec4 y[]; };
layout (push_constant) uniform Push
{
  int base;
  int pieces;        // of a pixel
  float inv_pieces;  // 1 / pieces
  int last;          // piece of all
  int apart;         // even
};
LOCAL_SIZE

#define READ(k) vec4 a##k = LOAD (x, from + 16 * k), b##k = LOAD (x, from + 16 * k + 1);
#define WRITE(k) y[to + 8 * k] = u64vec4 (PAIR (a##k.x, a##k.y), PAIR (a##k.z, a##k.w), PAIR (b##k.x, b##k.y), PAIR (b##k.z, b##k.w));

void
main ()
{
  int piece = min (GROUP_INDEX, last), pixel = QUOTIENT (piece, pieces, inv_pieces), at = piece * 64 + LANE_IN_GROUP * 2;
  int from = base + at, to = (at + pixel * apart) / 2;

  READ (0) READ (1) READ (2) READ (3)
  WRITE (0) WRITE (1) WRITE (2) WRITE (3)
}
