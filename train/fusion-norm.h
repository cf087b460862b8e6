/* Where new fusion layers' batch norms start: from the data's statistics, so that they change nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/dataset.h>
#include <train/recipe.h>
#include <train/start.h>

#include <nddr/nddr-device.h>

G_BEGIN_DECLS

/**
 * One pass of @dataset's pictures, unchanged but for their size, through the network as it infers, with new fusion layers as bare mixtures. Each of
 * their normalisations then gets the mean and variance of what it saw as its running statistics, and as its shift and (square) scale.
 *
 * @batch: pictures at a time, or fewer where the device has no room for so many; of the last ones, those that are no whole batch of the recipe's are left out
 * @start: its tensors are changed; the normalisations of new fusion layers must be as nddr_start_new() left them
 */
gboolean nddr_fusion_norm_measure (NddrDevice *device, NddrStart *start, const NddrRecipe *recipe, guint batch, NddrDataset *dataset, GError **error);

G_END_DECLS
