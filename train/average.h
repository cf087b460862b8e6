/* The mean of several models' weights, which often is better than any of them, and runs as fast as one ("Model soups", Wortsman et al., ICML 2022).
 *
 * They must have gone on from one model, not long ago: weights that were learnt apart have nothing to do with each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/model.h>

G_BEGIN_DECLS

/**
 * Averages all tensors, running statistics too, element by element.
 * @models: @n of them, at least 1, of one network: their configs must be the same
 * Returns: (transfer full): a model with the first one's other metadata; NULL with @error that names what differs
 */
NddrModel *nddr_average_models (NddrModel *const *models, const char *const *names, guint n, GError **error);

G_END_DECLS
