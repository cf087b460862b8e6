/* A network at one size, as a plan that infers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/allocate.h>
#include <nddr/error.h>
#include <nddr/inference.h>
#include <nddr/ops/ops.h>

#include <math.h>

typedef struct
{
  NddrPlan *plan;
  const NddrNetwork *network;
  NddrInference *inference;
  const int *widths, *heights; /* of each value */
  const int *readers;          /* of each value, how many: layers and heads */
  NddrTensor **values;         /* for each value: where it lies, once a layer has made it */
} Walk;

/* (transfer full): see Walk.readers. */
static int *
count_readers (const NddrNetwork *network)
{
  int *readers = g_new0 (int, network->values->len);

  for (int i = 0; i < (int) network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, i);
    for (int s = 0; s < layer->n_inputs; s++)
      readers[layer->inputs[s].value]++;
    if (layer->residual.value >= 0)
      readers[layer->residual.value]++;
  }
  for (int t = 0; t < network->n_tasks; t++)
    if (network->heads[t].value >= 0)
      readers[network->heads[t].value]++;
  return readers;
}

static NddrBranches
branches_of (const Walk *walk, NddrInput input)
{
  if (input.value < 0)
    return (NddrBranches){ NULL, 0, 0 };
  return (NddrBranches){ walk->values[input.value], input.first, input.step };
}

/* A new map for what @layer makes. */
static NddrTensor *
make_output (Walk *walk, const NddrLayer *layer)
{
  int v = layer->output;

  walk->values[v] = nddr_plan_map (walk->plan, layer->label, layer->branches, walk->values[0]->batch, walk->heights[v], walk->widths[v],
      nddr_network_value (walk->network, v)->channels);
  return walk->values[v];
}

/* Layer @i's folded weights, in the files' layout: what nddr_inference_upload() writes. */
static void
make_parameters (Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  gsize outputs = (gsize) layer->branches * nddr_network_value (walk->network, layer->output)->channels;
  gboolean convolves = layer->kind == NDDR_LAYER_CONVOLUTION || layer->kind == NDDR_LAYER_DEPTHWISE;
  g_autofree char *weight = g_strconcat (layer->label, ".weight", NULL), *bias = g_strconcat (layer->label, ".bias", NULL);

  walk->inference->weights[i] = nddr_plan_flat (walk->plan, weight, NDDR_SPACE_PARAMS, NDDR_F32, nddr_network_weights (walk->network, layer));
  if (convolves)
    walk->inference->biases[i] = nddr_plan_flat (walk->plan, bias, NDDR_SPACE_PARAMS, NDDR_F32, outputs);
}

/* (transfer full): all that the layer reads. */
static NddrBranches *
inputs_of (Walk *walk, const NddrLayer *layer)
{
  NddrBranches *inputs = g_new (NddrBranches, layer->n_inputs);

  for (int s = 0; s < layer->n_inputs; s++)
    inputs[s] = branches_of (walk, layer->inputs[s]);
  return inputs;
}

/* What @layer's output is clamped to. */
static float
low_of (const NddrLayer *layer)
{
  return layer->activation == NDDR_ACTIVATION_NONE ? -INFINITY : 0;
}

static float
high_of (const NddrLayer *layer)
{
  return layer->activation == NDDR_ACTIVATION_RELU6 ? 6 : INFINITY;
}

/* Layer @i, all but its output. @inputs: outlive it */
static NddrConvolution
convolution (Walk *walk, int i, const NddrBranches *inputs)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);

  make_parameters (walk, i);
  return (NddrConvolution){
    .branches = layer->branches,
    .inputs = inputs,
    .n_inputs = layer->n_inputs,
    .weight = walk->inference->weights[i],
    .bias = walk->inference->biases[i],
    .residual = branches_of (walk, layer->residual),
    .kernel = layer->kernel,
    .stride = layer->stride,
    .dilation = layer->dilation,
    .low = low_of (layer),
    .high = high_of (layer),
    .pack_phase = NDDR_PHASE_PACK,
  };
}

/* Layer @i, all but its input. */
static NddrDepthwise
depthwise (Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);

  make_parameters (walk, i);
  return (NddrDepthwise){
    .output = NDDR_BRANCHES (make_output (walk, layer)),
    .branches = layer->branches,
    .weight = walk->inference->weights[i],
    .bias = walk->inference->biases[i],
    .stride = layer->stride,
    .dilation = layer->dilation,
    .low = low_of (layer),
    .high = high_of (layer),
    .pack_phase = NDDR_PHASE_PACK,
  };
}

static void
append_convolution (Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);
  g_autofree NddrBranches *inputs = inputs_of (walk, layer);
  NddrConvolution op = convolution (walk, i, inputs);

  op.output = NDDR_BRANCHES (make_output (walk, layer));
  nddr_convolution_forward (walk->plan, &op);
}

static void
append_depthwise (Walk *walk, int i)
{
  NddrDepthwise op = depthwise (walk, i);

  op.input = branches_of (walk, nddr_network_layer (walk->network, i)->inputs[0]);
  nddr_depthwise_forward (walk->plan, &op);
}

/* Whether layer @i is a convolution that a depthwise one follows, which alone reads it, branch by branch. */
static gboolean
is_pair (const Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i), *next = layer + 1;

  return layer->kind == NDDR_LAYER_CONVOLUTION && i + 1 < (int) walk->network->layers->len && next->kind == NDDR_LAYER_DEPTHWISE
      && next->inputs[0].value == layer->output && next->inputs[0].first == 0 && (next->inputs[0].step == 1 || next->branches == 1)
      && next->branches == layer->branches && walk->readers[layer->output] == 1;
}

/* Both: in one step, where there is a kernel for that and it pays. */
static void
append_pair (Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i), *next = layer + 1;
  g_autofree NddrBranches *inputs = inputs_of (walk, layer);
  NddrConvolutionDepthwise op = { convolution (walk, i, inputs), depthwise (walk, i + 1) };

  if (nddr_convolution_depthwise_fits (walk->plan, &op) && nddr_convolution_depthwise_pays (walk->plan, &op)) {
    g_autofree char *label = g_strdup_printf ("%s, %s", layer->label, next->label);

    walk->plan->label = g_intern_string (label);
    nddr_convolution_depthwise_forward (walk->plan, &op);
    return;
  }
  op.convolution.output = op.depthwise.input = NDDR_BRANCHES (make_output (walk, layer));
  walk->plan->label = g_intern_string (layer->label);
  nddr_convolution_forward (walk->plan, &op.convolution);
  walk->plan->label = g_intern_string (next->label);
  nddr_depthwise_forward (walk->plan, &op.depthwise);
}

/* All branches of one value, or some of them. */
static void
append_mix (Walk *walk, int i, const NddrLayer *layer)
{
  NddrBranches input = branches_of (walk, layer->inputs[0]);

  input.step = 1;
  nddr_mix_forward (walk->plan, &(NddrMix){
    .output = NDDR_BRANCHES (make_output (walk, layer)),
    .branches = layer->branches,
    .input = input,
    .n_inputs = layer->n_inputs,
    .parts = layer->parts,
    .each_channel = layer->each_channel,
    .weight = walk->inference->weights[i],
    .pack_phase = NDDR_PHASE_PACK,
  });
}

static void
append_blend (Walk *walk, int i, const NddrLayer *layer)
{
  g_autofree NddrBranches *inputs = inputs_of (walk, layer);

  nddr_blend_forward (walk->plan, &(NddrBlend){
    .output = NDDR_BRANCHES (make_output (walk, layer)),
    .branches = layer->branches,
    .inputs = inputs,
    .n_inputs = layer->n_inputs,
    .weight = walk->inference->weights[i],
    .pack_phase = NDDR_PHASE_PACK,
  });
}

static void
append_resize (Walk *walk, const NddrLayer *layer)
{
  NddrTensor *input = walk->values[layer->inputs[0].value];

  /* every mode maps a size onto itself pixel by pixel */
  if (input->width == walk->widths[layer->output] && input->height == walk->heights[layer->output])
    walk->values[layer->output] = input;
  else
    nddr_resize_forward (walk->plan, &(NddrResize){ .output = make_output (walk, layer), .input = input, .mode = walk->network->resize });
}

static void
append_layer (Walk *walk, int i)
{
  const NddrLayer *layer = nddr_network_layer (walk->network, i);

  walk->plan->label = g_intern_string (layer->label);
  switch (layer->kind) {
    case NDDR_LAYER_CONVOLUTION:
      append_convolution (walk, i);
      break;
    case NDDR_LAYER_DEPTHWISE:
      append_depthwise (walk, i);
      break;
    case NDDR_LAYER_MIX:
      make_parameters (walk, i);
      append_mix (walk, i, layer);
      break;
    case NDDR_LAYER_BLEND:
      make_parameters (walk, i);
      append_blend (walk, i, layer);
      break;
    case NDDR_LAYER_MAX_POOL:
    case NDDR_LAYER_AVERAGE_POOL: {
      NddrTensor *input = walk->values[layer->inputs[0].value];

      nddr_pool_forward (walk->plan, &(NddrPool){ .output = make_output (walk, layer), .input = input,
          .average = layer->kind == NDDR_LAYER_AVERAGE_POOL, .stride = layer->stride, .padding = walk->network->pool_padding });
      break;
    }
    case NDDR_LAYER_RESIZE:
      append_resize (walk, layer);
      break;
  }
}

gboolean
nddr_inference_check_maps (const NddrPlan *plan, const NddrNetwork *network, int batch, const int *widths, const int *heights, GError **error)
{
  for (int v = 0; v < (int) network->values->len; v++) {
    const NddrValue *value = nddr_network_value (network, v);
    const char *name = value->producer < 0 ? "the input" : nddr_network_layer (network, value->producer)->label;

    if (!nddr_plan_check_map (plan, name, value->branches, batch, heights[v], widths[v], value->channels, error))
      return FALSE;
  }
  return TRUE;
}

NddrInference *
nddr_inference_append (NddrPlan *plan, const NddrNetwork *network, NddrTensor *input, GError **error)
{
  NddrInference *inference;
  g_autofree NddrTensor **values = g_new0 (NddrTensor *, network->values->len);
  g_autofree int *widths = NULL, *heights = NULL, *readers = count_readers (network);
  const char *label = plan->label;
  int phase = plan->phase;
  Walk walk;

  nddr_network_sizes (network, input->width, input->height, &widths, &heights);
  if (!nddr_inference_check_maps (plan, network, input->batch, widths, heights, error))
    return NULL;
  inference = g_new0 (NddrInference, 1);
  inference->input = input;
  inference->n_layers = (int) network->layers->len;
  inference->n_tasks = network->n_tasks;
  inference->type = plan->activation_type;
  inference->weights = g_new0 (NddrTensor *, inference->n_layers);
  inference->biases = g_new0 (NddrTensor *, inference->n_layers);
  inference->heads = g_new0 (NddrBranches, inference->n_tasks);

  walk = (Walk){ plan, network, inference, widths, heights, readers, values };
  values[0] = input;
  plan->phase = NDDR_PHASE_NETWORK;
  for (int i = 0; i < inference->n_layers; i++)
    if (is_pair (&walk, i))
      append_pair (&walk, i++);
    else
      append_layer (&walk, i);
  for (int t = 0; t < inference->n_tasks; t++) {
    inference->heads[t] = branches_of (&walk, network->heads[t]);
    if (inference->heads[t].tensor != NULL)
      inference->heads[t].tensor->keep = TRUE;
  }
  plan->phase = phase;
  plan->label = label;
  return inference;
}

void
nddr_inference_free (NddrInference *inference)
{
  if (inference == NULL)
    return;
  g_free (inference->heads);
  g_free (inference->weights);
  g_free (inference->biases);
  g_free (inference);
}

/* Whether fp16 has numbers for @layer's folded @weights, all @n: infinities would be multiplied by zeros. */
static gboolean
check_half (const NddrLayer *layer, const float *weights, gsize n, GError **error)
{
  for (gsize i = 0; i < n; i++)
    if (fabsf (weights[i]) >= 65520.f) {
      gsize b = i / (n / layer->branches);
      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "tensor \"%s.weight\" has %g%s, and fp16 ends at 65504: use precision fp32", layer->names[b],
          (double) weights[i], layer->has_norm[b] ? " once its normalisation is folded into it" : "");
    }
  return TRUE;
}

gboolean
nddr_inference_upload (const NddrInference *inference, const NddrNetwork *network, const NddrArrays *tensors, NddrProgram *program, GError **error)
{
  for (int i = 0; i < inference->n_layers; i++) {
    const NddrTensor *weight = inference->weights[i], *bias = inference->biases[i];
    g_autofree float *weights = NULL, *biases = NULL;

    if (weight == NULL)
      continue;
    weights = nddr_try_alloc (weight->channels, sizeof (float), "a layer's weights", error);
    if (weights == NULL || (bias != NULL && (biases = nddr_try_alloc (bias->channels, sizeof (float), "a layer's biases", error)) == NULL))
      return FALSE;
    const NddrLayer *layer = nddr_network_layer (network, i);
    nddr_network_fold (network, layer, tensors, weights, biases);
    if (inference->type == NDDR_F16 && layer->kind == NDDR_LAYER_CONVOLUTION && !check_half (layer, weights, weight->channels, error))
      return FALSE;
    if (!nddr_program_write (program, weight, 0, weights, weight->channels * sizeof (float), error)
        || (bias != NULL && !nddr_program_write (program, bias, 0, biases, bias->channels * sizeof (float), error))) {
      g_prefix_error (error, "uploading the weights of %s: ", layer->label);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
nddr_inference_prepare (const NddrInference *inference, const NddrNetwork *network, const NddrArrays *tensors, NddrProgram *program, GError **error)
{
  if (!nddr_inference_upload (inference, network, tensors, program, error) || !nddr_program_run (program, 1u << NDDR_PHASE_PACK, error))
    return FALSE;
  nddr_program_release (program, NDDR_SPACE_PARAMS);
  return TRUE;
}
