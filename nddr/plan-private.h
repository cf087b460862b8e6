/* What making plans and placing their tensors share.  plan.c makes tensors and steps, plan-placement.c finishes a plan.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/plan.h>

G_BEGIN_DECLS

#define NDDR_PLAN_ALIGNMENT 256 /* no Vulkan device asks for more of a storage or texel binding's offset */

/** @n, or the next multiple of @to above it. */
gsize nddr_plan_align_up (gsize n, gsize to);

G_END_DECLS
