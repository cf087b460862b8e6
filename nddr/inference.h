/* A network at one size, as a plan that infers: normalisation folded, dropout gone, residuals and activations in the kernels that
 * precede them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>
#include <nddr/ops/ops.h>
#include <nddr/plan.h>
#include <nddr/program.h>

G_BEGIN_DECLS

/* Frames of a mixed format are ingested and rendered by one or the other phase, as they are interlaced or not. */
enum { NDDR_PHASE_PACK, NDDR_PHASE_INGEST, NDDR_PHASE_INGEST_FIELDS, NDDR_PHASE_NETWORK, NDDR_PHASE_RENDER, NDDR_PHASE_RENDER_FIELDS };

typedef struct
{
  NddrTensor *input;    /* [1][batch][h][w][3], normalised */
  NddrBranches *heads;  /* for each task; tensor NULL where not requested; kept after the run */
  NddrTensor **weights; /* for each layer of the network: PARAMS, as nddr_network_fold() writes them; NULL for others */
  NddrTensor **biases;  /* [branches][out]; NULL where weights are, and for mixtures */
  int n_layers, n_tasks;
  NddrType type;        /* of the maps, and of what dense convolutions multiply them by */
} NddrInference;

/** nddr_plan_check_map() for all of @network's values, whose sizes are as nddr_network_sizes() says. */
gboolean nddr_inference_check_maps (const NddrPlan *plan, const NddrNetwork *network, int batch, const int *widths, const int *heights, GError **error);
/** Appends the network's steps to @plan: PACK, then NETWORK.  @input: [1][batch][h][w][3].  NULL with @error where nddr_plan_check_map() finds that a map
 * is too large; nothing is appended then. */
NddrInference *nddr_inference_append (NddrPlan *plan, const NddrNetwork *network, NddrTensor *input, GError **error);
void nddr_inference_free (NddrInference *inference);
/** Folds each layer's tensors and uploads them; then run PACK once, and release PARAMS.  A weight beyond the type's range is an error. */
gboolean nddr_inference_upload (const NddrInference *inference, const NddrNetwork *network, const NddrArrays *tensors, NddrProgram *program, GError **error);
/** Uploads the weights, runs PACK, and releases PARAMS. */
gboolean nddr_inference_prepare (const NddrInference *inference, const NddrNetwork *network, const NddrArrays *tensors, NddrProgram *program, GError **error);

G_END_DECLS
