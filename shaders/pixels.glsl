// Pixels of a packed frame (nddr_packing()), four of a row at a time, as R'G'B' in [0, 1].
//
//   #define FRAME_BINDING n   before including this: the frame's bytes, 16 a texel   [U]
//   FRAME_PUSH                its description, first in the push constants: nddr_pixels_source() fills it
//   Frame f = FRAME           the description in registers: a push constant read in a loop is slow on software drivers
//   load_pixels (f, group, y, r, g, b)    pixels 4 group .. 4 group + 3 of row y; those beyond the row's end are finite and mean nothing
//   load_pair (f, group, pair, ...)       the same of two rows, for less than twice the price

layout (constant_id = 0) const int FORMAT = 0;      // NddrPixelFormat
layout (constant_id = 1) const int MEANING = 0;
const bool CLAMP = (MEANING & 1) != 0;  // values may leave [0, 1]: limited range, or a matrix
const bool FIELDS = (MEANING & 2) != 0; // rows are of two fields in turn, those of luma and those of chroma

const int PIXEL_RGBA = 0, PIXEL_BGRA = 1, PIXEL_RGBX = 2, PIXEL_BGRX = 3, PIXEL_RGB = 4, PIXEL_BGR = 5, PIXEL_NV12 = 6,
          PIXEL_I420 = 7, PIXEL_YUY2 = 8, PIXEL_GRAY8 = 9, PIXEL_GRAY16_LE = 10;

#ifdef NDDR_SOFTWARE
layout (binding = FRAME_BINDING, rgba32ui) readonly uniform uimageBuffer frame_texels;
#define FRAME_WORD(base, i) int (imageLoad (frame_texels, (base) + ((i) >> 2))[(i) & 3])
#define FRAME_TEXEL(i) ivec4 (imageLoad (frame_texels, i))
#else
layout (binding = FRAME_BINDING) readonly buffer FrameBytes { uvec4 frame_texels[]; };
#define FRAME_WORD(base, i) int (frame_texels[(base) + ((i) >> 2)][(i) & 3])
#define FRAME_TEXEL(i) ivec4 (frame_texels[i])
#endif

struct Frame
{
  int base;           // of the frame, in texels
  int pitch, chroma;  // row pitches of the first plane and of the others, in 32-bit words
  int plane1, plane2; // where they start, in words
  int last_x, last_y; // the last chroma sample and row
  vec4 siting;        // x: even column, odd column; y: even row, odd row (of the top field): weight of the neighbouring chroma sample
  vec4 matrix0;       // luma scale; Cr to R; Cb to B; Cb to G
  vec4 matrix1;       // Cr to G; offsets of R, G, B
};
#define FRAME_PUSH int f_base, f_pitch, f_chroma, f_plane1, f_plane2, f_last_x, f_last_y, f_unused; vec4 f_siting, f_matrix0, f_matrix1;
#define FRAME Frame (f_base, f_pitch, f_chroma, f_plane1, f_plane2, f_last_x, f_last_y, f_siting, f_matrix0, f_matrix1)

// Four words with a pixel's bytes in each.
ivec4
packed_pixels (Frame f, int at, int g)
{
  if (FORMAT != PIXEL_RGB && FORMAT != PIXEL_BGR)
    return FRAME_TEXEL (f.base + (at >> 2) + g);
  at += 3 * g;
  int a = FRAME_WORD (f.base, at), b = FRAME_WORD (f.base, at + 1), c = FRAME_WORD (f.base, at + 2);
  return ivec4 (a, (a >> 24 & 255) | b << 8, (b >> 16 & 0xffff) | c << 16, c >> 8);
}

// Samples 2 g - 1 .. 2 g + 2 of a chroma row; beyond the ends the nearest.
void
chroma_row (Frame f, int row, int g, out vec4 u, out vec4 v)
{
  ivec4 j = clamp (2 * g + ivec4 (-1, 0, 1, 2), 0, f.last_x), w;
  if (FORMAT == PIXEL_NV12) {
    int at = f.plane1 + row * f.chroma;
    int a = FRAME_WORD (f.base, at + (j.x >> 1)), b = FRAME_WORD (f.base, at + g), c = FRAME_WORD (f.base, at + (j.w >> 1));
    w = ivec4 (a, b, b, c) >> ((j & 1) << 4);
    u = vec4 (w & 255);
    v = vec4 (w >> 8 & 255);
  } else if (FORMAT == PIXEL_I420) {
    int at = f.plane1 + row * f.chroma;
    bvec4 low = equal (j >> 2, ivec4 (j.x >> 2));
    ivec4 shift = (j & 3) << 3;
    int a = FRAME_WORD (f.base, at + (j.x >> 2)), b = FRAME_WORD (f.base, at + (j.w >> 2));
    u = vec4 (mix (ivec4 (b), ivec4 (a), low) >> shift & 255);
    at += f.plane2 - f.plane1;
    a = FRAME_WORD (f.base, at + (j.x >> 2)), b = FRAME_WORD (f.base, at + (j.w >> 2));
    v = vec4 (mix (ivec4 (b), ivec4 (a), low) >> shift & 255);
  } else {
    int at = row * f.pitch;
    w = ivec4 (FRAME_WORD (f.base, at + j.x), FRAME_WORD (f.base, at + j.y), FRAME_WORD (f.base, at + j.z), FRAME_WORD (f.base, at + j.w));
    u = vec4 (w >> 8 & 255);
    v = vec4 (w >> 24 & 255);
  }
}

// A group of row y, given its chroma: u and v as chroma_row() has them, between two chroma rows already.
void
convert (Frame f, int group, int y, vec4 u, vec4 v, out vec4 r, out vec4 g, out vec4 b)
{
  int at = y * f.pitch;
  if (FORMAT <= PIXEL_BGR) {
    ivec4 w = packed_pixels (f, at, group);
    r = vec4 (w & 255);
    g = vec4 (w >> 8 & 255);
    b = vec4 (w >> 16 & 255);
    if (FORMAT == PIXEL_BGRA || FORMAT == PIXEL_BGRX || FORMAT == PIXEL_BGR) {
      vec4 t = r;
      r = b;
      b = t;
    }
    r = r * f.matrix0.x + f.matrix1.y;
    g = g * f.matrix0.x + f.matrix1.z;
    b = b * f.matrix0.x + f.matrix1.w;
  } else {
    vec4 luma;
    if (FORMAT == PIXEL_YUY2) {
      int a = FRAME_WORD (f.base, at + 2 * group), c = FRAME_WORD (f.base, at + 2 * group + 1);
      luma = vec4 (ivec4 (a, a >> 16, c, c >> 16) & 255);
    } else
      luma = vec4 (ivec4 (FRAME_WORD (f.base, at + group)) >> ivec4 (0, 8, 16, 24) & 255);
    luma *= f.matrix0.x;
    if (FORMAT == PIXEL_GRAY8)
      r = g = b = luma + f.matrix1.y;
    else {
      u = mix (u.yyzz, u.xzyw, f.siting.xyxy);
      v = mix (v.yyzz, v.xzyw, f.siting.xyxy);
      r = luma + f.matrix0.y * v + f.matrix1.y;
      g = luma + f.matrix0.w * u + f.matrix1.x * v + f.matrix1.z;
      b = luma + f.matrix0.z * u + f.matrix1.w;
    }
  }
  if (CLAMP) {
    r = clamp (r, 0, 1);
    g = clamp (g, 0, 1);
    b = clamp (b, 0, 1);
  }
}

const bool HALF_ROWS = FORMAT == PIXEL_NV12 || FORMAT == PIXEL_I420; // a chroma row for two of luma

// The chroma of a group of row y, between the two chroma rows that it lies between, of its own field where there are two.
void
chroma_between (Frame f, int group, int y, out vec4 u, out vec4 v)
{
  int field = FIELDS ? y & 1 : 0, fields = FIELDS ? 2 : 1, line = FIELDS ? y >> 1 : y, last = FIELDS ? f.last_y >> 1 : f.last_y;
  bool odd = (line & 1) != 0;
  int row = line >> 1, other = odd ? min (row + 1, last) : max (row - 1, 0);
  bool mirrored = FIELDS && field == 1 && f.siting.z > 0.0; // the bottom field's chroma lies nearer to its odd rows
  float weight = odd != mirrored ? f.siting.w : f.siting.z;
  vec4 u1, v1;
  chroma_row (f, row * fields + field, group, u, v);
  chroma_row (f, other * fields + field, group, u1, v1);
  u = mix (u, u1, weight);
  v = mix (v, v1, weight);
}

void
load_pixels (Frame f, int group, int y, out vec4 r, out vec4 g, out vec4 b)
{
  vec4 u = vec4 (0), v = vec4 (0);
  if (HALF_ROWS)
    chroma_between (f, group, y, u, v);
  else if (FORMAT == PIXEL_YUY2)
    chroma_row (f, y, group, u, v);
  convert (f, group, y, u, v, r, g, b);
}

// The same group of rows 2 pair - 1 and 2 pair, which lie between the same chroma rows: each is read once.  A row that the frame lacks
// is given as its neighbour.
void
load_pair (Frame f, int group, int pair, int last_row, out vec4 r0, out vec4 g0, out vec4 b0, out vec4 r1, out vec4 g1, out vec4 b1)
{
  int y0 = max (2 * pair - 1, 0), y1 = min (2 * pair, last_row);
  vec4 u0 = vec4 (0), v0 = u0, u1 = u0, v1 = u0;
  if (HALF_ROWS && FIELDS) {
    chroma_between (f, group, y0, u0, v0);
    chroma_between (f, group, y1, u1, v1);
  } else if (HALF_ROWS) {
    vec4 ua, va, ub, vb;
    chroma_row (f, max (pair - 1, 0), group, ua, va);
    chroma_row (f, min (pair, f.last_y), group, ub, vb);
    u0 = mix (ua, ub, f.siting.w);
    v0 = mix (va, vb, f.siting.w);
    u1 = mix (ub, ua, f.siting.z);
    v1 = mix (vb, va, f.siting.z);
  } else if (FORMAT == PIXEL_YUY2) {
    chroma_row (f, y0, group, u0, v0);
    chroma_row (f, y1, group, u1, v1);
  }
  convert (f, group, y0, u0, v0, r0, g0, b0);
  convert (f, group, y1, u1, v1, r1, g1, b1);
}
