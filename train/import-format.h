/* What the formats of other people's weights have in common: port.c and import-torchvision.c stand on it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>

G_BEGIN_DECLS

/** What a file of weights does not say. */
typedef struct
{
  const char *tasks;        /* (nullable): NAME or NAME:KIND, joined by ; */
  const NddrClass *classes; /* (nullable): of segmentations */
  guint n_classes;
  guint width, height;      /* of the model's input; 0: 640 x 480 */
  const char *const *sets;  /* (nullable): "model.KEY=VALUE", NULL-terminated: for backbones, which leave the rest of a network open */
} NddrImportOptions;

/** A tensor that was found to have a place; what is left at the end is an error. */
void nddr_import_use (GHashTable *used, const char *name);
/** Whether all of @tensors were used. Ignored: num_batches_tracked, and names that start with one of @ignored (NULL-terminated).
 * @what: the network, for the message */
gboolean nddr_import_check_used (const NddrArrays *tensors, GHashTable *used, const char *const *ignored, const char *what, GError **error);
/** The width of which nddr_config_scale() makes each of the @n widths @found from the @full ones. FALSE: there is none. */
gboolean nddr_import_find_width (guint n, const guint *full, const guint *found, double *width);
/** Copies free-text metadata, and says where the weights are from where nothing else does. */
void nddr_import_copy_metadata (const NddrArrays *from, const char *description, NddrArrays *to);

G_END_DECLS
