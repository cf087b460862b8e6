#version 450
#extension GL_GOOGLE_include_directive : require
// A head's output, resized along y already, as a picture: resized along x, then arg-max, unit length or metres, then colours, blended
// and packed.  A lane does four pixels of a row, for a block of rows.
#define FRAME_BINDING 3
#include "memory.glsl"
#include "pixels.glsl"

layout (constant_id = 2) const int KIND = 0;             // NddrTaskKind
layout (constant_id = 3) const int VIEW = 0;             // NddrView
layout (constant_id = 4) const int PICTURE_FORMAT = 0;   // NddrPixelFormat
layout (constant_id = 5) const int COLUMNS = 0;          // how a group of four pixels finds what it lies between:
const int OWN = 0;    // each pixel has its own two columns
const int SHARED = 1; // three columns are enough for a group
const int SPREAD = 2; // and eight for a workgroup's eight groups: each lane loads one, and they are passed round (software drivers)

layout (constant_id = 6) const int CHANNELS = 1;         // of the head
const int QUADS = (CHANNELS + 3) / 4;                    // known beforehand, so that the loop over them is unrolled

const int SEGMENTATION = 0, NORMAL = 1, DEPTH = 2;
const int OVERLAY = 0, MAP = 1, RAW = 2;

LOAD32_BUFFER (0, rows)    // [height][width][quads]
// [groups][4]: OWN: left columns, right columns, the right ones' weights, a component a pixel;
// else the first column, then the weights of three columns
LOAD32_BUFFER (1, table)
LOAD32_BUFFER (2, palette) // [classes]: R, G, B, 0 to 255
layout (binding = 4) readonly buffer Opacities { float opacities[]; };
#ifdef NDDR_SOFTWARE
layout (binding = 5) writeonly buffer PictureTexels { u64vec2 picture_texels[]; };
#define STORE_PICTURE(i, v) { uvec4 v_ = (v); picture_texels[i] = u64vec2 (packUint2x32 (v_.xy), packUint2x32 (v_.zw)); }
#else
layout (binding = 5) writeonly buffer PictureTexels { uvec4 picture_texels[]; };
#define STORE_PICTURE(i, v) { picture_texels[i] = (v); }
#endif
layout (binding = 5) writeonly buffer PictureWords { uint picture_words[]; };

layout (push_constant) uniform Push
{
  FRAME_PUSH
  int rows_base, table_base, palette_base;
  int row_texels; // width * quads
  int groups, height, block;
  int pitch;      // of the picture, in texels
  int index;      // of the opacity
};
LOCAL_SIZE

struct Columns
{
  ivec4 left, right; // texels from a row's start; SPREAD: left.x is this lane's column, right.xyz the lanes that have the group's
  vec4 weight0, weight1, weight2;
};

#ifdef NDDR_SOFTWARE
#define PASS(v, lane) vec4 (subgroupShuffle ((v).x, lane), subgroupShuffle ((v).y, lane), subgroupShuffle ((v).z, lane), subgroupShuffle ((v).w, lane))
#else
#define PASS(v, lane) (v) // never SPREAD
#endif

// Four channels at texel `at` of each pixel's place: c0 is the first channel of the four pixels.
void
resize (Columns t, int at, out vec4 c0, out vec4 c1, out vec4 c2, out vec4 c3)
{
  if (COLUMNS != OWN) {
    vec4 a = LOAD32 (rows, at + t.left.x), b, c;
    if (COLUMNS == SPREAD) {
      vec4 own = a;
      a = PASS (own, t.right.x);
      b = PASS (own, t.right.y);
      c = PASS (own, t.right.z);
    } else {
      b = LOAD32 (rows, at + t.left.y);
      c = LOAD32 (rows, at + t.left.z);
    }
    c0 = t.weight0 * a.x + t.weight1 * b.x + t.weight2 * c.x;
    c1 = t.weight0 * a.y + t.weight1 * b.y + t.weight2 * c.y;
    c2 = t.weight0 * a.z + t.weight1 * b.z + t.weight2 * c.z;
    c3 = t.weight0 * a.w + t.weight1 * b.w + t.weight2 * c.w;
  } else {
    vec4 a = mix (LOAD32 (rows, at + t.left.x), LOAD32 (rows, at + t.right.x), t.weight0.x);
    vec4 b = mix (LOAD32 (rows, at + t.left.y), LOAD32 (rows, at + t.right.y), t.weight0.y);
    vec4 c = mix (LOAD32 (rows, at + t.left.z), LOAD32 (rows, at + t.right.z), t.weight0.z);
    vec4 d = mix (LOAD32 (rows, at + t.left.w), LOAD32 (rows, at + t.right.w), t.weight0.w);
    c0 = vec4 (a.x, b.x, c.x, d.x);
    c1 = vec4 (a.y, b.y, c.y, d.y);
    c2 = vec4 (a.z, b.z, c.z, d.z);
    c3 = vec4 (a.w, b.w, c.w, d.w);
  }
}

void
raise (inout vec4 best, inout ivec4 id, vec4 score, int c)
{
  if (c >= CHANNELS)
    return;
  bvec4 higher = greaterThan (score, best);
  best = mix (best, score, higher);
  id = mix (id, ivec4 (c), higher);
}

// The class with the highest score; the lowest of equals.
ivec4
arg_max (Columns t, int at)
{
  ivec4 id = ivec4 (0);
  vec4 best = vec4 (uintBitsToFloat (0xff800000u));
  int q = 0;
  do {
    vec4 c0, c1, c2, c3;
    resize (t, at + q, c0, c1, c2, c3);
    raise (best, id, c0, 4 * q);
    raise (best, id, c1, 4 * q + 1);
    raise (best, id, c2, 4 * q + 2);
    raise (best, id, c3, 4 * q + 3);
  } while (++q < QUADS);
  return id;
}

// A colour's channel as a whole number, 0 to 255.  Where it is packed next that cuts off the fraction anyway.
vec4
whole (vec4 v)
{
  return VIEW == OVERLAY ? floor (v) : v;
}

// viridis (Smith and van der Walt, Matplotlib), as the polynomial of degree six that Matt Zucker fitted to it; both are CC0.
vec4
polynomial (vec4 t, float a, float b, float c, float d, float e, float f, float g)
{
  return whole (clamp (a + t * (b + t * (c + t * (d + t * (e + t * (f + t * g))))), 0, 1) * 255.0 + 0.5);
}

void
viridis (vec4 t, out vec4 r, out vec4 g, out vec4 b)
{
  r = polynomial (t, 0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081,
                  4.776384997670288, -5.435455855934631);
  g = polynomial (t, 0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509,
                  -13.74514537774601, 4.645852612178535);
  b = polynomial (t, 0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105,
                  -65.35303263337234, 26.3124352495832);
}

void
main ()
{
  Frame f = FRAME;
  int g = GLOBAL_INDEX, y = int (gl_WorkGroupID.y) * block, end = min (y + block, height), n = QUADS;
  bool live = g < groups;
  int group = min (g, groups - 1), row = rows_base + y * row_texels, step = row_texels, pb = palette_base, to = y * pitch, advance = pitch;
  float opacity = 0;
  if (VIEW == OVERLAY)
    opacity = opacities[index];

  int e = table_base + 4 * group;
  Columns t;
  if (COLUMNS != OWN) {
    ivec4 columns = int (LOAD32 (table, e).x) + ivec4 (0, 1, 2, 0);
    t.left = columns * n;
#ifdef NDDR_SOFTWARE
    if (COLUMNS == SPREAD) {
      int first = subgroupShuffle (columns.x, 0), last = step / n - 1;
      t.left.x = min (first + int (gl_SubgroupInvocationID), last) * n;
      t.right = columns - first;
    }
#endif
    t.weight0 = LOAD32 (table, e + 1);
    t.weight1 = LOAD32 (table, e + 2);
    t.weight2 = LOAD32 (table, e + 3);
  } else {
    t.left = ivec4 (LOAD32 (table, e)) * n;
    t.right = ivec4 (LOAD32 (table, e + 1)) * n;
    t.weight0 = LOAD32 (table, e + 2);
  }

  do {
    vec4 red, green, blue;
    ivec4 id, millimetres;
    if (KIND == SEGMENTATION) {
      id = arg_max (t, row);
      if (VIEW != RAW) {
        vec4 c0 = LOAD32 (palette, pb + id.x), c1 = LOAD32 (palette, pb + id.y), c2 = LOAD32 (palette, pb + id.z), c3 = LOAD32 (palette, pb + id.w);
        red = vec4 (c0.x, c1.x, c2.x, c3.x);
        green = vec4 (c0.y, c1.y, c2.y, c3.y);
        blue = vec4 (c0.z, c1.z, c2.z, c3.z);
      }
    } else {
      vec4 unused;
      resize (t, row, red, green, blue, unused);
      if (KIND == NORMAL) {
        vec4 len = sqrt (red * red + green * green + blue * blue);
        vec4 scale = mix (127.5 / len, vec4 (0), lessThan (len, vec4 (1e-6)));
        red = whole (red * scale + 128.0);
        green = whole (green * scale + 128.0);
        blue = whole (blue * scale + 128.0);
      } else if (VIEW == RAW)
        millimetres = ivec4 (clamp (red * 1000.0 + 0.5, 0, 65535));
      else
        viridis (clamp (red * 0.1, 0, 1), red, green, blue);
    }

    if (VIEW == OVERLAY) {
      vec4 r, g, b;
      load_pixels (f, group, y, r, g, b);
      red = mix (r * 255.0, red, opacity) + 0.5;
      green = mix (g * 255.0, green, opacity) + 0.5;
      blue = mix (b * 255.0, blue, opacity) + 0.5;
    }

    if (PICTURE_FORMAT == PIXEL_GRAY8) {
      if (live)
        picture_words[4 * to + g] = uint (id.x | id.y << 8 | id.z << 16 | id.w << 24);
    } else if (PICTURE_FORMAT == PIXEL_GRAY16_LE) {
      if (live) {
        picture_words[4 * to + 2 * g] = uint (millimetres.x | millimetres.y << 16);
        picture_words[4 * to + 2 * g + 1] = uint (millimetres.z | millimetres.w << 16);
      }
    } else if (PICTURE_FORMAT == PIXEL_RGB) {
      ivec4 p = ivec4 (red) | ivec4 (green) << 8 | ivec4 (blue) << 16;
      if (live) {
        picture_words[4 * to + 3 * g] = uint (p.x | p.y << 24);
        picture_words[4 * to + 3 * g + 1] = uint (p.y >> 8 | p.z << 16);
        picture_words[4 * to + 3 * g + 2] = uint (p.z >> 16 | p.w << 8);
      }
    } else {
      if (PICTURE_FORMAT == PIXEL_BGRA || PICTURE_FORMAT == PIXEL_BGRX) {
        vec4 swap = red;
        red = blue;
        blue = swap;
      }
      ivec4 p = ivec4 (red) | ivec4 (green) << 8 | ivec4 (blue) << 16 | ivec4 (255) << 24;
      if (live)
        STORE_PICTURE (to + g, uvec4 (p))
    }
    row += step;
    to += advance;
  } while (++y < end);
}
