// What the kernels of a task's loss share: the map of predictions, where its gradient goes, and a partial sum from each lane. A
// group takes LOCAL * run pixels, one after the other in a lane.
#include "memory.glsl"
#include "lanes.glsl"

LOAD_BUFFER (0, x)
layout (binding = 2) readonly buffer Scale { float scale[2]; }; // 1 / valid pixels, the task's weight
STORE_BUFFER (3, gradient)
STORE_BUFFER (4, parts)
layout (push_constant) uniform Push { int x_base, gradient_base, quads, channels, pixels, run; };
LOCAL_SIZE

#define FIRST_PIXEL (GROUP_INDEX * LOCAL * run + LANE_IN_GROUP)
