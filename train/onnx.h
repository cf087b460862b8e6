/* Models for other runtimes: ONNX files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>

G_BEGIN_DECLS

/** The version of the operator set that files are written in. */
#define NDDR_ONNX_OPSET 17

/**
 * Writes @model as an ONNX model, whole or not at all.
 *
 * Input "image" ("image.rgb" where a task is called image): float32 [batch, 3, height, width], red, green and blue in [0, 1]; all but
 * the 3 may be any, height and width from 32. Normalising it is part of the graph. Outputs: a tensor for each task, by its name:
 * float32 [batch, channels, head_height, head_width], what the head gives, before upsampling. Batch normalisation is folded into
 * the convolutions; the metadata has the model's own, with its config.
 *
 * Errors: NDDR_ERROR_UNSUPPORTED: a layer of a kind that cannot be written; NDDR_ERROR_ARGUMENT: larger than such a file can be;
 * NDDR_ERROR_FILE.
 */
gboolean nddr_onnx_write (const NddrModel *model, const char *path, GError **error);

G_END_DECLS
