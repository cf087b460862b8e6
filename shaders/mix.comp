#version 450
#extension GL_GOOGLE_include_directive : require
// y = sum of w x over the groups that a group of the output is mixed of; a group is a part of a branch's channels.  Weights are
// [output group][input group][channel quad] texels.  A lane makes one quad of a run of pixels; z is the output's group.
#include "memory.glsl"
#include "lanes.glsl"

LOAD32_BUFFER (0, weights)
LOAD_BUFFER (1, x)
LOAD_BUFFER (2, before) // what y held: read where it is added to
STORE_BUFFER (3, y)
layout (constant_id = 0) const int ACCUMULATE = 0;
layout (constant_id = 1) const int INPUTS = 1; // groups: known, the loop over them is unrolled, which software drivers need to be fast
layout (constant_id = 2) const int SHIFT = 0;  // log2 of the parts of a branch's channels
layout (push_constant) uniform Push
{
  int x_base, x_row, x_branch;              // texels: of the first branch, from output group to output group, from branch to branch
  int before_base, y_base, y_branch;
  int weight_base, weight_row, weight_step; // texels: from output group to output group, from input group to input group
  int weight_quad;                          // 0: a quad's weights are every quad's
  int part_quads, quads;                    // of a part and of a pixel
  int pixels, run, lanes;                   // of a branch; run: a multiple of 4
  float inv_part_quads;
};
LOCAL_SIZE

#define PIXEL(i) min (p + i, pixels - 1) * quads

void
main ()
{
  int lane = LANE_INDEX, g = min (lane, lanes - 1), row = int (gl_WorkGroupID.z), mask = (1 << SHIFT) - 1;
  int segment = QUOTIENT (g, part_quads, inv_part_quads), quad = g - segment * part_quads;
  int from = x_base + row * x_row + quad, w_from = weight_base + row * weight_row + quad * weight_quad;
  int to = (row >> SHIFT) * y_branch + (row & mask) * part_quads + quad, p = segment * run;
  int pixels = pixels, quads = quads, run = run, part_quads = part_quads, x_branch = x_branch, weight_step = weight_step;
  int before_base = before_base, end = lane < lanes ? pixels : 0, y_base = y_base;
  int k = 0;
  do {
    int p0 = PIXEL (0), p1 = PIXEL (1), p2 = PIXEL (2), p3 = PIXEL (3);
    vec4 s0 = vec4 (0), s1 = vec4 (0), s2 = vec4 (0), s3 = vec4 (0);
    for (int q = 0; q < INPUTS; q++) {
      vec4 w = LOAD32 (weights, w_from + q * weight_step);
      int group = from + (q >> SHIFT) * x_branch + (q & mask) * part_quads;
      s0 += w * LOAD (x, group + p0);
      s1 += w * LOAD (x, group + p1);
      s2 += w * LOAD (x, group + p2);
      s3 += w * LOAD (x, group + p3);
    }
    if (ACCUMULATE != 0) {
      s0 += LOAD (before, before_base + to + p0);
      s1 += LOAD (before, before_base + to + p1);
      s2 += LOAD (before, before_base + to + p2);
      s3 += LOAD (before, before_base + to + p3);
    }
    if (p < end)
      STORE (y, y_base + to + p0, s0);
    if (p + 1 < end)
      STORE (y, y_base + to + p1, s1);
    if (p + 2 < end)
      STORE (y, y_base + to + p2, s2);
    if (p + 3 < end)
      STORE (y, y_base + to + p3, s3);
    p += 4;
    k += 4;
  } while (k < run);
}
