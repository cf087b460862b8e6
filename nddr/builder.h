/* What backbones, fusions and heads append layers with.
 *
 * Every value knows which task each of its branches belongs to; a layer says for which tasks it is, and its inputs' branches
 * follow from that.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>

G_BEGIN_DECLS

/** The tasks that a layer's branches are for. */
typedef struct
{
  int n;
  const int *tasks; /* indices in the config; -1: the trunk that all share */
} NddrBranchTasks;

typedef struct
{
  NddrNetwork *network;
  const NddrConfig *config;
  const NddrArrays *tensors; /* or NULL */
  GPtrArray *value_tasks;     /* for each value: int[branches], owned */
} NddrBuilder;

/** What follows a convolution's sum. */
typedef enum
{
  NDDR_AFFINE_AS_FILE, /* whatever the file has; in a new network a normalisation and no bias */
  NDDR_AFFINE_NORM,    /* a normalisation, no bias */
  NDDR_AFFINE_BIAS,    /* a bias, no normalisation */
  NDDR_AFFINE_BARE,    /* neither */
} NddrAffine;

typedef struct
{
  NddrLayerKind kind;
  NddrRole role;
  int channels; /* of the output */
  int kernel, stride, dilation;
  NddrActivation activation;
} NddrConvolutionShape;

/* Layers are valid until the next is appended. */

/** A convolution without inputs and names. */
NddrLayer *nddr_builder_convolution (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, char *label);
/** A MIX or BLEND without inputs and names. */
NddrLayer *nddr_builder_mixture (NddrBuilder *builder, NddrLayerKind kind, NddrRole role, NddrBranchTasks branches, int channels, char *label);
/** A layer without weights, on all branches of @value. (returns: its output value) */
int nddr_builder_pool (NddrBuilder *builder, NddrLayerKind kind, int stride, int value, char *label);
int nddr_builder_resize (NddrBuilder *builder, NddrRole role, int value, int like, char *label);
/** Which branches of @value belong to @layer's tasks. */
NddrInput nddr_builder_pick (NddrBuilder *builder, const NddrLayer *layer, int value);
/** Appends to what @layer reads. */
void nddr_builder_read (NddrLayer *layer, NddrInput input);
/** Names one branch's tensors. (transfer full): @name, @norm */
void nddr_builder_name (NddrBuilder *builder, NddrLayer *layer, int branch, NddrAffine affine, char *name, char *norm);
/** Names all branches' tensors `TASK.name` and `TASK.norm`. */
void nddr_builder_name_all (NddrBuilder *builder, NddrLayer *layer, NddrAffine affine, const char *name, const char *norm);
/** What the names of @task's trunk start with. */
const char *nddr_builder_prefix (const NddrBuilder *builder, int task);

/** A backbone: its stages, each made of the one before. */
typedef struct
{
  int n_stages;
  NddrActivation fusion_activation; /* what its fusion layers end with */
  /** Appends stage @i = 1 … n_stages for @branches, reading @value. (returns: the value that it makes) */
  int (*append_stage) (NddrBuilder *builder, int i, NddrBranchTasks branches, int value);
} NddrBackboneLayers;

extern const NddrBackboneLayers nddr_vgg16, nddr_mobilenet_v2, nddr_resnet;

/* fusion.c */
/** The layer nddr.@i: mixes all tasks' branches of @value for the tasks of @branches. */
int nddr_append_nddr (NddrBuilder *builder, int i, NddrBranchTasks branches, int value, NddrActivation activation);
/** The shortcut: @stages, n_stages values, brought to the last one's size and mixed. @resized: n_stages values, what
 * nddr_append_shortcut_resizes() returned. */
int nddr_append_shortcut (NddrBuilder *builder, const int *resized, int n_stages, NddrBranchTasks branches);
void nddr_append_shortcut_resizes (NddrBuilder *builder, const int *stages, int n_stages, int *resized);

/* mixing.c */
/** The cross-stitch unit stitch.@i: mixes all tasks' branches of @value, channel by channel, for the tasks of @branches. */
int nddr_append_stitch (NddrBuilder *builder, int i, NddrBranchTasks branches, int value);
/** The unit sluice.@i: mixes the halves of all tasks' branches of @value for the tasks of @branches. */
int nddr_append_sluice (NddrBuilder *builder, int i, NddrBranchTasks branches, int value);
/** What heads read without a shortcut: a mixture of @resized, as for nddr_append_shortcut(). */
int nddr_append_sluice_skips (NddrBuilder *builder, const int *resized, int n_stages, NddrBranchTasks branches);

/* head.c: appends the heads of @branches' tasks (none of them -1) on @value */
void nddr_append_head (NddrBuilder *builder, NddrBranchTasks branches, int value);

G_END_DECLS
