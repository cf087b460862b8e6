#version 450
#extension GL_GOOGLE_include_directive : require
// The gradient of a convolution's weights: for one tap, [output channels] x [pixels] x [input channels of one source].
//
// A workgroup makes 64 output x 32 input channels of one tap, over one range of pixels; an invocation 4 x 4 of it.  Ranges are
// added afterwards in a fixed order (gpu_wgrad_reduce).
#include "memory.glsl"

layout (local_size_x = 128) in;
LOAD_BUFFER (0, x)
LOAD_BUFFER (1, dy)
STORE32_BUFFER (2, part) // [range][branch][output channel][tap][quad of input channels]
layout (push_constant) uniform Push {
  int height, width, out_height, out_width, pixels;
  int x_quads, dy_quads, out_channels;
  int kernel, stride, dilation;
  int range; // pixels of one
  int branches;
  int x_first, x_step, dy_first, dy_step; // quads
};

const int PIXELS = 8;
shared vec4 tile_x[PIXELS * 8];
shared vec4 tile_dy[PIXELS * 16];

void
main ()
{
  int id = int (gl_LocalInvocationID.x), taps = kernel * kernel, tap = int (gl_WorkGroupID.y) % taps;
  int first_out = int (gl_WorkGroupID.x) * 16, first_in = int (gl_WorkGroupID.y) / taps * 8; // quads
  int branch = int (gl_WorkGroupID.z) % branches, which = int (gl_WorkGroupID.z) / branches;
  int pad = dilation * (kernel - 1) / 2, ky = tap / kernel * dilation - pad, kx = tap % kernel * dilation - pad;
  int column = id % 8, row = id / 8, end = min (pixels, (which + 1) * range);
  vec4 sums[4] = vec4[4] (vec4 (0), vec4 (0), vec4 (0), vec4 (0));

  for (int p0 = which * range; p0 < end; p0 += PIXELS) {
    barrier ();
    if (id < PIXELS * 8) {
      int p = p0 + id / 8, q = first_in + id % 8, image = p / (out_height * out_width), r = p - image * out_height * out_width;
      int yy = r / out_width * stride + ky, xx = r % out_width * stride + kx;
      bool inside = p < end && q < x_quads && yy >= 0 && xx >= 0 && yy < height && xx < width;
      tile_x[id] = inside ? LOAD (x, x_first + branch * x_step + ((image * height + yy) * width + xx) * x_quads + q) : vec4 (0);
    } {
    int p = p0 + id / 16, q = first_out + id % 16;
    tile_dy[id] = p < end && q < dy_quads ? LOAD (dy, dy_first + branch * dy_step + p * dy_quads + q) : vec4 (0);
  }
    barrier ();
    for (int i = 0; i < PIXELS; i++) {
      vec4 a = tile_dy[i * 16 + row], b = tile_x[i * 8 + column];
      sums[0] += a.x * b;
      sums[1] += a.y * b;
      sums[2] += a.z * b;
      sums[3] += a.w * b;
    }
  }
  for (int j = 0; j < 4; j++) {
    int o = (first_out + row) * 4 + j, q = first_in + column;
    if (o < out_channels && q < x_quads)
      STORE32 (part, (((which * branches + branch) * out_channels + o) * taps + tap) * x_quads + q, sums[j]);
  }
}
