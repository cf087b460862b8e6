/* Rooms: what stands where, and where one looks from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/synth/render.h>

/** What keeps things from standing in one another: a thing's footprint. */
typedef struct
{
  float x0, x1, z0, z1, height;
} Footprint;

typedef struct
{
  Scene *scene;
  GArray *footprints; /* of Footprint */
} Room;

/** The room of @seed. @spacious: room to walk in, for room_walk(). */
Room *room_new (guint64 seed, gboolean spacious);
void room_free (Room *room);

/** A view of @room such as somebody with a camera would choose. */
Camera room_view (const Room *room, guint64 seed);
/** Frame @index of @n of a walk through a spacious room. */
Camera room_walk (const Room *room, guint64 seed, guint index, guint n);
