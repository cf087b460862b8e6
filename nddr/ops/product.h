/* Products, which dense convolutions and the gradients of their inputs are on software drivers: sums over the taps of a grid of pixels.
 *
 *   convolution-software.c  ->  product.c  ->  product-direct.c, product-winograd.c  ->  product-pack.c, steps
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/convolution.h>

G_BEGIN_DECLS

/** A kernel's taps along one axis: tap i of n reads grid position * in_stride + first + i * step, with the weights' tap
 * weight_first + i * weight_step. */
typedef struct
{
  int n, first, step, weight_first, weight_step;
} NddrTaps;

/** A source of one product: branch b of the product reads branch first + step * b. */
typedef struct
{
  NddrTensor *tensor;
  int first, step;
  int weight_start; /* of branch 0's weights for it, in floats */
} NddrProductSource;

/**
 * output[b] (a grid of its pixels) = clamp (sum over sources and taps of weights * source + bias + residual).  The grid is every
 * out_stride'th pixel of the output from out_y, out_x on.
 *
 * The weight of row r (output channel), column c (input channel) and tap (i, j) of branch b is, in floats,
 * source.weight_start + b * weight_branch + r * weight_row + c * weight_column + (y tap * kernel + x tap) of op->kernel.
 */
typedef struct
{
  NddrBranches output, residual;
  int branches;
  const NddrProductSource *sources;
  int n_sources;
  NddrTensor *weight, *bias;
  int kernel, weight_branch, weight_row, weight_column;
  gboolean empty; /* no tap reaches the grid: the sum is zero */
  NddrTaps y, x;
  int in_stride, out_stride, out_y, out_x, grid_height, grid_width;
  float low, high;
  int pack_phase;
  gboolean repacked; /* before each run */
  NddrAlgorithm algorithm;
} NddrProduct;

/** Texels of four channels in a pixel of a source: as many as from one pixel to the next (nddr_tensor_texels()), but in a spread copy. */
static inline int
nddr_source_quads (const NddrTensor *t)
{
  return (t->channels + 3) / 4;
}

/** Appends the steps that compute @product: as its algorithm says or, where that does not fit, as estimated.  Returns the algorithm. */
NddrAlgorithm nddr_product (NddrPlan *plan, const NddrProduct *product);

/* product-pack.c */

/** Part of a product's weights on their way into a kernel's layout: see conv_pack.glsl. */
typedef struct
{
  NddrKernelId kernel; /* NDDR_KERNEL_CONV_PACK, NDDR_KERNEL_WINOGRAD_PACK */
  NddrTensor *from, *to;
  int start, branch_stride, row_stride, column_stride, tap_y_stride, tap_x_stride; /* floats */
  int rows, columns, taps_y, taps_x;
  int block, n_blocks, branches;
  int to_start, to_branch, to_block, to_point; /* texels; to_branch: from one branch of @to to the next */
  gboolean with_bias; /* each block's biases, a texel each, zeros where @bias is NULL, go with them: from @bias_start on, blocks @bias_block texels apart */
  NddrTensor *bias;
  int bias_channels, bias_start, bias_block;
} NddrPack;

void nddr_pack (NddrPlan *plan, const NddrPack *pack);
/** What is common to all parts of @product's weights, source @s, the biases with the first: strides and sizes, but not where they go. */
NddrPack nddr_product_weights (const NddrProduct *product, int s);

/* product-direct.c */

#define NDDR_PRODUCT_PIXELS 32 /* of one workgroup of conv_direct.comp */
#define NDDR_PRODUCT_SOURCES 6 /* of one step: its bindings and push constants */

/** How many output channels a workgroup should do, of 8, 16, 24, 32, where it sums over @quads texels a pixel. */
int nddr_product_block (int channels, int quads);

/** Packed weights of a direct product: their layout, as conv_direct.comp describes it. */
typedef struct
{
  NddrTensor *tensor;
  int block, n_blocks, block_texels, branch_texels, n_segments;
} NddrDirectWeights;

/** @product's weights for blocks of as many channels as its algorithm says, packed by steps that this appends. */
NddrDirectWeights nddr_direct_weights (NddrPlan *plan, const NddrProduct *product);
/** Of at most NDDR_PRODUCT_SOURCES sources. */
void nddr_direct (NddrPlan *plan, const NddrProduct *product);

/* product-regions.c: direct products of a grid in parts */

/** From which positions of an axis, *@low to *@high - 1 of @count, a tap reaches an input of @size: at position i it lies at i * @stride + @at. */
void nddr_tap_reach (int at, int stride, int size, int count, int *low, int *high);

#define NDDR_MAX_REGIONS 9

/** Some rows and columns of a product's grid. */
typedef struct
{
  int row, rows, column, columns;
} NddrRegion;

/** The regions that a direct product's grid is best computed in, one after the other: returns how many, at least one.
 * @share: (out): of multiply-adds of all taps everywhere, those that are computed then. */
int nddr_product_regions (const NddrProduct *product, NddrRegion regions[NDDR_MAX_REGIONS], double *share);

/* product-spread.c: direct products of copies of their sources, which caches hold better */

/** Whether @product has sources for which that matters; whether it is expected to be faster. */
gboolean nddr_spread_fits (const NddrPlan *plan, const NddrProduct *product);
gboolean nddr_spread_pays (const NddrPlan *plan, const NddrProduct *product);
/** (transfer full): @product's sources, those for which it matters replaced with copies; appends the steps that make these. */
NddrProductSource *nddr_spread_sources (NddrPlan *plan, const NddrProduct *product);

/* product-winograd.c: 3x3 of stride 1 by F(4x4, 3x3) */

/** Whether it can do @product; whether it is expected to be faster. */
gboolean nddr_winograd_fits (const NddrPlan *plan, const NddrProduct *product);
gboolean nddr_winograd_pays (const NddrProduct *product);
/** The algorithm that is expected to be the fastest for @product: blocks of a part times channels, in and out. */
NddrAlgorithm nddr_winograd_estimate (const NddrProduct *product);
/** In parts of as many blocks as the product's algorithm says. */
void nddr_winograd (NddrPlan *plan, const NddrProduct *product);

G_END_DECLS
