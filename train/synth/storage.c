/* Shelves, cabinets, kitchens, what televisions stand on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

static guint16
board_material (const Place *place)
{
  const Palette *palette = place->palette;
  float which = between (place->random, 0, 1);
  return which < 0.45f ? palette->wood : which < 0.75f ? palette->dark_wood : palette->white;
}

void
build_shelf (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  guint16 wood = board_material (place);
  float w = size.x / 2, d = size.z / 2, thick = 0.012f;
  float apart = between (random, 0.3f, 0.42f);
  int shelves = MAX (2, floor_int (size.y / apart));
  for (int side = -1; side <= 1; side += 2)
    build_box (place, CLASS_FURNITURE, wood, v3 (side * (w - thick), size.y / 2, 0), v3 (thick, size.y / 2, d));
  build_box (place, CLASS_FURNITURE, wood, v3 (0, size.y / 2, -d + 0.005f), v3 (w, size.y / 2, 0.005f));
  for (int i = 0; i <= shelves; i++) {
    float y = 0.05f + (size.y - 0.05f - thick) * i / shelves, gap = (size.y - 0.05f) / shelves - 2 * thick;
    build_box (place, CLASS_FURNITURE, wood, v3 (0, y, 0), v3 (w - thick, thick, d));
    Place on = place_within (place, v3 (0, y + thick, 0), 0);
    if (i == shelves) {
      if (size.y < 1.7f)
        build_trinkets (place, v3 (w, 0, d), size.y, nddr_random_below (random, 4));
      break;
    }
    float filled = between (random, 0, 1), inner = 2 * (w - 2 * thick);
    if (filled < 0.6f)
      build_book_row (&on, inner * 0.98f, gap * 0.92f, size.z * 0.8f);
    else if (filled < 0.85f) {
      Place left = place_within (&on, v3 (-inner / 4, 0, 0), 0), right = place_within (&on, v3 (inner / 4, 0, 0), 0);
      build_book_row (&left, inner * 0.45f, gap * 0.9f, size.z * 0.8f);
      build_trinket (&right, gap);
    } else
      build_trinkets (&on, v3 (w - 0.1f, 0, d * 0.6f), 0, 2);
  }
}

/** A body with doors or drawers in front. */
static void
body (const Place *place, guint16 wood, V3 centre, V3 half, float door, gboolean knobs)
{
  const Palette *palette = place->palette;
  build_box (place, CLASS_FURNITURE, wood, centre, half);
  int n = MAX (1, floor_int (2 * half.x / door + 0.5f));
  float each = 2 * half.x / n;
  for (int i = 0; i < n; i++) {
    float x = centre.x - half.x + (i + 0.5f) * each;
    build_box (place, CLASS_FURNITURE, wood, v3 (x, centre.y, centre.z + half.z + 0.008f),
        v3 (each / 2 - 0.004f, half.y - 0.01f, 0.009f));
    if (knobs)
      build_ellipsoid (place, CLASS_FURNITURE, palette->metal,
          v3 (x + (i & 1 ? -1 : 1) * (each / 2 - 0.05f), centre.y, centre.z + half.z + 0.03f),
          v3 (0.014f, 0.014f, 0.014f));
    else
      build_box (place, CLASS_FURNITURE, palette->metal, v3 (x, centre.y + half.y - 0.06f, centre.z + half.z + 0.025f),
          v3 (0.06f, 0.005f, 0.008f));
  }
}

void
build_cabinet (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  guint16 wood = board_material (place);
  float foot = between (random, 0.04f, 0.12f);
  if (chance (random, 0.5f)) { /* drawers */
    int rows = MAX (2, floor_int ((size.y - foot) / 0.22f));
    float each = (size.y - foot - 0.03f) / rows;
    for (int i = 0; i < rows; i++)
      body (place, wood, v3 (0, foot + (i + 0.5f) * each, -0.01f),
          v3 (size.x / 2 - 0.01f, each / 2 - 0.001f, size.z / 2 - 0.02f), size.x > 1 ? size.x / 2 : size.x, FALSE);
  } else
    body (place, wood, v3 (0, (foot + size.y) / 2, -0.01f),
        v3 (size.x / 2 - 0.01f, (size.y - foot) / 2 - 0.015f, size.z / 2 - 0.02f), 0.5f, chance (random, 0.5f));
  build_box (place, CLASS_FURNITURE, wood, v3 (0, size.y - 0.012f, 0), v3 (size.x / 2, 0.014f, size.z / 2));
  build_box (place, CLASS_FURNITURE, wood, v3 (0, foot / 2, -0.02f), v3 (size.x / 2 - 0.03f, foot / 2, size.z / 2 - 0.05f));
  build_trinkets (place, v3 (size.x / 2, 0, size.z / 2), size.y + 0.003f, 1 + nddr_random_below (random, 4));
  if (chance (random, 0.35f)) {
    Place lamp = place_within (place, v3 ((chance (random, 0.5f) ? -1 : 1) * (size.x / 2 - 0.18f), size.y, -0.03f), 0);
    build_table_lamp (&lamp, between (random, 0.38f, 0.55f));
  }
}

void
build_wardrobe (const Place *place, V3 size)
{
  guint16 wood = board_material (place);
  body (place, wood, v3 (0, size.y / 2 + 0.03f, -0.01f), v3 (size.x / 2, size.y / 2 - 0.04f, size.z / 2 - 0.02f),
      between (place->random, 0.42f, 0.6f), TRUE);
  build_box (place, CLASS_FURNITURE, wood, v3 (0, size.y, 0), v3 (size.x / 2 + 0.015f, 0.02f, size.z / 2 + 0.01f));
  build_box (place, CLASS_FURNITURE, wood, v3 (0, 0.035f, -0.02f), v3 (size.x / 2 - 0.01f, 0.035f, size.z / 2 - 0.04f));
  if (chance (place->random, 0.4f)) {
    Place on = place_within (place, v3 (between (place->random, -0.2f, 0.2f), size.y + 0.02f, 0), 0.1f);
    build_carton (&on, v3 (0.4f, 0.22f, 0.3f));
  }
}

void
build_night_stand (const Place *place, V3 size)
{
  guint16 wood = board_material (place);
  body (place, wood, v3 (0, size.y * 0.62f, -0.01f), v3 (size.x / 2, size.y * 0.36f, size.z / 2 - 0.02f), size.x, FALSE);
  build_box (place, CLASS_FURNITURE, wood, v3 (0, size.y - 0.01f, 0), v3 (size.x / 2 + 0.01f, 0.01f, size.z / 2));
  for (int side = -1; side <= 1; side += 2)
    for (int end = -1; end <= 1; end += 2)
      build_box (place, CLASS_FURNITURE, wood, v3 (side * (size.x / 2 - 0.03f), size.y * 0.14f, end * (size.z / 2 - 0.04f)),
          v3 (0.018f, size.y * 0.14f, 0.018f));
  Place on = place_within (place, v3 (0, size.y, -0.04f), 0);
  if (chance (place->random, 0.75f))
    build_table_lamp (&on, between (place->random, 0.36f, 0.5f));
  Place front = place_within (place, v3 (0.06f, size.y, size.z / 2 - 0.12f), between (place->random, -0.5f, 0.5f));
  if (chance (place->random, 0.5f))
    build_book_stack (&front);
}

void
build_tv_stand (const Place *place, V3 size)
{
  guint16 wood = board_material (place);
  body (place, wood, v3 (0, size.y / 2 + 0.02f, -0.01f), v3 (size.x / 2, size.y / 2 - 0.03f, size.z / 2 - 0.02f), 0.5f,
      FALSE);
  build_box (place, CLASS_FURNITURE, wood, v3 (0, size.y, 0), v3 (size.x / 2 + 0.01f, 0.014f, size.z / 2));
  Place on = place_within (place, v3 (0, size.y + 0.014f, -0.03f), between (place->random, -0.06f, 0.06f));
  build_tv (&on, minf (size.x * 0.85f, between (place->random, 0.8f, 1.3f)));
  Place side = place_within (place, v3 (size.x / 2 - 0.12f, size.y + 0.014f, 0.05f), 0);
  build_trinket (&side, 0.6f);
}

void
build_counter (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  const Palette *palette = place->palette;
  guint16 wood = board_material (place);
  V3 stone = v3_scale (some_color (random, 0.15f, 0.25f, 0.8f), 1), vein = v3_mix (stone, v3 (0.7f, 0.68f, 0.65f), 0.5f);
  guint16 top = material_new (place, MATERIAL_MARBLE, stone, vein, 1, 0.04f);
  float w = size.x / 2, d = size.z / 2, height = 0.9f;
  body (place, wood, v3 (0, height / 2 + 0.03f, -0.02f), v3 (w, height / 2 - 0.05f, d - 0.04f), 0.5f, chance (random, 0.5f));
  build_box (place, CLASS_FURNITURE, palette->black, v3 (0, 0.04f, -0.05f), v3 (w, 0.04f, d - 0.08f));
  build_box (place, CLASS_FURNITURE, top, v3 (0, height, 0), v3 (w + 0.01f, 0.02f, d + 0.01f));
  if (size.y > 1.8f)
    body (place, wood, v3 (0, (1.42f + size.y) / 2, -d + 0.17f), v3 (w, (size.y - 1.42f) / 2, 0.16f), 0.45f, FALSE);
  float sink = between (random, -w + 0.4f, w - 0.4f);
  build_box (place, CLASS_OBJECTS, palette->metal, v3 (sink, height + 0.018f, 0.02f), v3 (0.26f, 0.004f, 0.2f));
  build_cylinder (place, CLASS_OBJECTS, palette->metal, v3 (sink, height + 0.15f, -d + 0.09f), 0.016f, 0.012f, 0.13f);
  build_box (place, CLASS_OBJECTS, palette->metal, v3 (sink, height + 0.27f, -d + 0.16f), v3 (0.011f, 0.011f, 0.08f));
  build_trinkets (place, v3 (w - 0.1f, 0, d - 0.12f), height + 0.022f, 3 + nddr_random_below (random, 5));
}

void
build_fridge (const Place *place, V3 size)
{
  const Palette *palette = place->palette;
  guint16 skin = chance (place->random, 0.5f) ? palette->white : palette->metal;
  float split = size.y * between (place->random, 0.35f, 0.7f);
  build_round (place, CLASS_FURNITURE, skin, v3 (0, size.y / 2 + 0.02f, -0.03f),
      v3 (size.x / 2, size.y / 2 - 0.02f, size.z / 2 - 0.04f), 0.015f);
  build_round (place, CLASS_FURNITURE, skin, v3 (0, split / 2 + 0.02f, size.z / 2 - 0.04f),
      v3 (size.x / 2, split / 2 - 0.025f, 0.035f), 0.015f);
  build_round (place, CLASS_FURNITURE, skin, v3 (0, (split + size.y) / 2, size.z / 2 - 0.04f),
      v3 (size.x / 2, (size.y - split) / 2 - 0.005f, 0.035f), 0.015f);
  for (int i = -1; i <= 1; i += 2)
    build_box (place, CLASS_FURNITURE, palette->metal, v3 (size.x / 2 - 0.05f, split + i * 0.2f, size.z / 2 + 0.02f),
        v3 (0.01f, 0.14f, 0.012f));
}
