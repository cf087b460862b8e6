/* ONNX files: https://onnx.ai/onnx/repo-docs/IR.html, the messages of onnx.proto and operators of
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md as they are in operator set 17.
 *
 * A network's layer becomes nodes for each of its branches, since ONNX has no such dimension. Weights are written last and one layer at a
 * time: a file can be larger than what is kept of it in memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/onnx.h>
#include <train/protobuf.h>

#include <nddr/error.h>
#include <nddr/network.h>
#include <nddr/nddr.h>
#include <nddr/whole-file.h>
#include <string.h>

#define IR_VERSION 8              /* what came with operator set 17 */
#define LARGEST_MESSAGE G_MAXINT32 /* of any reader of protocol buffers */

/* Field numbers and values of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER_NAME = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET_IMPORT = 8, MODEL_METADATA_PROPS = 14 };
enum { OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { ELEMENT_FLOAT = 1 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, VALUE_DOC_STRING = 3 };
enum { TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

typedef struct
{
  const NddrModel *model;
  const NddrConfig *config;
  const NddrNetwork *network;
  const char *image;      /* the input's name */
  GPtrArray *values;      /* for each of the network's values: char *[branches], and NULL behind them */
  guint64 *sizes;         /* for each value: what its size is of the image's; equal numbers are equal sizes */
  GHashTable *made;       /* what several layers read: the names of concatenations and shapes, by what they are of */
  GByteArray *graph;      /* all of the graph but the layers' weights */
} Export;

/* ---- messages */

/* A node without attributes; the caller adds those, then hands it to add_node(). @inputs: NULL-terminated; "" is an input left out. */
static GByteArray *
new_node (const char *op_type, const char *const *inputs, const char *output)
{
  GByteArray *node = g_byte_array_new ();
  for (guint i = 0; inputs[i]; i++)
    nddr_protobuf_put_string (node, NODE_INPUT, inputs[i]);
  nddr_protobuf_put_string (node, NODE_OUTPUT, output);
  nddr_protobuf_put_string (node, NODE_NAME, output);
  nddr_protobuf_put_string (node, NODE_OP_TYPE, op_type);
  return node;
}

static void
add_node (Export *e, GByteArray *node)
{
  nddr_protobuf_put_message (e->graph, GRAPH_NODE, node);
  g_byte_array_unref (node);
}

static void
add_plain_node (Export *e, const char *op_type, const char *const *inputs, const char *output)
{
  add_node (e, new_node (op_type, inputs, output));
}

static void
put_attribute (GByteArray *node, GByteArray *attribute, const char *name, int type)
{
  nddr_protobuf_put_string (attribute, ATTRIBUTE_NAME, name);
  nddr_protobuf_put_integer (attribute, ATTRIBUTE_TYPE, type);
  nddr_protobuf_put_message (node, NODE_ATTRIBUTE, attribute);
}

static void
put_integer (GByteArray *node, const char *name, gint64 value)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  nddr_protobuf_put_integer (attribute, ATTRIBUTE_I, value);
  put_attribute (node, attribute, name, TYPE_INT);
}

static void
put_integers (GByteArray *node, const char *name, guint n, const gint64 *values)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  for (guint i = 0; i < n; i++)
    nddr_protobuf_put_integer (attribute, ATTRIBUTE_INTS, values[i]);
  put_attribute (node, attribute, name, TYPE_INTS);
}

static void
put_text (GByteArray *node, const char *name, const char *value)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  nddr_protobuf_put_string (attribute, ATTRIBUTE_S, value);
  put_attribute (node, attribute, name, TYPE_STRING);
}

/* A tensor but for its numbers, which must follow: as many as @dims say, little-endian. (returns: their bytes) */
static guint64
begin_tensor (GByteArray *tensor, const char *name, guint n_dims, const gint64 *dims)
{
  guint64 bytes = sizeof (float);
  for (guint i = 0; i < n_dims; i++) {
    nddr_protobuf_put_integer (tensor, TENSOR_DIMS, dims[i]);
    bytes *= dims[i];
  }
  nddr_protobuf_put_integer (tensor, TENSOR_DATA_TYPE, ELEMENT_FLOAT);
  nddr_protobuf_put_string (tensor, TENSOR_NAME, name);
  nddr_protobuf_begin_bytes (tensor, TENSOR_RAW_DATA, bytes);
  return bytes;
}

static void
put_little_endian (guint8 *out, const float *values, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint32 bits;
    memcpy (&bits, &values[i], sizeof bits);
    bits = GUINT32_TO_LE (bits);
    memcpy (out + i * sizeof bits, &bits, sizeof bits);
  }
}

/* A few numbers that the graph itself needs. */
static void
add_constant (Export *e, const char *name, guint n_dims, const gint64 *dims, const float *values)
{
  g_autoptr (GByteArray) tensor = g_byte_array_new ();
  guint64 bytes = begin_tensor (tensor, name, n_dims, dims);
  guint at = tensor->len;
  g_byte_array_set_size (tensor, at + bytes);
  put_little_endian (tensor->data + at, values, bytes / sizeof (float));
  nddr_protobuf_put_message (e->graph, GRAPH_INITIALIZER, tensor);
}

/* An input or output of the graph: float32 [batch, @channels, @height, @width], where the two are names. */
static void
add_value_info (Export *e, guint field, const char *name, gint64 channels, const char *height, const char *width, const char *about)
{
  const char *names[] = { "batch", NULL, height, width };
  g_autoptr (GByteArray) shape = g_byte_array_new (), tensor = g_byte_array_new (), type = g_byte_array_new (), info = g_byte_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GByteArray) dim = g_byte_array_new ();
    if (names[i])
      nddr_protobuf_put_string (dim, DIM_PARAM, names[i]);
    else
      nddr_protobuf_put_integer (dim, DIM_VALUE, channels);
    nddr_protobuf_put_message (shape, SHAPE_DIM, dim);
  }
  nddr_protobuf_put_integer (tensor, TENSOR_TYPE_ELEMENT, ELEMENT_FLOAT);
  nddr_protobuf_put_message (tensor, TENSOR_TYPE_SHAPE, shape);
  nddr_protobuf_put_message (type, TYPE_TENSOR, tensor);
  nddr_protobuf_put_string (info, VALUE_NAME, name);
  nddr_protobuf_put_message (info, VALUE_TYPE, type);
  nddr_protobuf_put_string (info, VALUE_DOC_STRING, about);
  nddr_protobuf_put_message (e->graph, field, info);
}

/* ---- layers */

static const char *
value_name (const Export *e, NddrInput from, int branch)
{
  return ((char **) e->values->pdata[from.value])[from.first + from.step * branch];
}

/* What a layer makes for one branch; of a head, the output that its task is called by. The names of tasks have no dots. */
static char *
output_name (const Export *e, const NddrLayer *layer, int branch)
{
  int task = layer->tasks[branch];
  for (int t = 0; t < e->network->n_tasks; t++)
    if (e->network->heads[t].value == layer->output && e->network->heads[t].first == branch)
      return g_strdup (e->config->tasks[t].name);
  return g_strconcat (task < 0 ? "shared" : e->config->tasks[task].name, ".", layer->label, NULL);
}

/* Whether @key is new; (out) *name: what it was made as, now or before. */
static gboolean
is_first (Export *e, const char *key, const char *wanted, const char **name)
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
add_concatenation (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  if (layer->n_inputs == 1)
    return value_name (e, layer->inputs[0], branch);
  g_autofree const char **inputs = g_new0 (const char *, layer->n_inputs + 1);
  for (int s = 0; s < layer->n_inputs; s++)
    inputs[s] = value_name (e, layer->inputs[s], branch);
  g_autofree char *list = g_strjoinv (" ", (char **) inputs), *wanted = g_strconcat (output, ".inputs", NULL);
  const char *name;
  if (is_first (e, list, wanted, &name)) {
    GByteArray *node = new_node ("Concat", inputs, name);
    put_integer (node, "axis", 1);
    add_node (e, node);
  }
  return name;
}

/* The bounds of ReLU6 are scalars of the graph. */
static void
add_activation (Export *e, NddrActivation activation, const char *input, const char *output)
{
  if (activation == NDDR_ACTIVATION_RELU)
    add_plain_node (e, "Relu", (const char *[]){ input, NULL }, output);
  else
    add_plain_node (e, "Clip", (const char *[]){ input, "relu6.low", "relu6.high", NULL }, output);
}

static void
add_window (GByteArray *node, const NddrLayer *layer)
{
  gint64 kernel[] = { layer->kernel, layer->kernel }, strides[] = { layer->stride, layer->stride };
  put_integers (node, "kernel_shape", 2, kernel);
  put_integers (node, "strides", 2, strides);
}

/* @before, @after: rows and columns in front of the map and behind it */
static void
add_padding (GByteArray *node, int before, int after)
{
  gint64 pads[] = { before, before, after, after };
  put_integers (node, "pads", 4, pads);
}

/* Convolution, residual, activation: a node for each that the layer has, the last one called @output. */
static void
add_convolution (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  gboolean residual = layer->residual.value >= 0, active = layer->activation != NDDR_ACTIVATION_NONE;
  int padding = layer->dilation * (layer->kernel - 1) / 2;
  gint64 dilations[] = { layer->dilation, layer->dilation };
  g_autofree char *weight = g_strconcat (layer->names[branch], ".weight", NULL), *bias = g_strconcat (layer->names[branch], ".bias", NULL);
  g_autofree char *sum = residual || active ? g_strconcat (output, ".convolution", NULL) : g_strdup (output);
  const char *input = add_concatenation (e, layer, branch, output);
  GByteArray *node = new_node ("Conv", (const char *[]){ input, weight, bias, NULL }, sum);
  add_window (node, layer);
  put_integers (node, "dilations", 2, dilations);
  add_padding (node, padding, padding);
  put_integer (node, "group", layer->kind == NDDR_LAYER_DEPTHWISE ? nddr_network_value (e->network, layer->output)->channels : 1);
  add_node (e, node);
  if (residual) {
    g_autofree char *added = active ? g_strconcat (output, ".residual", NULL) : g_strdup (output);
    add_plain_node (e, "Add", (const char *[]){ sum, value_name (e, layer->residual, branch), NULL }, added);
    g_free (sum);
    sum = g_steal_pointer (&added);
  }
  if (active)
    add_activation (e, layer->activation, sum, output);
}

/* SAME_UPPER is what pool_padding "same" means: as much as ceil (n / stride) outputs need, the odd one behind. */
static void
add_max_pool (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  NddrPoolPadding padding = layer->stride == 1 ? NDDR_POOL_BOTH : e->network->pool_padding;
  GByteArray *node = new_node ("MaxPool", (const char *[]){ value_name (e, layer->inputs[0], branch), NULL }, output);
  add_window (node, layer);
  if (padding == NDDR_POOL_SAME)
    put_text (node, "auto_pad", "SAME_UPPER");
  else
    add_padding (node, padding == NDDR_POOL_BOTH, 1);
  add_node (e, node);
}

static void
add_average_pool (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  GByteArray *node = new_node ("AveragePool", (const char *[]){ value_name (e, layer->inputs[0], branch), NULL }, output);
  add_window (node, layer);
  add_padding (node, 1, 1);
  put_integer (node, "count_include_pad", 0);
  add_node (e, node);
}

/* The dimensions @start to @end of a value, as a tensor of integers. */
static void
add_shape (Export *e, const char *value, gint64 start, gint64 end, const char *output)
{
  GByteArray *node = new_node ("Shape", (const char *[]){ value, NULL }, output);
  put_integer (node, "start", start);
  put_integer (node, "end", end);
  add_node (e, node);
}

/* To the same size every mode maps a map onto itself. */
static gboolean
is_idle (const Export *e, const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_RESIZE && e->sizes[layer->inputs[0].value] == e->sizes[layer->like];
}

static void
add_resize (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  static const char *const modes[] = { "half_pixel", "align_corners", "asymmetric" };
  const char *input = value_name (e, layer->inputs[0], branch), *like = value_name (e, (NddrInput){ layer->like, 0, 0 }, 0), *size;
  g_autofree char *like_size = g_strconcat (like, ".size", NULL), *count = g_strconcat (output, ".count", NULL);
  g_autofree char *shape = g_strconcat (output, ".shape", NULL);
  if (is_first (e, like_size, like_size, &size))
    add_shape (e, like, 2, 4, size);
  add_shape (e, input, 0, 2, count);
  GByteArray *concat = new_node ("Concat", (const char *[]){ count, size, NULL }, shape);
  put_integer (concat, "axis", 0);
  add_node (e, concat);
  /* the inputs roi and scales are left out */
  GByteArray *node = new_node ("Resize", (const char *[]){ input, "", "", shape, NULL }, output);
  put_text (node, "mode", "linear");
  put_text (node, "coordinate_transformation_mode", modes[e->network->resize]);
  add_node (e, node);
}

/* @input times @values: a number, or one for each of @n channels. */
static void
add_product (Export *e, const char *input, gint64 n, const float *values, const char *output)
{
  const gint64 dims[] = { 1, n, 1, 1 };
  g_autofree char *weight = g_strconcat (output, ".weight", NULL);
  add_constant (e, weight, 4, dims, values);
  add_plain_node (e, "Mul", (const char *[]){ input, weight, NULL }, output);
}

/* Part @part of what input @source of a mixture is cut into: the names are made once for all of its branches. (transfer full) */
static char *
add_part (Export *e, const NddrLayer *layer, int source, int part)
{
  const char *input = value_name (e, layer->inputs[source], 0), *name;
  if (layer->parts == 1)
    return g_strdup (input);
  g_autofree char *key = g_strconcat (input, ".part", NULL);
  if (is_first (e, key, key, &name)) {
    g_autoptr (GByteArray) split = g_byte_array_new ();
    nddr_protobuf_put_string (split, NODE_INPUT, input);
    for (int p = 0; p < layer->parts; p++) {
      g_autofree char *output = g_strdup_printf ("%s%d", name, p);
      nddr_protobuf_put_string (split, NODE_OUTPUT, output);
    }
    nddr_protobuf_put_string (split, NODE_NAME, name);
    nddr_protobuf_put_string (split, NODE_OP_TYPE, "Split");
    put_integer (split, "axis", 1);
    nddr_protobuf_put_message (e->graph, GRAPH_NODE, split);
  }
  return g_strdup_printf ("%s%d", name, part);
}

/* One part of one branch: the sum over all parts of all inputs, each times its weight. @row: that part's among all branches' */
static void
add_mixed_part (Export *e, const NddrLayer *layer, int row, const float *weights, const char *output)
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
  add_plain_node (e, "Sum", (const char *const *) products, output);
}

static void
add_mix (Export *e, const NddrLayer *layer, int branch, const char *output)
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
  GByteArray *node = new_node ("Concat", (const char *const *) parts, output);
  put_integer (node, "axis", 1);
  add_node (e, node);
}

static void
add_blend (Export *e, const NddrLayer *layer, int branch, const char *output)
{
  g_autofree float *weights = g_new (float, nddr_network_weights (e->network, layer));
  g_auto (GStrv) products = g_new0 (char *, layer->n_inputs + 1);
  nddr_network_fold (e->network, layer, nddr_model_get_tensors (e->model), weights, NULL);
  for (int s = 0; s < layer->n_inputs; s++) {
    products[s] = g_strdup_printf ("%s.from%d", output, s);
    add_product (e, value_name (e, layer->inputs[s], branch), 1, &weights[branch * layer->n_inputs + s], products[s]);
  }
  add_plain_node (e, "Sum", (const char *const *) products, output);
}

/* A number for the size that @layer makes: halving an odd size rounds up, or down where pools are padded at their end alone. */
static guint64
output_size (const Export *e, const NddrLayer *layer)
{
  guint64 size = e->sizes[layer->inputs[0].value];
  gboolean down = layer->kind == NDDR_LAYER_MAX_POOL && e->network->pool_padding == NDDR_POOL_END;
  if (layer->kind == NDDR_LAYER_RESIZE)
    return e->sizes[layer->like];
  return layer->stride == 1 ? size : size * 16 + layer->stride * 2 + down;
}

static gboolean
add_layer (Export *e, const NddrLayer *layer, GError **error)
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
add_input (Export *e)
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
  add_value_info (e, GRAPH_INPUT, e->image, 3, "height", "width", about);
  add_constant (e, "image.mean", 4, dims, mean);
  add_constant (e, "image.std", 4, dims, std);
  add_plain_node (e, "Sub", (const char *[]){ e->image, "image.mean", NULL }, "image.centred");
  add_plain_node (e, "Div", (const char *[]){ "image.centred", "image.std", NULL }, normalized);
  e->values->pdata[0] = g_strsplit (normalized, " ", -1);
  e->sizes[0] = 1;
}

static void
add_output (Export *e, const NddrTask *task)
{
  static const char *const meanings[] = { "scores of the classes", "normals: x right, y up, z toward the camera, not brought to length 1", "metres" };
  GString *about = g_string_new (meanings[task->kind]);
  for (guint c = 0; c < task->n_classes; c++)
    g_string_append_printf (about, "%s %s", c ? "," : "", task->classes[c].name);
  add_value_info (e, GRAPH_OUTPUT, task->name, task->channels, "head_height", "head_width", about->str);
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

static gboolean
build_graph (Export *e, GError **error)
{
  nddr_protobuf_put_string (e->graph, GRAPH_NAME, "nddr");
  add_input (e);
  if (has_relu6 (e->network)) {
    add_constant (e, "relu6.low", 0, NULL, (const float[]){ 0 });
    add_constant (e, "relu6.high", 0, NULL, (const float[]){ 6 });
  }
  for (guint i = 0; i < e->network->layers->len; i++)
    if (!add_layer (e, nddr_network_layer (e->network, i), error))
      return FALSE;
  for (guint t = 0; t < e->config->n_tasks; t++)
    add_output (e, &e->config->tasks[t]);
  return TRUE;
}

/* ---- weights */

static gboolean
has_weights (const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_CONVOLUTION || layer->kind == NDDR_LAYER_DEPTHWISE;
}

/* Appends to @out the graph's field for one branch's folded weight or bias, but for its numbers. (returns: their bytes) */
static guint64
begin_initializer (const Export *e, const NddrLayer *layer, int branch, gboolean bias, GByteArray *out)
{
  g_autofree char *name = g_strconcat (layer->names[branch], bias ? ".bias" : ".weight", NULL);
  g_autoptr (GByteArray) tensor = g_byte_array_new ();
  gint64 dims[4];
  nddr_network_weight_dims (e->network, layer, branch, dims);
  guint64 bytes = begin_tensor (tensor, name, bias ? 1 : 4, dims);
  nddr_protobuf_begin_bytes (out, GRAPH_INITIALIZER, tensor->len + bytes);
  g_byte_array_append (out, tensor->data, tensor->len);
  return bytes;
}

static guint64
layer_bytes (const Export *e, const NddrLayer *layer)
{
  g_autoptr (GByteArray) heads = g_byte_array_new ();
  guint64 bytes = 0;
  for (int b = 0; b < layer->branches; b++)
    bytes += begin_initializer (e, layer, b, FALSE, heads) + begin_initializer (e, layer, b, TRUE, heads);
  return heads->len + bytes;
}

static gboolean
write_floats (FILE *file, const float *values, gsize n)
{
  guint8 chunk[16384];
  gsize per_chunk = sizeof chunk / sizeof (float);
  for (gsize start = 0; start < n; start += per_chunk) {
    gsize m = MIN (per_chunk, n - start);
    put_little_endian (chunk, values + start, m);
    if (fwrite (chunk, sizeof (float), m, file) != m)
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_layer (const Export *e, const NddrLayer *layer, FILE *file)
{
  gsize channels = nddr_network_value (e->network, layer->output)->channels;
  gsize weights = nddr_network_weights (e->network, layer) / layer->branches;
  g_autofree float *weight = g_new (float, layer->branches * weights), *bias = g_new (float, layer->branches * channels);
  nddr_network_fold (e->network, layer, nddr_model_get_tensors (e->model), weight, bias);
  for (int b = 0; b < layer->branches; b++)
    for (int part = 0; part < 2; part++) {
      g_autoptr (GByteArray) head = g_byte_array_new ();
      begin_initializer (e, layer, b, part, head);
      if (fwrite (head->data, 1, head->len, file) != head->len
          || !write_floats (file, part ? bias + b * channels : weight + b * weights, part ? channels : weights))
        return FALSE;
    }
  return TRUE;
}

/* ---- the file */

/* All of the model but its graph: versions, and the metadata that the model's own file has. */
static GByteArray *
new_model (const Export *e)
{
  GByteArray *model = g_byte_array_new ();
  g_autoptr (GByteArray) opset = g_byte_array_new ();
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (nddr_model_get_tensors (e->model)->metadata), (GCompareFunc) strcmp);
  nddr_protobuf_put_integer (model, MODEL_IR_VERSION, IR_VERSION);
  nddr_protobuf_put_string (model, MODEL_PRODUCER_NAME, "nddr");
  nddr_protobuf_put_string (model, MODEL_PRODUCER_VERSION, NDDR_VERSION);
  nddr_protobuf_put_integer (opset, OPSET_VERSION, NDDR_ONNX_OPSET);
  nddr_protobuf_put_message (model, MODEL_OPSET_IMPORT, opset);
  for (GList *key = keys; key; key = key->next) {
    g_autoptr (GByteArray) entry = g_byte_array_new ();
    if (g_str_equal (key->data, "format") || g_str_equal (key->data, "version"))
      continue; /* of that file */
    nddr_protobuf_put_string (entry, ENTRY_KEY, key->data);
    nddr_protobuf_put_string (entry, ENTRY_VALUE, nddr_model_get_metadata (e->model, key->data));
    nddr_protobuf_put_message (model, MODEL_METADATA_PROPS, entry);
  }
  return model;
}

static gboolean
write_file (const Export *e, const GByteArray *model, FILE *file)
{
  if (fwrite (model->data, 1, model->len, file) != model->len || fwrite (e->graph->data, 1, e->graph->len, file) != e->graph->len)
    return FALSE;
  for (guint i = 0; i < e->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (e->network, i);
    if (has_weights (layer) && !write_layer (e, layer, file))
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_model (const Export *e, const char *path, GError **error)
{
  g_autoptr (GByteArray) model = new_model (e);
  guint64 bytes = e->graph->len;
  NddrWholeFile whole;
  for (guint i = 0; i < e->network->layers->len; i++)
    if (has_weights (nddr_network_layer (e->network, i)))
      bytes += layer_bytes (e, nddr_network_layer (e->network, i));
  if (bytes + model->len > LARGEST_MESSAGE)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%s: would have %" G_GUINT64_FORMAT " bytes, and no reader takes an ONNX file of more than 2 GiB",
        path, bytes + model->len);
  nddr_protobuf_begin_bytes (model, MODEL_GRAPH, bytes);
  return nddr_whole_file_begin (&whole, path, error) && nddr_whole_file_end (&whole, write_file (e, model, whole.file), error);
}

gboolean
nddr_onnx_write (const NddrModel *model, const char *path, GError **error)
{
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), NULL, error);
  if (!network)
    return FALSE;
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autofree guint64 *sizes = g_new0 (guint64, network->values->len);
  g_autoptr (GHashTable) made = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GByteArray) graph = g_byte_array_new ();
  g_ptr_array_set_size (values, network->values->len);
  Export e = { model, config, network, nddr_model_find_task (model, "image") ? "image.rgb" : "image", values, sizes, made, graph };
  return build_graph (&e, error) && write_model (&e, path, error);
}
