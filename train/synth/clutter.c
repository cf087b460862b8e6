/* Lamps, books, televisions and small things.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

static const V3 warm_light = { 1, 0.82f, 0.6f };

/** A shade that glows, with a lamp inside. */
static void
shade (const Place *place, V3 centre, float below, float above, float half_height, float power)
{
  Material glow = { MATERIAL_GLOW, v3 (0.95f, 0.8f, 0.55f), v3 (0, 0, 0), 1, 0, between (place->random, 0.9f, 1.8f), 1 };
  Solid solid = { .kind = SOLID_CYLINDER, .class = CLASS_OBJECTS, .clear = TRUE, .half = v3 (below, half_height, above),
    .material = scene_add_material (place->scene, glow) };
  build_solid (place, solid, centre, NULL);
  build_light (place, centre, above * 0.8f, v3_scale (warm_light, power));
}

void
build_table_lamp (const Place *place, float height)
{
  NddrRandom *random = place->random;
  guint16 foot = chance (random, 0.5f)
      ? place->palette->metal
      : material_new (place, MATERIAL_PAINT, some_color (random, 0.7f, 0.3f, 0.9f), v3 (0, 0, 0), 1, 0.05f);
  float r = between (random, 0.09f, 0.15f), high = between (random, 0.08f, 0.12f);
  if (chance (random, 0.5f))
    build_ellipsoid (place, CLASS_OBJECTS, foot, v3 (0, height * 0.25f, 0), v3 (0.07f, height * 0.25f, 0.07f));
  else
    build_cylinder (place, CLASS_OBJECTS, foot, v3 (0, 0.01f, 0), 0.075f, 0.07f, 0.01f);
  build_cylinder (place, CLASS_OBJECTS, foot, v3 (0, height * 0.4f, 0), 0.012f, 0.01f, height * 0.4f);
  float above = r * between (random, 0.55f, 0.95f);
  shade (place, v3 (0, height - high * 0.6f, 0), r, above, high, between (random, 0.3f, 0.7f));
}

void
build_floor_lamp (const Place *place, V3 size)
{
  float r = size.x / 2;
  build_cylinder (place, CLASS_OBJECTS, place->palette->black, v3 (0, 0.012f, 0), 0.14f, 0.13f, 0.012f);
  build_cylinder (place, CLASS_OBJECTS, place->palette->black, v3 (0, size.y / 2, 0), 0.013f, 0.011f, size.y / 2 - 0.02f);
  float above = r * between (place->random, 0.5f, 0.95f);
  shade (place, v3 (0, size.y - 0.13f, 0), r, above, 0.13f, between (place->random, 0.8f, 1.6f));
}

static guint16
screen_material (const Place *place)
{
  V3 a = some_color (place->random, 0.7f, 0.3f, 0.8f), b = some_color (place->random, 0.7f, 0.4f, 0.9f);
  Material on = { MATERIAL_SCREEN, a, b, 1, 0.05f, 1.3f, nddr_random_next (place->random) >> 40 };
  return scene_add_material (place->scene, on);
}

void
build_tv (const Place *place, float width)
{
  NddrRandom *random = place->random;
  float w = width / 2, h = w * 0.57f, foot = between (random, 0.04f, 0.1f);
  guint16 black = material_new (place, MATERIAL_PAINT, v3 (0.012f, 0.012f, 0.014f), v3 (0, 0, 0), 1, 0.06f), face = black;
  if (chance (random, 0.4f)) {
    face = screen_material (place);
  }
  build_box (place, CLASS_TV, black, v3 (0, foot + h, 0), v3 (w, h, 0.018f));
  build_box (place, CLASS_TV, face, v3 (0, foot + h, 0.018f), v3 (w - 0.012f, h - 0.012f, 0.002f));
  build_box (place, CLASS_TV, black, v3 (0, foot / 2 + 0.01f, -0.01f), v3 (0.03f, foot / 2 + 0.01f, 0.015f));
  build_box (place, CLASS_TV, black, v3 (0, 0.006f, 0), v3 (w * 0.4f, 0.006f, 0.09f));
}

void
build_laptop (const Place *place)
{
  guint16 skin = chance (place->random, 0.5f) ? place->palette->metal : place->palette->black;
  guint16 face = screen_material (place);
  Basis open = basis_turned (0, 0.3f, 0);
  build_box (place, CLASS_OBJECTS, skin, v3 (0, 0.009f, 0.1f), v3 (0.17f, 0.009f, 0.115f));
  build_solid (place,
      (Solid){ .kind = SOLID_BOX, .class = CLASS_OBJECTS, .material = skin, .half = v3 (0.17f, 0.115f, 0.005f) },
      v3 (0, 0.128f, -0.055f), &open);
  build_solid (place,
      (Solid){ .kind = SOLID_BOX, .class = CLASS_OBJECTS, .material = face, .half = v3 (0.158f, 0.1f, 0.0015f) },
      v3 (0, 0.126f, -0.0493f), &open);
}

static guint16
book_material (const Place *place)
{
  V3 a = some_color (place->random, 0.7f, 0.2f, 0.9f),
     b = chance (place->random, 0.5f) ? v3 (0.7f, 0.6f, 0.3f) : some_color (place->random, 0.6f, 0.3f, 0.95f);
  return material_new (place, MATERIAL_SPINE, a, b, 1, 0.01f);
}

void
build_book_row (const Place *place, float width, float height, float depth)
{
  NddrRandom *random = place->random;
  float x = -width / 2, tallest = minf (height, between (random, 0.2f, 0.3f)),
        deep = minf (depth, between (random, 0.15f, 0.22f)) / 2;
  float back = -depth / 2 + deep;
  guint16 materials[4];
  for (int i = 0; i < 4; i++)
    materials[i] = book_material (place);
  while (x < width / 2 - 0.06f) {
    float thick = between (random, 0.009f, 0.026f), h = tallest * between (random, 0.68f, 1) / 2;
    guint16 material = chance (random, 0.6f) ? materials[nddr_random_below (random, 4)] : book_material (place);
    if (chance (random, 0.06f)) { /* a gap, and a book that leans into it */
      Basis lean = basis_turned (0, 0, 0.28f);
      Solid book = { .kind = SOLID_BOX, .class = CLASS_BOOKS, .material = material, .half = v3 (thick, h, deep) };
      x += h * 0.56f;
      if (x + thick > width / 2)
        return;
      build_solid (place, book, v3 (x - h * 0.24f, h * 0.965f + thick * 0.28f, back), &lean);
      x += thick * 1.2f + h * 0.02f;
      continue;
    }
    build_box (place, CLASS_BOOKS, material, v3 (x + thick, h, back + between (random, 0, 0.02f)),
        v3 (thick - 0.0008f, h, deep));
    x += 2 * thick;
  }
}

void
build_book_stack (const Place *place)
{
  NddrRandom *random = place->random;
  guint n = 1 + nddr_random_below (random, 4);
  float y = 0, w = between (random, 0.1f, 0.14f), d = w * 0.72f;
  for (guint i = 0; i < n; i++) {
    float thick = between (random, 0.008f, 0.02f), shrink = between (random, 0.85f, 1);
    Place turned = place_within (place, v3 (0, y + thick, 0), between (random, -0.25f, 0.25f));
    build_box (&turned, CLASS_BOOKS, book_material (place), v3 (0, 0, 0), v3 (w * shrink, thick - 0.0005f, d * shrink));
    y += 2 * thick;
  }
}

void
build_plant (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  float pot = size.y * 0.16f, r = size.x * 0.28f;
  V3 clay = chance (random, 0.5f) ? v3 (0.42f, 0.18f, 0.1f) : some_color (random, 0.3f, 0.4f, 0.9f),
     leaf = v3 (0.06f, between (random, 0.16f, 0.28f), 0.05f);
  guint16 pot_material = material_new (place, MATERIAL_PAINT, clay, v3 (0, 0, 0), 1, 0.02f);
  guint16 leaf_material = material_new (place, MATERIAL_CARPET, leaf, v3_scale (leaf, 1.8f), 1, 0.01f);
  guint16 stem = material_new (place, MATERIAL_PAINT, v3 (0.13f, 0.1f, 0.05f), v3 (0, 0, 0), 1, 0);
  build_cylinder (place, CLASS_OBJECTS, pot_material, v3 (0, pot, 0), r * 0.75f, r, pot);
  build_cylinder (place, CLASS_OBJECTS, stem, v3 (0, size.y * 0.45f, 0), 0.012f, 0.008f, size.y * 0.25f);
  int leaves = 7 + nddr_random_below (random, 6);
  for (int i = 0; i < leaves; i++) {
    float turn = between (random, 0, 6.28f), rise = between (random, 0.45f, 0.98f) * size.y,
          out = size.x * between (random, 0.1f, 0.3f);
    Basis lean = basis_turned (turn, between (random, -0.3f, 1.0f), 0);
    V3 half = v3_scale (between3 (random, v3 (0.06f, 0.01f, 0.16f), v3 (0.1f, 0.015f, 0.26f)), size.x);
    half.y += 0.008f;
    Solid solid = { .kind = SOLID_ELLIPSOID, .class = CLASS_OBJECTS, .material = leaf_material, .half = half };
    build_solid (place, solid, v3 (out * sine (turn), rise, out * cosine (turn)), &lean);
  }
}

void
build_carton (const Place *place, V3 size)
{
  V3 brown = v3_scale (v3 (0.45f, 0.31f, 0.18f), between (place->random, 0.7f, 1.2f));
  guint16 paper = material_new (place, MATERIAL_PAINT,
      chance (place->random, 0.6f) ? brown : some_color (place->random, 0.6f, 0.3f, 0.9f), v3 (0, 0, 0), 1, 0);
  build_box (place, CLASS_OBJECTS, paper, v3 (0, size.y / 2, 0), v3 (size.x / 2, size.y / 2, size.z / 2));
  guint16 tape = material_new (place, MATERIAL_PAINT, v3_scale (brown, 1.3f), v3 (0, 0, 0), 1, 0.03f);
  build_box (place, CLASS_OBJECTS, tape, v3 (0, size.y, 0), v3 (size.x / 2, 0.0008f, 0.025f));
}

void
build_bin (const Place *place, V3 size)
{
  V3 a = some_color (place->random, 0.5f, 0.3f, 0.8f), b = some_color (place->random, 0.3f, 0.3f, 0.8f);
  guint16 skin = material_new (place, MATERIAL_STRIPES, a, b, 0.03f, 0);
  build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, size.y / 2, 0), size.x * 0.4f, size.x * 0.5f, size.y / 2);
}

void
build_ball (const Place *place, V3 size)
{
  V3 color = some_color (place->random, 0.9f, 0.5f, 0.95f);
  guint16 skin = material_new (place, chance (place->random, 0.5f) ? MATERIAL_STRIPES : MATERIAL_PAINT, color,
      v3 (0.75f, 0.73f, 0.7f), size.x / 3, 0.03f);
  build_ellipsoid (place, CLASS_OBJECTS, skin, v3 (0, size.x / 2, 0), v3 (size.x / 2, size.x / 2, size.x / 2));
}

void
build_trinket (const Place *place, float room_above)
{
  NddrRandom *random = place->random;
  V3 color = some_color (random, 0.8f, 0.3f, 0.95f);
  guint16 skin = material_new (place, chance (random, 0.2f) ? MATERIAL_STRIPES : MATERIAL_PAINT, color,
      v3 (0.7f, 0.68f, 0.64f), 0.03f, 0.04f);
  float most = minf (room_above, 0.4f);
  switch (nddr_random_below (random, 8)) {
    case 0: /* cup */
      build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, 0.048f, 0), 0.034f, 0.042f, 0.048f);
      break;
    case 1: { /* vase */
      float h = minf (most * 0.9f, between (random, 0.14f, 0.3f)) / 2;
      build_ellipsoid (place, CLASS_OBJECTS, skin, v3 (0, h * 0.8f, 0), v3 (h * 0.55f, h * 0.8f, h * 0.55f));
      build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, h * 1.6f, 0), h * 0.22f, h * 0.34f, h * 0.4f);
      break;
    }
    case 2: { /* bowl of fruit */
      build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, 0.035f, 0), 0.06f, 0.13f, 0.035f);
      guint16 fruit = material_new (place, MATERIAL_PAINT,
          chance (random, 0.5f) ? v3 (0.7f, 0.25f, 0.04f) : v3 (0.45f, 0.06f, 0.04f), v3 (0, 0, 0), 1, 0.03f);
      for (int i = 0; i < 4; i++)
        build_ellipsoid (place, CLASS_OBJECTS, fruit, v3 (0.05f * (i % 2 * 2 - 1), 0.085f, 0.05f * (i / 2 * 2 - 1)),
            v3 (0.04f, 0.038f, 0.04f));
      break;
    }
    case 3: /* box */
      build_box (place, CLASS_OBJECTS, skin, v3 (0, 0.06f, 0),
          between3 (random, v3 (0.05f, 0.06f, 0.04f), v3 (0.12f, 0.06f, 0.09f)));
      break;
    case 4:
      build_plant (place, v3 (0.26f, minf (most, between (random, 0.24f, 0.4f)), 0.26f));
      break;
    case 5:
      build_book_stack (place);
      break;
    case 6: { /* bottle */
      float h = minf (most, 0.28f) / 2;
      build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, h * 0.65f, 0), 0.036f, 0.036f, h * 0.65f);
      build_cylinder (place, CLASS_OBJECTS, skin, v3 (0, h * 1.6f, 0), 0.034f, 0.012f, h * 0.35f);
      break;
    }
    default: { /* a small picture in a frame that stands */
      Basis lean = basis_turned (between (random, -0.4f, 0.4f), 0.2f, 0);
      V3 a = some_color (random, 0.8f, 0.3f, 0.9f), b = some_color (random, 0.8f, 0.3f, 0.9f);
      guint16 art = material_new (place, MATERIAL_ART, a, b, 1, 0.02f);
      float h = minf (most * 0.45f, 0.1f);
      build_solid (place,
          (Solid){ .kind = SOLID_BOX,
              .class = CLASS_PICTURE,
              .material = place->palette->dark_wood,
              .half = v3 (h * 0.8f, h, 0.006f) },
          v3 (0, h, 0), &lean);
      build_solid (place,
          (Solid){ .kind = SOLID_BOX, .class = CLASS_PICTURE, .material = art, .half = v3 (h * 0.7f, h * 0.9f, 0.007f) },
          v3 (0, h, 0), &lean);
      break;
    }
  }
}

void
build_trinkets (const Place *place, V3 half, float top, guint n)
{
  NddrRandom *random = place->random;
  for (guint i = 0; i < n; i++) {
    /* each has a strip of its own, so that they do not stand in one another */
    float strip = 2 * half.x / n, x = -half.x + (i + between (random, 0.35f, 0.65f)) * strip;
    float room = half.z - 0.12f;
    if (strip < 0.2f)
      continue;
    float z = room > 0 ? between (random, -room, room) : 0;
    Place on = place_within (place, v3 (x, top, z), between (random, -0.5f, 0.5f));
    build_trinket (&on, 0.5f);
  }
}
