/* What the kernels that touch pixels share (shaders/pixels.glsl): how a frame is described to them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>

G_BEGIN_DECLS

/** Whether frames of @format each say if they are interlaced. */
gboolean nddr_pixels_are_mixed (const NddrFrameFormat *format);
/** The chroma rows of a 4:2:0 frame. */
int nddr_pixels_chroma_rows (const NddrFrameFormat *format, gboolean interlaced);

/** Specialization constants 0 and 1, and the first 20 push words, of a kernel that reads @frame, packed as nddr_packing() says.  Of a mixed format
 * it reads such frames as @format's `interlaced` says.
 * @frame: (nullable): NULL where the kernel, as specialised, reads none: then only the places are taken. */
void nddr_pixels_source (NddrStep *step, NddrTensor *frame, const NddrFrameFormat *format);

/** Groups of four pixels in a row. */
static inline int nddr_pixel_groups (int width) { return (width + 3) / 4; }

G_END_DECLS
