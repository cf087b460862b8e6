/* See training.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/training-private.h>

#include <math.h>
#include <nddr/error.h>
#include <nddr/inference.h>

#define MAX_BRANCHES 64 /* bits of NddrWalk.written */

gboolean
nddr_walk_is_alias (const NddrWalk *walk, const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_RESIZE && walk->root[layer->output] != layer->output;
}

/* Resizes that change nothing are left out: their output is their input. */
static void
find_roots (NddrWalk *walk)
{
  for (guint v = 0; v < walk->network->values->len; v++)
    walk->root[v] = v;
  for (guint i = 0; i < walk->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (walk->network, i);
    if (layer->kind != NDDR_LAYER_RESIZE)
      continue;
    int from = layer->inputs[0].value, to = layer->output;
    if (walk->widths[from] == walk->widths[to] && walk->heights[from] == walk->heights[to])
      walk->root[to] = walk->root[from];
  }
}

static NddrBranches
branches_of (const NddrWalk *walk, const NddrInput *input)
{
  if (input->value < 0)
    return (NddrBranches){ NULL, 0, 1 };
  return (NddrBranches){ walk->values[walk->root[input->value]], input->first, input->step };
}

void
nddr_walk_add_collective (NddrWalk *walk, NddrCollectiveKind kind, NddrTensor *tensor, NddrTensor *result)
{
  NddrCollective collective = { kind, tensor, result };
  if (!tensor)
    return;
  g_array_append_val (walk->training->collectives, collective);
  g_assert ((int) walk->training->collectives->len == walk->plan->n_marks);
}

NddrTensor *
nddr_walk_cast (NddrWalk *walk, NddrTensor *map)
{
  g_autofree char *name = g_strconcat (map->name, ".half", NULL);
  NddrTensor *half = nddr_plan_tensor (walk->plan, name, NDDR_SPACE_ARENA, NDDR_F16, map->branches, map->batch, map->height, map->width, map->channels);
  nddr_cast (walk->plan, half, map);
  return half;
}

/* What a dense convolution reads. */
static NddrBranches
factor_of (NddrWalk *walk, const NddrInput *input)
{
  NddrBranches branches = branches_of (walk, input);
  int value = walk->root[input->value];
  if (!walk->options->mixed)
    return branches;
  if (!walk->halves[value])
    walk->halves[value] = nddr_walk_cast (walk, walk->values[value]);
  branches.tensor = walk->halves[value];
  return branches;
}

static NddrTensor *
make_map (NddrWalk *walk, const NddrLayer *layer, const char *suffix)
{
  g_autofree char *name = g_strconcat (layer->label, suffix, NULL);
  int v = layer->output;
  return nddr_plan_map (walk->plan, name, layer->branches, walk->options->batch, walk->heights[v], walk->widths[v],
      nddr_network_value (walk->network, v)->channels);
}

/* ---- forward */

static gboolean
in_norm_scope (const NddrWalk *walk, const NddrLayer *layer)
{
  return !walk->options->bn_trunk || layer->role == NDDR_ROLE_TRUNK;
}

static void
append_convolution (NddrWalk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  const NddrLayerParameters *p = &walk->training->parameters->layers[i];
  NddrLayerOps *ops = &walk->ops[i];
  gboolean dropout = layer->dropout && walk->options->dropout > 0;
  float low = layer->activation == NDDR_ACTIVATION_NONE ? -INFINITY : 0;
  float high = layer->activation == NDDR_ACTIVATION_RELU6 ? 6 : INFINITY;
  NddrBranches residual = branches_of (walk, &layer->residual), none = { NULL, 0, 1 };
  ops->activated = !layer->norm && (layer->activation != NDDR_ACTIVATION_NONE || dropout);
  NddrTensor *raw = make_map (walk, layer, layer->norm || ops->activated ? ".raw" : "");
  NddrTensor *output = layer->norm || ops->activated ? make_map (walk, layer, "") : raw;
  guint32 dropout_layer = dropout ? walk->n_dropouts++ : 0;

  if (layer->kind == NDDR_LAYER_DEPTHWISE) {
    ops->depthwise = (NddrDepthwise){
      .output = NDDR_BRANCHES (raw), .input = branches_of (walk, &layer->inputs[0]), .branches = layer->branches, .weight = p->weight, .bias = p->bias,
      .stride = layer->stride, .dilation = layer->dilation, .low = -INFINITY, .high = INFINITY, .pack_phase = NDDR_TRAINING_PACK,
    };
    nddr_depthwise_forward (walk->plan, &ops->depthwise);
  } else {
    ops->inputs = g_new (NddrBranches, layer->n_inputs);
    for (int k = 0; k < layer->n_inputs; k++)
      ops->inputs[k] = factor_of (walk, &layer->inputs[k]);
    ops->convolution = (NddrConvolution){
      .output = NDDR_BRANCHES (raw), .branches = layer->branches, .inputs = ops->inputs, .n_inputs = layer->n_inputs, .weight = p->weight,
      .bias = p->bias, .residual = layer->norm ? none : residual, .kernel = layer->kernel, .stride = layer->stride, .dilation = layer->dilation,
      .low = -INFINITY, .high = INFINITY, .pack_phase = NDDR_TRAINING_PACK, .repacked = TRUE,
    };
    nddr_convolution_forward (walk->plan, &ops->convolution);
  }

  if (layer->norm) {
    ops->norm = (NddrNorm){
      .input = raw, .output = output, .residual = residual, .weight = p->scale, .bias = p->shift, .running_mean = p->mean, .running_var = p->var,
      .frozen = walk->options->bn_running && in_norm_scope (walk, layer), .eps = walk->network->norm_eps, .momentum = walk->options->bn_momentum,
      .low = low, .high = high,
      .dropout = dropout ? walk->options->dropout : 0, .dropout_layer = dropout_layer, .random = walk->training->random, .share = walk->options->share,
      .synchronised = walk->options->bn_synchronised,
    };
    nddr_norm_forward (walk->plan, &ops->norm);
    nddr_walk_add_collective (walk, NDDR_COLLECTIVE_GATHER, ops->norm.statistics, ops->norm.all_statistics);
  } else if (ops->activated) {
    ops->activate = (NddrActivate){
      .input = raw, .output = output, .low = low, .high = high,
      .dropout = dropout ? walk->options->dropout : 0, .dropout_layer = dropout_layer, .random = walk->training->random, .share = walk->options->share,
    };
    nddr_activate_forward (walk->plan, &ops->activate);
  }
  raw->keep = !walk->options->learn && layer->role == NDDR_ROLE_FUSION;
  walk->training->raw[i] = raw;
  walk->values[layer->output] = output;
}

/* Tasks' branches or a branch's stages, mixed by learnt numbers. */
static void
append_mixture (NddrWalk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  NddrLayerOps *ops = &walk->ops[i];
  NddrTensor *output = make_map (walk, layer, ""), *weight = walk->training->parameters->layers[i].weight;
  if (layer->kind == NDDR_LAYER_MIX) {
    ops->mix = (NddrMix){
      .output = NDDR_BRANCHES (output), .branches = layer->branches, .input = branches_of (walk, &layer->inputs[0]), .n_inputs = layer->n_inputs,
      .parts = layer->parts, .each_channel = layer->each_channel, .weight = weight, .pack_phase = NDDR_TRAINING_PACK,
    };
    ops->mix.input.step = 1; /* its inputs lie side by side */
    nddr_mix_forward (walk->plan, &ops->mix);
  } else {
    ops->inputs = g_new (NddrBranches, layer->n_inputs);
    for (int k = 0; k < layer->n_inputs; k++)
      ops->inputs[k] = branches_of (walk, &layer->inputs[k]);
    ops->blend = (NddrBlend){
      .output = NDDR_BRANCHES (output), .branches = layer->branches, .inputs = ops->inputs, .n_inputs = layer->n_inputs, .weight = weight,
      .pack_phase = NDDR_TRAINING_PACK,
    };
    nddr_blend_forward (walk->plan, &ops->blend);
  }
  walk->values[layer->output] = output;
}

static void
append_forward (NddrWalk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  NddrLayerOps *ops = &walk->ops[i];
  walk->plan->label = g_intern_string (layer->label);
  switch (layer->kind) {
    case NDDR_LAYER_CONVOLUTION:
    case NDDR_LAYER_DEPTHWISE:
      append_convolution (walk, i);
      break;
    case NDDR_LAYER_MIX:
    case NDDR_LAYER_BLEND:
      append_mixture (walk, i);
      break;
    case NDDR_LAYER_MAX_POOL:
    case NDDR_LAYER_AVERAGE_POOL:
      walk->values[layer->output] = make_map (walk, layer, "");
      ops->pool = (NddrPool){
        .output = walk->values[layer->output], .input = walk->values[walk->root[layer->inputs[0].value]], .average = layer->kind == NDDR_LAYER_AVERAGE_POOL,
        .stride = layer->stride, .padding = walk->network->pool_padding,
      };
      nddr_pool_forward (walk->plan, &ops->pool);
      break;
    case NDDR_LAYER_RESIZE:
      if (nddr_walk_is_alias (walk, layer))
        break;
      walk->values[layer->output] = make_map (walk, layer, "");
      ops->resize = (NddrResize){
        .output = walk->values[layer->output], .input = walk->values[walk->root[layer->inputs[0].value]], .mode = walk->network->resize,
      };
      nddr_resize_forward (walk->plan, &ops->resize);
      break;
  }
}

/* The image is written where the host can, but convolutions read maps of the arena, with zeros around them. */
static void
append_image (NddrWalk *walk)
{
  const NddrTrainingOptions *o = walk->options;
  walk->plan->label = g_intern_string ("image");
  walk->training->image = nddr_plan_tensor (walk->plan, "image", NDDR_SPACE_INPUT, NDDR_F32, 1, o->batch, o->height, o->width, 3);
  walk->values[0] = nddr_plan_map (walk->plan, "input", 1, o->batch, o->height, o->width, 3);
  NddrActivate copy = { .input = walk->training->image, .output = walk->values[0], .low = -INFINITY, .high = INFINITY };
  nddr_activate_forward (walk->plan, &copy);
}

/* ---- the whole */

static void
append_backwards (NddrWalk *walk)
{
  gsize end = walk->training->parameters->params->bytes / sizeof (float);
  walk->plan->phase = NDDR_TRAINING_BACKWARD;
  for (int i = walk->training->n_layers - 1; i >= 0; i--) {
    nddr_walk_append_backward (walk, i);
    if (walk->options->share.count > 1)
      nddr_walk_fill_bucket (walk, i, &end);
  }
  if (walk->options->accumulate && walk->options->share.count <= 1)
    nddr_walk_append_total (walk, 0, end);
}

/* What the steps take for granted. */
static gboolean
check (const NddrWalk *walk, GError **error)
{
  for (guint i = 0; i < walk->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (walk->network, i);
    gboolean pools = layer->kind == NDDR_LAYER_MAX_POOL || layer->kind == NDDR_LAYER_AVERAGE_POOL || layer->kind == NDDR_LAYER_RESIZE;
    gboolean fine = layer->residual.step <= 1;
    if (layer->branches > MAX_BRANCHES)
      return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "%d tasks cannot be trained together: expected at most %d", layer->branches, MAX_BRANCHES);
    for (int k = 0; k < layer->n_inputs; k++)
      fine &= layer->inputs[k].step == 0 || layer->inputs[k].step == 1;
    if (pools)
      fine &= layer->inputs[0].first == 0 && layer->inputs[0].step == 1;
    for (int k = 1; layer->has_bias && k < layer->branches; k++)
      if (layer->has_bias[k] != layer->has_bias[0] || layer->has_norm[k] != layer->has_norm[0])
        return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "%s and %s are trained side by side, but only one of them has a %s: start all tasks "
            "from files of one kind", layer->names[0], layer->names[k], layer->has_bias[k] != layer->has_bias[0] ? "bias" : "normalisation");
    if (!fine)
      return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "layer %s reads its inputs in a way that cannot be trained", layer->label);
  }
  return TRUE;
}

static void
walk_clear (NddrWalk *walk)
{
  for (int i = 0; i < (walk->ops ? walk->training->n_layers : 0); i++)
    g_free (walk->ops[i].inputs);
  g_free (walk->widths);
  g_free (walk->heights);
  g_free (walk->root);
  g_free (walk->values);
  g_free (walk->gradients);
  g_free (walk->halves);
  g_free (walk->written);
  g_free (walk->zeroed);
  g_free (walk->ops);
}

NddrTraining *
nddr_training_append (NddrPlan *plan, const NddrNetwork *network, const NddrConfig *config, const NddrTrainingOptions *options, GError **error)
{
  guint n_values = network->values->len;
  g_autoptr (NddrTraining) training = g_new0 (NddrTraining, 1);
  training->n_layers = network->layers->len;
  training->n_tasks = network->n_tasks;
  training->tasks = g_new0 (NddrTrainingTask, training->n_tasks);
  training->raw = g_new0 (NddrTensor *, training->n_layers);
  training->penalties = g_new0 (NddrTensor *, training->n_layers);
  training->collectives = g_array_new (FALSE, FALSE, sizeof (NddrCollective));
  NddrWalk walk = {
    .plan = plan, .network = network, .options = options, .training = training,
    .root = g_new0 (int, n_values), .values = g_new0 (NddrTensor *, n_values), .gradients = g_new0 (NddrTensor *, n_values),
    .halves = g_new0 (NddrTensor *, n_values),
    .written = g_new0 (guint64, n_values), .zeroed = g_new0 (gboolean, n_values), .ops = g_new0 (NddrLayerOps, training->n_layers),
  };
  nddr_network_sizes (network, options->width, options->height, &walk.widths, &walk.heights);
  if (!check (&walk, error) || !nddr_inference_check_maps (plan, network, options->batch, walk.widths, walk.heights, error)) {
    walk_clear (&walk);
    return NULL;
  }
  find_roots (&walk);
  nddr_walk_find_zeroed (&walk);

  training->parameters = nddr_parameters_new (plan, network, options->learn, options->adamw, options->accumulate, options->share.count > 1);
  if (options->dropout > 0)
    training->random = nddr_plan_flat (plan, "random", NDDR_SPACE_INPUT, NDDR_F32, 4);
  plan->phase = NDDR_TRAINING_FORWARD;
  guint first = plan->steps->len, end;
  append_image (&walk);
  for (int i = 0; i < training->n_layers; i++)
    append_forward (&walk, i);
  end = plan->steps->len;
  if (options->learn) {
    training->rates = nddr_plan_flat (plan, "rates", NDDR_SPACE_INPUT, NDDR_F32, (NDDR_N_GROUPS + 1) * 4);
    for (int t = 0; t < training->n_tasks; t++)
      nddr_walk_append_loss (&walk, config, t);
    append_backwards (&walk);
    nddr_walk_append_update (&walk);
    if (options->segments > 1)
      nddr_plan_recompute (plan, first, end, options->segments, NDDR_TRAINING_BACKWARD);
  }
  walk_clear (&walk);
  return g_steal_pointer (&training);
}

void
nddr_training_free (NddrTraining *training)
{
  if (!training)
    return;
  nddr_parameters_free (training->parameters);
  g_free (training->tasks);
  g_free (training->raw);
  g_free (training->penalties);
  g_array_unref (training->collectives);
  g_free (training);
}
