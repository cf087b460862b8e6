/* Windows, doors, and what hangs on walls.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

static void
curtain (const Place *place, guint16 cloth, float x, float half_width, float low, float high)
{
  int folds = MAX (3, floor_int (half_width / 0.035f));
  float r = half_width / folds;
  for (int i = 0; i < folds; i++)
    build_cylinder (place, CLASS_WINDOW, cloth,
        v3 (x - half_width + (2 * i + 1) * r, (low + high) / 2, 0.075f + (i & 1) * 0.02f), r * 1.15f, r * 1.05f,
        (high - low) / 2);
}

void
build_window (const Place *place, float half_width, float half_height, V3 daylight, gboolean curtains)
{
  NddrRandom *random = place->random;
  guint16 frame = chance (random, 0.7f) ? place->palette->white : place->palette->wood;
  float power = v3_luma (daylight), bar = between (random, 0.018f, 0.03f), border = 0.035f;
  V3 below = chance (random, 0.6f) ? v3 (0.42f, 0.5f, 0.33f) : v3 (0.55f, 0.52f, 0.48f), above = v3 (0.72f, 0.84f, 1);
  Material sky = { MATERIAL_SKY, below, above, 1, 0, minf (power * 1.6f, 3.2f), nddr_random_next (random) >> 40 };
  Solid pane = { .kind = SOLID_BOX,
    .class = CLASS_WINDOW,
    .clear = TRUE,
    .half = v3 (half_width, half_height, 0.004f),
    .material = scene_add_material (place->scene, sky) };
  build_solid (place, pane, v3 (0, 0, 0.004f), NULL);
  for (int side = -1; side <= 1; side += 2) {
    build_box (place, CLASS_WINDOW, frame, v3 (side * (half_width + border), 0, 0.02f),
        v3 (border, half_height + 2 * border, 0.022f));
    build_box (place, CLASS_WINDOW, frame, v3 (0, side * (half_height + border), 0.02f), v3 (half_width, border, 0.022f));
  }
  build_box (place, CLASS_WINDOW, frame, v3 (0, -half_height - 2 * border, 0.05f),
      v3 (half_width + 3 * border, 0.014f, 0.05f));
  float apart = between (random, 0.45f, 0.8f);
  int columns = MAX (1, floor_int (2 * half_width / apart + 0.5f)), rows = chance (random, 0.5f) ? 2 : 1;
  for (int i = 1; i < columns; i++)
    build_box (place, CLASS_WINDOW, frame, v3 ((2.0f * i / columns - 1) * half_width, 0, 0.012f),
        v3 (bar, half_height, 0.014f));
  for (int i = 1; i < rows; i++)
    build_box (place, CLASS_WINDOW, frame, v3 (0, 0.2f * half_height, 0.012f), v3 (half_width, bar, 0.014f));

  Light light = { .kind = LIGHT_PANE, .power = v3_scale (daylight, 4) };
  light.centre = v3_add (place->origin, basis_out (&place->basis, v3 (0, 0, 0.06f)));
  light.u = v3_scale (place->basis.x, half_width);
  light.v = v3_scale (place->basis.y, half_height);
  light.normal = place->basis.z;
  scene_add_light (place->scene, light);

  float kind = between (random, 0, 1);
  if (!curtains)
    return;
  if (kind < 0.65f) {
    V3 a = some_color (random, 0.5f, 0.4f, 0.95f);
    guint16 cloth = material_new (place, chance (random, 0.3f) ? MATERIAL_STRIPES : MATERIAL_FABRIC, a, v3_scale (a, 0.8f),
        0.05f, 0);
    float wide = between (random, 0.14f, 0.28f),
          low = chance (random, 0.5f) ? -half_height - 0.15f : -place->origin.y + 0.04f;
    for (int side = -1; side <= 1; side += 2)
      curtain (place, cloth, side * (half_width + 0.08f), wide, low, half_height + 0.12f);
    Basis across = { v3 (0, 1, 0), v3 (1, 0, 0), v3 (0, 0, -1) };
    Solid rod = { .kind = SOLID_CYLINDER,
      .class = CLASS_WINDOW,
      .material = place->palette->metal,
      .half = v3 (0.012f, half_width + 0.4f, 0.012f) };
    build_solid (place, rod, v3 (0, half_height + 0.14f, 0.08f), &across);
  } else { /* blinds, partly down */
    int slats = between (random, 5, 16);
    Basis tilt = basis_turned (0, 0.5f, 0);
    for (int i = 0; i < slats; i++)
      build_solid (place,
          (Solid){ .kind = SOLID_BOX,
              .class = CLASS_WINDOW,
              .material = place->palette->white,
              .half = v3 (half_width, 0.0012f, 0.018f) },
          v3 (0, half_height - 0.03f - i * 0.036f, 0.05f), &tilt);
    build_box (place, CLASS_WINDOW, place->palette->white, v3 (0, half_height, 0.05f), v3 (half_width, 0.02f, 0.024f));
  }
}

void
build_door (const Place *place, float half_width, float height)
{
  const Palette *palette = place->palette;
  guint16 leaf = chance (place->random, 0.6f) ? palette->white : palette->wood,
          frame = chance (place->random, 0.7f) ? palette->white : leaf;
  build_box (place, CLASS_WALL, leaf, v3 (0, height / 2, 0.008f), v3 (half_width, height / 2, 0.01f));
  for (int side = -1; side <= 1; side += 2)
    build_box (place, CLASS_WALL, frame, v3 (side * (half_width + 0.04f), height / 2 + 0.02f, 0.012f),
        v3 (0.04f, height / 2 + 0.06f, 0.018f));
  build_box (place, CLASS_WALL, frame, v3 (0, height + 0.04f, 0.012f), v3 (half_width, 0.04f, 0.018f));
  for (int row = 0; row < 2; row++)
    for (int side = -1; side <= 1; side += 2)
      build_box (place, CLASS_WALL, leaf, v3 (side * half_width * 0.47f, row ? height * 0.7f : height * 0.25f, 0.018f),
          v3 (half_width * 0.36f, row ? height * 0.22f : height * 0.17f, 0.006f));
  build_ellipsoid (place, CLASS_WALL, palette->metal, v3 (half_width * 0.82f, height * 0.48f, 0.06f),
      v3 (0.028f, 0.028f, 0.028f));
}

void
build_picture (const Place *place, float half_width, float half_height)
{
  NddrRandom *random = place->random;
  const Palette *palette = place->palette;
  float which = between (random, 0, 1), border = between (random, 0.012f, 0.035f);
  guint16 frame = which < 0.35f ? palette->black
      : which < 0.6f            ? palette->white
      : which < 0.8f            ? palette->dark_wood
                                : palette->wood;
  V3 a = some_color (random, 0.8f, 0.3f, 0.95f), b = some_color (random, 0.7f, 0.3f, 0.95f);
  guint16 art = material_new (place, MATERIAL_ART, a, b, 1, 0.02f);
  build_box (place, CLASS_PICTURE, art, v3 (0, 0, 0.008f), v3 (half_width, half_height, 0.008f));
  for (int side = -1; side <= 1; side += 2) {
    build_box (place, CLASS_PICTURE, frame, v3 (side * (half_width + border / 2), 0, 0.012f),
        v3 (border / 2, half_height + border, 0.012f));
    build_box (place, CLASS_PICTURE, frame, v3 (0, side * (half_height + border / 2), 0.012f),
        v3 (half_width, border / 2, 0.012f));
  }
}

void
build_mirror (const Place *place, float half_width, float half_height)
{
  guint16 silver = material_new (place, MATERIAL_PAINT, v3 (0.05f, 0.055f, 0.055f), v3 (0, 0, 0), 1, 0.6f);
  build_box (place, CLASS_OBJECTS, place->palette->dark_wood, v3 (0, 0, 0.008f),
      v3 (half_width + 0.03f, half_height + 0.03f, 0.008f));
  build_box (place, CLASS_OBJECTS, silver, v3 (0, 0, 0.018f), v3 (half_width, half_height, 0.002f));
}

void
build_wall_shelf (const Place *place, float width)
{
  build_box (place, CLASS_FURNITURE, place->palette->wood, v3 (0, 0, 0.11f), v3 (width / 2, 0.015f, 0.11f));
  Place on = place_within (place, v3 (-width * 0.2f, 0.015f, 0.11f), 0);
  build_book_row (&on, width * between (place->random, 0.3f, 0.55f), 0.26f, 0.18f);
  Place right = place_within (place, v3 (width * 0.35f, 0.015f, 0.11f), 0);
  build_trinket (&right, 0.35f);
}
