/* See training.h.
 *
 * A value that several layers read gets its gradient in parts, from the last reader to the first, branch by branch: the first
 * part of a branch writes, the others add.  Where that cannot be said branch by branch, or nobody reads a branch, the gradient is
 * zeroed first and every part adds.  All this is known before anything is appended: see find_zeroed().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/training.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

#define MAX_BRANCHES 64 /* bits of a mask */

/* A bucket's bytes: an eighth of the gradients, so that most of them are on their way before the last are computed, but no fewer than a network moves
 * well, nor more than PyTorch's. */
#define BUCKETS 8
#define SMALLEST_BUCKET (256 << 10)
#define LARGEST_BUCKET (25 << 20)

/* Some consecutive branches of a value that a layer reads. */
typedef struct
{
  int value, first, count;
  int input; /* which of the layer's inputs; -1: its residual */
} Read;

typedef struct
{
  NddrConvolution convolution;
  NddrDepthwise depthwise;
  NddrNorm norm;
  NddrActivate activate;
  NddrPool pool;
  NddrResize resize;
  NddrMix mix;
  NddrBlend blend;
  NddrBranches *inputs; /* convolution's, blend's */
  gboolean activated;   /* an activate step follows a convolution without normalisation */
} LayerOps;

typedef struct
{
  NddrPlan *plan;
  const NddrNetwork *network;
  const NddrTrainingOptions *options;
  NddrTraining *training;
  int *widths, *heights;  /* of values */
  int *root;              /* for each value: itself, or the value that a resize to the same size leaves as it is */
  NddrTensor **values, **gradients;
  NddrTensor **halves;    /* for each value: it as products take it; NULL: nobody did so far */
  guint64 *written;       /* for each value: the branches whose gradient has been written */
  gboolean *zeroed;       /* for each value: its gradient starts at zero */
  LayerOps *ops;
  guint32 n_dropouts;
} Builder;

static guint64
mask_of (int first, int count)
{
  return (count >= 64 ? ~G_GUINT64_CONSTANT (0) : (G_GUINT64_CONSTANT (1) << count) - 1) << first;
}

/* Whether input @k and those after it are the branches k, k + 1, … of one value, each read by all of the layer's branches. */
static gboolean
is_fusion (const NddrLayer *layer)
{
  for (int k = 0; k < layer->n_inputs; k++)
    if (layer->inputs[k].step != 0 || layer->inputs[k].value != layer->inputs[0].value || layer->inputs[k].first != layer->inputs[0].first + k)
      return FALSE;
  return layer->n_inputs > 1;
}

/* What a layer reads of values that have a gradient.  Returns how many; @reads has room for n_inputs + 1. */
static int
list_reads (const Builder *b, const NddrLayer *layer, Read *reads)
{
  int n = 0;
  if (layer->residual.value > 0)
    reads[n++] = (Read){ b->root[layer->residual.value], layer->residual.first, layer->residual.step ? layer->branches : 1, -1 };
  if (is_fusion (layer) && layer->inputs[0].value > 0) {
    reads[n++] = (Read){ b->root[layer->inputs[0].value], layer->inputs[0].first, layer->n_inputs, 0 };
    return n;
  }
  for (int k = 0; k < layer->n_inputs; k++)
    if (layer->inputs[k].value > 0)
      reads[n++] = (Read){ b->root[layer->inputs[k].value], layer->inputs[k].first, layer->inputs[k].step ? layer->branches : 1, k };
  return n;
}

static gboolean
is_alias (const Builder *b, const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_RESIZE && b->root[layer->output] != layer->output;
}

/* Resizes that change nothing are left out: their output is their input. */
static void
find_roots (Builder *b)
{
  for (guint v = 0; v < b->network->values->len; v++)
    b->root[v] = v;
  for (guint i = 0; i < b->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (b->network, i);
    if (layer->kind != NDDR_LAYER_RESIZE)
      continue;
    int from = layer->inputs[0].value, to = layer->output;
    if (b->widths[from] == b->widths[to] && b->heights[from] == b->heights[to])
      b->root[to] = b->root[from];
  }
}

static void
find_zeroed (Builder *b)
{
  guint n_values = b->network->values->len;
  g_autofree guint64 *written = g_new0 (guint64, n_values);
  for (int t = 0; t < b->training->n_tasks; t++)
    written[b->root[b->network->heads[t].value]] |= mask_of (b->network->heads[t].first, 1);
  for (int i = b->network->layers->len - 1; i >= 0; i--) {
    const NddrLayer *layer = nddr_network_layer (b->network, i);
    g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
    int n = is_alias (b, layer) ? 0 : list_reads (b, layer, reads);
    for (int r = 0; r < n; r++) {
      guint64 mask = mask_of (reads[r].first, reads[r].count), before = written[reads[r].value] & mask;
      b->zeroed[reads[r].value] |= before != 0 && before != mask;
      written[reads[r].value] |= mask;
    }
  }
  for (guint v = 1; v < n_values; v++)
    b->zeroed[v] |= written[v] != 0 && written[v] != mask_of (0, nddr_network_value (b->network, v)->branches);
}

/* The gradient of @value, about to be written on some branches; *accumulate: whether they hold a part already. */
static NddrTensor *
gradient_of (Builder *b, int value, int first, int count, gboolean *accumulate)
{
  value = b->root[value];
  if (!b->gradients[value]) {
    const NddrTensor *t = b->values[value];
    g_autofree char *name = g_strconcat ("d ", t->name, NULL);
    b->gradients[value] = nddr_plan_map (b->plan, name, t->branches, t->batch, t->height, t->width, t->channels);
    if (b->zeroed[value]) {
      nddr_zero (b->plan, b->gradients[value]);
      b->written[value] = ~G_GUINT64_CONSTANT (0);
    }
  }
  guint64 mask = mask_of (first, count);
  if (accumulate)
    *accumulate = (b->written[value] & mask) != 0;
  b->written[value] |= mask;
  return b->gradients[value];
}

static NddrBranches
branches_of (const Builder *b, const NddrInput *input)
{
  if (input->value < 0)
    return (NddrBranches){ NULL, 0, 1 };
  return (NddrBranches){ b->values[b->root[input->value]], input->first, input->step };
}

/* What ranks do at the mark made last. @tensor: NULL: none was made */
static void
add_collective (Builder *b, NddrCollectiveKind kind, NddrTensor *tensor, NddrTensor *result)
{
  NddrCollective collective = { kind, tensor, result };
  if (!tensor)
    return;
  g_array_append_val (b->training->collectives, collective);
  g_assert ((int) b->training->collectives->len == b->plan->n_marks);
}

/* @map as halves. */
static NddrTensor *
cast (Builder *b, NddrTensor *map)
{
  g_autofree char *name = g_strconcat (map->name, ".half", NULL);
  NddrTensor *half = nddr_plan_tensor (b->plan, name, NDDR_SPACE_ARENA, NDDR_F16, map->branches, map->batch, map->height, map->width, map->channels);
  nddr_cast (b->plan, half, map);
  return half;
}

/* What a dense convolution reads. */
static NddrBranches
factor_of (Builder *b, const NddrInput *input)
{
  NddrBranches branches = branches_of (b, input);
  int value = b->root[input->value];
  if (!b->options->mixed)
    return branches;
  if (!b->halves[value])
    b->halves[value] = cast (b, b->values[value]);
  branches.tensor = b->halves[value];
  return branches;
}

static NddrTensor *
make_map (Builder *b, const NddrLayer *layer, const char *suffix)
{
  g_autofree char *name = g_strconcat (layer->label, suffix, NULL);
  int v = layer->output;
  return nddr_plan_map (b->plan, name, layer->branches, b->options->batch, b->heights[v], b->widths[v], nddr_network_value (b->network, v)->channels);
}

/* ---- forward */

static gboolean
in_norm_scope (const Builder *b, const NddrLayer *layer)
{
  return !b->options->bn_trunk || layer->role == NDDR_ROLE_TRUNK;
}

static void
append_convolution (Builder *b, int i)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  const NddrLayerParameters *p = &b->training->parameters->layers[i];
  LayerOps *ops = &b->ops[i];
  gboolean dropout = layer->dropout && b->options->dropout > 0;
  float low = layer->activation == NDDR_ACTIVATION_NONE ? -INFINITY : 0;
  float high = layer->activation == NDDR_ACTIVATION_RELU6 ? 6 : INFINITY;
  NddrBranches residual = branches_of (b, &layer->residual), none = { NULL, 0, 1 };
  ops->activated = !layer->norm && (layer->activation != NDDR_ACTIVATION_NONE || dropout);
  NddrTensor *raw = make_map (b, layer, layer->norm || ops->activated ? ".raw" : "");
  NddrTensor *output = layer->norm || ops->activated ? make_map (b, layer, "") : raw;
  guint32 dropout_layer = dropout ? b->n_dropouts++ : 0;

  if (layer->kind == NDDR_LAYER_DEPTHWISE) {
    ops->depthwise = (NddrDepthwise){
      .output = NDDR_BRANCHES (raw), .input = branches_of (b, &layer->inputs[0]), .branches = layer->branches, .weight = p->weight, .bias = p->bias,
      .stride = layer->stride, .dilation = layer->dilation, .low = -INFINITY, .high = INFINITY, .pack_phase = NDDR_TRAINING_PACK,
    };
    nddr_depthwise_forward (b->plan, &ops->depthwise);
  } else {
    ops->inputs = g_new (NddrBranches, layer->n_inputs);
    for (int k = 0; k < layer->n_inputs; k++)
      ops->inputs[k] = factor_of (b, &layer->inputs[k]);
    ops->convolution = (NddrConvolution){
      .output = NDDR_BRANCHES (raw), .branches = layer->branches, .inputs = ops->inputs, .n_inputs = layer->n_inputs, .weight = p->weight,
      .bias = p->bias, .residual = layer->norm ? none : residual, .kernel = layer->kernel, .stride = layer->stride, .dilation = layer->dilation,
      .low = -INFINITY, .high = INFINITY, .pack_phase = NDDR_TRAINING_PACK,
    };
    nddr_convolution_forward (b->plan, &ops->convolution);
  }

  if (layer->norm) {
    ops->norm = (NddrNorm){
      .input = raw, .output = output, .residual = residual, .weight = p->scale, .bias = p->shift, .running_mean = p->mean, .running_var = p->var,
      .frozen = b->options->bn_running && in_norm_scope (b, layer), .eps = b->network->norm_eps, .momentum = b->options->bn_momentum, .low = low, .high = high,
      .dropout = dropout ? b->options->dropout : 0, .dropout_layer = dropout_layer, .random = b->training->random, .share = b->options->share,
      .synchronised = b->options->bn_synchronised,
    };
    nddr_norm_forward (b->plan, &ops->norm);
    add_collective (b, NDDR_COLLECTIVE_GATHER, ops->norm.statistics, ops->norm.all_statistics);
  } else if (ops->activated) {
    ops->activate = (NddrActivate){
      .input = raw, .output = output, .low = low, .high = high,
      .dropout = dropout ? b->options->dropout : 0, .dropout_layer = dropout_layer, .random = b->training->random, .share = b->options->share,
    };
    nddr_activate_forward (b->plan, &ops->activate);
  }
  raw->keep = !b->options->learn && layer->role == NDDR_ROLE_FUSION;
  b->training->raw[i] = raw;
  b->values[layer->output] = output;
}

/* Tasks' branches or a branch's stages, mixed by learnt numbers. */
static void
append_mixture (Builder *b, int i)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  LayerOps *ops = &b->ops[i];
  NddrTensor *output = make_map (b, layer, ""), *weight = b->training->parameters->layers[i].weight;
  if (layer->kind == NDDR_LAYER_MIX) {
    ops->mix = (NddrMix){
      .output = NDDR_BRANCHES (output), .branches = layer->branches, .input = branches_of (b, &layer->inputs[0]), .n_inputs = layer->n_inputs,
      .parts = layer->parts, .each_channel = layer->each_channel, .weight = weight, .pack_phase = NDDR_TRAINING_PACK,
    };
    ops->mix.input.step = 1; /* its inputs lie side by side */
    nddr_mix_forward (b->plan, &ops->mix);
  } else {
    ops->inputs = g_new (NddrBranches, layer->n_inputs);
    for (int k = 0; k < layer->n_inputs; k++)
      ops->inputs[k] = branches_of (b, &layer->inputs[k]);
    ops->blend = (NddrBlend){
      .output = NDDR_BRANCHES (output), .branches = layer->branches, .inputs = ops->inputs, .n_inputs = layer->n_inputs, .weight = weight,
      .pack_phase = NDDR_TRAINING_PACK,
    };
    nddr_blend_forward (b->plan, &ops->blend);
  }
  b->values[layer->output] = output;
}

static void
append_forward (Builder *b, int i)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  LayerOps *ops = &b->ops[i];
  b->plan->label = g_intern_string (layer->label);
  switch (layer->kind) {
    case NDDR_LAYER_CONVOLUTION:
    case NDDR_LAYER_DEPTHWISE:
      append_convolution (b, i);
      break;
    case NDDR_LAYER_MIX:
    case NDDR_LAYER_BLEND:
      append_mixture (b, i);
      break;
    case NDDR_LAYER_MAX_POOL:
    case NDDR_LAYER_AVERAGE_POOL:
      b->values[layer->output] = make_map (b, layer, "");
      ops->pool = (NddrPool){
        .output = b->values[layer->output], .input = b->values[b->root[layer->inputs[0].value]], .average = layer->kind == NDDR_LAYER_AVERAGE_POOL,
        .stride = layer->stride, .padding = b->network->pool_padding,
      };
      nddr_pool_forward (b->plan, &ops->pool);
      break;
    case NDDR_LAYER_RESIZE:
      if (is_alias (b, layer))
        break;
      b->values[layer->output] = make_map (b, layer, "");
      ops->resize = (NddrResize){
        .output = b->values[layer->output], .input = b->values[b->root[layer->inputs[0].value]], .mode = b->network->resize,
      };
      nddr_resize_forward (b->plan, &ops->resize);
      break;
  }
}

/* The image is written where the host can, but convolutions read maps of the arena, with zeros around them. */
static void
append_image (Builder *b)
{
  const NddrTrainingOptions *o = b->options;
  b->plan->label = g_intern_string ("image");
  b->training->image = nddr_plan_tensor (b->plan, "image", NDDR_SPACE_INPUT, NDDR_F32, 1, o->batch, o->height, o->width, 3);
  b->values[0] = nddr_plan_map (b->plan, "input", 1, o->batch, o->height, o->width, 3);
  NddrActivate copy = { .input = b->training->image, .output = b->values[0], .low = -INFINITY, .high = INFINITY };
  nddr_activate_forward (b->plan, &copy);
}

/* ---- losses: forward, and the gradient of the heads */

static NddrTensor *
make_label (Builder *b, const NddrTask *task, int height, int width)
{
  g_autofree char *name = g_strconcat (task->name, ".label", NULL);
  gsize pixels = (gsize) b->options->batch * height * width;
  switch (task->kind) {
    case NDDR_TASK_SEGMENTATION:
      return nddr_plan_flat (b->plan, name, NDDR_SPACE_INPUT, NDDR_BYTES, pixels);
    case NDDR_TASK_NORMAL:
      return nddr_plan_flat (b->plan, name, NDDR_SPACE_INPUT, NDDR_F32, pixels * 4);
    case NDDR_TASK_DEPTH:
    default:
      return nddr_plan_flat (b->plan, name, NDDR_SPACE_INPUT, NDDR_F32, pixels);
  }
}

/* All tasks with segmentation have the same classes. */
static NddrTensor *
class_weights (Builder *b, const NddrTask *task)
{
  if (task->kind != NDDR_TASK_SEGMENTATION || !b->options->class_weights)
    return NULL;
  if (!b->training->class_weights)
    b->training->class_weights = nddr_plan_flat (b->plan, "class_weights", NDDR_SPACE_INPUT, NDDR_F32, task->n_classes);
  return b->training->class_weights;
}

/* The labels' loss has written @gradient, which this adds to. */
static void
append_distillation (Builder *b, const NddrTask *task, int t, NddrBranches prediction, NddrBranches gradient)
{
  const NddrTrainingOptions *o = b->options;
  const NddrTensor *x = prediction.tensor;
  NddrTrainingTask *out = &b->training->tasks[t];
  g_autofree char *label = g_strconcat ("distillation.", task->name, NULL), *scale = g_strconcat (task->name, ".teacher_scale", NULL);
  if (!o->teacher || o->teacher[t].width == 0)
    return;
  b->plan->label = g_intern_string (label);
  if (!b->training->shown)
    b->training->shown = nddr_plan_flat (b->plan, "shown", NDDR_SPACE_INPUT, NDDR_F32, 2 * o->batch);
  out->teacher = nddr_plan_tensor (b->plan, "teacher", NDDR_SPACE_INPUT, NDDR_F32, 1, o->batch, o->teacher[t].height, o->teacher[t].width, x->channels);
  out->teacher_scale = nddr_plan_flat (b->plan, scale, NDDR_SPACE_INPUT, NDDR_F32, 2);
  out->teacher_loss = nddr_plan_flat (b->plan, label, NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrTensor *resized = nddr_plan_map (b->plan, "teacher.resized", 1, o->batch, x->height, x->width, x->channels);
  nddr_resize_forward (b->plan, &(NddrResize){ .output = resized, .input = out->teacher, .mode = o->teacher[t].resize });
  nddr_distillation (b->plan, &(NddrDistillation){
      .kind = task->kind, .prediction = prediction, .gradient = gradient, .teacher = resized, .shown = b->training->shown, .scale = out->teacher_scale,
      .loss = out->teacher_loss, .temperature = o->temperature });
}

static void
append_loss (Builder *b, const NddrConfig *config, int t)
{
  const NddrTask *task = &config->tasks[t];
  const NddrInput *head = &b->network->heads[t];
  NddrTrainingTask *out = &b->training->tasks[t];
  NddrTensor *value = b->values[b->root[head->value]];
  g_autofree char *label = g_strconcat ("loss.", task->name, NULL);
  g_autofree char *scale_name = g_strconcat (task->name, ".scale", NULL);
  b->plan->label = g_intern_string (label);
  b->plan->phase = NDDR_TRAINING_FORWARD;

  gboolean upsample = b->options->input_resolution;
  out->width = upsample ? b->options->width : value->width;
  out->height = upsample ? b->options->height : value->height;
  out->label = make_label (b, task, out->height, out->width);
  out->scale = nddr_plan_flat (b->plan, scale_name, NDDR_SPACE_INPUT, NDDR_F32, 2);
  out->loss = nddr_plan_flat (b->plan, label, NDDR_SPACE_OUTPUT, NDDR_F32, 1);

  gboolean accumulate;
  NddrLoss loss = { .kind = task->kind, .label = out->label, .scale = out->scale, .loss = out->loss, .class_weights = class_weights (b, task) };
  if (!upsample) {
    NddrTensor *gradient = gradient_of (b, head->value, head->first, 1, NULL);
    loss.prediction = (NddrBranches){ value, head->first, 1 };
    loss.gradient = (NddrBranches){ gradient, head->first, 1 };
    nddr_loss (b->plan, &loss);
    append_distillation (b, task, t, loss.prediction, loss.gradient);
    return;
  }
  NddrTensor *large = nddr_plan_map (b->plan, "upsampled", value->branches, value->batch, out->height, out->width, value->channels);
  NddrTensor *dlarge = nddr_plan_map (b->plan, "d upsampled", value->branches, value->batch, out->height, out->width, value->channels);
  NddrResize resize = { .output = large, .input = value, .mode = b->network->resize };
  nddr_resize_forward (b->plan, &resize);
  loss.prediction = NDDR_BRANCHES (large);
  loss.gradient = NDDR_BRANCHES (dlarge);
  nddr_loss (b->plan, &loss);
  append_distillation (b, task, t, loss.prediction, loss.gradient);
  b->plan->label = g_intern_string (label);
  b->plan->phase = NDDR_TRAINING_BACKWARD;
  NddrTensor *gradient = gradient_of (b, head->value, 0, value->branches, &accumulate);
  nddr_resize_backward (b->plan, &resize, gradient, dlarge, accumulate);
}

/* ---- backward */

/* Input gradients of a dense convolution: those of a fusion's inputs, which lie side by side, in one call. */
static void
append_convolution_gradients (Builder *b, const NddrLayer *layer, const LayerOps *ops, NddrTensor *dy)
{
  g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
  int n = list_reads (b, layer, reads);
  for (int r = 0; r < n; r++) {
    if (reads[r].input < 0)
      continue;
    gboolean accumulate;
    int k = reads[r].input;
    NddrTensor *dx = gradient_of (b, reads[r].value, reads[r].first, reads[r].count, &accumulate);
    gboolean fusion = is_fusion (layer);
    NddrBranches to = { dx, reads[r].first, fusion ? 1 : layer->inputs[k].step };
    nddr_convolution_backward_data (b->plan, &ops->convolution, k, fusion ? layer->n_inputs : 1, to, NDDR_BRANCHES (dy), accumulate);
  }
}

static void
append_residual_gradient (Builder *b, const NddrLayer *layer, NddrTensor *dy)
{
  gboolean accumulate;
  NddrTensor *dx = gradient_of (b, layer->residual.value, layer->residual.first, layer->branches, &accumulate);
  NddrResize copy = { .output = dy, .input = dx, .mode = NDDR_RESIZE_HALF_PIXEL }; /* of the same size: its gradient is dy itself */
  nddr_resize_backward (b->plan, &copy, dx, dy, accumulate);
}

/* Adds the gradient of what a layer's filters are penalised for to that of its weights. */
static void
append_penalty (Builder *b, int i)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  const NddrLayerParameters *p = &b->training->parameters->layers[i];
  NddrTraining *training = b->training;
  int rows = nddr_network_value (b->network, layer->output)->channels;
  if (!layer->penalised || !b->options->penalty)
    return;
  if (!training->penalty_scale)
    training->penalty_scale = nddr_plan_flat (b->plan, "penalty.scale", NDDR_SPACE_INPUT, NDDR_F32, 2);
  training->penalties[i] = nddr_plan_flat (b->plan, "penalty", NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  nddr_overlap (b->plan, &(NddrOverlap){
      .weight = p->weight, .branches = layer->branches, .rows = rows,
      .columns = nddr_network_in_channels (b->network, layer) * layer->kernel * layer->kernel,
      .scale = training->penalty_scale, .overlap = training->penalties[i], .dweight = p->dweight });
}

static void
append_mixture_gradient (Builder *b, int i, NddrTensor *dz)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  const NddrLayerParameters *p = &b->training->parameters->layers[i];
  const LayerOps *ops = &b->ops[i];
  g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
  int n = list_reads (b, layer, reads);
  if (layer->kind == NDDR_LAYER_MIX)
    nddr_mix_backward_weight (b->plan, &ops->mix, NDDR_BRANCHES (dz), p->dweight);
  else
    nddr_blend_backward_weight (b->plan, &ops->blend, NDDR_BRANCHES (dz), p->dweight);
  for (int r = 0; r < n; r++) {
    gboolean accumulate;
    NddrTensor *dx = gradient_of (b, reads[r].value, reads[r].first, reads[r].count, &accumulate);
    NddrBranches to = { dx, reads[r].first, 1 };
    if (layer->kind == NDDR_LAYER_MIX)
      nddr_mix_backward_data (b->plan, &ops->mix, to, NDDR_BRANCHES (dz), accumulate);
    else
      nddr_blend_backward_data (b->plan, &ops->blend, reads[r].input, to, NDDR_BRANCHES (dz), accumulate);
  }
}

static void
append_layer_gradient (Builder *b, int i, NddrTensor *dz)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  const NddrLayerParameters *p = &b->training->parameters->layers[i];
  LayerOps *ops = &b->ops[i];
  gboolean has_residual = layer->residual.value > 0, accumulate = FALSE;
  if (layer->norm) {
    NddrBranches dresidual = { NULL, 0, 1 };
    if (has_residual) {
      dresidual.tensor = gradient_of (b, layer->residual.value, layer->residual.first, layer->branches, &accumulate);
      dresidual.first = layer->residual.first;
    }
    gboolean fixed = b->options->bn_fixed && ops->norm.frozen;
    nddr_norm_backward (b->plan, &ops->norm, dz, dz, fixed ? NULL : p->dscale, fixed ? NULL : p->dshift, dresidual, accumulate);
    add_collective (b, NDDR_COLLECTIVE_SUM, ops->norm.sums, NULL);
  } else {
    if (ops->activated)
      nddr_activate_backward (b->plan, &ops->activate, dz, dz);
    if (has_residual)
      append_residual_gradient (b, layer, dz);
  }

  if (layer->kind == NDDR_LAYER_CONVOLUTION) {
    NddrTensor *dy = b->options->mixed ? cast (b, dz) : dz;
    nddr_convolution_backward_weight (b->plan, &ops->convolution, NDDR_BRANCHES (dy), p->dweight, p->dbias);
    append_penalty (b, i);
    append_convolution_gradients (b, layer, ops, dy);
    return;
  }
  nddr_depthwise_backward_weight (b->plan, &ops->depthwise, NDDR_BRANCHES (dz), p->dweight, p->dbias);
  if (layer->inputs[0].value > 0) {
    NddrTensor *dx = gradient_of (b, layer->inputs[0].value, layer->inputs[0].first, layer->branches, &accumulate);
    nddr_depthwise_backward_data (b->plan, &ops->depthwise, (NddrBranches){ dx, layer->inputs[0].first, 1 }, NDDR_BRANCHES (dz), accumulate);
  }
}

static void
append_backward (Builder *b, int i)
{
  const NddrLayer *layer = nddr_network_layer (b->network, i);
  if (is_alias (b, layer) || !b->gradients[b->root[layer->output]])
    return; /* nothing that is learnt from reads it */
  NddrTensor *dz = b->gradients[b->root[layer->output]], *dx;
  gboolean accumulate;
  b->plan->label = g_intern_string (layer->label);
  switch (layer->kind) {
    case NDDR_LAYER_CONVOLUTION:
    case NDDR_LAYER_DEPTHWISE:
      append_layer_gradient (b, i, dz);
      break;
    case NDDR_LAYER_MIX:
    case NDDR_LAYER_BLEND:
      append_mixture_gradient (b, i, dz);
      break;
    case NDDR_LAYER_MAX_POOL:
    case NDDR_LAYER_AVERAGE_POOL:
      if (layer->inputs[0].value == 0)
        break;
      dx = gradient_of (b, layer->inputs[0].value, 0, layer->branches, &accumulate);
      nddr_pool_backward (b->plan, &b->ops[i].pool, dx, dz, accumulate);
      break;
    case NDDR_LAYER_RESIZE:
      if (layer->inputs[0].value == 0)
        break;
      dx = gradient_of (b, layer->inputs[0].value, 0, layer->branches, &accumulate);
      nddr_resize_backward (b->plan, &b->ops[i].resize, dx, dz, accumulate);
      break;
  }
}

/* The sum of squares of @x.  Returns the factor that brings its norm to @max_norm; NULL where that is 0, but for gradients in mixed precision, whose
 * factor takes the losses' scale away, too. */
static NddrTensor *
append_sum (Builder *b, NddrSum which, NddrTensor *x, double max_norm)
{
  static const char *const names[] = { "sum.gradients", "sum.params", "sum.running" };
  if (!x)
    return NULL;
  b->training->sums[which] = nddr_plan_flat (b->plan, names[which], NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrSquares squares = { .x = x, .sum = b->training->sums[which], .max_norm = max_norm };
  if (which == NDDR_SUM_GRADIENTS && b->options->mixed) {
    squares.unit = b->training->unscale = nddr_plan_flat (b->plan, "unscale", NDDR_SPACE_INPUT, NDDR_F32, 1);
    squares.max_norm = max_norm = max_norm > 0 ? max_norm : G_MAXFLOAT;
  }
  if (max_norm > 0)
    squares.factor = nddr_plan_flat (b->plan, "clip", NDDR_SPACE_ARENA, NDDR_F32, 1);
  nddr_squares (b->plan, &squares);
  return squares.factor;
}

/* Parts of @whole as @count gives them, or itself. */
static NddrTensor *
part_of (Builder *b, NddrTensor *whole, gsize from, gsize count)
{
  return from == 0 && count == (gsize) whole->stride ? whole : nddr_plan_part (b->plan, whole, whole->name, from * sizeof (float), count);
}

/* Adds @count gradients to those of the batches before, from element @from on. */
static void
append_total (Builder *b, gsize from, gsize count)
{
  const NddrParameters *p = b->training->parameters;
  NddrTensor *total = part_of (b, p->total, from, count), *gradients = part_of (b, p->gradients, from, count);
  b->plan->label = g_intern_string ("accumulate");
  b->plan->phase = NDDR_TRAINING_FIRST;
  nddr_gradients_add (b->plan, total, gradients, FALSE);
  b->plan->phase = NDDR_TRAINING_ADD;
  nddr_gradients_add (b->plan, total, gradients, TRUE);
}

/* ---- among ranks */

/* Gradients that are complete, to be summed over the ranks. */
static void
append_bucket (Builder *b, gsize from, gsize count)
{
  const NddrParameters *p = b->training->parameters;
  NddrTensor *exchanged = part_of (b, p->exchanged, from, count);
  if (b->options->accumulate)
    append_total (b, from, count);
  b->plan->label = g_intern_string ("exchange");
  b->plan->phase = NDDR_TRAINING_SEND;
  nddr_gradients_add (b->plan, exchanged, part_of (b, p->total, from, count), FALSE);
  nddr_plan_mark (b->plan, from == 0);
  add_collective (b, from > 0 ? NDDR_COLLECTIVE_BUCKET : NDDR_COLLECTIVE_LAST_BUCKET, exchanged, part_of (b, p->summed, from, count));
  b->plan->phase = NDDR_TRAINING_BACKWARD;
}

/* Layer @i's gradients are complete, as are those of the layers behind it, of which those from element *end on are in buckets. */
static void
fill_bucket (Builder *b, int i, gsize *end)
{
  const NddrParameters *p = b->training->parameters;
  const NddrTensor *weight = p->layers[i].weight; /* a layer's first part */
  gsize all = (gsize) p->params->stride * sizeof (float), least = CLAMP (all / BUCKETS, SMALLEST_BUCKET, LARGEST_BUCKET);
  gsize from = i == 0 ? 0 : weight ? weight->part_offset / sizeof (float) : *end;
  if (i > 0 && (*end - from) * sizeof (float) < least)
    return;
  append_bucket (b, from, *end - from);
  *end = from;
}

static void
append_backwards (Builder *b)
{
  gsize end = b->training->parameters->params->stride;
  b->plan->phase = NDDR_TRAINING_BACKWARD;
  for (int i = b->training->n_layers - 1; i >= 0; i--) {
    append_backward (b, i);
    if (b->options->share.count > 1)
      fill_bucket (b, i, &end);
  }
  if (b->options->accumulate && b->options->share.count <= 1)
    append_total (b, 0, end);
}

/* ---- the update */

/* Where the parameters are more than a binding may span, a part of them at a time. */
static void
append_update (Builder *b)
{
  const NddrTrainingOptions *o = b->options;
  const NddrParameters *p = b->training->parameters;
  gsize n = p->params->bytes / sizeof (float), chunk = b->plan->traits.max_storage_range / sizeof (float) / 4096 * 4096;
  b->plan->phase = NDDR_TRAINING_UPDATE;
  if (p->summed) {
    b->plan->label = g_intern_string ("exchange");
    nddr_gradients_add (b->plan, p->total, p->summed, FALSE);
  }
  b->plan->label = g_intern_string ("optimizer");
  NddrTensor *clip = append_sum (b, NDDR_SUM_GRADIENTS, p->total, o->clip_norm);
  for (gsize from = 0; from < n; from += chunk) {
    gsize count = MIN (chunk, n - from);
#define PART(whole, unit) ((whole) && count < n ? nddr_plan_part (b->plan, (whole), #whole, from / (unit) * sizeof (float), count / (unit)) : (whole))
    NddrOptimizer optimizer = {
      .params = PART (p->params, 1), .gradients = PART (p->total, 1), .clip = clip, .guarded = o->mixed, .moment1 = PART (p->moment1, 1), .moment2 = PART (p->moment2, 1),
      .groups = PART (p->groups, 64), .rates = b->training->rates, .n_groups = NDDR_N_GROUPS, .adamw = o->adamw,
      .momentum = o->momentum, .beta1 = o->beta1, .beta2 = o->beta2, .adam_eps = o->adam_eps,
    };
#undef PART
    nddr_optimizer_step (b->plan, &optimizer);
  }
  append_sum (b, NDDR_SUM_PARAMS, p->params, 0);
  append_sum (b, NDDR_SUM_RUNNING, p->running, 0);
}

/* ---- the whole */

/* What the steps above take for granted. */
static gboolean
check (const Builder *b, GError **error)
{
  for (guint i = 0; i < b->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (b->network, i);
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
builder_clear (Builder *b)
{
  for (int i = 0; i < (b->ops ? b->training->n_layers : 0); i++)
    g_free (b->ops[i].inputs);
  g_free (b->widths);
  g_free (b->heights);
  g_free (b->root);
  g_free (b->values);
  g_free (b->gradients);
  g_free (b->halves);
  g_free (b->written);
  g_free (b->zeroed);
  g_free (b->ops);
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
  Builder b = {
    .plan = plan, .network = network, .options = options, .training = training,
    .root = g_new0 (int, n_values), .values = g_new0 (NddrTensor *, n_values), .gradients = g_new0 (NddrTensor *, n_values),
    .halves = g_new0 (NddrTensor *, n_values),
    .written = g_new0 (guint64, n_values), .zeroed = g_new0 (gboolean, n_values), .ops = g_new0 (LayerOps, training->n_layers),
  };
  if (!check (&b, error)) {
    builder_clear (&b);
    return NULL;
  }
  nddr_network_sizes (network, options->width, options->height, &b.widths, &b.heights);
  find_roots (&b);
  find_zeroed (&b);

  training->parameters = nddr_parameters_new (plan, network, options->learn, options->adamw, options->accumulate, options->share.count > 1);
  if (options->dropout > 0)
    training->random = nddr_plan_flat (plan, "random", NDDR_SPACE_INPUT, NDDR_F32, 4);
  plan->phase = NDDR_TRAINING_FORWARD;
  guint first = plan->steps->len, end;
  append_image (&b);
  for (int i = 0; i < training->n_layers; i++)
    append_forward (&b, i);
  end = plan->steps->len;
  if (options->learn) {
    training->rates = nddr_plan_flat (plan, "rates", NDDR_SPACE_INPUT, NDDR_F32, (NDDR_N_GROUPS + 1) * 4);
    for (int t = 0; t < training->n_tasks; t++)
      append_loss (&b, config, t);
    append_backwards (&b);
    append_update (&b);
    if (options->segments > 1)
      nddr_plan_recompute (plan, first, end, options->segments, NDDR_TRAINING_BACKWARD);
  }
  builder_clear (&b);
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
