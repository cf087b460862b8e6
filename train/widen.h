/* Wider convolutions that compute what narrower ones do: Net2WiderNet (Chen, Goodfellow and Shlens, Net2Net, ICLR 2016, section 2.2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/arrays.h>
#include <train/random.h>

G_BEGIN_DECLS

/** Whether a tensor of @dims can be a wider @narrow: as many dimensions, none smaller, and none but the first two larger. */
gboolean nddr_widens (const NddrArray *narrow, guint n_dims, const gint64 *dims);

/** @narrow, [out, in, kh, kw] or [out], in @dims.  Output channel o is a copy of channel o mod out; what input channel i weighed is shared out among
 * its copies, i, i + in, i + 2 in, …, in random parts that differ from one output to the next, so that the sum stays what it was and copies do
 * not learn the same.  Only for inputs that were widened likewise.  The same dims: a copy.
 * (transfer full): NULL with NDDR_ERROR_NO_MEMORY. */
NddrArray *nddr_widen (const NddrArray *narrow, const char *name, guint n_dims, const gint64 *dims, NddrRandom random, GError **error);

G_END_DECLS
