/* Gradients to the weights of dense convolutions on software drivers: the product that both ways to make them come down to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/convolution.h>

G_BEGIN_DECLS

/** Which operand of a product lies across the lanes, and how many quads of the other go with them. */
typedef struct
{
  int shared_quads; /* 4 or 8 */
  gboolean swap;    /* dy across the lanes, for kernels of one tap: else x, its quads counted over taps */
  int lane_tiles, tiles;
} NddrWeightTiling;

/** Of @taps taps; @may_swap: whether dy may lie across the lanes. */
NddrWeightTiling nddr_weight_tiling (int x_quads, int dy_quads, int taps, gboolean may_swap);

/** Products of x and dy, summed over pixels: see wgrad.comp, which also says how the sums lie. */
typedef struct
{
  NddrTensor *x, *dy, *sums;
  gint32 x_first, x_branch, x_source, dy_first, dy_branch; /* texels, from each tensor's start */
  int branches, sources;
  int x_quads, dy_quads, pixels;
  int splits, rounds, steps; /* of pixels: steps of four, whose sums are added up in rounds */
  NddrWeightTiling tiling;
  const NddrConvolution *op; /* kernel, stride and dilation, and the sizes of its maps; NULL: pixels are tiles, as nddr_winograd_transform() lays them out */
  gboolean add;              /* to the sums that are there */
} NddrWeightProduct;

void nddr_weight_product (NddrPlan *plan, const NddrWeightProduct *product);

/** The share of the output, 0 to 1, that a tap reaches the input from, on average over the taps: products leave most of the others out, rows and columns of
 * them. 1 where that is nearly all, and nothing is left out. */
double nddr_weight_reach (const NddrConvolution *op);

/* convolution-weight-winograd.c: 3x3 of stride 1, by a quarter of the multiplications */

/** Whether it can make the gradient to @op's weights, and is expected to be faster. */
gboolean nddr_winograd_weight_pays (const NddrPlan *plan, const NddrConvolution *op);
void nddr_winograd_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw);

G_END_DECLS
