/* ONNX files: https://onnx.ai/onnx/repo-docs/IR.html, the messages of onnx.proto.
 *
 * Weights are written last and one layer at a time: a file can be larger than what is kept of it in memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/onnx-private.h>
#include <train/protobuf.h>

#include <errno.h>
#include <nddr/error.h>
#include <nddr/nddr.h>
#include <nddr/whole-file.h>
#include <string.h>

#define IR_VERSION 8              /* what came with operator set 17 */
#define LARGEST_MESSAGE G_MAXINT32 /* of any reader of protocol buffers */

/* Field numbers and values of onnx.proto. */
enum { MODEL_IR_VERSION = 1, MODEL_PRODUCER_NAME = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET_IMPORT = 8, MODEL_METADATA_PROPS = 14 };
enum { OPSET_VERSION = 2 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2 };

/* ---- weights */

static gboolean
has_weights (const NddrLayer *layer)
{
  return layer->kind == NDDR_LAYER_CONVOLUTION || layer->kind == NDDR_LAYER_DEPTHWISE;
}

/* Appends to @out the graph's field for one branch's folded weight or bias, but for its numbers. (returns: their bytes) */
static guint64
begin_initializer (const NddrOnnxExport *e, const NddrLayer *layer, int branch, gboolean bias, GByteArray *out)
{
  g_autofree char *name = g_strconcat (layer->names[branch], bias ? ".bias" : ".weight", NULL);
  g_autoptr (GByteArray) tensor = g_byte_array_new ();
  gint64 dims[4];
  nddr_network_weight_dims (e->network, layer, branch, dims);
  guint64 bytes = nddr_onnx_begin_tensor (tensor, name, bias ? 1 : 4, dims);
  nddr_protobuf_begin_bytes (out, NDDR_ONNX_GRAPH_INITIALIZER, tensor->len + bytes);
  g_byte_array_append (out, tensor->data, tensor->len);
  return bytes;
}

static guint64
layer_bytes (const NddrOnnxExport *e, const NddrLayer *layer)
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
    nddr_onnx_put_little_endian (chunk, values + start, m);
    if (fwrite (chunk, sizeof (float), m, file) != m)
      return FALSE;
  }
  return TRUE;
}

static gboolean
write_layer (const NddrOnnxExport *e, const NddrLayer *layer, FILE *file)
{
  gsize channels = nddr_network_value (e->network, layer->output)->channels;
  gsize weights = nddr_network_weights (e->network, layer) / layer->branches;
  g_autofree float *weight = g_try_new (float, layer->branches * weights), *bias = g_try_new (float, layer->branches * channels);
  if (!weight || !bias) {
    errno = ENOMEM;
    return FALSE;
  }
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
new_model (const NddrOnnxExport *e)
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
write_file (const NddrOnnxExport *e, const GByteArray *model, FILE *file)
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
write_model (const NddrOnnxExport *e, const char *path, GError **error)
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
  NddrOnnxExport e = { model, config, network, nddr_model_find_task (model, "image") ? "image.rgb" : "image", values, sizes, made, graph };
  return nddr_onnx_build_graph (&e, error) && write_model (&e, path, error);
}
