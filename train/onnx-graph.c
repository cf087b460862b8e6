/* A network as an ONNX graph: operators of https://github.com/onnx/onnx/blob/main/docs/Operators.md as they are in operator set 17.
 *
 * A network's layer becomes nodes for each of its branches, since ONNX has no such dimension.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/onnx-private.h>
#include <train/protobuf.h>

#include <nddr/error.h>

/* ---- layers */

static const char *
value_name (const NddrOnnxExport *e, NddrInput from, int branch)
{
  return ((char **) e->values->pdata[from.value])[from.first + from.step * branch];
}

/* What a layer makes for one branch; of a head, the output that its task is called by. The names of tasks have no dots. */
static char *
output_name (const NddrOnnxExport *e, const NddrLayer *layer, int branch)
{
  int task = layer->tasks[branch];
  for (int t = 0; t < e->network->n_tasks; t++)
    if (e->network->heads[t].value == layer->output && e->network->heads[t].first == branch)
      return g_strdup (e->config->tasks[t].name);
  return g_strconcat (task < 0 ? "shared" : e->config->tasks[task].name, ".", layer->label, NULL);
}

/* Whether @key is new; (out) *name: what it was made as, now or before. */
static gboolean
is_first (NddrOnnxExport *e, const char *key, const char *wanted, const char **name)
{
  *name = g_hash_table_lookup (e->made, key);
  if (*name)
    return FALSE;
  g_hash_table_insert (e->made, g_strdup (key), g_strdup (wanted));
  *name = g_hash_table_lookup (e->made, key);
  return TRUE;
}

/* All that one branch of a convolution reads, side by side. Branches that read the same share it: fusion layers do. */
static const char *
add_concatenation (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  if (layer->n_inputs == 1)
    return value_name (e, layer->inputs[0], branch);
  g_autofree const char **inputs = g_new0 (const char *, layer->n_inputs + 1);
  for (int s = 0; s < layer->n_inputs; s++)
    inputs[s] = value_name (e, layer->inputs[s], branch);
  g_autofree char *list = g_strjoinv (" ", (char **) inputs), *wanted = g_strconcat (output, ".inputs", NULL);
  const char *name;
  if (is_first (e, list, wanted, &name)) {
    GByteArray *node = nddr_onnx_new_node ("Concat", inputs, name);
    nddr_onnx_put_integer (node, "axis", 1);
    nddr_onnx_add_node (e, node);
  }
  return name;
}

/* The bounds of ReLU6 are scalars of the graph. */
static void
add_activation (NddrOnnxExport *e, NddrActivation activation, const char *input, const char *output)
{
  if (activation == NDDR_ACTIVATION_RELU)
    nddr_onnx_add_plain_node (e, "Relu", (const char *[]){ input, NULL }, output);
  else
    nddr_onnx_add_plain_node (e, "Clip", (const char *[]){ input, "relu6.low", "relu6.high", NULL }, output);
}

static void
add_window (GByteArray *node, const NddrLayer *layer)
{
  gint64 kernel[] = { layer->kernel, layer->kernel }, strides[] = { layer->stride, layer->stride };
  nddr_onnx_put_integers (node, "kernel_shape", 2, kernel);
  nddr_onnx_put_integers (node, "strides", 2, strides);
}

/* @before, @after: rows and columns in front of the map and behind it */
static void
add_padding (GByteArray *node, int before, int after)
{
  gint64 pads[] = { before, before, after, after };
  nddr_onnx_put_integers (node, "pads", 4, pads);
}

/* Convolution, residual, activation: a node for each that the layer has, the last one called @output. */
static void
add_convolution (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  gboolean residual = layer->residual.value >= 0, active = layer->activation != NDDR_ACTIVATION_NONE;
  int padding = layer->dilation * (layer->kernel - 1) / 2;
  gint64 dilations[] = { layer->dilation, layer->dilation };
  g_autofree char *weight = g_strconcat (layer->names[branch], ".weight", NULL), *bias = g_strconcat (layer->names[branch], ".bias", NULL);
  g_autofree char *sum = residual || active ? g_strconcat (output, ".convolution", NULL) : g_strdup (output);
  const char *input = add_concatenation (e, layer, branch, output);
  GByteArray *node = nddr_onnx_new_node ("Conv", (const char *[]){ input, weight, bias, NULL }, sum);
  add_window (node, layer);
  nddr_onnx_put_integers (node, "dilations", 2, dilations);
  add_padding (node, padding, padding);
  nddr_onnx_put_integer (node, "group", layer->kind == NDDR_LAYER_DEPTHWISE ? nddr_network_value (e->network, layer->output)->channels : 1);
  nddr_onnx_add_node (e, node);
  if (residual) {
    g_autofree char *added = active ? g_strconcat (output, ".residual", NULL) : g_strdup (output);
    nddr_onnx_add_plain_node (e, "Add", (const char *[]){ sum, value_name (e, layer->residual, branch), NULL }, added);
    g_free (sum);
    sum = g_steal_pointer (&added);
  }
  if (active)
    add_activation (e, layer->activation, sum, output);
}

/* SAME_UPPER is what pool_padding "same" means: as much as ceil (n / stride) outputs need, the odd one behind. */
static void
add_max_pool (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  NddrPoolPadding padding = layer->stride == 1 ? NDDR_POOL_BOTH : e->network->pool_padding;
  GByteArray *node = nddr_onnx_new_node ("MaxPool", (const char *[]){ value_name (e, layer->inputs[0], branch), NULL }, output);
  add_window (node, layer);
  if (padding == NDDR_POOL_SAME)
    nddr_onnx_put_text (node, "auto_pad", "SAME_UPPER");
  else
    add_padding (node, padding == NDDR_POOL_BOTH, 1);
  nddr_onnx_add_node (e, node);
}

static void
add_average_pool (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  GByteArray *node = nddr_onnx_new_node ("AveragePool", (const char *[]){ value_name (e, layer->inputs[0], branch), NULL }, output);
  add_window (node, layer);
  add_padding (node, 1, 1);
  nddr_onnx_put_integer (node, "count_include_pad", 0);
  nddr_onnx_add_node (e, node);
}

/* The dimensions @start to @end of a value, as a tensor of integers. */
static void
add_shape (NddrOnnxExport *e, const char *value, gint64 start, gint64 end, const char *output)
{
  GByteArray *node = nddr_onnx_new_node ("Shape", (const char *[]){ value, NULL }, output);
  nddr_onnx_put_integer (node, "start", start);
  nddr_onnx_put_integer (node, "end", end);
  nddr_onnx_add_node (e, node);
}

/* To the same size every mode maps a map onto itself. */
static gboolean
is_idle (const NddrOnnxExport *e, const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_RESIZE && e->sizes[layer->inputs[0].value] == e->sizes[layer->like];
}

static void
add_resize (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  static const char *const modes[] = { "half_pixel", "align_corners", "asymmetric" };
  const char *input = value_name (e, layer->inputs[0], branch), *like = value_name (e, (NddrInput){ layer->like, 0, 0 }, 0), *size;
  g_autofree char *like_size = g_strconcat (like, ".size", NULL), *count = g_strconcat (output, ".count", NULL);
  g_autofree char *shape = g_strconcat (output, ".shape", NULL);
  if (is_first (e, like_size, like_size, &size))
    add_shape (e, like, 2, 4, size);
  add_shape (e, input, 0, 2, count);
  GByteArray *concat = nddr_onnx_new_node ("Concat", (const char *[]){ count, size, NULL }, shape);
  nddr_onnx_put_integer (concat, "axis", 0);
  nddr_onnx_add_node (e, concat);
  /* the inputs roi and scales are left out */
  GByteArray *node = nddr_onnx_new_node ("Resize", (const char *[]){ input, "", "", shape, NULL }, output);
  nddr_onnx_put_text (node, "mode", "linear");
  nddr_onnx_put_text (node, "coordinate_transformation_mode", modes[e->network->resize]);
  nddr_onnx_add_node (e, node);
}

/* @input times @values: a number, or one for each of @n channels. */
static void
add_product (NddrOnnxExport *e, const char *input, gint64 n, const float *values, const char *output)
{
  const gint64 dims[] = { 1, n, 1, 1 };
  g_autofree char *weight = g_strconcat (output, ".weight", NULL);
  nddr_onnx_add_constant (e, weight, 4, dims, values);
  nddr_onnx_add_plain_node (e, "Mul", (const char *[]){ input, weight, NULL }, output);
}

/* Part @part of what input @source of a mixture is cut into: the names are made once for all of its branches. (transfer full) */
static char *
add_part (NddrOnnxExport *e, const NddrLayer *layer, int source, int part)
{
  const char *input = value_name (e, layer->inputs[source], 0), *name;
  if (layer->parts == 1)
    return g_strdup (input);
  g_autofree char *key = g_strconcat (input, ".part", NULL);
  if (is_first (e, key, key, &name)) {
    g_autoptr (GByteArray) split = g_byte_array_new ();
    nddr_protobuf_put_string (split, NDDR_ONNX_NODE_INPUT, input);
    for (int p = 0; p < layer->parts; p++) {
      g_autofree char *output = g_strdup_printf ("%s%d", name, p);
      nddr_protobuf_put_string (split, NDDR_ONNX_NODE_OUTPUT, output);
    }
    nddr_protobuf_put_string (split, NDDR_ONNX_NODE_NAME, name);
    nddr_protobuf_put_string (split, NDDR_ONNX_NODE_OP_TYPE, "Split");
    nddr_onnx_put_integer (split, "axis", 1);
    nddr_protobuf_put_message (e->graph, NDDR_ONNX_GRAPH_NODE, split);
  }
  return g_strdup_printf ("%s%d", name, part);
}

/* One part of one branch: the sum over all parts of all inputs, each times its weight. @row: that part's among all branches' */
static void
add_mixed_part (NddrOnnxExport *e, const NddrLayer *layer, int row, const float *weights, const char *output)
{
  int columns = layer->n_inputs * layer->parts;
  gint64 cells = layer->each_channel ? nddr_network_value (e->network, layer->output)->channels / layer->parts : 1;
  g_autofree float *values = g_new (float, cells);
  g_auto (GStrv) products = g_new0 (char *, columns + 1);
  for (int q = 0; q < columns; q++) {
    g_autofree char *input = add_part (e, layer, q / layer->parts, q % layer->parts);
    for (gint64 c = 0; c < cells; c++)
      values[c] = weights[(c * layer->branches * layer->parts + row) * columns + q];
    products[q] = g_strdup_printf ("%s.from%d", output, q);
    add_product (e, input, cells, values, products[q]);
  }
  nddr_onnx_add_plain_node (e, "Sum", (const char *const *) products, output);
}

static void
add_mix (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  g_autofree float *weights = g_new (float, nddr_network_weights (e->network, layer));
  g_auto (GStrv) parts = g_new0 (char *, layer->parts + 1);
  nddr_network_fold (e->network, layer, nddr_model_get_tensors (e->model), weights, NULL);
  for (int r = 0; r < layer->parts; r++) {
    parts[r] = layer->parts > 1 ? g_strdup_printf ("%s.mixed%d", output, r) : g_strdup (output);
    add_mixed_part (e, layer, branch * layer->parts + r, weights, parts[r]);
  }
  if (layer->parts == 1)
    return;
  GByteArray *node = nddr_onnx_new_node ("Concat", (const char *const *) parts, output);
  nddr_onnx_put_integer (node, "axis", 1);
  nddr_onnx_add_node (e, node);
}

static void
add_blend (NddrOnnxExport *e, const NddrLayer *layer, int branch, const char *output)
{
  g_autofree float *weights = g_new (float, nddr_network_weights (e->network, layer));
  g_auto (GStrv) products = g_new0 (char *, layer->n_inputs + 1);
  nddr_network_fold (e->network, layer, nddr_model_get_tensors (e->model), weights, NULL);
  for (int s = 0; s < layer->n_inputs; s++) {
    products[s] = g_strdup_printf ("%s.from%d", output, s);
    add_product (e, value_name (e, layer->inputs[s], branch), 1, &weights[branch * layer->n_inputs + s], products[s]);
  }
  nddr_onnx_add_plain_node (e, "Sum", (const char *const *) products, output);
}

/* A number for the size that @layer makes: halving an odd size rounds up, or down where pools are padded at their end alone. */
static guint64
output_size (const NddrOnnxExport *e, const NddrLayer *layer)
{
  guint64 size = e->sizes[layer->inputs[0].value];
  gboolean down = layer->kind == NDDR_LAYER_MAX_POOL && e->network->pool_padding == NDDR_POOL_END;
  if (layer->kind == NDDR_LAYER_RESIZE)
    return e->sizes[layer->like];
  return layer->stride == 1 ? size : size * 16 + layer->stride * 2 + down;
}

static gboolean
add_layer (NddrOnnxExport *e, const NddrLayer *layer, GError **error)
{
  char **names = g_new0 (char *, layer->branches + 1);
  e->values->pdata[layer->output] = names;
  e->sizes[layer->output] = output_size (e, layer);
  for (int b = 0; b < layer->branches; b++) {
    if (is_idle (e, layer)) {
      names[b] = g_strdup (value_name (e, layer->inputs[0], b));
      continue;
    }
    names[b] = output_name (e, layer, b);
    switch (layer->kind) {
      case NDDR_LAYER_CONVOLUTION:
      case NDDR_LAYER_DEPTHWISE:
        add_convolution (e, layer, b, names[b]);
        break;
      case NDDR_LAYER_MAX_POOL:
        add_max_pool (e, layer, b, names[b]);
        break;
      case NDDR_LAYER_AVERAGE_POOL:
        add_average_pool (e, layer, b, names[b]);
        break;
      case NDDR_LAYER_RESIZE:
        add_resize (e, layer, b, names[b]);
        break;
      case NDDR_LAYER_MIX:
        add_mix (e, layer, b, names[b]);
        break;
      case NDDR_LAYER_BLEND:
        add_blend (e, layer, b, names[b]);
        break;
      default:
        return nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "layer %s is of a kind (%d) that this version of nddr cannot write as ONNX",
            layer->label, layer->kind);
    }
  }
  return TRUE;
}

/* ---- the graph */

/* @e->image, (x - mean) / std: the network's input. */
static void
add_input (NddrOnnxExport *e)
{
  static const char normalized[] = "image.normalized";
  const gint64 dims[] = { 1, 3, 1, 1 };
  g_autofree char *about = g_strdup_printf ("red, green and blue in [0, 1]; the model's own size is %u x %u, any from 32 x 32 will do",
      e->config->input_width, e->config->input_height);
  float mean[3], std[3];
  for (int c = 0; c < 3; c++) {
    mean[c] = e->config->mean[c];
    std[c] = e->config->std[c];
  }
  nddr_onnx_add_value_info (e, NDDR_ONNX_GRAPH_INPUT, e->image, 3, "height", "width", about);
  nddr_onnx_add_constant (e, "image.mean", 4, dims, mean);
  nddr_onnx_add_constant (e, "image.std", 4, dims, std);
  nddr_onnx_add_plain_node (e, "Sub", (const char *[]){ e->image, "image.mean", NULL }, "image.centred");
  nddr_onnx_add_plain_node (e, "Div", (const char *[]){ "image.centred", "image.std", NULL }, normalized);
  e->values->pdata[0] = g_strsplit (normalized, " ", -1);
  e->sizes[0] = 1;
}

static void
add_output (NddrOnnxExport *e, const NddrTask *task)
{
  static const char *const meanings[] = { "scores of the classes", "normals: x right, y up, z toward the camera, not brought to length 1", "metres" };
  GString *about = g_string_new (meanings[task->kind]);
  for (guint c = 0; c < task->n_classes; c++)
    g_string_append_printf (about, "%s %s", c ? "," : "", task->classes[c].name);
  nddr_onnx_add_value_info (e, NDDR_ONNX_GRAPH_OUTPUT, task->name, task->channels, "head_height", "head_width", about->str);
  g_string_free (about, TRUE);
}

static gboolean
has_relu6 (const NddrNetwork *network)
{
  for (guint i = 0; i < network->layers->len; i++)
    if (nddr_network_layer (network, i)->activation == NDDR_ACTIVATION_RELU6)
      return TRUE;
  return FALSE;
}

gboolean
nddr_onnx_build_graph (NddrOnnxExport *e, GError **error)
{
  nddr_protobuf_put_string (e->graph, NDDR_ONNX_GRAPH_NAME, "nddr");
  add_input (e);
  if (has_relu6 (e->network)) {
    nddr_onnx_add_constant (e, "relu6.low", 0, NULL, (const float[]){ 0 });
    nddr_onnx_add_constant (e, "relu6.high", 0, NULL, (const float[]){ 6 });
  }
  for (guint i = 0; i < e->network->layers->len; i++)
    if (!add_layer (e, nddr_network_layer (e->network, i), error))
      return FALSE;
  for (guint t = 0; t < e->config->n_tasks; t++)
    add_output (e, &e->config->tasks[t]);
  return TRUE;
}
