/* Partial sums, added in a fixed order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/plan.h>

G_BEGIN_DECLS

/** Room for @n partial sums, a texel each. */
NddrTensor *nddr_sum_parts_new (NddrPlan *plan, guint64 n);
/** @result[0] = @scale[0] times the sum of the first components of @n @parts. */
void nddr_sum_parts (NddrPlan *plan, NddrTensor *parts, int n, NddrTensor *scale, NddrTensor *result);

G_END_DECLS
