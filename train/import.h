/* Models from other people's weights.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>
#include <train/import-format.h>

G_BEGIN_DECLS

/**
 * Makes a model of a safetensors file with the names of torchvision's backbones or of the PyTorch port of NDDR-CNN: see
 * docs/interchange.md. Every tensor must have its place, but for those that the page says are ignored.
 * @about: (out) (transfer full): lines for people: what was found, and what there is to know about the result
 */
NddrModel *nddr_import (const char *path, const NddrImportOptions *options, char **about, GError **error);

G_END_DECLS
