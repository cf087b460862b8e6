/* Frames and pictures in memory: what their bytes mean, and what an output shows.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Memory layouts of pixels, named as GStreamer names them.  Since: 0.1 */
typedef enum
{
  NDDR_PIXEL_RGBA,
  NDDR_PIXEL_BGRA,
  NDDR_PIXEL_RGBX,
  NDDR_PIXEL_BGRX,
  NDDR_PIXEL_RGB,
  NDDR_PIXEL_BGR,
  NDDR_PIXEL_NV12,
  NDDR_PIXEL_I420,
  NDDR_PIXEL_YUY2,
  NDDR_PIXEL_GRAY8,
  NDDR_PIXEL_GRAY16_LE, /* outputs alone */
  NDDR_PIXEL_FLOAT,     /* outputs alone: float32 [height, width, channels], for NDDR_VIEW_HEAD */
} NddrPixelFormat;

/** What a frame's bytes mean.  Since: 0.1 */
typedef struct
{
  NddrPixelFormat format;
  guint width, height; /* from 1 to 16384 */
  /* Y'CbCr formats: the luma coefficients of red and blue (BT.601: 0.299, 0.114);
   * both 0 takes BT.601's */
  double kr, kb;
  gboolean full_range; /* 0..255; else 16..235 (luma, R'G'B') and 16..240 (chroma) */
  /* NV12, I420, YUY2: chroma samples lie on the luma samples of even columns (rows), rather
   * than midway between two.  YUY2 has a chroma row for each luma row: only the first matters. */
  gboolean chroma_cosited_x, chroma_cosited_y;
  /* NV12, I420: rows are of two fields in turn, and so are chroma rows, of which there is an even number; a
   * field's luma takes its own field's chroma, which lies at its own rows as in ITU-T H.262, 6.1.1.8 */
  gboolean interlaced;
  /* NV12, I420: each frame says whether it is interlaced, and has chroma rows accordingly; `interlaced`
   * above is not looked at */
  gboolean mixed;
} NddrFrameFormat;

/** A frame in host memory: up to three planes, each with its stride in bytes.  Since: 0.1 */
typedef struct
{
  guint8 *planes[3];
  gint strides[3];
  gboolean interlaced; /* as NddrFrameFormat's, of a frame whose format is mixed */
} NddrFrame;

/** What an output shows; see docs/element.md for each kind of task.  Since: 0.1 */
typedef enum
{
  NDDR_VIEW_OVERLAY, /* the map blended over the frame: RGBA, BGRA, RGBX, BGRX */
  NDDR_VIEW_MAP,     /* colours alone, alpha 255: the same formats */
  NDDR_VIEW_RAW,     /* GRAY8 class ids; RGB round ((n + 1) * 127.5); GRAY16_LE millimetres */
  NDDR_VIEW_HEAD,    /* FLOAT: the head's own output, at its own size */
} NddrView;

G_END_DECLS
