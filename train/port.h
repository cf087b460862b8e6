/* Weights of the public PyTorch port of NDDR-CNN (NDDR-CNN-PyTorch).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/import-format.h>

G_BEGIN_DECLS

/** Whether @tensors have its names: net1.*, net2.* and nddrs.* of the two-task network, or stages.* and head.* of a network alone. */
gboolean nddr_port_recognise (const NddrArrays *tensors);
/** The model that they are. */
NddrModel *nddr_port_import (const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error);

G_END_DECLS
