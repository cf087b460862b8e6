/* An export under way: what its parts share.  onnx.c writes the file, onnx-graph.c what the network is in it, onnx-messages.c the messages that
 * graphs are made of.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/onnx.h>

#include <nddr/network.h>

G_BEGIN_DECLS

/* Field numbers of onnx.proto; those that one file alone needs stand there. */
enum { NDDR_ONNX_GRAPH_NODE = 1, NDDR_ONNX_GRAPH_NAME = 2, NDDR_ONNX_GRAPH_INITIALIZER = 5, NDDR_ONNX_GRAPH_INPUT = 11, NDDR_ONNX_GRAPH_OUTPUT = 12 };
enum { NDDR_ONNX_NODE_INPUT = 1, NDDR_ONNX_NODE_OUTPUT = 2, NDDR_ONNX_NODE_NAME = 3, NDDR_ONNX_NODE_OP_TYPE = 4, NDDR_ONNX_NODE_ATTRIBUTE = 5 };

/** A model on its way into a file. */
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
} NddrOnnxExport;

/* ---- onnx-messages.c */

/** (transfer full): a node without attributes; the caller adds those, then hands it to nddr_onnx_add_node().
 * @inputs: NULL-terminated; "" is an input left out */
GByteArray *nddr_onnx_new_node (const char *op_type, const char *const *inputs, const char *output);
/** @node: (transfer full) */
void nddr_onnx_add_node (NddrOnnxExport *e, GByteArray *node);
/** A node that has no attributes. */
void nddr_onnx_add_plain_node (NddrOnnxExport *e, const char *op_type, const char *const *inputs, const char *output);
/* Each gives @node an attribute. */
void nddr_onnx_put_integer (GByteArray *node, const char *name, gint64 value);
void nddr_onnx_put_integers (GByteArray *node, const char *name, guint n, const gint64 *values);
void nddr_onnx_put_text (GByteArray *node, const char *name, const char *value);
/** A tensor but for its numbers, which must follow: as many as @dims say, little-endian. (returns: their bytes) */
guint64 nddr_onnx_begin_tensor (GByteArray *tensor, const char *name, guint n_dims, const gint64 *dims);
/** @out: room for @n floats */
void nddr_onnx_put_little_endian (guint8 *out, const float *values, gsize n);
/** A few numbers that the graph itself needs. */
void nddr_onnx_add_constant (NddrOnnxExport *e, const char *name, guint n_dims, const gint64 *dims, const float *values);
/** An input or output of the graph: float32 [batch, @channels, @height, @width], where the two are names.
 * @field: NDDR_ONNX_GRAPH_INPUT or NDDR_ONNX_GRAPH_OUTPUT */
void nddr_onnx_add_value_info (NddrOnnxExport *e, guint field, const char *name, gint64 channels, const char *height, const char *width, const char *about);

/* ---- onnx-graph.c */

/** All of the graph but the layers' weights. Errors: NDDR_ERROR_UNSUPPORTED. */
gboolean nddr_onnx_build_graph (NddrOnnxExport *e, GError **error);

G_END_DECLS
