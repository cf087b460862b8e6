/* What operations that end in a depthwise convolution share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/ops/ops.h>

G_BEGIN_DECLS

/** Rows of packed weights, each a texel for every four channels: taps, bias, zeros (depthwise_pack.comp). */
#define NDDR_DEPTHWISE_ROWS 11

/** @op's weights, [branches][rows][quads] texels: packed by an earlier step, or by one that this appends. */
NddrTensor *nddr_depthwise_weights (NddrPlan *plan, const NddrDepthwise *op);

G_END_DECLS
