/* torchvision's backbones: how their weights are told from others, and what their layers are called.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/arrays.h>
#include <nddr/config.h>

G_BEGIN_DECLS

#define NDDR_TORCHVISION_WIDTHS 8

typedef struct
{
  NddrBackbone backbone;
  const char *what;
  const char *has;            /* a tensor that tells it from those below */
  const char *ignored[3];     /* what belongs to its classifier: prefixes, NULL-terminated */
  struct { const char *layer; guint full; } widths[NDDR_TORCHVISION_WIDTHS]; /* our names of layers, by which its width is found */
} NddrTorchvision;

/** What @tensors look like, to be imported or started from: a constant.  NULL: none of them. */
const NddrTorchvision *nddr_torchvision_find (const NddrArrays *tensors);
/** Those that can, for people. */
const char *nddr_torchvision_names (void);
/** What torchvision calls a convolution or normalisation of @backbone's trunk. @ours: its name without the trunk's; @tensors: torchvision's: VGG-16's names
 * depend on whether it has normalisations. (transfer full) */
char *nddr_torchvision_name (NddrBackbone backbone, const char *ours, const NddrArrays *tensors);

G_END_DECLS
