/* What the families' convolutions implement, behind the operations of ops.h: convolution.c checks shapes, then calls these.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>

G_BEGIN_DECLS

/** Channels of all of @op's inputs together: the length of a row of its weights, in taps. */
static inline int
nddr_convolution_in_channels (const NddrConvolution *op)
{
  int channels = 0;
  for (int s = 0; s < op->n_inputs; s++)
    channels += op->inputs[s].tensor->channels;
  return channels;
}

/** The output's size for an input of @n along one axis: padding = dilation * (kernel - 1) / 2 on both sides. */
static inline int
nddr_convolution_size (int n, int stride)
{
  return (n - 1) / stride + 1;
}

/* convolution-software.c */

/* Forward: as @op->algorithm says or, where that does not fit, as estimated.  Returns the algorithm. */
NddrAlgorithm nddr_convolution_software_forward (NddrPlan *plan, const NddrConvolution *op);
void nddr_convolution_software_backward_data (NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy,
    gboolean accumulate);
/* convolution-weight-software.c */
void nddr_convolution_software_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db);

/* convolution-gpu.c */
NddrAlgorithm nddr_convolution_gpu_forward (NddrPlan *plan, const NddrConvolution *op);
void nddr_convolution_gpu_backward_data (NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy,
    gboolean accumulate);
/* convolution-weight-gpu.c */
void nddr_convolution_gpu_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db);

/* convolution-matrix.c */

/** What a workgroup of matrix_conv makes, and the kernel's specialization constants. */
typedef struct
{
  int m, n; /* pixels, output channels; 0: there is none */
  int variant;
  int splits, range; /* how many workgroups share a tile, each for so many octs of a row of weights; then their sums are added */
  guint32 spec[10]; /* those that follow are the product's own */
} NddrMatrixTile;

/** What is to be convolved: in each branch an output of @pixels and @channels, each the sum over a row of @octs of eight weights. */
typedef struct
{
  int branches, pixels, channels, octs;
} NddrMatrixShape;

/** How many tiles there are to try, split or not. */
int nddr_matrix_tiles (void);
/** The tile for @shape; @variant: 0: a choice, else one of 1 .. nddr_matrix_tiles ().  None (m = 0) where the device has no cooperative
 * matrices, or the variant does not fit it or the shape. */
NddrMatrixTile nddr_matrix_tile (const NddrTraits *traits, const NddrMatrixShape *shape, int variant);

/** What a workgroup of matrix_wgrad makes, and the kernel's specialization constants. */
typedef struct
{
  int m, n; /* output channels, input channels; 0: there is none */
  guint32 spec[10];
} NddrMatrixGradientTile;

/** The tile for a gradient to weights from @in to @out channels, padded ones included.  None (m = 0) where the device has no cooperative matrices,
 * or they or their shared memory are not such as the kernel needs. */
NddrMatrixGradientTile nddr_matrix_gradient_tile (const NddrTraits *traits, int out, int in);

G_END_DECLS
