/* Trying what is fastest: every algorithm of each distinct layer of a network, on a device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>
#include <nddr/program.h>

G_BEGIN_DECLS

/** What a layer's shape came to. */
typedef struct
{
  char *shape;
  int layers;           /* that have it */
  NddrAlgorithm algorithm;          /* the fastest; NDDR_ALGORITHM_CHOOSE: as estimated, which nothing beat by enough */
  double estimated_ms, ms; /* of all of these layers: as estimated, and the algorithm's */
} NddrTuned;

/**
 * Plans inference of @network for @width x @height and @batch, in fp16 with @half, once for each algorithm, and takes each layer's time from the device's
 * timestamps: the least of some runs, so that what else the machine does counts little.
 * @tuning: gets the algorithms that beat the estimate
 * Returns: (transfer full): of NddrTuned, in the network's order; NULL with @error
 */
GPtrArray *nddr_tune (NddrDevice *device, const NddrNetwork *network, int width, int height, int batch, gboolean half, NddrTuning *tuning, GError **error);

G_END_DECLS
