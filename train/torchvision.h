/* Backbones with torchvision's names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/import-format.h>

G_BEGIN_DECLS

/** What torchvision calls a convolution or normalisation of @backbone's trunk. @ours: its name without the trunk's; @tensors: torchvision's: VGG-16's names
 * depend on whether it has normalisations. (transfer full) */
char *nddr_torchvision_name (NddrBackbone backbone, const char *ours, const NddrArrays *tensors);

/** The NddrBackbone that @tensors look like, to be imported or started from; -1: none. */
int nddr_torchvision_backbone (const NddrArrays *tensors);
/** Those that can, for people. */
const char *nddr_torchvision_names (void);
/** A model with that backbone as its trunks; the rest of it is new. @path: where @tensors are from. */
NddrModel *nddr_torchvision_import (const char *path, const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error);

G_END_DECLS
