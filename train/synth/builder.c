/* What all builders share: places, materials, palettes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/builder.h"

Place
place_within (const Place *outer, V3 offset, float yaw)
{
  Place inner = *outer;
  Basis turned = basis_turned (yaw, 0, 0);
  inner.origin = v3_add (outer->origin, basis_out (&outer->basis, offset));
  inner.basis = yaw == 0 ? outer->basis : basis_within (&outer->basis, &turned);
  return inner;
}

void
build_solid (const Place *place, Solid solid, V3 centre, const Basis *basis)
{
  solid.centre = v3_add (place->origin, basis_out (&place->basis, centre));
  solid.basis = basis ? basis_within (&place->basis, basis) : place->basis;
  scene_add_solid (place->scene, solid);
}

void
build_box (const Place *place, Class class, guint16 material, V3 centre, V3 half)
{
  build_solid (place, (Solid) { .kind = SOLID_BOX, .class = class, .material = material, .half = half }, centre, NULL);
}

void
build_round (const Place *place, Class class, guint16 material, V3 centre, V3 half, float rounding)
{
  rounding = minf (rounding, 0.95f * minf (half.x, minf (half.y, half.z)));
  Solid solid = { .kind = SOLID_ROUND, .class = class, .material = material, .half = half, .rounding = rounding };
  build_solid (place, solid, centre, NULL);
}

void
build_cylinder (const Place *place, Class class, guint16 material, V3 centre, float below, float above, float half_height)
{
  Solid solid = { .kind = SOLID_CYLINDER, .class = class, .material = material, .half = v3 (below, half_height, above) };
  build_solid (place, solid, centre, NULL);
}

void
build_ellipsoid (const Place *place, Class class, guint16 material, V3 centre, V3 half)
{
  build_solid (place, (Solid) { .kind = SOLID_ELLIPSOID, .class = class, .material = material, .half = half }, centre, NULL);
}

void
build_light (const Place *place, V3 centre, float radius, V3 power)
{
  Light light = { .kind = LIGHT_BALL, .radius = radius, .power = power };
  light.centre = v3_add (place->origin, basis_out (&place->basis, centre));
  scene_add_light (place->scene, light);
}

guint16
material_new (const Place *place, MaterialKind kind, V3 a, V3 b, float scale, float gloss)
{
  Material material = { kind, a, b, scale, gloss, 1, nddr_random_next (place->random) >> 40 };
  return scene_add_material (place->scene, material);
}

V3
some_color (NddrRandom *random, float saturation, float darkest, float brightest)
{
  /* half of all things are somewhere from red (2) to yellow (3) */
  float hue = chance (random, 0.5f) ? between (random, 1.8f, 3.2f) : between (random, 0, 6),
        value = between (random, darkest, brightest), s = saturation * between (random, 0.4f, 1);
  float channels[3];
  for (int c = 0; c < 3; c++) {
    float away = fabsf (fract ((hue + 4 - 2 * c) / 6) * 6 - 3);
    channels[c] = value * (1 - s + s * clampf (away - 1, 0, 1));
  }
  /* as painted, linear: squares keep dark colours dark */
  return v3 (channels[0] * channels[0], channels[1] * channels[1], channels[2] * channels[2]);
}

void
some_wood (NddrRandom *random, V3 *light, V3 *dark)
{
  static const V3 woods[][2] = {
    { { 0.52f, 0.34f, 0.18f }, { 0.36f, 0.21f, 0.10f } }, /* oak */
    { { 0.66f, 0.50f, 0.32f }, { 0.53f, 0.37f, 0.21f } }, /* pine, birch */
    { { 0.22f, 0.11f, 0.055f }, { 0.12f, 0.06f, 0.03f } }, /* walnut */
    { { 0.32f, 0.13f, 0.06f }, { 0.20f, 0.075f, 0.035f } }, /* cherry */
    { { 0.10f, 0.075f, 0.06f }, { 0.055f, 0.04f, 0.033f } }, /* wenge */
  };
  guint which = nddr_random_below (random, G_N_ELEMENTS (woods));
  float tone = between (random, 0.85f, 1.15f);
  *light = v3_scale (woods[which][0], tone);
  *dark = v3_scale (woods[which][1], tone);
}

void
palette_make (const Place *place, Palette *palette)
{
  NddrRandom *random = place->random;
  V3 light, dark, none = v3 (0, 0, 0), a;
  some_wood (random, &light, &dark);
  palette->wood = material_new (place, MATERIAL_WOOD, light, dark, 0.2f, 0.02f);
  some_wood (random, &light, &dark);
  palette->dark_wood = material_new (place, MATERIAL_WOOD, v3_scale (light, 0.6f), v3_scale (dark, 0.6f), 0.2f, 0.03f);
  palette->white = material_new (place, MATERIAL_PAINT, v3 (0.74f, 0.73f, 0.70f), none, 1, 0.015f);
  palette->metal = material_new (place, MATERIAL_PAINT, v3 (0.42f, 0.42f, 0.43f), none, 1, 0.15f);
  palette->black = material_new (place, MATERIAL_PAINT, v3 (0.03f, 0.03f, 0.032f), none, 1, 0.04f);
  a = some_color (random, 0.55f, 0.25f, 0.8f);
  palette->cloth = material_new (place, MATERIAL_FABRIC, a, v3_scale (a, 0.75f), 1, 0);
  a = some_color (random, 0.8f, 0.4f, 0.9f);
  palette->cloth2 = material_new (place, chance (random, 0.3f) ? MATERIAL_STRIPES : MATERIAL_FABRIC, a,
      v3_mix (a, v3 (0.7f, 0.68f, 0.62f), 0.5f), 0.06f, 0);
  a = chance (random, 0.5f) ? v3 (0.16f, 0.07f, 0.035f) : v3_scale (some_color (random, 0.3f, 0.2f, 0.7f), 0.7f);
  palette->leather = material_new (place, MATERIAL_PAINT, a, none, 1, 0.03f);
  a = some_color (random, 0.5f, 0.5f, 0.92f);
  MaterialKind weave = chance (random, 0.4f) ? MATERIAL_STRIPES : chance (random, 0.3f) ? MATERIAL_CHECKS : MATERIAL_FABRIC;
  float scale = between (random, 0.05f, 0.16f);
  palette->bedding = material_new (place, weave, a, v3_mix (a, v3 (0.8f, 0.78f, 0.74f), 0.7f), scale, 0);
  palette->glass = material_new (place, MATERIAL_PAINT, v3 (0.2f, 0.24f, 0.25f), none, 1, 0.12f);
}
