/* What a run must move between the device's processors and its memory at least: half of its roofline (Williams, Waterman and Patterson, Communications of
 * the ACM 52(4), 2009), the other half being its arithmetic.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/plan.h>

G_BEGIN_DECLS

/**
 * (transfer full): for each of @plan's steps the bytes that it adds; 0 for those of other phases than @phases (bits 1 << phase).
 *
 * Steps one after the other that work for the same layer count as one: a tensor that they read is read once, what they alone write and read never leaves the
 * processors, and what others read of them is written once.  Caches that keep more from layer to layer can do with less; so can a head that reads one
 * branch alone of a trunk's map, which counts with all of them.
 */
gsize *nddr_traffic (const NddrPlan *plan, guint phases);

G_END_DECLS
