/* Messages of onnx.proto that graphs are made of: nodes and their attributes, tensors, inputs and outputs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/onnx-private.h>
#include <train/protobuf.h>

#include <string.h>

/* Field numbers and values of onnx.proto. */
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_I = 3, ATTRIBUTE_S = 4, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_INT = 2, TYPE_STRING = 3, TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW_DATA = 9 };
enum { ELEMENT_FLOAT = 1 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, VALUE_DOC_STRING = 3 };
enum { TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1, DIM_PARAM = 2 };

GByteArray *
nddr_onnx_new_node (const char *op_type, const char *const *inputs, const char *output)
{
  GByteArray *node = g_byte_array_new ();
  for (guint i = 0; inputs[i]; i++)
    nddr_protobuf_put_string (node, NDDR_ONNX_NODE_INPUT, inputs[i]);
  nddr_protobuf_put_string (node, NDDR_ONNX_NODE_OUTPUT, output);
  nddr_protobuf_put_string (node, NDDR_ONNX_NODE_NAME, output);
  nddr_protobuf_put_string (node, NDDR_ONNX_NODE_OP_TYPE, op_type);
  return node;
}

void
nddr_onnx_add_node (NddrOnnxExport *e, GByteArray *node)
{
  nddr_protobuf_put_message (e->graph, NDDR_ONNX_GRAPH_NODE, node);
  g_byte_array_unref (node);
}

void
nddr_onnx_add_plain_node (NddrOnnxExport *e, const char *op_type, const char *const *inputs, const char *output)
{
  nddr_onnx_add_node (e, nddr_onnx_new_node (op_type, inputs, output));
}

static void
put_attribute (GByteArray *node, GByteArray *attribute, const char *name, int type)
{
  nddr_protobuf_put_string (attribute, ATTRIBUTE_NAME, name);
  nddr_protobuf_put_integer (attribute, ATTRIBUTE_TYPE, type);
  nddr_protobuf_put_message (node, NDDR_ONNX_NODE_ATTRIBUTE, attribute);
}

void
nddr_onnx_put_integer (GByteArray *node, const char *name, gint64 value)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  nddr_protobuf_put_integer (attribute, ATTRIBUTE_I, value);
  put_attribute (node, attribute, name, TYPE_INT);
}

void
nddr_onnx_put_integers (GByteArray *node, const char *name, guint n, const gint64 *values)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  for (guint i = 0; i < n; i++)
    nddr_protobuf_put_integer (attribute, ATTRIBUTE_INTS, values[i]);
  put_attribute (node, attribute, name, TYPE_INTS);
}

void
nddr_onnx_put_text (GByteArray *node, const char *name, const char *value)
{
  g_autoptr (GByteArray) attribute = g_byte_array_new ();
  nddr_protobuf_put_string (attribute, ATTRIBUTE_S, value);
  put_attribute (node, attribute, name, TYPE_STRING);
}

guint64
nddr_onnx_begin_tensor (GByteArray *tensor, const char *name, guint n_dims, const gint64 *dims)
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

void
nddr_onnx_put_little_endian (guint8 *out, const float *values, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint32 bits;
    memcpy (&bits, &values[i], sizeof bits);
    bits = GUINT32_TO_LE (bits);
    memcpy (out + i * sizeof bits, &bits, sizeof bits);
  }
}

void
nddr_onnx_add_constant (NddrOnnxExport *e, const char *name, guint n_dims, const gint64 *dims, const float *values)
{
  g_autoptr (GByteArray) tensor = g_byte_array_new ();
  guint64 bytes = nddr_onnx_begin_tensor (tensor, name, n_dims, dims);
  guint at = tensor->len;
  g_byte_array_set_size (tensor, at + bytes);
  nddr_onnx_put_little_endian (tensor->data + at, values, bytes / sizeof (float));
  nddr_protobuf_put_message (e->graph, NDDR_ONNX_GRAPH_INITIALIZER, tensor);
}

void
nddr_onnx_add_value_info (NddrOnnxExport *e, guint field, const char *name, gint64 channels, const char *height, const char *width, const char *about)
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
