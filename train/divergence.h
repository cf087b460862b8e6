/* Divergence: whether a step left anything that is not a finite number, and what was the first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/learner.h>

G_BEGIN_DECLS

/**
 * Looks at the learner's last step, all phases of which ran: at losses, then gradients (those that the backward pass came to first), then
 * parameters and running statistics.  Where all is well this costs nothing: the device has summed squares.
 * @losses: the step's
 * @what: (out) (transfer full): "the gradient of nddr.1.normal.weight is not finite", as words of a message; NULL: all is well
 * Returns: FALSE with @error where the device fails
 */
gboolean nddr_divergence_find (NddrLearner *learner, const NddrConfig *config, const double *losses, char **what, GError **error);

G_END_DECLS
