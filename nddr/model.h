/* A model's inside: see nddr-model.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>
#include <nddr/nddr-model.h>
#include <nddr/safetensors.h>

G_BEGIN_DECLS

/** Takes both.  Checks that @tensors are exactly what the config's network needs: missing, surplus,
 * wrongly shaped and non-finite ones are errors that name the tensor, what was expected and what was
 * found.  On error both are freed. */
NddrModel *nddr_model_new (NddrConfig *config, NddrArrays *tensors, GError **error);
/** Whether @tensors are those of a model of @config, as nddr_model_new() asks. */
gboolean nddr_model_check_tensors (const NddrConfig *config, const NddrArrays *tensors, GError **error);
const NddrConfig *nddr_model_get_config (const NddrModel *model);
const NddrArrays *nddr_model_get_tensors (const NddrModel *model);
/** Sets "format", "version" and "config"; keeps the other metadata.  Written beside, then renamed. */
gboolean nddr_model_save (const NddrModel *model, const char *path, NddrStore store, GError **error);

G_END_DECLS
