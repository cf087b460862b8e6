/* Gradients, layer by layer, from the last to the first.
 *
 * A value that several layers read gets its gradient in parts, from the last reader to the first, branch by branch: the first
 * part of a branch writes, the others add.  Where that cannot be said branch by branch, or nobody reads a branch, the gradient is
 * zeroed first and every part adds.  All this is known before anything is appended: see nddr_walk_find_zeroed().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/training-private.h>

/* Some consecutive branches of a value that a layer reads. */
typedef struct
{
  int value, first, count;
  int input; /* which of the layer's inputs; -1: its residual */
} Read;

/* ---- gradients of values */

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
list_reads (const NddrWalk *walk, const NddrLayer *layer, Read *reads)
{
  int n = 0;
  if (layer->residual.value > 0)
    reads[n++] = (Read){ walk->root[layer->residual.value], layer->residual.first, layer->residual.step ? layer->branches : 1, -1 };
  if (is_fusion (layer) && layer->inputs[0].value > 0) {
    reads[n++] = (Read){ walk->root[layer->inputs[0].value], layer->inputs[0].first, layer->n_inputs, 0 };
    return n;
  }
  for (int k = 0; k < layer->n_inputs; k++)
    if (layer->inputs[k].value > 0)
      reads[n++] = (Read){ walk->root[layer->inputs[k].value], layer->inputs[k].first, layer->inputs[k].step ? layer->branches : 1, k };
  return n;
}

void
nddr_walk_find_zeroed (NddrWalk *walk)
{
  guint n_values = walk->network->values->len;
  g_autofree guint64 *written = g_new0 (guint64, n_values);
  for (int t = 0; t < walk->training->n_tasks; t++)
    written[walk->root[walk->network->heads[t].value]] |= mask_of (walk->network->heads[t].first, 1);
  for (int i = walk->network->layers->len - 1; i >= 0; i--) {
    const NddrLayer *layer = nddr_network_layer (walk->network, i);
    g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
    int n = nddr_walk_is_alias (walk, layer) ? 0 : list_reads (walk, layer, reads);
    for (int r = 0; r < n; r++) {
      guint64 mask = mask_of (reads[r].first, reads[r].count), before = written[reads[r].value] & mask;
      walk->zeroed[reads[r].value] |= before != 0 && before != mask;
      written[reads[r].value] |= mask;
    }
  }
  for (guint v = 1; v < n_values; v++)
    walk->zeroed[v] |= written[v] != 0 && written[v] != mask_of (0, nddr_network_value (walk->network, v)->branches);
}

NddrTensor *
nddr_walk_gradient_of (NddrWalk *walk, int value, int first, int count, gboolean *accumulate)
{
  value = walk->root[value];
  if (!walk->gradients[value]) {
    const NddrTensor *t = walk->values[value];
    g_autofree char *name = g_strconcat ("d ", t->name, NULL);
    walk->gradients[value] = nddr_plan_map (walk->plan, name, t->branches, t->batch, t->height, t->width, t->channels);
    if (walk->zeroed[value]) {
      nddr_zero (walk->plan, walk->gradients[value]);
      walk->written[value] = ~G_GUINT64_CONSTANT (0);
    }
  }
  guint64 mask = mask_of (first, count);
  if (accumulate)
    *accumulate = (walk->written[value] & mask) != 0;
  walk->written[value] |= mask;
  return walk->gradients[value];
}

/* ---- layers */

/* Input gradients of a dense convolution: those of a fusion's inputs, which lie side by side, in one call. */
static void
append_convolution_gradients (NddrWalk *walk, const NddrLayer *layer, const NddrLayerOps *ops, NddrTensor *dy)
{
  g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
  int n = list_reads (walk, layer, reads);
  for (int r = 0; r < n; r++) {
    if (reads[r].input < 0)
      continue;
    gboolean accumulate;
    int k = reads[r].input;
    NddrTensor *dx = nddr_walk_gradient_of (walk, reads[r].value, reads[r].first, reads[r].count, &accumulate);
    gboolean fusion = is_fusion (layer);
    NddrBranches to = { dx, reads[r].first, fusion ? 1 : layer->inputs[k].step };
    nddr_convolution_backward_data (walk->plan, &ops->convolution, k, fusion ? layer->n_inputs : 1, to, NDDR_BRANCHES (dy), accumulate);
  }
}

static void
append_residual_gradient (NddrWalk *walk, const NddrLayer *layer, NddrTensor *dy)
{
  gboolean accumulate;
  NddrTensor *dx = nddr_walk_gradient_of (walk, layer->residual.value, layer->residual.first, layer->branches, &accumulate);
  NddrResize copy = { .output = dy, .input = dx, .mode = NDDR_RESIZE_HALF_PIXEL }; /* of the same size: its gradient is dy itself */
  nddr_resize_backward (walk->plan, &copy, dx, dy, accumulate);
}

/* Adds the gradient of what a layer's filters are penalised for to that of its weights. */
static void
append_penalty (NddrWalk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  const NddrLayerParameters *p = &walk->training->parameters->layers[i];
  NddrTraining *training = walk->training;
  int rows = nddr_network_value (walk->network, layer->output)->channels;
  if (!layer->penalised || !walk->options->penalty)
    return;
  if (!training->penalty_scale)
    training->penalty_scale = nddr_plan_flat (walk->plan, "penalty.scale", NDDR_SPACE_INPUT, NDDR_F32, 2);
  training->penalties[i] = nddr_plan_flat (walk->plan, "penalty", NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  nddr_overlap (walk->plan, &(NddrOverlap){
      .weight = p->weight, .branches = layer->branches, .rows = rows,
      .columns = nddr_network_in_channels (walk->network, layer) * layer->kernel * layer->kernel,
      .scale = training->penalty_scale, .overlap = training->penalties[i], .dweight = p->dweight });
}

static void
append_mixture_gradient (NddrWalk *walk, int i, NddrTensor *dz)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  const NddrLayerParameters *p = &walk->training->parameters->layers[i];
  const NddrLayerOps *ops = &walk->ops[i];
  g_autofree Read *reads = g_new (Read, layer->n_inputs + 1);
  int n = list_reads (walk, layer, reads);
  if (layer->kind == NDDR_LAYER_MIX)
    nddr_mix_backward_weight (walk->plan, &ops->mix, NDDR_BRANCHES (dz), p->dweight);
  else
    nddr_blend_backward_weight (walk->plan, &ops->blend, NDDR_BRANCHES (dz), p->dweight);
  for (int r = 0; r < n; r++) {
    gboolean accumulate;
    NddrTensor *dx = nddr_walk_gradient_of (walk, reads[r].value, reads[r].first, reads[r].count, &accumulate);
    NddrBranches to = { dx, reads[r].first, 1 };
    if (layer->kind == NDDR_LAYER_MIX)
      nddr_mix_backward_data (walk->plan, &ops->mix, to, NDDR_BRANCHES (dz), accumulate);
    else
      nddr_blend_backward_data (walk->plan, &ops->blend, reads[r].input, to, NDDR_BRANCHES (dz), accumulate);
  }
}

static void
append_layer_gradient (NddrWalk *walk, int i, NddrTensor *dz)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  const NddrLayerParameters *p = &walk->training->parameters->layers[i];
  NddrLayerOps *ops = &walk->ops[i];
  gboolean has_residual = layer->residual.value > 0, accumulate = FALSE;
  if (layer->norm) {
    NddrBranches dresidual = { NULL, 0, 1 };
    if (has_residual) {
      dresidual.tensor = nddr_walk_gradient_of (walk, layer->residual.value, layer->residual.first, layer->branches, &accumulate);
      dresidual.first = layer->residual.first;
    }
    gboolean fixed = walk->options->bn_fixed && ops->norm.frozen;
    nddr_norm_backward (walk->plan, &ops->norm, dz, dz, fixed ? NULL : p->dscale, fixed ? NULL : p->dshift, dresidual, accumulate);
    nddr_walk_add_collective (walk, NDDR_COLLECTIVE_SUM, ops->norm.sums, NULL);
  } else {
    if (ops->activated)
      nddr_activate_backward (walk->plan, &ops->activate, dz, dz);
    if (has_residual)
      append_residual_gradient (walk, layer, dz);
  }

  if (layer->kind == NDDR_LAYER_CONVOLUTION) {
    NddrTensor *dy = walk->options->mixed ? nddr_walk_cast (walk, dz) : dz;
    nddr_convolution_backward_weight (walk->plan, &ops->convolution, NDDR_BRANCHES (dy), p->dweight, p->dbias);
    append_penalty (walk, i);
    append_convolution_gradients (walk, layer, ops, dy);
    return;
  }
  nddr_depthwise_backward_weight (walk->plan, &ops->depthwise, NDDR_BRANCHES (dz), p->dweight, p->dbias);
  if (layer->inputs[0].value > 0) {
    NddrTensor *dx = nddr_walk_gradient_of (walk, layer->inputs[0].value, layer->inputs[0].first, layer->branches, &accumulate);
    nddr_depthwise_backward_data (walk->plan, &ops->depthwise, (NddrBranches){ dx, layer->inputs[0].first, 1 }, NDDR_BRANCHES (dz), accumulate);
  }
}

void
nddr_walk_append_backward (NddrWalk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  if (nddr_walk_is_alias (walk, layer) || !walk->gradients[walk->root[layer->output]])
    return; /* nothing that is learnt from reads it */
  NddrTensor *dz = walk->gradients[walk->root[layer->output]], *dx;
  gboolean accumulate;
  walk->plan->label = g_intern_string (layer->label);
  switch (layer->kind) {
    case NDDR_LAYER_CONVOLUTION:
    case NDDR_LAYER_DEPTHWISE:
      append_layer_gradient (walk, i, dz);
      break;
    case NDDR_LAYER_MIX:
    case NDDR_LAYER_BLEND:
      append_mixture_gradient (walk, i, dz);
      break;
    case NDDR_LAYER_MAX_POOL:
    case NDDR_LAYER_AVERAGE_POOL:
      if (layer->inputs[0].value == 0)
        break;
      dx = nddr_walk_gradient_of (walk, layer->inputs[0].value, 0, layer->branches, &accumulate);
      nddr_pool_backward (walk->plan, &walk->ops[i].pool, dx, dz, accumulate);
      break;
    case NDDR_LAYER_RESIZE:
      if (layer->inputs[0].value == 0)
        break;
      dx = nddr_walk_gradient_of (walk, layer->inputs[0].value, 0, layer->branches, &accumulate);
      nddr_resize_backward (walk->plan, &walk->ops[i].resize, dx, dz, accumulate);
      break;
  }
}
