/* A network: layers, and the values between them.  No sizes, no device, no weights.
 *
 * The only place where "VGG-16", "NDDR" or "shortcut" is spelled out: a backbone or a fusion is one
 * file that appends layers.
 *
 * Branches.  Tasks run side by side: a layer acts on all its branches at once, with weights of its own
 * for each and one shape for all.  A value is [branches][batch][height][width][channels].  Branch b of a
 * layer's output is made from branch `first + step * b` of each input: step 1 for a trunk's
 * layer, step 0 where all branches read the same (a fusion layer reads source k = {value, k, 0}; heads
 * of a shared trunk read {trunk, 0, 0}).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/arrays.h>

G_BEGIN_DECLS

typedef enum
{
  NDDR_LAYER_CONVOLUTION, /* -> norm -> + residual -> activation */
  NDDR_LAYER_DEPTHWISE,   /* the same, one filter a channel */
  NDDR_LAYER_MAX_POOL,    /* 3x3; padding never wins */
  NDDR_LAYER_AVERAGE_POOL, /* 3x3 stride 1, padding not counted */
  NDDR_LAYER_RESIZE,      /* bilinear, to the size of value `like` */
  NDDR_LAYER_MIX,         /* branches mixed with each other by learnt weights: see NddrMix */
  NDDR_LAYER_BLEND,       /* several maps of a branch added up by learnt weights: see NddrBlend */
} NddrLayerKind;

typedef enum { NDDR_ACTIVATION_NONE, NDDR_ACTIVATION_RELU, NDDR_ACTIVATION_RELU6 } NddrActivation;

/** What a layer is for: decides its learning rate and how it starts. */
typedef enum
{
  NDDR_ROLE_TRUNK,
  NDDR_ROLE_FUSION,
  NDDR_ROLE_SHORTCUT,
  NDDR_ROLE_HEAD,      /* fc6, fc7 */
  NDDR_ROLE_HEAD_LAST, /* fc8, aspp: the task's channels, no norm, no activation */
} NddrRole;

typedef struct
{
  int value; /* index in NddrNetwork.values */
  int first, step;
} NddrInput;

typedef struct
{
  NddrLayerKind kind;
  NddrRole role;
  char *label;        /* to be printed: "conv1_1", "features.3.conv.0", "nddr.2", "fc6" */
  NddrInput *inputs;  /* convolution: concatenated along channels, in order; MIX: a value's branches; BLEND: maps; others: one */
  int n_inputs;
  NddrInput residual; /* value -1: none */
  int output;         /* value; it has `branches` branches */
  int branches;
  int kernel, stride, dilation; /* convolutions pad by dilation * (kernel - 1) / 2 on every side */
  NddrActivation activation;
  gboolean bias, norm; /* whether any branch has one */
  gboolean dropout; /* follows it in training */
  int like;         /* RESIZE: the value whose size to take */
  int fusion_stage; /* FUSION: 1 .. S */
  int parts;        /* MIX: into how many a branch's channels are cut */
  gboolean each_channel; /* MIX: each channel of a part has weights of its own */
  gboolean penalised; /* training adds the overlap of the two halves of its filters */
  /* for each branch: the base name of its tensors; convolution: NAME.weight [out, in, kh, kw] (depthwise
   * [C, 1, k, k]), NAME.bias; its normalisation: NORM.weight, .bias, .running_mean, .running_var.  MIX: names[0].weight is for all branches, the
   * others are NULL; BLEND: NAME itself, [n_inputs] */
  char **names, **norms;
  /* for each branch: whether it has that; trunks that started from different files may differ, and in inference
   * the one without is a bias of zeros or a normalisation that changes nothing */
  gboolean *has_bias, *has_norm;
  int *tasks; /* for each branch: the task it belongs to; -1: shared */
} NddrLayer;

typedef struct
{
  int branches, channels;
  int producer; /* layer, or -1: the network's input (1 branch, 3 channels) */
} NddrValue;

typedef struct
{
  GArray *layers;      /* of NddrLayer, in an order in which they can run */
  GArray *values;      /* of NddrValue; value 0 is the input image, normalised */
  NddrInput *heads;    /* for each task of the config; value -1 where it was not requested */
  int n_tasks;
  NddrPoolPadding pool_padding;
  NddrResizeMode resize;
  double norm_eps;
} NddrNetwork;

/**
 * Builds the network that @config means.
 * @tensors: (nullable): decides which convolutions have a bias and which a normalisation, as a file
 *   does; NULL: a new network's own.
 * @requested: (nullable): for each task, whether its head is wanted; what only the others need is
 *   left out.  NULL: all.
 */
NddrNetwork *nddr_network_new (const NddrConfig *config, const NddrArrays *tensors, const gboolean *requested, GError **error);
void nddr_network_free (NddrNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrNetwork, nddr_network_free)

static inline NddrLayer *nddr_network_layer (const NddrNetwork *n, int i) { return &g_array_index (n->layers, NddrLayer, i); }
static inline NddrValue *nddr_network_value (const NddrNetwork *n, int i) { return &g_array_index (n->values, NddrValue, i); }

/** The channels that a convolution sums over: those of all its inputs. */
int nddr_network_in_channels (const NddrNetwork *network, const NddrLayer *layer);

/** The dimensions of the tensor of weights that @branch of @layer has in a file. Returns how many there are; 0: it has none of its own. */
guint nddr_network_weight_dims (const NddrNetwork *network, const NddrLayer *layer, int branch, gint64 dims[4]);
/** What follows the base name in that tensor's name. */
const char *nddr_layer_weight_suffix (const NddrLayer *layer);
/** How many weights all branches of @layer have together, as nddr_network_fold() writes them. */
gsize nddr_network_weights (const NddrNetwork *network, const NddrLayer *layer);

/** Sizes of all values for an input of @width x @height: arrays of values->len, (transfer full). */
void nddr_network_sizes (const NddrNetwork *network, int width, int height, int **widths, int **heights);

/** Calls @func for each tensor the network has, with its shape. */
typedef void (*NddrTensorFunc) (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data);
void nddr_network_foreach_tensor (const NddrNetwork *network, NddrTensorFunc func, gpointer user_data);

/** What `nddr info` says. */
typedef struct
{
  guint64 parameters;       /* that are trained: running statistics not counted */
  guint64 macs;             /* of the convolutions and mixtures */
  guint64 activation_bytes; /* the most that values alive together take in fp32, the input included */
} NddrNetworkCost;
/** Multiply-adds of layer @i for one picture; @widths, @heights: as nddr_network_sizes() has them. */
guint64 nddr_network_layer_macs (const NddrNetwork *network, int i, const int *widths, const int *heights);
void nddr_network_cost (const NddrNetwork *network, int width, int height, NddrNetworkCost *cost);

/** Convolution and normalisation folded into one: w' = w * g, b' = b * g + shift - mean * g with
 * g = scale / sqrt (var + eps).  @weight: [branches][out][in][k][k] (depthwise: [branches][C][1][k][k]), @bias: [branches][out],
 * both written whole.  MIX: the weights of the layer's branches alone, as NddrMix has them; BLEND: as NddrBlend; no bias.  @tensors must hold what
 * nddr_network_foreach_tensor() names. */
void nddr_network_fold (const NddrNetwork *network, const NddrLayer *layer, const NddrArrays *tensors, float *weight, float *bias);
/** Whether what that writes is finite, as @tensors must be, which hold float32 numbers that are multiplied there.  The error names a tensor. */
gboolean nddr_network_check_fold (const NddrNetwork *network, const NddrLayer *layer, const NddrArrays *tensors, GError **error);

G_END_DECLS
