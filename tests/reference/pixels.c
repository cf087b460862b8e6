/* See pixels.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pixels.h"

#include <math.h>

/* ---- frames */

static int
sample (const NddrFrame *frame, int plane, int x, int y, int step, int offset)
{
  return frame->planes[plane][(gssize) y * frame->strides[plane] + x * step + offset];
}

/* a chroma plane of width x height samples, read between samples at (x, y), the nearest beyond its edges */
static double
chroma (const NddrFrame *frame, int plane, int step, int offset, int width, int height, double x, double y)
{
  int x0 = (int) floor (x), y0 = (int) floor (y);
  double sum = 0;

  for (int dy = 0; dy < 2; dy++)
    for (int dx = 0; dx < 2; dx++) {
      double weight = (dx ? x - x0 : 1 - (x - x0)) * (dy ? y - y0 : 1 - (y - y0));

      sum += weight * sample (frame, plane, CLAMP (x0 + dx, 0, width - 1), CLAMP (y0 + dy, 0, height - 1), step, offset);
    }
  return sum;
}

/* @siting: of the first chroma row, in luma rows */
static void
pixel_at (const NddrFrameFormat *f, const NddrFrame *frame, int x, int y, double siting, double rgb[3])
{
  int cw = (f->width + 1) / 2, ch = (f->height + 1) / 2;
  double black = f->full_range ? 0 : 16, scale = f->full_range ? 255 : 219, chroma_scale = f->full_range ? 255 : 224;
  double cx = (x - (f->chroma_cosited_x ? 0 : .5)) / 2, cy = (y - siting) / 2;
  double luma, cb = 128, cr = 128, kr = f->kr, kb = f->kb;

  switch (f->format) {
    case NDDR_PIXEL_RGBA:
    case NDDR_PIXEL_RGBX:
    case NDDR_PIXEL_BGRA:
    case NDDR_PIXEL_BGRX:
    case NDDR_PIXEL_RGB:
    case NDDR_PIXEL_BGR:
      for (int c = 0; c < 3; c++) {
        gboolean swapped = f->format == NDDR_PIXEL_BGRA || f->format == NDDR_PIXEL_BGRX || f->format == NDDR_PIXEL_BGR;
        int step = f->format == NDDR_PIXEL_RGB || f->format == NDDR_PIXEL_BGR ? 3 : 4;

        rgb[c] = CLAMP ((sample (frame, 0, x, y, step, swapped ? 2 - c : c) - black) / scale, 0, 1);
      }
      return;
    case NDDR_PIXEL_GRAY8:
      luma = sample (frame, 0, x, y, 1, 0);
      rgb[0] = rgb[1] = rgb[2] = CLAMP ((luma - black) / scale, 0, 1);
      return;
    case NDDR_PIXEL_NV12:
      luma = sample (frame, 0, x, y, 1, 0);
      cb = chroma (frame, 1, 2, 0, cw, ch, cx, cy);
      cr = chroma (frame, 1, 2, 1, cw, ch, cx, cy);
      break;
    case NDDR_PIXEL_I420:
      luma = sample (frame, 0, x, y, 1, 0);
      cb = chroma (frame, 1, 1, 0, cw, ch, cx, cy);
      cr = chroma (frame, 2, 1, 0, cw, ch, cx, cy);
      break;
    case NDDR_PIXEL_YUY2:
      luma = sample (frame, 0, x, y, 2, 0);
      cb = chroma (frame, 0, 4, 1, cw, f->height, cx, y);
      cr = chroma (frame, 0, 4, 3, cw, f->height, cx, y);
      break;
    default:
      g_assert_not_reached ();
  }
  if (kr == 0 && kb == 0) {
    kr = .299;
    kb = .114;
  }
  /* Y' = kr R' + (1 - kr - kb) G' + kb B'; Cb = (B' - Y') / (2 (1 - kb)); Cr = (R' - Y') / (2 (1 - kr)) */
  luma = (luma - black) / scale;
  cb = (cb - 128) / chroma_scale;
  cr = (cr - 128) / chroma_scale;
  rgb[0] = luma + 2 * (1 - kr) * cr;
  rgb[2] = luma + 2 * (1 - kb) * cb;
  rgb[1] = (luma - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
  for (int c = 0; c < 3; c++)
    rgb[c] = CLAMP (rgb[c], 0, 1);
}

/* of interlaced 4:2:0: a field is a frame of its own, of every second row of each plane.  Its chroma rows lie, by ITU-T H.262, 6.1.1.8, where
 * those of a progressive frame would, rows 4 k + 0.5 (top) and 4 k + 2.5 (bottom) of the whole frame: 2 k + 0.25 and 2 k + 0.75 of the field. */
static void
field_pixel (const NddrFrameFormat *f, const NddrFrame *frame, int x, int y, double rgb[3])
{
  NddrFrameFormat field = *f;
  NddrFrame rows = *frame;

  field.interlaced = FALSE;
  field.height = 2 * (((f->height + 1) / 2 + 1) / 2); /* as many chroma rows as each field has */
  for (int p = 0; p < 3; p++) {
    if (rows.planes[p])
      rows.planes[p] += (gssize) (y % 2) * frame->strides[p];
    rows.strides[p] *= 2;
  }
  pixel_at (&field, &rows, x, y / 2, f->chroma_cosited_y ? 0 : y % 2 ? .75 : .25, rgb);
}

void
reference_pixel (const NddrFrameFormat *f, const NddrFrame *frame, int x, int y, double rgb[3])
{
  if (f->interlaced && (f->format == NDDR_PIXEL_NV12 || f->format == NDDR_PIXEL_I420))
    field_pixel (f, frame, x, y, rgb);
  else
    pixel_at (f, frame, x, y, f->chroma_cosited_y ? 0 : .5, rgb);
}

/* [out][in]: how much each source sample counts */
static double *
triangle (int in, int out)
{
  double *weights = g_new (double, (gsize) in * out), scale = (double) in / out, half_width = MAX (scale, 1);

  for (int o = 0; o < out; o++) {
    double sum = 0;

    for (int i = 0; i < in; i++) {
      double distance = fabs ((i + .5) - (o + .5) * scale) / half_width;

      sum += weights[(gsize) o * in + i] = distance < 1 ? 1 - distance : 0;
    }
    for (int i = 0; i < in; i++)
      weights[(gsize) o * in + i] /= sum;
  }
  return weights;
}

double *
reference_ingest (const NddrFrameFormat *f, const NddrFrame *frame, int width, int height, const double mean[3], const double std[3])
{
  g_autofree double *wx = triangle (f->width, width), *wy = triangle (f->height, height);
  g_autofree double *rows = g_new0 (double, (gsize) f->height * width * 3), *line = g_new (double, (gsize) f->width * 3);
  double *out = g_new0 (double, (gsize) height * width * 3);

  for (guint y = 0; y < f->height; y++) {
    for (guint x = 0; x < f->width; x++)
      reference_pixel (f, frame, x, y, line + 3 * x);
    for (int o = 0; o < width; o++)
      for (guint x = 0; x < f->width; x++)
        if (wx[(gsize) o * f->width + x] != 0)
          for (int c = 0; c < 3; c++)
            rows[((gsize) y * width + o) * 3 + c] += wx[(gsize) o * f->width + x] * line[3 * x + c];
  }
  for (int o = 0; o < height; o++) {
    double *to = out + (gsize) o * width * 3;

    for (guint y = 0; y < f->height; y++)
      if (wy[(gsize) o * f->height + y] != 0)
        for (int i = 0; i < 3 * width; i++)
          to[i] += wy[(gsize) o * f->height + y] * rows[(gsize) y * width * 3 + i];
    for (int i = 0; i < 3 * width; i++)
      to[i] = (to[i] - mean[i % 3]) / std[i % 3];
  }
  return out;
}

/* ---- pictures */

static double
source (NddrResizeMode mode, int in, int out, int dst)
{
  double at;

  if (mode == NDDR_RESIZE_HALF_PIXEL)
    at = (dst + .5) * in / out - .5;
  else if (mode == NDDR_RESIZE_ALIGN_CORNERS)
    at = out == 1 ? 0 : (double) dst * (in - 1) / (out - 1);
  else
    at = (double) dst * in / out;
  return CLAMP (at, 0, in - 1);
}

static double
head_at (const ReferenceView *v, int c, double x, double y)
{
  int x0 = (int) floor (x), y0 = (int) floor (y), x1 = MIN (x0 + 1, v->width - 1), y1 = MIN (y0 + 1, v->height - 1);
#define AT(y, x) v->head[((gsize) (y) * v->width + (x)) * v->channels + c]
  double top = AT (y0, x0) + (x - x0) * (AT (y0, x1) - AT (y0, x0)), bottom = AT (y1, x0) + (x - x0) * (AT (y1, x1) - AT (y1, x0));
#undef AT

  return top + (y - y0) * (bottom - top);
}

/* the fit that the shader names, evaluated in double */
static double
viridis (int c, double t)
{
  static const double k[3][7] = {
    { 0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631 },
    { 0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535 },
    { 0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832 },
  };
  double sum = 0;

  for (int i = 0; i < 7; i++)
    sum += k[c][i] * pow (t, i);
  return CLAMP (sum, 0, 1);
}

#define ROUNDING 2e-3 /* of a byte: what float32 may differ in before a value is rounded */

double
reference_render (const ReferenceView *v, int x, int y, double value[3])
{
  double sx = source (v->resize, v->width, v->format->width, x), sy = source (v->resize, v->height, v->format->height, y);
  double tolerance = ROUNDING, rgb[3];

  if (v->kind == NDDR_TASK_SEGMENTATION) {
    double best = -INFINITY, second = -INFINITY;
    int id = 0;

    for (int c = 0; c < v->channels; c++) {
      double score = head_at (v, c, sx, sy);

      if (score > best) {
        second = best;
        best = score;
        id = c;
      } else {
        second = MAX (second, score);
      }
    }
    if (best - second < 1e-5 && best != second) /* equal for certain: the lowest index */
      return INFINITY;
    value[0] = id;
    for (int c = 0; c < 3; c++)
      rgb[c] = v->classes[id].color >> (16 - 8 * c) & 255;
  } else if (v->kind == NDDR_TASK_NORMAL) {
    double n[3], length = 0;

    for (int c = 0; c < 3; c++) {
      n[c] = head_at (v, c, sx, sy);
      length += n[c] * n[c];
    }
    length = sqrt (length);
    for (int c = 0; c < 3; c++)
      rgb[c] = ((length < 1e-6 ? 0 : n[c] / length) + 1) * 127.5;
  } else {
    double depth = head_at (v, 0, sx, sy);

    value[0] = CLAMP (depth * 1000, 0, 65535);
    for (int c = 0; c < 3; c++)
      rgb[c] = 255 * viridis (c, CLAMP (depth / 10, 0, 1));
    tolerance = 1e-2; /* the polynomial's terms cancel; millimetres are large numbers */
  }
  if (v->view == NDDR_VIEW_RAW && v->kind != NDDR_TASK_NORMAL)
    return tolerance;
  for (int c = 0; c < 3; c++)
    value[c] = rgb[c];
  if (v->view == NDDR_VIEW_OVERLAY) {
    double under[3];

    reference_pixel (v->format, v->frame, x, y, under);
    for (int c = 0; c < 3; c++) {
      if (fabs (rgb[c] - floor (rgb[c]) - .5) < (v->kind == NDDR_TASK_DEPTH ? 1e-2 : ROUNDING))
        tolerance += v->opacity; /* the colour may be one of two */
      value[c] = under[c] * 255 * (1 - v->opacity) + floor (rgb[c] + .5) * v->opacity;
    }
  }
  return tolerance;
}

char *
reference_check_picture (const ReferenceView *v, NddrPixelFormat format, const guint8 *picture, int stride)
{
  gsize unsure = 0, n = (gsize) v->format->width * v->format->height;

  for (guint y = 0; y < v->format->height; y++)
    for (guint x = 0; x < v->format->width; x++) {
      const guint8 *row = picture + (gssize) y * stride;
      double value[3], got[3], tolerance = reference_render (v, x, y, value);
      int n_values = format == NDDR_PIXEL_GRAY8 || format == NDDR_PIXEL_GRAY16_LE ? 1 : 3;
      gboolean swapped = format == NDDR_PIXEL_BGRA || format == NDDR_PIXEL_BGRX;

      if (isinf (tolerance)) {
        unsure++;
        continue;
      }
      for (int c = 0; c < n_values; c++) {
        if (format == NDDR_PIXEL_GRAY8)
          got[c] = row[x];
        else if (format == NDDR_PIXEL_GRAY16_LE)
          got[c] = row[2 * x] | row[2 * x + 1] << 8;
        else if (format == NDDR_PIXEL_RGB)
          got[c] = row[3 * x + c];
        else
          got[c] = row[4 * x + (swapped ? 2 - c : c)];
        if (!(fabs (got[c] - value[c]) <= .5 + tolerance))
          return g_strdup_printf ("pixel (%u, %u), value %d: got %g, want %.6f", x, y, c, got[c], value[c]);
      }
      if (n_values == 3 && format != NDDR_PIXEL_RGB && row[4 * x + 3] != 255)
        return g_strdup_printf ("pixel (%u, %u): alpha is %d, not 255", x, y, row[4 * x + 3]);
    }
  if (unsure > n / 100 + 2)
    return g_strdup_printf ("%" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " pixels have two best classes: this checks too little", unsure, n);
  return NULL;
}
