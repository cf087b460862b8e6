/* Builders: furniture and other things, made of solids.
 *
 * Each thing is built in a frame of its own: origin on the floor (or on what it stands on) under its middle, x to its right as one who
 * faces its back sees it, y up, and its front toward +z.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/synth/scene.h>

/** Materials that a room's things share, so that they go together. */
typedef struct
{
  guint16 wood, dark_wood, white, metal, black, cloth, cloth2, leather, bedding, glass;
} Palette;

typedef struct
{
  Scene *scene;
  NddrRandom *random;
  const Palette *palette;
  V3 origin;
  Basis basis;
} Place;

/** A place within @outer, turned by @yaw. */
Place place_within (const Place *outer, V3 offset, float yaw);

void build_box (const Place *place, Class class, guint16 material, V3 centre, V3 half);
void build_round (const Place *place, Class class, guint16 material, V3 centre, V3 half, float rounding);
void
build_cylinder (const Place *place, Class class, guint16 material, V3 centre, float below, float above, float half_height);
void build_ellipsoid (const Place *place, Class class, guint16 material, V3 centre, V3 half);
/** Any solid; @basis within the place, @solid without centre, basis and span. */
void build_solid (const Place *place, Solid solid, V3 centre, const Basis *basis);
/** A ball of light. */
void build_light (const Place *place, V3 centre, float radius, V3 power);

guint16 material_new (const Place *place, MaterialKind kind, V3 a, V3 b, float scale, float gloss);
/** One of many colours that things have; @saturation from 0, gray, to 1. */
V3 some_color (NddrRandom *random, float saturation, float darkest, float brightest);
/** The colours of some wood: of its light and of its dark rings. */
void some_wood (NddrRandom *random, V3 *light, V3 *dark);
/** A fresh Palette for @place's room. */
void palette_make (const Place *place, Palette *palette);

/* Builders of things: @size: width, height, depth. */
typedef void (*Build) (const Place *place, V3 size);
void build_sofa (const Place *place, V3 size);
void build_bed (const Place *place, V3 size);
void build_chair (const Place *place, V3 size);
void build_office_chair (const Place *place, V3 size);
void build_table (const Place *place, V3 size);
void build_round_table (const Place *place, V3 size);
void build_coffee_table (const Place *place, V3 size);
void build_desk (const Place *place, V3 size);
void build_shelf (const Place *place, V3 size);
void build_cabinet (const Place *place, V3 size);
void build_wardrobe (const Place *place, V3 size);
void build_night_stand (const Place *place, V3 size);
void build_tv_stand (const Place *place, V3 size);
void build_counter (const Place *place, V3 size);
void build_fridge (const Place *place, V3 size);
void build_floor_lamp (const Place *place, V3 size);
void build_plant (const Place *place, V3 size);
void build_carton (const Place *place, V3 size);
void build_bin (const Place *place, V3 size);
void build_ball (const Place *place, V3 size);

/* Things that stand on others. */
void build_table_lamp (const Place *place, float height);
void build_tv (const Place *place, float width);
void build_laptop (const Place *place);
void build_pillow (const Place *place, V3 half, float lean);
/** A row of books, from -@width / 2 to @width / 2, at most @height high. */
void build_book_row (const Place *place, float width, float height, float depth);
void build_book_stack (const Place *place);
/** Something small: a cup, a vase, a bowl, a box, a plant, books … */
void build_trinket (const Place *place, float room_above);
/** Up to @n of them over a top of @half size. */
void build_trinkets (const Place *place, V3 half, float top, guint n);

/* Things on walls: @place's origin on the wall, at the thing's middle; +z into the room. @half: half width and height. */
void build_window (const Place *place, float half_width, float half_height, V3 daylight, gboolean curtains);
void build_door (const Place *place, float half_width, float height);
void build_picture (const Place *place, float half_width, float half_height);
void build_mirror (const Place *place, float half_width, float half_height);
void build_wall_shelf (const Place *place, float width);
