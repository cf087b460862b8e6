// What the kernels that learn a teacher's outputs share: the maps of predictions and of what the teacher gives, the gradient, which they add to, and
// a partial sum from each lane.  A group takes LOCAL * run pixels, one after the other in a lane.  Of each picture only the upper left part that is
// shown counts: the rest is padding.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
LOAD_BUFFER (1, teacher)
LOAD_BUFFER (2, before) // what the gradient held
layout (binding = 3) readonly buffer Scale { float scale[2]; }; // 1 / shown pixels, the weight
layout (binding = 4) readonly buffer Shown { ivec2 shown[]; };  // of each picture: its width and height
STORE_BUFFER (5, gradient)
STORE_BUFFER (6, parts)
layout (push_constant) uniform Push
{
  int x_base, teacher_base, before_base, gradient_base, quads, channels, pixels, run;
  int width, height;
  float inverse_width, inverse_height, inverse_temperature;
};
LOCAL_SIZE

#define FIRST_PIXEL (GROUP_INDEX * LOCAL * run + LANE_IN_GROUP)

// Whether pixel p counts
bool
counts (int p, int pixels, int width, int height, float inverse_width, float inverse_height)
{
  int safe = min (p, pixels - 1), row = QUOTIENT (safe, width, inverse_width);
#ifdef NDDR_SOFTWARE
  row += int (safe - row * width >= width) - int (row * width > safe); // there may be more pixels than QUOTIENT is exact for
#endif
  int picture = QUOTIENT (row, height, inverse_height);
  ivec2 most = shown[picture];
  return p < pixels && safe - row * width < most.x && row - picture * height < most.y;
}
#define COUNTS(p) counts (p, pixels, width, height, inverse_width, inverse_height)
// "int n = n;" of all that the loop reads: see lanes.glsl
#define COPY_PUSHED \
  int x_base = x_base, teacher_base = teacher_base, before_base = before_base, gradient_base = gradient_base, quads = quads, channels = channels; \
  int pixels = pixels, run = run, width = width, height = height; \
  float inverse_width = inverse_width, inverse_height = inverse_height, inverse_temperature = inverse_temperature;
