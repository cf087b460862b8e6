/* Synthetic pictures: ray-traced rooms with exact labels.
 *
 * The same seed, number and size give the same bytes on every machine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/source.h>
#include <train/synth/room.h>

G_BEGIN_DECLS

/** The classes of NYUv2's 13, in their order, so that data sets can be joined. */
extern const NddrClass nddr_synth_classes[N_CLASSES];

/** Picture @index of the data set of @seed: a room of its own, seen by a camera of its own. */
NddrSample *nddr_synth_picture (guint64 seed, guint index, guint width, guint height, GError **error);

/** Frame @index of @n of the walk through the room of @seed. */
NddrSample *nddr_synth_walk (guint64 seed, guint index, guint n, guint width, guint height, GError **error);

/** "SEED,COUNT,WxH" as a source of samples, which are made as they are loaded. */
NddrSource *nddr_synth_open (const char *where, GError **error);

G_END_DECLS
