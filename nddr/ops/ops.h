/* Operations: what layers are made of.  Each appends its steps to a plan; forward and backward side by side, one file an
 * operation.  Each works on both kernel families, chooses kernels by the plan's traits, and is tested against
 * tests/reference in double precision.
 *
 * Maps are [branches][batch][height][width][channels], channels padded with zeros to a multiple of 4 (8 in fp16); an
 * operation leaves the padding zero.  Parameters are flat tensors in the files' layout, [branches][out][in][kh][kw], in
 * PARAMS; gradients of parameters have the same layout in STATE.
 *
 * Backward operations exist in fp32 alone; but on GPUs a convolution's inputs, and dy, may also be fp16 maps among fp32
 * ones: then weights are rounded to fp16 for it, products of halves are summed in fp32, and its outputs and gradients are
 * fp32 (mixed precision).  Accumulate: a value that several layers read gets its gradient in parts: the first part writes
 * (accumulate FALSE), the later ones add (TRUE).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/nddr-frame.h>
#include <nddr/plan.h>

G_BEGIN_DECLS

/** Some branches of a map: branch b of an operation uses branch first + step * b of @tensor.  NULL: none. */
typedef struct
{
  NddrTensor *tensor;
  int first, step;
} NddrBranches;

#define NDDR_BRANCHES(t) ((NddrBranches){ (t), 0, 1 })

/* ---- convolution.c: dense, any kernel size, stride, dilation; padding = dilation * (kernel - 1) / 2 */

/** y[b] = clamp (sum over sources s, taps of w[b] x_s + bias[b] + residual[b], low, high).
 * Inputs are concatenated along channels without ever being written side by side. */
typedef struct
{
  NddrBranches output;           /* written */
  int branches;
  const NddrBranches *inputs;    /* n_inputs of one height, width and batch */
  int n_inputs;
  NddrTensor *weight;            /* PARAMS, flat: [branches][out][sum of in][k][k] */
  NddrTensor *bias;              /* PARAMS, flat: [branches][out]; or NULL */
  NddrBranches residual;         /* the output's shape; may be the output itself (adds to it); tensor NULL: none */
  int kernel, stride, dilation;
  float low, high;               /* -INFINITY, INFINITY: no activation; 0, INFINITY: ReLU; 0, 6: ReLU6 */
  int pack_phase;                /* the phase in which the weights are brought into the kernel's layout: run before the forward
                                  * phase, once for inference, each step for training */
  gboolean repacked;             /* TRUE: each step: estimates count what that takes */
  NddrAlgorithm algorithm;                   /* NDDR_ALGORITHM_CHOOSE: the plan's tuning, or estimates; one that does not fit is ignored */
} NddrConvolution;

void nddr_convolution_forward (NddrPlan *plan, const NddrConvolution *op);
/** The gradient of input @s of @op (low, high, bias and residual ignored), given that of its output.  Inputs that all branches read
 * (step 0) and that lie one after the other in one tensor (a fusion layer's) are done by one call with @s = 0 and
 * @count = n_inputs: dx then has branches first .. first + count - 1 of it. Otherwise count = 1.
 * @dx: has the input's shape, and its branches. */
void nddr_convolution_backward_data (NddrPlan *plan, const NddrConvolution *op, int s, int count, NddrBranches dx, NddrBranches dy, gboolean accumulate);
/** dw: flat as op->weight.  db: flat as op->bias, or NULL.  Both written.  Summed in a fixed order: the same bits every run. */
void nddr_convolution_backward_weight (NddrPlan *plan, const NddrConvolution *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db);

/* ---- cast.c: maps for products of halves, in plans of floats on GPUs */

/** @output = @input, an fp16 map of its shape: rounded to what is near, infinite beyond 65504. */
void nddr_cast (NddrPlan *plan, NddrTensor *output, NddrTensor *input);

/* ---- depthwise.c: 3x3, one filter a channel: weight [branches][C][1][3][3] */

typedef struct
{
  NddrBranches output, input;
  int branches;
  NddrTensor *weight, *bias;     /* PARAMS, flat; bias may be NULL */
  int stride, dilation;
  float low, high;
  int pack_phase;
} NddrDepthwise;

void nddr_depthwise_forward (NddrPlan *plan, const NddrDepthwise *op);
void nddr_depthwise_backward_data (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dx, NddrBranches dy, gboolean accumulate);
void nddr_depthwise_backward_weight (NddrPlan *plan, const NddrDepthwise *op, NddrBranches dy, NddrTensor *dw, NddrTensor *db);

/* ---- convolution-depthwise.c: a 1x1 convolution and the depthwise one behind it in one step, forward */

/** What an inverted residual begins with (Sandler et al., MobileNetV2, CVPR 2018), where nothing else reads the map between: that is not written. */
typedef struct
{
  NddrConvolution convolution; /* its output's tensor is NULL */
  NddrDepthwise depthwise;     /* its input's likewise */
} NddrConvolutionDepthwise;

/** Whether there is a kernel for it; whether that is expected to be worth its while. */
gboolean nddr_convolution_depthwise_fits (const NddrPlan *plan, const NddrConvolutionDepthwise *op);
gboolean nddr_convolution_depthwise_pays (const NddrPlan *plan, const NddrConvolutionDepthwise *op);
void nddr_convolution_depthwise_forward (NddrPlan *plan, const NddrConvolutionDepthwise *op);

/** Where several processes each hold a part of the batch, all of one size: which this is.  Chance goes by the whole batch, so that what they
 * draw together is what one would.  All zero: the whole. */
typedef struct
{
  int index, count;
} NddrShare;

/* ---- norm.c: batch normalisation in training, PyTorch's BatchNorm2d; each branch has its own */

/** z = dropout (clamp ((y - mean) * inv * weight + bias + residual, low, high)), mean and inv = 1 / sqrt (var + eps) over batch,
 * height and width of each branch and channel (biased variance). running = (1 - momentum) * running + momentum * batch (unbiased).
 * Frozen: mean and var are the running ones, which stay: BatchNorm2d.eval ().
 * Synchronised: batch statistics are those of the whole batch, of which each process has a share: PyTorch's SyncBatchNorm.  Forward and backward then
 * make a mark each (nddr_plan_mark()), that holds, at which the host brings together what all processes have. */
typedef struct
{
  NddrTensor *input;             /* y: a convolution's output; all branches */
  NddrTensor *output;            /* z: the same shape */
  NddrBranches residual;         /* or NULL */
  NddrTensor *weight, *bias;     /* PARAMS, flat: [branches][C] */
  NddrTensor *running_mean, *running_var; /* STATE, flat: updated unless frozen */
  gboolean frozen;
  NddrTensor *saved;             /* out: made by forward: mean and inv of each branch and channel, for backward */
  float eps, momentum, low, high;
  float dropout;                 /* probability that an element becomes 0; the others are divided by 1 - p.  0: none */
  guint32 dropout_layer;         /* so that layers differ */
  NddrTensor *random;            /* INPUT, 4 words: seed (2), step (2): with dropout_layer and the element's index the
                                  * counter of a counter-based generator (Philox or PCG); backward makes the same mask again */
  NddrShare share;
  gboolean synchronised;         /* where share.count > 1 and not frozen */
  /* out, EXCHANGE, synchronised: at forward's mark the host puts the `statistics` of all processes into all_statistics, [branches][count] of what
   * each has a branch, in the order of their shares; at backward's it sums `sums` over the processes, in place */
  NddrTensor *statistics, *all_statistics, *sums;
} NddrNorm;

void nddr_norm_forward (NddrPlan *plan, NddrNorm *op);
/** dz -> dy (may be the same tensor as dz: in place), dweight, dbias; and dresidual (accumulate as told; tensor NULL: none): dz through
 * dropout and activation. Whether the clamp was active is seen from the input again, not from the output. Frozen: dweight and dbias may
 * both be NULL. */
void nddr_norm_backward (NddrPlan *plan, NddrNorm *op, NddrTensor *dy, NddrTensor *dz, NddrTensor *dweight, NddrTensor *dbias,
    NddrBranches dresidual, gboolean accumulate);

/** For a layer without normalisation: z = dropout (clamp (y, low, high)), in place or not, and its gradient (from y). */
typedef struct
{
  NddrTensor *input, *output;
  float low, high, dropout;
  guint32 dropout_layer;
  NddrTensor *random;
  NddrShare share;
} NddrActivate;
void nddr_activate_forward (NddrPlan *plan, const NddrActivate *op);
void nddr_activate_backward (NddrPlan *plan, const NddrActivate *op, NddrTensor *dy, NddrTensor *dz);

/* ---- pool.c: 3x3, all branches of the tensor */

typedef struct
{
  NddrTensor *output, *input;
  gboolean average;   /* stride 1, padding 1 not counted; else max */
  int stride;         /* 1: padding 1; 2: `padding` */
  NddrPoolPadding padding;
} NddrPool;
/** The output's size for an input of @n along one axis. */
int nddr_pool_size (int n, int stride, NddrPoolPadding padding);
void nddr_pool_forward (NddrPlan *plan, const NddrPool *op);
/** Max: the gradient goes to the first maximum in row-major order of the window, PyTorch's choice. */
void nddr_pool_backward (NddrPlan *plan, const NddrPool *op, NddrTensor *dx, NddrTensor *dy, gboolean accumulate);

/* ---- resize.c: bilinear, not antialiased, all branches; PyTorch's interpolate () or TensorFlow 1's */

typedef struct
{
  NddrTensor *output, *input; /* any two sizes; the same channels, branches, batch */
  NddrResizeMode mode;
} NddrResize;
void nddr_resize_forward (NddrPlan *plan, const NddrResize *op);
void nddr_resize_backward (NddrPlan *plan, const NddrResize *op, NddrTensor *dx, NddrTensor *dy, gboolean accumulate);

/* ---- mix.c: weighted sums of maps */

/** Branches mixed with each other: each branch's channels are cut into parts, and each part of the output is the sum over all parts of
 * the inputs, each times a weight of its own: for each channel (y[r][c] = sum over q of w[c][r][q] x[q][c]) or for all
 * (w[r][q]).  A branch's parts are side by side in r and q. */
typedef struct
{
  NddrBranches output;   /* written */
  int branches;
  NddrBranches input;    /* n_inputs branches, of the output's shape */
  int n_inputs;
  int parts;             /* of a branch: 1, or 2 where its channels are a multiple of 8 */
  gboolean each_channel;
  NddrTensor *weight;    /* PARAMS, flat: each_channel: [channels / parts][branches * parts][n_inputs * parts]; else without the first */
  int pack_phase;
} NddrMix;
void nddr_mix_forward (NddrPlan *plan, const NddrMix *op);
/** @dx: the n_inputs branches' gradients. */
void nddr_mix_backward_data (NddrPlan *plan, const NddrMix *op, NddrBranches dx, NddrBranches dy, gboolean accumulate);
/** dw: flat as op->weight.  Summed in a fixed order. */
void nddr_mix_backward_weight (NddrPlan *plan, const NddrMix *op, NddrBranches dy, NddrTensor *dw);

/** Several maps of each branch: y[b] = sum over i of w[b][i] x_i[b]. */
typedef struct
{
  NddrBranches output;         /* written; no input lies in it */
  int branches;
  const NddrBranches *inputs;  /* n_inputs, of the output's shape */
  int n_inputs;
  NddrTensor *weight;          /* PARAMS, flat: [branches][n_inputs] */
  int pack_phase;
} NddrBlend;
void nddr_blend_forward (NddrPlan *plan, const NddrBlend *op);
/** The gradient of input @i. */
void nddr_blend_backward_data (NddrPlan *plan, const NddrBlend *op, int i, NddrBranches dx, NddrBranches dy, gboolean accumulate);
void nddr_blend_backward_weight (NddrPlan *plan, const NddrBlend *op, NddrBranches dy, NddrTensor *dw);

/* ---- loss.c: a task's losses and their gradients.  Outputs and labels have one size here; see resize for input resolution */

typedef struct
{
  NddrTaskKind kind;
  NddrBranches prediction;   /* [1][batch][h][w][channels]: scores, a vector, or metres */
  NddrBranches gradient;     /* out: the same shape: d (weight * loss) / d prediction */
  NddrTensor *label;         /* INPUT. segmentation: bytes [batch][h][w], 255 ignored; normal: float [batch][h][w][4] (x, y, z, valid 0 or 1),
                              * unit vectors; depth: float [batch][h][w], 0 ignored */
  NddrTensor *scale;         /* INPUT, float [2]: 1 / (number of valid pixels of the whole batch, or sum of their classes' weights), weight of the task */
  NddrTensor *loss;          /* OUTPUT, float [1]: the mean, before its weight */
  NddrTensor *class_weights; /* INPUT, float [classes]: what each pixel of a class counts with, as PyTorch's CrossEntropyLoss has it; segmentation alone.
                              * NULL: all alike */
  gboolean angle;            /* normals: the angle in place of 1 - cos */
} NddrLoss;
/** Softmax cross-entropy; 1 - cos (the prediction's length clamped below at 1e-8, PyTorch's cosine_similarity) or the angle, in radians, whose gradient
 * falls to 0 within 1e-3 of 0 and of pi; absolute error. */
void nddr_loss (NddrPlan *plan, const NddrLoss *op);

/* What a teacher gives, as a loss besides that of a task's labels (Hinton et al., 2015). */
typedef struct
{
  NddrTaskKind kind;
  NddrBranches prediction; /* [1][batch][h][w][channels], as NddrLoss has it */
  NddrBranches gradient;   /* added to: d (weight * loss) / d prediction; what it holds was written before */
  NddrTensor *teacher;     /* [1][batch][h][w][channels]: the same of the teacher */
  NddrTensor *shown;       /* INPUT, int [batch][2]: width and height of each picture's upper left part that counts; the rest is padding */
  NddrTensor *scale;       /* INPUT, float [2]: 1 / (number of pixels of the whole batch that count), weight */
  NddrTensor *loss;        /* OUTPUT, float [1]: the mean, before its weight */
  double temperature;      /* of segmentation: scores are divided by it */
  gboolean angle;          /* as NddrLoss has it */
} NddrDistillation;
/** T² times the Kullback-Leibler divergence of softmax (prediction / T) from softmax (teacher / T), T the temperature; 1 - cos (lengths clamped below at
 * 1e-8) or the angle; absolute difference. */
void nddr_distillation (NddrPlan *plan, const NddrDistillation *op);

/* ---- overlap.c: a penalty on a convolution's weights */

/** The squared Frobenius norm of A B^T, summed over branches: A and B are the first and the second half of a branch's filters, a row
 * each. */
typedef struct
{
  NddrTensor *weight;   /* PARAMS, flat: [branches][rows][columns]; rows: a multiple of 8 */
  int branches, rows, columns;
  NddrTensor *scale;    /* INPUT, float [2]: 1, the penalty's factor */
  NddrTensor *overlap;  /* OUTPUT, float [1]: the norm, times the former */
  NddrTensor *dweight;  /* STATE, flat: its gradient, times the factor, is added */
} NddrOverlap;
void nddr_overlap (NddrPlan *plan, const NddrOverlap *op);

/* ---- gradients.c: flat tensors between the backward pass and the optimiser, of any length */

/** total = part, or with @accumulate total + part. */
void nddr_gradients_add (NddrPlan *plan, NddrTensor *total, NddrTensor *part, gboolean accumulate);

typedef struct
{
  NddrTensor *x;
  NddrTensor *sum;    /* OUTPUT, float [1]: of squares.  Not finite where an element is not, or where the sum leaves float's range */
  NddrTensor *factor; /* float [1], or NULL: min (1, max_norm / (sqrt (sum) + 1e-6)), PyTorch's clip_grad_norm_() */
  double max_norm;
  NddrTensor *unit;   /* INPUT, float [1], or NULL: @x times this is what is meant: @factor has it in it, and is 0 where the sum is not finite; @sum is
                       * of @x as it is */
} NddrSquares;
/** Summed in a fixed order: the same bits every run. */
void nddr_squares (NddrPlan *plan, const NddrSquares *op);

/* ---- optimizer.c: parameters in PARAMS, gradients and moments in STATE: flat tensors of one length */

typedef struct
{
  NddrTensor *params, *gradients, *moment1, *moment2; /* moment2: AdamW alone */
  NddrTensor *groups;      /* TABLES, uint32 [n / 64]: the group of each 64 parameters (tensors start at multiples of 64) */
  NddrTensor *rates;       /* INPUT, float [n_groups][4]: learning rate, weight decay, unused, unused; then for AdamW, in the row after the
                            * last group: 1 / (1 - beta1^t), 1 / (1 - beta2^t) */
  int n_groups;
  NddrTensor *clip;        /* float [1], or NULL: what gradients are multiplied by first */
  gboolean guarded;        /* where that is 0, nothing changes */
  gboolean adamw;
  double momentum;                  /* SGD: v = momentum * v + g + decay * w; w -= rate * v */
  double beta1, beta2, adam_eps;    /* AdamW, PyTorch's: w -= rate * decay * w; then w -= rate * m^ / (sqrt (v^) + eps) */
} NddrOptimizer;
void nddr_optimizer_step (NddrPlan *plan, const NddrOptimizer *op);

/* ---- fill.c */
void nddr_zero (NddrPlan *plan, NddrTensor *tensor);

/* ---- measure.c: what a device can do at most */

#define NDDR_MEASURE_FACTOR 0.999f
#define NDDR_MEASURE_SHIFT 0.001f

/** Multiply-adds in 32 bits.  Texel i of @output, flat floats, gets the sum over j = 0 .. 3 of the vectors (4 j, 4 j + 1, 4 j + 2, 4 j + 3) + i % 8, each
 * component first 32 * @rounds times multiplied by NDDR_MEASURE_FACTOR and added NDDR_MEASURE_SHIFT.  Its texels are a multiple of 64.
 * Returns: floating-point operations. */
double nddr_measure_fma (NddrPlan *plan, NddrTensor *output, int rounds);
/** Products on cooperative matrices, which the device has.
 * @input: flat, NDDR_F16: a matrix [m][k], then the transpose of the other, [n][k]
 * @output: flat floats, [a multiple of 4][m][n]: each 28 + 32 * @rounds times their product
 * Returns: floating-point operations */
double nddr_measure_matrix (NddrPlan *plan, NddrTensor *output, NddrTensor *input, int rounds);
/** @output = @input, flat floats of one length.  Returns: bytes read and written. */
double nddr_measure_copy (NddrPlan *plan, NddrTensor *output, NddrTensor *input);

/* ---- ingest.c: a frame's bytes -> the network's input */

/** Where a format's planes lie in a packed frame.  Rows start at multiples of 16 bytes and have room for whole groups of four
 * pixels, so that kernels read and write 16 bytes at a time and never across a row's end. */
typedef struct
{
  int n_planes;
  gsize offset[3];   /* of the plane, a multiple of 16 */
  int row_bytes[3];  /* bytes of a row that are pixels */
  int pitch[3];      /* from row to row, a multiple of 16 */
  int rows[3];
  gsize bytes; /* of the whole, a multiple of 16 */
} NddrPacking;
void nddr_packing (const NddrFrameFormat *format, NddrPacking *packing);

/** @frame (INPUT, bytes, packed as nddr_packing() says) -> R'G'B' in [0, 1] (clamped) by the format's matrix, range and siting, chroma
 * interpolated linearly (within its field) -> resized to @output's size with half-pixel centres, the triangle widened by the factor where it shrinks
 * (Pillow's BILINEAR, PyTorch's antialias=True) -> (x - mean) / std -> @output, [1][1][h][w][3]. */
void nddr_ingest (NddrPlan *plan, NddrTensor *output, NddrTensor *frame, const NddrFrameFormat *format, const double mean[3], const double std[3]);

/* ---- render.c: a head's output -> a picture */

typedef struct
{
  NddrTensor *picture;       /* OUTPUT, bytes, packed */
  NddrTensor *frame;         /* INPUT, bytes: what OVERLAY blends over */
  NddrFrameFormat input;     /* the frame's */
  NddrBranches head;         /* [1][1][h][w][channels] */
  NddrTaskKind kind;
  NddrView view;
  NddrPixelFormat format;
  NddrResizeMode resize;
  const NddrClass *classes;
  guint n_classes;
  NddrTensor *opacities;     /* INPUT, float [n outputs] */
  int index;                 /* this output's opacity */
} NddrRender;
/** Upsamples the head to the frame's size bilinearly (@resize), then arg-max (lowest index on a tie), unit length ((0, 0, 0) where
 * under 1e-6) or metres; colours; blends; packs.  NDDR_VIEW_HEAD copies the head, unpadded floats. */
void nddr_render (NddrPlan *plan, const NddrRender *op);

G_END_DECLS
