/* Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308) on software drivers: what the convolution and the gradient to its weights have in
 * common.  A map is cut into tiles of 4x4 outputs, eight to a block, and transformed to 36 numbers a tile and channel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>

G_BEGIN_DECLS

#define NDDR_WINOGRAD_POINTS 36
#define NDDR_WINOGRAD_LANES 8 /* tiles of a block */

/** How an output divides into tiles.  Those of a dilated convolution take every dilation'th row and column. */
typedef struct
{
  int images, height, width, dilation, total; /* total: of all images */
} NddrWinogradTiling;

NddrWinogradTiling nddr_winograd_tiling (const NddrTensor *output, int dilation);

/** First row and column of each tile's output, and its image; @blocks of eight, filled up with tiles outside of the map. */
NddrTensor *nddr_winograd_tiles (NddrPlan *plan, const NddrWinogradTiling *tiling, int blocks);

/** Appends a step that transforms @branches of @map at the tiles of some blocks: see winograd_patch.glsl.
 * @kernel: NDDR_KERNEL_WINOGRAD_IN or NDDR_KERNEL_WINOGRAD_GRADIENT
 * @patches: the result, [branch][36][block][channels / 4][8 tiles] texels */
void nddr_winograd_transform (NddrPlan *plan, NddrKernelId kernel, NddrBranches map, int branches, NddrTensor *tiles, int first_block, int blocks,
    int dilation, NddrTensor *patches);

G_END_DECLS
