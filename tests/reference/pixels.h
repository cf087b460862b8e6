/* Pixels, in plain C: what frames mean, how they are resized, and what is drawn of a head's output.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/nddr-frame.h>

/** R'G'B' of one pixel, in [0, 1]. */
void reference_pixel (const NddrFrameFormat *format, const NddrFrame *frame, int x, int y, double rgb[3]);

/** (transfer full): [height][width][3]: the frame resized with antialiasing, then (v - mean) / std. */
double *reference_ingest (const NddrFrameFormat *format, const NddrFrame *frame, int width, int height, const double mean[3], const double std[3]);

/** What is drawn of a head, [height][width][channels]. */
typedef struct
{
  const double *head;
  int height, width, channels;
  NddrTaskKind kind;
  const NddrClass *classes;
  NddrResizeMode resize;
  NddrView view; /* not HEAD */
  const NddrFrameFormat *format; /* of the frame, which gives the picture's size */
  const NddrFrame *frame;        /* for OVERLAY */
  double opacity;
} ReferenceView;

/** One pixel of the picture, before its last rounding: R, G, B; or the class id or millimetres in value[0] alone.  Returns how far a correct
 * float32 computation may be from it, infinite where two classes are as good as equal. */
double reference_render (const ReferenceView *view, int x, int y, double value[3]);

/** Checks all of @picture, in @format, against reference_render(); (transfer full): what is wrong, or NULL. */
char *reference_check_picture (const ReferenceView *view, NddrPixelFormat format, const guint8 *picture, int stride);
