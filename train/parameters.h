/* Where a network's parameters lie while it is trained: one flat tensor each for the parameters, their gradients, their moments and
 * the running statistics, and which part of it belongs to which layer.
 *
 * Parts start at multiples of 64 elements, so that each 64 parameters have one learning rate, a group's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>
#include <nddr/plan.h>
#include <nddr/program.h>

G_BEGIN_DECLS

/** Parameters that share a learning rate and a weight decay. */
typedef enum
{
  NDDR_GROUP_TRUNK_WEIGHT, /* convolutions' weights: the only ones that decay */
  NDDR_GROUP_TRUNK,        /* biases and normalisations */
  NDDR_GROUP_FUSION_WEIGHT, /* fusion and shortcut layers */
  NDDR_GROUP_FUSION,       /* mixtures' numbers too */
  NDDR_GROUP_HEAD_WEIGHT, /* a head's layers but the last */
  NDDR_GROUP_HEAD,
  NDDR_GROUP_LAST_WEIGHT, /* a head's last layer */
  NDDR_GROUP_LAST_BIAS,
  NDDR_N_GROUPS
} NddrGroup;

/** One layer's parts, all branches of it one after the other; NULL where the layer has none. */
typedef struct
{
  NddrTensor *weight, *bias, *scale, *shift;     /* of params; scale and shift are the normalisation's */
  NddrTensor *dweight, *dbias, *dscale, *dshift; /* of gradients */
  NddrTensor *mean, *var;                        /* of running */
} NddrLayerParameters;

/** One tensor of a model file: where its elements are. */
typedef struct
{
  char *name;
  gboolean running; /* in running, else in params */
  gsize offset, n;  /* elements */
  guint n_dims;
  gint64 dims[4];
  NddrGroup group;
} NddrParameter;

typedef struct
{
  NddrTensor *params, *running, *gradients, *moment1, *moment2; /* the latter three NULL where nothing is learnt, moment2 also for SGD */
  NddrTensor *total;                        /* of a step's gradients: gradients itself where a step has one batch */
  NddrTensor *exchanged, *summed;           /* EXCHANGE: the total, and its sum over the ranks; NULL where there are no others */
  NddrTensor *groups;                       /* TABLES: the group of each 64 parameters */
  NddrLayerParameters *layers;              /* for each layer of the network */
  int n_layers;
  GArray *all;                              /* of NddrParameter, in the layers' order */
} NddrParameters;

/** Adds the tensors to @plan. @learn: also gradients and moments, two of them where @adamw, and with @accumulate a total that is not
 * the gradients itself; with @exchange what ranks sum. */
NddrParameters *nddr_parameters_new (NddrPlan *plan, const NddrNetwork *network, gboolean learn, gboolean adamw, gboolean accumulate, gboolean exchange);
void nddr_parameters_free (NddrParameters *parameters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrParameters, nddr_parameters_free)

/** What a flat tensor holds, by the names of a model file.  GRADIENTS: the total of a step's. */
typedef enum { NDDR_PARAMETERS_VALUES, NDDR_PARAMETERS_GRADIENTS, NDDR_PARAMETERS_MOMENT1, NDDR_PARAMETERS_MOMENT2 } NddrParametersKind;

/** Writes parameters and running statistics (VALUES) or moments from @tensors, each under @prefix and the tensor's name. Everything else of
 * the flat tensor becomes zero.  Fails where one is missing or of another size. */
gboolean nddr_parameters_write (const NddrParameters *parameters, NddrProgram *program, NddrParametersKind kind, const NddrArrays *tensors,
    const char *prefix, GError **error);
/** The way back: adds to @tensors. */
gboolean nddr_parameters_read (const NddrParameters *parameters, NddrProgram *program, NddrParametersKind kind, NddrArrays *tensors,
    const char *prefix, GError **error);
/** Gradients and moments to zero: where learning starts. */
gboolean nddr_parameters_reset (const NddrParameters *parameters, NddrProgram *program, GError **error);

G_END_DECLS
