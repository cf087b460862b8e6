/* A network: what a config means, as layers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

#define MAX_STAGES 5

static void
clear_layer (gpointer data)
{
  NddrLayer *layer = data;

  for (int b = 0; b < layer->branches; b++) {
    if (layer->names != NULL)
      g_free (layer->names[b]);
    if (layer->norms != NULL)
      g_free (layer->norms[b]);
  }
  g_free (layer->names);
  g_free (layer->norms);
  g_free (layer->has_bias);
  g_free (layer->has_norm);
  g_free (layer->tasks);
  g_free (layer->inputs);
  g_free (layer->label);
}

void
nddr_network_free (NddrNetwork *network)
{
  if (network == NULL)
    return;
  g_array_unref (network->layers);
  g_array_unref (network->values);
  g_free (network->heads);
  g_free (network);
}

/* ---- building */

static const NddrBackboneLayers *
find_backbone (const NddrConfig *config)
{
  switch (config->backbone) {
    case NDDR_BACKBONE_MOBILENET_V2:
      return &nddr_mobilenet_v2;
    case NDDR_BACKBONE_RESNET18:
    case NDDR_BACKBONE_RESNET50:
    case NDDR_BACKBONE_RESNET101:
      return &nddr_resnet;
    case NDDR_BACKBONE_VGG16:
    default:
      return &nddr_vgg16;
  }
}

static NddrBuilder
start (const NddrConfig *config, const NddrArrays *tensors)
{
  NddrNetwork *network = g_new0 (NddrNetwork, 1);
  NddrBuilder builder = { network, config, tensors, g_ptr_array_new_with_free_func (g_free) };
  NddrValue image = { 1, 3, -1 };
  int shared = -1;

  network->layers = g_array_new (FALSE, TRUE, sizeof (NddrLayer));
  g_array_set_clear_func (network->layers, clear_layer);
  network->values = g_array_new (FALSE, TRUE, sizeof (NddrValue));
  network->n_tasks = (int) config->n_tasks;
  network->heads = g_new0 (NddrInput, config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++)
    network->heads[t].value = -1;
  network->pool_padding = config->pool_padding;
  network->resize = config->resize;
  network->norm_eps = config->norm_eps;
  g_array_append_val (network->values, image);
  g_ptr_array_add (builder.value_tasks, g_memdup2 (&shared, sizeof shared));
  return builder;
}

/* How many of @wanted, from its start, lie evenly spaced in 0 … n_tasks - 1: what one layer can read of a value that has a
 * branch for every task. */
static int
even_run (NddrBranchTasks wanted)
{
  int n = MIN (wanted.n, 2);

  while (n < wanted.n && wanted.tasks[n] - wanted.tasks[n - 1] == wanted.tasks[1] - wanted.tasks[0])
    n++;
  return n;
}

/* What mixes the tasks' branches behind stage @i; none where there is nothing to mix. */
static int
append_fusion (NddrBuilder *builder, const NddrBackboneLayers *backbone, int i, NddrBranchTasks branches, int value)
{
  switch (builder->config->fusion) {
    case NDDR_FUSION_NDDR:
      return nddr_append_nddr (builder, i, branches, value, backbone->fusion_activation);
    case NDDR_FUSION_CROSS_STITCH:
      return nddr_append_stitch (builder, i, branches, value);
    case NDDR_FUSION_SLUICE:
      return nddr_append_sluice (builder, i, branches, value);
    case NDDR_FUSION_NONE:
    case NDDR_FUSION_SHARED:
    default:
      return value;
  }
}

/* What a sluice network's penalty looks at: the last convolution of what has just been appended. */
static void
penalise_last (NddrBuilder *builder)
{
  int i = (int) builder->network->layers->len - 1;

  while (nddr_network_layer (builder->network, i)->kind != NDDR_LAYER_CONVOLUTION)
    i--;
  nddr_network_layer (builder->network, i)->penalised = TRUE;
}

/* What joins stages, and heads, of the tasks that are wanted. */
static void
append_tail (NddrBuilder *builder, const int *stages, int n_stages, NddrBranchTasks trunks, NddrBranchTasks wanted, gboolean fused)
{
  int resized[MAX_STAGES], value = stages[n_stages - 1];
  gboolean shared = trunks.tasks[0] == -1, shortcut = builder->config->shortcut;
  gboolean joined = shortcut || (fused && builder->config->fusion == NDDR_FUSION_SLUICE);

  if (joined)
    nddr_append_shortcut_resizes (builder, stages, n_stages, resized);
  if (shortcut && shared)
    value = nddr_append_shortcut (builder, resized, n_stages, trunks);
  if (!joined || shared) {
    nddr_append_head (builder, wanted, value);
    return;
  }
  while (wanted.n > 0) {
    NddrBranchTasks run = { even_run (wanted), wanted.tasks };

    value = (shortcut ? nddr_append_shortcut : nddr_append_sluice_skips) (builder, resized, n_stages, run);
    nddr_append_head (builder, run, value);
    wanted = (NddrBranchTasks){ wanted.n - run.n, wanted.tasks + run.n };
  }
}

NddrNetwork *
nddr_network_new (const NddrConfig *config, const NddrArrays *tensors, const gboolean *requested, GError **error)
{
  const NddrBackboneLayers *backbone = find_backbone (config);
  g_autofree int *all_tasks = g_new (int, config->n_tasks), *wanted_tasks = g_new (int, config->n_tasks);
  NddrBranchTasks all = { (int) config->n_tasks, all_tasks }, wanted = { 0, wanted_tasks }, trunks;
  gboolean fused = config->fusion != NDDR_FUSION_NONE && config->fusion != NDDR_FUSION_SHARED && config->n_tasks > 1;
  int stages[MAX_STAGES], value = 0, shared = -1;
  NddrBuilder builder;

  if (!nddr_config_validate (config, error))
    return NULL;
  for (int t = 0; t < all.n; t++) {
    all_tasks[t] = t;
    if (requested == NULL || requested[t])
      wanted_tasks[wanted.n++] = t;
  }
  trunks = config->fusion == NDDR_FUSION_SHARED ? (NddrBranchTasks){ 1, &shared } : fused ? all : wanted;

  builder = start (config, tensors);
  if (wanted.n > 0) {
    for (int i = 1; i <= backbone->n_stages; i++) {
      value = backbone->append_stage (&builder, i, trunks, value);
      if (fused && config->fusion == NDDR_FUSION_SLUICE)
        penalise_last (&builder);
      if (fused)
        value = append_fusion (&builder, backbone, i, i < backbone->n_stages ? all : wanted, value);
      stages[i - 1] = value;
    }
    append_tail (&builder, stages, backbone->n_stages, trunks, wanted, fused);
  }
  g_ptr_array_unref (builder.value_tasks);
  return builder.network;
}

/* ---- asking */

static gboolean
has_weights (const NddrLayer *layer)
{
  return layer->names != NULL;
}

int
nddr_network_in_channels (const NddrNetwork *network, const NddrLayer *layer)
{
  int channels = 0;

  for (int s = 0; s < layer->n_inputs; s++)
    channels += nddr_network_value (network, layer->inputs[s].value)->channels;
  return channels;
}

/* Channels that one output is summed over: what the weight's second dimension is. */
static int
summed_channels (const NddrNetwork *network, const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_DEPTHWISE ? 1 : nddr_network_in_channels (network, layer);
}

guint
nddr_network_weight_dims (const NddrNetwork *network, const NddrLayer *layer, int branch, gint64 dims[4])
{
  gint64 channels = nddr_network_value (network, layer->output)->channels;

  if (!has_weights (layer) || layer->names[branch] == NULL)
    return 0;
  if (layer->kind == NDDR_LAYER_BLEND) {
    dims[0] = layer->n_inputs;
    return 1;
  }
  if (layer->kind == NDDR_LAYER_MIX) {
    guint n = 0;

    /* a row for each task, those that nobody asked for too */
    if (layer->each_channel)
      dims[n++] = channels / layer->parts;
    dims[n++] = (gint64) layer->n_inputs * layer->parts;
    dims[n++] = (gint64) layer->n_inputs * layer->parts;
    return n;
  }
  dims[0] = channels;
  dims[1] = summed_channels (network, layer);
  dims[2] = dims[3] = layer->kernel;
  return 4;
}

const char *
nddr_layer_weight_suffix (const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_BLEND ? "" : ".weight";
}

/* Weights of one channel of one branch's output. */
static gsize
channel_weights (const NddrNetwork *network, const NddrLayer *layer)
{
  if (layer->kind == NDDR_LAYER_MIX || layer->kind == NDDR_LAYER_BLEND)
    return (gsize) layer->n_inputs * MAX (layer->parts, 1);
  return (gsize) summed_channels (network, layer) * layer->kernel * layer->kernel;
}

gsize
nddr_network_weights (const NddrNetwork *network, const NddrLayer *layer)
{
  gsize channels = (gsize) nddr_network_value (network, layer->output)->channels;

  if (layer->kind == NDDR_LAYER_BLEND)
    channels = 1;
  else if (layer->kind == NDDR_LAYER_MIX && !layer->each_channel)
    channels = (gsize) layer->parts;
  return layer->branches * channels * channel_weights (network, layer);
}

/* Odd kernels padded by half their extent: ceil (n / stride). A pool padded at its end alone: floor. */
static int
output_size (const NddrNetwork *network, const NddrLayer *layer, int n)
{
  if (layer->kind == NDDR_LAYER_MAX_POOL && layer->stride == 2 && network->pool_padding == NDDR_POOL_END)
    return n / 2;
  return (n + layer->stride - 1) / layer->stride;
}

void
nddr_network_sizes (const NddrNetwork *network, int width, int height, int **widths, int **heights)
{
  int *w = g_new (int, network->values->len), *h = g_new (int, network->values->len);

  w[0] = width;
  h[0] = height;
  for (guint i = 0; i < network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, (int) i);
    int input = layer->inputs[0].value;
    gboolean resize = layer->kind == NDDR_LAYER_RESIZE;

    w[layer->output] = resize ? w[layer->like] : output_size (network, layer, w[input]);
    h[layer->output] = resize ? h[layer->like] : output_size (network, layer, h[input]);
  }
  *widths = w;
  *heights = h;
}

void
nddr_network_foreach_tensor (const NddrNetwork *network, NddrTensorFunc func, gpointer user_data)
{
  static const char *const norm_parts[] = { "weight", "bias", "running_mean", "running_var" };

  for (guint i = 0; i < network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, (int) i);
    gint64 channels = nddr_network_value (network, layer->output)->channels;

    for (int b = 0; b < layer->branches; b++) {
      gint64 dims[4];
      guint n_dims = nddr_network_weight_dims (network, layer, b, dims);
      g_autofree char *weight = NULL, *bias = NULL;

      if (n_dims == 0)
        continue;
      weight = g_strconcat (layer->names[b], nddr_layer_weight_suffix (layer), NULL);
      bias = g_strconcat (layer->names[b], ".bias", NULL);
      func (layer, b, weight, n_dims, dims, user_data);
      if (layer->has_bias[b])
        func (layer, b, bias, 1, &channels, user_data);
      for (guint p = 0; layer->has_norm[b] && p < G_N_ELEMENTS (norm_parts); p++) {
        g_autofree char *name = g_strconcat (layer->norms[b], ".", norm_parts[p], NULL);

        func (layer, b, name, 1, &channels, user_data);
      }
    }
  }
}

/* ---- cost */

static void
count_parameters (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data)
{
  guint64 *parameters = user_data, n = 1;

  if (g_str_has_suffix (name, ".running_mean") || g_str_has_suffix (name, ".running_var"))
    return;
  for (guint i = 0; i < n_dims; i++)
    n *= (guint64) dims[i];
  *parameters += n;
}

/* The layer that reads each value last; the end of the network for a head's. */
static int *
last_uses (const NddrNetwork *network)
{
  int *last = g_new0 (int, network->values->len);

  for (guint i = 0; i < network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, (int) i);

    for (int s = 0; s < layer->n_inputs; s++)
      last[layer->inputs[s].value] = (int) i;
    if (layer->residual.value >= 0)
      last[layer->residual.value] = (int) i;
  }
  for (int t = 0; t < network->n_tasks; t++)
    if (network->heads[t].value >= 0)
      last[network->heads[t].value] = (int) network->layers->len;
  return last;
}

static guint64
layer_outputs (const NddrNetwork *network, const NddrLayer *layer, const int *widths, const int *heights)
{
  return (guint64) widths[layer->output] * heights[layer->output] * layer->branches * nddr_network_value (network, layer->output)->channels;
}

guint64
nddr_network_layer_macs (const NddrNetwork *network, int i, const int *widths, const int *heights)
{
  const NddrLayer *layer = nddr_network_layer (network, i);

  return has_weights (layer) ? layer_outputs (network, layer, widths, heights) * channel_weights (network, layer) : 0;
}

void
nddr_network_cost (const NddrNetwork *network, int width, int height, NddrNetworkCost *cost)
{
  g_autofree int *widths = NULL, *heights = NULL, *last = last_uses (network);
  guint64 alive = 3 * sizeof (float) * (guint64) width * height;

  *cost = (NddrNetworkCost){ 0, 0, alive };
  nddr_network_foreach_tensor (network, count_parameters, &cost->parameters);
  nddr_network_sizes (network, width, height, &widths, &heights);
  for (int i = 0; i < (int) network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, i);

    cost->macs += nddr_network_layer_macs (network, i, widths, heights);
    alive += layer_outputs (network, layer, widths, heights) * sizeof (float);
    cost->activation_bytes = MAX (cost->activation_bytes, alive);
    for (int v = 0; v <= layer->output; v++)
      if (last[v] == i) {
        const NddrValue *value = nddr_network_value (network, v);
        alive -= (guint64) widths[v] * heights[v] * value->branches * value->channels * sizeof (float);
      }
  }
}

/* ---- folding */

static const float *
find_data (const NddrArrays *tensors, const char *base, const char *suffix)
{
  g_autofree char *name = g_strconcat (base, suffix, NULL);
  const NddrArray *array = nddr_arrays_find (tensors, name);

  return array != NULL ? array->data : NULL;
}

/* The rows of the layer's tasks. */
static void
fold_mix (const NddrNetwork *network, const NddrLayer *layer, const NddrArrays *tensors, float *weight)
{
  const float *from = find_data (tensors, layer->names[0], ".weight");
  gsize cells = layer->each_channel ? (gsize) nddr_network_value (network, layer->output)->channels / layer->parts : 1;
  gsize columns = (gsize) layer->n_inputs * layer->parts, rows = layer->parts * columns; /* of a task */

  for (gsize c = 0; c < cells; c++)
    for (int b = 0; b < layer->branches; b++)
      memcpy (weight + (c * layer->branches + b) * rows, from + (c * layer->n_inputs + layer->tasks[b]) * rows, rows * sizeof (float));
}

static void
fold_blend (const NddrLayer *layer, const NddrArrays *tensors, float *weight)
{
  for (int b = 0; b < layer->branches; b++)
    memcpy (weight + (gsize) b * layer->n_inputs, find_data (tensors, layer->names[b], ""), layer->n_inputs * sizeof (float));
}

/* A branch of a convolution, as it is in the tensors. */
typedef struct
{
  const float *weight, *bias;                   /* bias: NULL: none */
  const float *scale, *shift, *mean, *variance; /* NULL: no normalisation */
  double eps;
} Folding;

static Folding
find_folding (const NddrNetwork *network, const NddrLayer *layer, int b, const NddrArrays *tensors)
{
  const char *norm = layer->has_norm[b] ? layer->norms[b] : NULL;

  return (Folding){
    .weight = find_data (tensors, layer->names[b], ".weight"),
    .bias = layer->has_bias[b] ? find_data (tensors, layer->names[b], ".bias") : NULL,
    .scale = norm ? find_data (tensors, norm, ".weight") : NULL,
    .shift = norm ? find_data (tensors, norm, ".bias") : NULL,
    .mean = norm ? find_data (tensors, norm, ".running_mean") : NULL,
    .variance = norm ? find_data (tensors, norm, ".running_var") : NULL,
    .eps = network->norm_eps,
  };
}

/* What channel @c's weights are multiplied by; *@offset: its bias after. */
static double
fold_channel (const Folding *f, gsize c, double *offset)
{
  double gain = f->scale ? f->scale[c] / sqrt (f->variance[c] + f->eps) : 1;

  *offset = f->bias ? f->bias[c] * gain : 0;
  if (f->scale)
    *offset += f->shift[c] - f->mean[c] * gain;
  return gain;
}

void
nddr_network_fold (const NddrNetwork *network, const NddrLayer *layer, const NddrArrays *tensors, float *weight, float *bias)
{
  gsize channels = (gsize) nddr_network_value (network, layer->output)->channels;
  gsize filter = channel_weights (network, layer);

  if (layer->kind == NDDR_LAYER_MIX || layer->kind == NDDR_LAYER_BLEND) {
    if (layer->kind == NDDR_LAYER_MIX)
      fold_mix (network, layer, tensors, weight);
    else
      fold_blend (layer, tensors, weight);
    return;
  }
  for (int b = 0; b < layer->branches; b++) {
    Folding f = find_folding (network, layer, b, tensors);

    for (gsize c = 0; c < channels; c++) {
      double offset, gain = fold_channel (&f, c, &offset);

      for (gsize j = 0; j < filter; j++)
        weight[((gsize) b * channels + c) * filter + j] = (float) (f.weight[c * filter + j] * gain);
      bias[(gsize) b * channels + c] = (float) offset;
    }
  }
}

static gboolean
fail_to_fold (const char *base, const char *suffix, gsize element, const char *norm, double value, GError **error)
{
  return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s%s\": expected finite numbers once the normalisation \"%s\" is folded into the weights before it, "
      "found %g for element %" G_GSIZE_FORMAT, base, suffix, norm, value, element);
}

gboolean
nddr_network_check_fold (const NddrNetwork *network, const NddrLayer *layer, const NddrArrays *tensors, GError **error)
{
  gsize channels = (gsize) nddr_network_value (network, layer->output)->channels;
  gsize filter = channel_weights (network, layer);

  for (int b = 0; layer->norm && b < layer->branches; b++) {
    if (!layer->has_norm[b])
      continue;
    Folding f = find_folding (network, layer, b, tensors);

    for (gsize c = 0; c < channels; c++) {
      double offset, gain = fold_channel (&f, c, &offset);

      if (!isfinite ((float) offset))
        return fail_to_fold (layer->norms[b], ".bias", c, layer->norms[b], (float) offset, error);
      for (gsize j = c * filter; fabs (gain) > 1 && j < (c + 1) * filter; j++)
        if (!isfinite ((float) (f.weight[j] * gain)))
          return fail_to_fold (layer->names[b], ".weight", j, layer->norms[b], (float) (f.weight[j] * gain), error);
    }
  }
  return TRUE;
}
