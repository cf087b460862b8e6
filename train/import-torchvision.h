/* Models from backbones with torchvision's names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/import-format.h>

G_BEGIN_DECLS

/** A model with the backbone that nddr_torchvision_find () finds in @tensors as its trunks; the rest of it is new. @path: where @tensors are from. */
NddrModel *nddr_torchvision_import (const char *path, const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error);

G_END_DECLS
