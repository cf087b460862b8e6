/* Pixels: how frames lie in buffers, and what their values mean.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/pixels.h>

enum { MAY_CLAMP = 1, FIELDS = 2 }; /* pixels.glsl's MEANING */

static gboolean
is_subsampled (NddrPixelFormat format)
{
  return format == NDDR_PIXEL_NV12 || format == NDDR_PIXEL_I420 || format == NDDR_PIXEL_YUY2;
}

static void
add_plane (NddrPacking *packing, int row_bytes, int room, int rows)
{
  int i = packing->n_planes++;

  packing->offset[i] = packing->bytes;
  packing->row_bytes[i] = row_bytes;
  packing->pitch[i] = (room + 15) & ~15;
  packing->rows[i] = rows;
  packing->bytes += (gsize) packing->pitch[i] * rows;
}

/* 4:2:0: what rows chroma has, and where they lie, is not that of luma */
static gboolean
has_fewer_rows (const NddrFrameFormat *format)
{
  return format->format == NDDR_PIXEL_NV12 || format->format == NDDR_PIXEL_I420;
}

static gboolean
has_fields (const NddrFrameFormat *format)
{
  return format->interlaced && has_fewer_rows (format);
}

gboolean
nddr_pixels_are_mixed (const NddrFrameFormat *format)
{
  return format->mixed && has_fewer_rows (format);
}

int
nddr_pixels_chroma_rows (const NddrFrameFormat *format, gboolean interlaced)
{
  int rows = (format->height + 1) / 2;
  return interlaced ? (rows + 1) & ~1 : rows;
}

void
nddr_packing (const NddrFrameFormat *format, NddrPacking *packing)
{
  int width = format->width, height = format->height, room = 4 * nddr_pixel_groups (width);
  int chroma_width = (width + 1) / 2;
  int chroma_height = nddr_pixels_chroma_rows (format, has_fields (format) || nddr_pixels_are_mixed (format)); /* mixed: room for both kinds */

  *packing = (NddrPacking){ 0 };
  switch (format->format) {
    case NDDR_PIXEL_RGBA:
    case NDDR_PIXEL_BGRA:
    case NDDR_PIXEL_RGBX:
    case NDDR_PIXEL_BGRX:
      add_plane (packing, 4 * width, 4 * room, height);
      break;
    case NDDR_PIXEL_RGB:
    case NDDR_PIXEL_BGR:
      add_plane (packing, 3 * width, 3 * room, height);
      break;
    case NDDR_PIXEL_NV12:
      add_plane (packing, width, room, height);
      add_plane (packing, 2 * chroma_width, room, chroma_height);
      break;
    case NDDR_PIXEL_I420:
      add_plane (packing, width, room, height);
      add_plane (packing, chroma_width, room / 2, chroma_height);
      add_plane (packing, chroma_width, room / 2, chroma_height);
      break;
    case NDDR_PIXEL_YUY2:
      add_plane (packing, 4 * chroma_width, 2 * room, height);
      break;
    case NDDR_PIXEL_GRAY8:
      add_plane (packing, width, room, height);
      break;
    case NDDR_PIXEL_GRAY16_LE:
      add_plane (packing, 2 * width, 2 * room, height);
      break;
    case NDDR_PIXEL_FLOAT: /* of one channel; a head's picture is packed by its own size */
      add_plane (packing, 4 * width, 4 * room, height);
      break;
  }
}

/* R' = luma * Y + red * Cr + offset and so on, of byte values, to R'G'B' in [0, 1] */
typedef struct
{
  double luma, cr_to_r, cb_to_b, cb_to_g, cr_to_g, offset[3];
} Matrix;

static Matrix
matrix_of (const NddrFrameFormat *format)
{
  double black = format->full_range ? 0 : 16, luma = 1 / (format->full_range ? 255. : 219.);
  Matrix m = { .luma = luma, .offset = { -black * luma, -black * luma, -black * luma } };

  if (is_subsampled (format->format)) {
    gboolean given = format->kr != 0 || format->kb != 0;
    double kr = given ? format->kr : 0.299, kb = given ? format->kb : 0.114, kg = 1 - kr - kb;
    double chroma = 1 / (format->full_range ? 255. : 224.);

    m.cr_to_r = 2 * (1 - kr) * chroma;
    m.cb_to_b = 2 * (1 - kb) * chroma;
    m.cb_to_g = -m.cb_to_b * kb / kg;
    m.cr_to_g = -m.cr_to_r * kr / kg;
    m.offset[0] -= 128 * m.cr_to_r;
    m.offset[1] -= 128 * (m.cb_to_g + m.cr_to_g);
    m.offset[2] -= 128 * m.cb_to_b;
  }
  return m;
}

void
nddr_pixels_source (NddrStep *step, NddrTensor *frame, const NddrFrameFormat *format)
{
  Matrix m = matrix_of (format);
  NddrPacking packing;

  nddr_packing (format, &packing);
  nddr_step_spec (step, frame ? format->format : NDDR_PIXEL_RGBA);
  nddr_step_spec (step, frame ? (is_subsampled (format->format) || !format->full_range ? MAY_CLAMP : 0) | (has_fields (format) ? FIELDS : 0) : 0);
  if (frame)
    nddr_step_push_base (step, frame, 0);
  else
    nddr_step_push_i (step, 0);
  nddr_step_push_i (step, packing.pitch[0] / 4);
  nddr_step_push_i (step, packing.pitch[1] / 4);
  nddr_step_push_i (step, packing.offset[1] / 4);
  nddr_step_push_i (step, packing.offset[2] / 4);
  nddr_step_push_i (step, (int) (format->width + 1) / 2 - 1);
  nddr_step_push_i (step, (has_fewer_rows (format) ? nddr_pixels_chroma_rows (format, format->interlaced) : packing.rows[1]) - 1);
  nddr_step_push_i (step, 0);
  /* within a field, chroma lies an eighth from the even row of the top one and of the odd row of the bottom one, and three from the other */
  gboolean fields = has_fields (format);
  /* a sample midway between two luma samples is a quarter of the way from each to the next sample; a co-sited one is
   * on the even one, and halfway for the odd */
  nddr_step_push_f (step, format->chroma_cosited_x ? 0 : .25);
  nddr_step_push_f (step, format->chroma_cosited_x ? .5 : .25);
  nddr_step_push_f (step, format->chroma_cosited_y ? 0 : fields ? .125 : .25);
  nddr_step_push_f (step, format->chroma_cosited_y ? .5 : fields ? .375 : .25);
  nddr_step_push_f (step, m.luma);
  nddr_step_push_f (step, m.cr_to_r);
  nddr_step_push_f (step, m.cb_to_b);
  nddr_step_push_f (step, m.cb_to_g);
  nddr_step_push_f (step, m.cr_to_g);
  for (int i = 0; i < 3; i++)
    nddr_step_push_f (step, m.offset[i]);
}
