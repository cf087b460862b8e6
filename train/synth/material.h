/* Materials: procedural textures.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/synth/vector.h>

typedef enum
{
  MATERIAL_PAINT,   /* a, faintly mottled */
  MATERIAL_WOOD,    /* grain along the longest side, a to b */
  MATERIAL_PLANKS,  /* boards of wood, `scale` wide */
  MATERIAL_TILES,   /* a, with joints b, `scale` wide */
  MATERIAL_BRICKS,
  MATERIAL_CARPET,  /* a to b, rough */
  MATERIAL_FABRIC,  /* woven, a and b */
  MATERIAL_STRIPES, /* a and b, upright, `scale` wide */
  MATERIAL_CHECKS,
  MATERIAL_RUG,     /* a with a border and medallions of b */
  MATERIAL_MARBLE,  /* a with veins of b */
  MATERIAL_ART,     /* a picture */
  MATERIAL_SPINE,   /* a book's back: bands of b on a */
  MATERIAL_PANELS,  /* doors of furniture: a with grooves, `scale` wide */
  MATERIAL_SKY,     /* shines: a below, b above */
  MATERIAL_SCREEN,  /* shines: a moving picture, stopped */
  MATERIAL_GLOW,    /* shines: a */
} MaterialKind;

typedef struct
{
  MaterialKind kind;
  V3 a, b;      /* linear light */
  float scale;  /* metres */
  float gloss;  /* how much it mirrors, seen straight on */
  float shine;  /* of what shines: how brightly */
  guint32 seed;
} Material;

typedef struct
{
  V3 albedo, emission;
  float gloss;
} Surface;

/** @p, @n: point and normal within the solid; @half: its half size. */
Surface material_at (const Material *material, V3 p, V3 n, V3 half);
