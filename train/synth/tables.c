/* Tables and desks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

static void
four_legs (const Place *place, guint16 material, V3 size, float thick)
{
  float w = size.x / 2 - thick - 0.02f, d = size.z / 2 - thick - 0.02f, h = (size.y - 0.03f) / 2;
  gboolean round = chance (place->random, 0.35f);
  for (int side = -1; side <= 1; side += 2)
    for (int end = -1; end <= 1; end += 2)
      if (round)
        build_cylinder (place, CLASS_TABLE, material, v3 (side * w, h, end * d), thick * 0.7f, thick, h);
      else
        build_box (place, CLASS_TABLE, material, v3 (side * w, h, end * d), v3 (thick, h, thick));
}

static guint16
top_material (const Place *place)
{
  const Palette *palette = place->palette;
  float which = between (place->random, 0, 1);
  return which < 0.5f ? palette->wood : which < 0.75f ? palette->dark_wood : which < 0.9f ? palette->white : palette->glass;
}

void
build_table (const Place *place, V3 size)
{
  guint16 top = top_material (place);
  float thick = between (place->random, 0.012f, 0.025f);
  build_box (place, CLASS_TABLE, top, v3 (0, size.y - thick, 0), v3 (size.x / 2, thick, size.z / 2));
  four_legs (place, top == place->palette->glass ? place->palette->metal : top, size, between (place->random, 0.02f, 0.04f));
  if (chance (place->random, 0.5f))
    build_box (place, CLASS_TABLE, top, v3 (0, size.y - 2 * thick - 0.04f, 0),
        v3 (size.x / 2 - 0.06f, 0.04f, size.z / 2 - 0.06f));
  if (chance (place->random, 0.25f))
    build_box (place, CLASS_OBJECTS, place->palette->cloth2, v3 (0, size.y + 0.003f, 0),
        v3 (size.x * 0.48f, 0.003f, size.z * 0.2f));
  build_trinkets (place, v3 (size.x / 2, 0, size.z / 2), size.y + 0.006f, nddr_random_below (place->random, 5));
}

void
build_round_table (const Place *place, V3 size)
{
  guint16 top = top_material (place);
  float r = minf (size.x, size.z) / 2;
  build_cylinder (place, CLASS_TABLE, top, v3 (0, size.y - 0.015f, 0), r, r, 0.015f);
  build_cylinder (place, CLASS_TABLE, place->palette->dark_wood, v3 (0, size.y / 2, 0), 0.06f, 0.045f, size.y / 2 - 0.03f);
  build_cylinder (place, CLASS_TABLE, place->palette->dark_wood, v3 (0, 0.015f, 0), r * 0.5f, r * 0.4f, 0.015f);
  build_trinkets (place, v3 (r * 0.7f, 0, r * 0.7f), size.y, 1 + nddr_random_below (place->random, 3));
}

void
build_coffee_table (const Place *place, V3 size)
{
  guint16 top = top_material (place);
  build_box (place, CLASS_TABLE, top, v3 (0, size.y - 0.02f, 0), v3 (size.x / 2, 0.02f, size.z / 2));
  if (chance (place->random, 0.6f))
    build_box (place, CLASS_TABLE, top, v3 (0, 0.13f, 0), v3 (size.x / 2 - 0.04f, 0.012f, size.z / 2 - 0.04f));
  four_legs (place, top == place->palette->glass ? place->palette->metal : top, size, 0.025f);
  build_trinkets (place, v3 (size.x / 2, 0, size.z / 2), size.y, 1 + nddr_random_below (place->random, 4));
}

void
build_desk (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  guint16 top = top_material (place);
  float w = size.x / 2, d = size.z / 2;
  build_box (place, CLASS_TABLE, top, v3 (0, size.y - 0.018f, 0), v3 (w, 0.018f, d));
  float drawers = chance (random, 0.7f) ? between (random, 0.35f, 0.45f) : 0;
  if (drawers > 0) {
    build_box (place, CLASS_TABLE, top, v3 (w - drawers / 2, size.y / 2, 0),
        v3 (drawers / 2, size.y / 2 - 0.036f, d - 0.02f));
    for (int i = 0; i < 3; i++) {
      float y = (i + 0.5f) / 3 * (size.y - 0.1f) + 0.04f;
      build_box (place, CLASS_TABLE, top, v3 (w - drawers / 2, y, d - 0.015f),
          v3 (drawers / 2 - 0.01f, size.y / 6 - 0.025f, 0.01f));
      build_box (place, CLASS_TABLE, place->palette->metal, v3 (w - drawers / 2, y, d), v3 (0.05f, 0.006f, 0.012f));
    }
    build_box (place, CLASS_TABLE, top, v3 (-w + 0.02f, size.y / 2, 0), v3 (0.02f, size.y / 2 - 0.036f, d - 0.02f));
  } else
    four_legs (place, top, size, 0.025f);

  V3 behind = v3 (between (random, -0.2f, 0.1f), size.y, -d * 0.35f);
  Place on = place_within (place, behind, between (random, -0.2f, 0.2f));
  if (chance (random, 0.6f))
    build_tv (&on, between (random, 0.45f, 0.62f));
  else
    build_laptop (&on);
  Place lamp = place_within (place, v3 (-w + 0.18f, size.y, -d * 0.5f), 0);
  if (chance (random, 0.6f))
    build_table_lamp (&lamp, between (random, 0.35f, 0.5f));
  Place right = place_within (place, v3 (w - 0.25f, size.y, -d * 0.4f), 0);
  if (chance (random, 0.5f))
    build_book_row (&right, between (random, 0.2f, 0.35f), 0.28f, 0.17f);
  else
    build_trinket (&right, 0.5f);
  Place left = place_within (place, v3 (-w + 0.35f, size.y, d * 0.45f), between (random, -0.5f, 0.5f));
  if (chance (random, 0.6f))
    build_book_stack (&left);
}
