/* Sofas, chairs, beds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

void
build_pillow (const Place *place, V3 half, float lean)
{
  V3 a = some_color (place->random, 0.8f, 0.35f, 0.95f);
  MaterialKind kind = chance (place->random, 0.3f) ? MATERIAL_STRIPES
      : chance (place->random, 0.2f)               ? MATERIAL_CHECKS
                                                   : MATERIAL_FABRIC;
  guint16 cloth = material_new (place, kind, a, v3_mix (a, v3 (0.75f, 0.72f, 0.68f), 0.6f), 0.07f, 0);
  float yaw = between (place->random, -0.15f, 0.15f), roll = between (place->random, -0.12f, 0.12f);
  Basis tilt = basis_turned (yaw, lean, roll);
  Solid solid = { .kind = SOLID_ROUND,
    .class = CLASS_OBJECTS,
    .material = cloth,
    .half = half,
    .rounding = 0.85f * minf (half.x, minf (half.y, half.z)) };
  build_solid (place, solid, v3 (0, half.y * 0.95f, 0), &tilt);
}

void
build_sofa (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  guint16 cover = chance (random, 0.3f) ? place->palette->leather : place->palette->cloth;
  float arm = between (random, 0.1f, 0.2f), arm_height = between (random, 0.55f, 0.68f),
        seat = between (random, 0.38f, 0.45f);
  float back = between (random, 0.16f, 0.24f), leg = between (random, 0.03f, 0.13f), w = size.x / 2, d = size.z / 2;
  float soft = between (random, 0.03f, 0.07f);
  build_round (place, CLASS_SOFA, cover, v3 (0, (leg + seat - 0.12f) / 2, 0), v3 (w, (seat - 0.12f - leg) / 2, d), 0.02f);
  build_round (place, CLASS_SOFA, cover, v3 (0, (leg + size.y) / 2, -d + back / 2),
      v3 (w - 0.01f, (size.y - leg) / 2, back / 2), soft);
  for (int side = -1; side <= 1; side += 2) {
    build_round (place, CLASS_SOFA, cover, v3 (side * (w - arm / 2), (leg + arm_height) / 2, 0),
        v3 (arm / 2, (arm_height - leg) / 2, d), soft);
    for (int end = -1; end <= 1; end += 2)
      build_box (place, CLASS_SOFA, place->palette->dark_wood, v3 (side * (w - 0.07f), leg / 2, end * (d - 0.07f)),
          v3 (0.025f, leg / 2, 0.025f));
  }
  int cushions = MAX (1, floor_int ((size.x - 2 * arm) / 0.68f + 0.5f));
  float each = (size.x - 2 * arm) / cushions;
  for (int i = 0; i < cushions; i++) {
    float x = -w + arm + (i + 0.5f) * each;
    build_round (place, CLASS_SOFA, cover, v3 (x, seat - 0.06f, back / 2),
        v3 (each / 2 - 0.006f, 0.085f, d - back / 2 - 0.01f), 0.05f);
    Basis lean = basis_turned (0, 0.16f, 0);
    Solid cushion = { .kind = SOLID_ROUND,
      .class = CLASS_SOFA,
      .material = cover,
      .half = v3 (each / 2 - 0.012f, (size.y - seat) * 0.46f, 0.085f),
      .rounding = 0.06f };
    build_solid (place, cushion, v3 (x, seat + (size.y - seat) * 0.46f, -d + back + 0.07f), &lean);
  }
  for (int side = -1; side <= 1; side += 2)
    if (chance (random, 0.55f)) {
      Place on = place_within (place,
          v3 (side * (w - arm - between (random, 0.2f, 0.35f)), seat + 0.03f, -d + back + 0.24f), 0);
      float half = between (random, 0.17f, 0.23f);
      build_pillow (&on, v3 (half, half * between (random, 0.75f, 1), 0.07f), 0.35f);
    }
}

void
build_bed (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  const Palette *palette = place->palette;
  float w = size.x / 2, d = size.z / 2, frame = between (random, 0.22f, 0.34f), top = frame + between (random, 0.16f, 0.24f);
  guint16 wood = chance (random, 0.5f) ? palette->wood : palette->dark_wood;
  guint16 sheet = material_new (place, MATERIAL_FABRIC, v3 (0.78f, 0.76f, 0.72f), v3 (0.7f, 0.68f, 0.65f), 1, 0);
  build_round (place, CLASS_BED, chance (random, 0.3f) ? palette->cloth : wood, v3 (0, size.y / 2, -d + 0.04f),
      v3 (w + 0.03f, size.y / 2, 0.04f), 0.02f);
  build_box (place, CLASS_BED, wood, v3 (0, frame / 2 + 0.04f, 0.02f), v3 (w, frame / 2 - 0.04f, d - 0.04f));
  for (int side = -1; side <= 1; side += 2)
    build_box (place, CLASS_BED, wood, v3 (side * (w - 0.06f), 0.04f, d - 0.1f), v3 (0.03f, 0.04f, 0.03f));
  if (chance (random, 0.35f))
    build_box (place, CLASS_BED, wood, v3 (0, 0.32f, d - 0.02f), v3 (w, 0.32f, 0.025f));
  build_round (place, CLASS_BED, sheet, v3 (0, (frame + top) / 2, 0.03f),
      v3 (w - 0.02f, (top - frame) / 2 + 0.02f, d - 0.08f), 0.06f);
  float cover = between (random, 0.25f, 0.4f) * size.z; /* the blanket begins this far from the head */
  float hang = between (random, 0.05f, 0.22f);
  build_round (place, CLASS_BED, palette->bedding, v3 (0, top - hang / 2 + 0.03f, cover / 2),
      v3 (w + 0.025f, hang / 2 + 0.04f, d - cover / 2 + 0.01f), 0.05f);
  if (chance (random, 0.5f)) /* turned back */
    build_round (place, CLASS_BED, sheet, v3 (0, top + 0.055f, -d + cover + 0.14f), v3 (w + 0.01f, 0.03f, 0.16f), 0.028f);
  if (chance (random, 0.35f))
    build_round (place, CLASS_BED, palette->cloth2, v3 (0, top + 0.03f - hang / 2, d - 0.35f),
        v3 (w + 0.035f, hang / 2 + 0.055f, 0.25f), 0.05f);
  int pillows = size.x > 1.3f ? 2 : 1;
  for (int i = 0; i < pillows; i++) {
    float x = (i + 0.5f) / pillows * size.x - w;
    float yaw = between (random, -0.08f, 0.08f), pitch = between (random, 0.22f, 0.87f);
    Basis lean = basis_turned (yaw, pitch, 0);
    Solid pillow = { .kind = SOLID_ROUND,
      .class = CLASS_OBJECTS,
      .material = chance (random, 0.6f) ? sheet : palette->bedding,
      .half = v3 (minf (0.33f, w / pillows - 0.05f), 0.21f, 0.075f),
      .rounding = 0.068f };
    build_solid (place, pillow, v3 (x, top + 0.14f, -d + 0.27f), &lean);
  }
  if (chance (random, 0.4f)) {
    Place on = place_within (place, v3 (between (random, -0.2f, 0.2f), top + 0.06f, -d + 0.5f), 0);
    build_pillow (&on, v3 (0.19f, 0.17f, 0.06f), 0.7f);
  }
}

void
build_chair (const Place *place, V3 size)
{
  NddrRandom *random = place->random;
  const Palette *palette = place->palette;
  guint16 wood = chance (random, 0.6f) ? palette->wood : chance (random, 0.5f) ? palette->dark_wood : palette->white;
  gboolean padded = chance (random, 0.5f), slats = chance (random, 0.5f);
  float w = size.x / 2, d = size.z / 2, seat = between (random, 0.43f, 0.47f), leg = between (random, 0.016f, 0.025f);
  for (int side = -1; side <= 1; side += 2) {
    build_cylinder (place, CLASS_CHAIR, wood, v3 (side * (w - leg), seat / 2, d - leg), leg * 0.8f, leg, seat / 2);
    build_box (place, CLASS_CHAIR, wood, v3 (side * (w - leg), size.y / 2, -d + leg), v3 (leg, size.y / 2, leg));
  }
  build_box (place, CLASS_CHAIR, wood, v3 (0, seat - 0.03f, 0), v3 (w, 0.018f, d));
  if (padded)
    build_round (place, CLASS_CHAIR, palette->cloth2, v3 (0, seat + 0.01f, 0.01f), v3 (w - 0.005f, 0.032f, d - 0.01f),
        0.025f);
  if (padded && !slats)
    build_round (place, CLASS_CHAIR, palette->cloth2, v3 (0, (seat + size.y) / 2 + 0.06f, -d + leg),
        v3 (w - 0.01f, (size.y - seat) / 2 - 0.07f, 0.03f), 0.025f);
  else {
    build_box (place, CLASS_CHAIR, wood, v3 (0, size.y - 0.05f, -d + leg), v3 (w, 0.05f, leg * 0.7f));
    int n = slats ? 4 : 2;
    for (int i = 0; i < n && slats; i++)
      build_box (place, CLASS_CHAIR, wood,
          v3 ((i + 0.5f) / n * 1.7f * w - 0.85f * w, (seat + size.y) / 2 - 0.04f, -d + leg),
          v3 (0.018f, (size.y - seat) / 2 - 0.04f, 0.008f));
    for (int i = 0; i < n && !slats; i++)
      build_box (place, CLASS_CHAIR, wood, v3 (0, seat + (i + 0.7f) * (size.y - seat) * 0.32f, -d + leg),
          v3 (w, 0.03f, leg * 0.5f));
  }
}

void
build_office_chair (const Place *place, V3 size)
{
  const Palette *palette = place->palette;
  float seat = between (place->random, 0.45f, 0.52f), w = size.x / 2;
  guint16 cover = chance (place->random, 0.5f) ? palette->black : palette->cloth;
  for (int i = 0; i < 5; i++) {
    Place spoke = place_within (place, v3 (0, 0, 0), i * (float) (2 * G_PI / 5) + 0.3f);
    build_box (&spoke, CLASS_CHAIR, palette->metal, v3 (0, 0.075f, 0.15f), v3 (0.02f, 0.015f, 0.15f));
    build_ellipsoid (&spoke, CLASS_CHAIR, palette->black, v3 (0, 0.03f, 0.29f), v3 (0.03f, 0.03f, 0.03f));
  }
  build_cylinder (place, CLASS_CHAIR, palette->metal, v3 (0, seat / 2 + 0.03f, 0), 0.03f, 0.022f, seat / 2 - 0.05f);
  build_round (place, CLASS_CHAIR, cover, v3 (0, seat, 0), v3 (w * 0.92f, 0.045f, w * 0.9f), 0.04f);
  build_round (place, CLASS_CHAIR, cover, v3 (0, (seat + 0.14f + size.y) / 2, -w * 0.85f),
      v3 (w * 0.85f, (size.y - seat - 0.14f) / 2, 0.045f), 0.04f);
  build_box (place, CLASS_CHAIR, palette->black, v3 (0, seat + 0.1f, -w * 0.92f), v3 (0.03f, 0.13f, 0.012f));
  if (chance (place->random, 0.6f))
    for (int side = -1; side <= 1; side += 2) {
      build_box (place, CLASS_CHAIR, palette->black, v3 (side * w * 0.95f, seat + 0.2f, 0), v3 (0.025f, 0.015f, 0.13f));
      build_box (place, CLASS_CHAIR, palette->black, v3 (side * w * 0.95f, seat + 0.09f, 0), v3 (0.012f, 0.1f, 0.02f));
    }
}
