/* What backbones, fusions and heads append layers with.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

static int
append_value (NddrBuilder *builder, NddrBranchTasks branches, int channels)
{
  NddrValue value = { branches.n, channels, (int) builder->network->layers->len };

  g_array_append_val (builder->network->values, value);
  g_ptr_array_add (builder->value_tasks, g_memdup2 (branches.tasks, branches.n * sizeof *branches.tasks));
  return (int) builder->network->values->len - 1;
}

static NddrLayer *
append_layer (NddrBuilder *builder, NddrLayerKind kind, NddrRole role, NddrBranchTasks branches, int channels, char *label)
{
  int output = append_value (builder, branches, channels);
  NddrLayer layer = {
    .kind = kind, .role = role, .label = label, .residual = { -1, 0, 0 }, .output = output, .branches = branches.n,
    .kernel = 1, .stride = 1, .dilation = 1, .like = -1, .tasks = g_memdup2 (branches.tasks, branches.n * sizeof *branches.tasks),
  };

  g_array_append_val (builder->network->layers, layer);
  return nddr_network_layer (builder->network, (int) builder->network->layers->len - 1);
}

static NddrLayer *
append_weighted (NddrBuilder *builder, NddrLayerKind kind, NddrRole role, NddrBranchTasks branches, int channels, char *label)
{
  NddrLayer *layer = append_layer (builder, kind, role, branches, channels, label);

  layer->names = g_new0 (char *, branches.n);
  layer->norms = g_new0 (char *, branches.n);
  layer->has_bias = g_new0 (gboolean, branches.n);
  layer->has_norm = g_new0 (gboolean, branches.n);
  return layer;
}

NddrLayer *
nddr_builder_convolution (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, char *label)
{
  NddrLayer *layer = append_weighted (builder, shape->kind, shape->role, branches, shape->channels, label);

  layer->kernel = shape->kernel;
  layer->stride = shape->stride;
  layer->dilation = shape->dilation;
  layer->activation = shape->activation;
  return layer;
}

NddrLayer *
nddr_builder_mixture (NddrBuilder *builder, NddrLayerKind kind, NddrRole role, NddrBranchTasks branches, int channels, char *label)
{
  return append_weighted (builder, kind, role, branches, channels, label);
}

static NddrBranchTasks
value_branches (const NddrBuilder *builder, int value)
{
  return (NddrBranchTasks){ nddr_network_value (builder->network, value)->branches, builder->value_tasks->pdata[value] };
}

int
nddr_builder_pool (NddrBuilder *builder, NddrLayerKind kind, int stride, int value, char *label)
{
  int channels = nddr_network_value (builder->network, value)->channels;
  NddrLayer *layer = append_layer (builder, kind, NDDR_ROLE_TRUNK, value_branches (builder, value), channels, label);

  layer->kernel = 3;
  layer->stride = stride;
  nddr_builder_read (layer, (NddrInput){ value, 0, 1 });
  return layer->output;
}

int
nddr_builder_resize (NddrBuilder *builder, NddrRole role, int value, int like, char *label)
{
  int channels = nddr_network_value (builder->network, value)->channels;
  NddrLayer *layer = append_layer (builder, NDDR_LAYER_RESIZE, role, value_branches (builder, value), channels, label);

  layer->like = like;
  nddr_builder_read (layer, (NddrInput){ value, 0, 1 });
  return layer->output;
}

NddrInput
nddr_builder_pick (NddrBuilder *builder, const NddrLayer *layer, int value)
{
  NddrBranchTasks from = value_branches (builder, value);
  int first = 0, second = 0;

  if (from.tasks[0] == -1) /* the image, or a shared trunk: everyone reads it */
    return (NddrInput){ value, 0, 0 };
  while (from.tasks[first] != layer->tasks[0])
    first++;
  if (layer->branches == 1)
    return (NddrInput){ value, first, from.n > 1 ? 0 : 1 };
  while (from.tasks[second] != layer->tasks[1])
    second++;
  return (NddrInput){ value, first, second - first };
}

void
nddr_builder_read (NddrLayer *layer, NddrInput input)
{
  layer->inputs = g_renew (NddrInput, layer->inputs, layer->n_inputs + 1);
  layer->inputs[layer->n_inputs++] = input;
}

static gboolean
file_has (const NddrBuilder *builder, const char *name, const char *part)
{
  g_autofree char *full = g_strconcat (name, ".", part, NULL);

  return nddr_arrays_find (builder->tensors, full) != NULL;
}

void
nddr_builder_name (NddrBuilder *builder, NddrLayer *layer, int branch, NddrAffine affine, char *name, char *norm)
{
  gboolean bias = affine == NDDR_AFFINE_BIAS, normed = affine == NDDR_AFFINE_NORM || affine == NDDR_AFFINE_AS_FILE;

  if (affine == NDDR_AFFINE_AS_FILE && builder->tensors != NULL) {
    bias = file_has (builder, name, "bias");
    /* one of the four is enough to expect the others */
    normed = file_has (builder, norm, "weight") || file_has (builder, norm, "bias") || file_has (builder, norm, "running_mean")
        || file_has (builder, norm, "running_var");
  }
  layer->names[branch] = name;
  layer->norms[branch] = norm;
  layer->has_bias[branch] = bias;
  layer->has_norm[branch] = normed;
  layer->bias |= bias;
  layer->norm |= normed;
}

void
nddr_builder_name_all (NddrBuilder *builder, NddrLayer *layer, NddrAffine affine, const char *name, const char *norm)
{
  for (int b = 0; b < layer->branches; b++) {
    const char *prefix = nddr_builder_prefix (builder, layer->tasks[b]);

    nddr_builder_name (builder, layer, b, affine, g_strconcat (prefix, ".", name, NULL), g_strconcat (prefix, ".", norm, NULL));
  }
}

const char *
nddr_builder_prefix (const NddrBuilder *builder, int task)
{
  return task < 0 ? "shared" : builder->config->tasks[task].name;
}
