/* Rooms are furnished as people do it: door and windows, large things along the walls, a table in the middle, then what hangs on the
 * walls, then what lies about.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/room.h"

#include "train/synth/builder.h"

#define MARGIN 0.06f

/** Part of a wall that is taken: from s0 to s1 along it, y0 to y1 up. */
typedef struct
{
  int wall;
  float s0, s1, y0, y1;
} Span;

typedef struct
{
  Room *room;
  NddrRandom random;
  Palette palette;
  Place place;    /* the middle of the floor */
  Place walls[4]; /* the middle of each wall's foot, +z into the room: at -x, +x, -z, +z */
  float lengths[4];
  GArray *spans;  /* of Span */
} Layout;

typedef enum { LIVING, BEDROOM, OFFICE, KITCHEN, DINING, N_KINDS } RoomKind;

/* ---- room for things */

static gboolean
footprint_free (const Layout *layout, const Footprint *f)
{
  float w = layout->room->scene->size.x / 2, d = layout->room->scene->size.z / 2;
  if (f->x0 < -w || f->x1 > w || f->z0 < -d || f->z1 > d)
    return FALSE;
  for (guint i = 0; i < layout->room->footprints->len; i++) {
    const Footprint *o = &g_array_index (layout->room->footprints, Footprint, i);
    if (f->x0 < o->x1 + MARGIN && f->x1 > o->x0 - MARGIN && f->z0 < o->z1 + MARGIN && f->z1 > o->z0 - MARGIN)
      return FALSE;
  }
  return TRUE;
}

/** The footprint of a thing of @size at @place, turned by a multiple of a quarter or not. */
static Footprint
footprint_of (const Place *place, V3 size)
{
  float x = (fabsf (place->basis.x.x) * size.x + fabsf (place->basis.z.x) * size.z) / 2;
  float z = (fabsf (place->basis.x.z) * size.x + fabsf (place->basis.z.z) * size.z) / 2;
  return (Footprint) { place->origin.x - x, place->origin.x + x, place->origin.z - z, place->origin.z + z, size.y };
}

static gboolean
span_free (const Layout *layout, const Span *span)
{
  for (guint i = 0; i < layout->spans->len; i++) {
    const Span *o = &g_array_index (layout->spans, Span, i);
    if (o->wall == span->wall && span->s0 < o->s1 + 0.05f && span->s1 > o->s0 - 0.05f && span->y0 < o->y1 + 0.02f
        && span->y1 > o->y0 - 0.02f)
      return FALSE;
  }
  return TRUE;
}

/** Takes a part of some wall for something that hangs there; FALSE where none is free.  @place: its middle. */
static gboolean
take_span (Layout *layout, int wall, float half_width, float y0, float y1, Place *place)
{
  for (int attempt = 0; attempt < 8; attempt++) {
    int w = wall >= 0 ? wall : (int) nddr_random_below (&layout->random, 4);
    float room = layout->lengths[w] / 2 - half_width - 0.12f;
    if (room <= 0)
      continue;
    float s = between (&layout->random, -room, room);
    Span span = { w, s - half_width, s + half_width, y0, y1 };
    if (!span_free (layout, &span))
      continue;
    g_array_append_val (layout->spans, span);
    *place = place_within (&layout->walls[w], v3 (s, (y0 + y1) / 2, 0), 0);
    return TRUE;
  }
  return FALSE;
}

/** Finds a place along a wall; in a corner now and then.  Large things keep clear of doors and windows. */
static gboolean
stand_at_wall (Layout *layout, V3 size, Place *place, int *at_wall)
{
  NddrRandom *random = &layout->random;
  for (int attempt = 0; attempt < 14; attempt++) {
    int wall = nddr_random_below (random, 4);
    float room = layout->lengths[wall] / 2 - size.x / 2 - 0.03f, s;
    if (room < 0)
      continue;
    s = chance (random, 0.25f) ? (chance (random, 0.5f) ? room : -room) : between (random, -room, room);
    Span span = { wall, s - size.x / 2, s + size.x / 2, 0, size.y };
    *place = place_within (&layout->walls[wall], v3 (s, 0, size.z / 2 + between (random, 0.01f, 0.06f)), 0);
    Footprint footprint = footprint_of (place, size);
    if (!span_free (layout, &span) || !footprint_free (layout, &footprint))
      continue;
    g_array_append_val (layout->spans, span);
    g_array_append_val (layout->room->footprints, footprint);
    *at_wall = wall;
    return TRUE;
  }
  return FALSE;
}

/** Stands something at @place if there is room. @blocks: whether other things keep off. */
static gboolean
stand_at (Layout *layout, const Place *place, V3 size)
{
  Footprint footprint = footprint_of (place, size);
  if (!footprint_free (layout, &footprint))
    return FALSE;
  g_array_append_val (layout->room->footprints, footprint);
  return TRUE;
}

static V3
some_size (Layout *layout, V3 least, V3 most)
{
  return between3 (&layout->random, least, most);
}

/** Something along a wall. @place: where it came to stand */
static gboolean
furnish (Layout *layout, Build build, V3 least, V3 most, Place *place, V3 *size)
{
  int wall;
  *size = some_size (layout, least, most);
  if (!stand_at_wall (layout, *size, place, &wall))
    return FALSE;
  build (place, *size);
  return TRUE;
}

/* ---- groups of things that belong together */

static void
add_rug (Layout *layout, const Place *place, V3 centre, V3 half)
{
  NddrRandom *random = &layout->random;
  V3 a = some_color (random, 0.7f, 0.25f, 0.75f), b = some_color (random, 0.5f, 0.4f, 0.9f);
  guint16 pile = material_new (place, chance (random, 0.6f) ? MATERIAL_RUG : MATERIAL_CARPET, a, b, 1, 0);
  build_box (place, CLASS_FLOOR, pile, v3 (centre.x, 0.006f, centre.z), v3 (half.x, 0.006f, half.z));
}

static void
add_sofa (Layout *layout)
{
  Place place;
  V3 size;
  if (!furnish (layout, build_sofa, v3 (1.4f, 0.75f, 0.85f), v3 (2.3f, 0.95f, 1.0f), &place, &size))
    return;
  V3 table = some_size (layout, v3 (0.7f, 0.36f, 0.45f), v3 (1.2f, 0.46f, 0.65f));
  float away = size.z / 2 + table.z / 2 + between (&layout->random, 0.3f, 0.5f);
  if (chance (&layout->random, 0.6f))
    add_rug (layout, &place, v3 (0, 0, away), v3 (size.x * 0.5f, 0, table.z / 2 + between (&layout->random, 0.3f, 0.6f)));
  Place front = place_within (&place, v3 (between (&layout->random, -0.2f, 0.2f), 0, away), 0);
  if (chance (&layout->random, 0.85f) && stand_at (layout, &front, table))
    build_coffee_table (&front, table);
}

static void
add_bed (Layout *layout)
{
  Place place;
  V3 size;
  if (!furnish (layout, build_bed, v3 (0.95f, 0.85f, 1.95f), v3 (1.85f, 1.25f, 2.15f), &place, &size))
    return;
  for (int side = -1; side <= 1; side += 2) {
    V3 stand = some_size (layout, v3 (0.4f, 0.48f, 0.36f), v3 (0.55f, 0.62f, 0.44f));
    Place beside = place_within (&place, v3 (side * (size.x / 2 + stand.x / 2 + 0.1f), 0, -size.z / 2 + stand.z / 2), 0);
    if (chance (&layout->random, 0.75f) && stand_at (layout, &beside, stand))
      build_night_stand (&beside, stand);
  }
  if (chance (&layout->random, 0.4f))
    add_rug (layout, &place, v3 (0, 0, size.z * 0.35f), v3 (size.x / 2 + 0.5f, 0, 0.8f));
}

static void
add_desk (Layout *layout)
{
  Place place;
  V3 size;
  if (!furnish (layout, build_desk, v3 (1.1f, 0.71f, 0.58f), v3 (1.7f, 0.76f, 0.8f), &place, &size))
    return;
  V3 chair = v3 (0.55f, between (&layout->random, 0.9f, 1.15f), 0.55f);
  V3 before = between3 (&layout->random, v3 (-0.25f, 0, size.z / 2 + 0.15f), v3 (0.1f, 0, size.z / 2 + 0.45f));
  Place front = place_within (&place, before, (float) G_PI + between (&layout->random, -0.8f, 0.8f));
  Place outside = place_within (&front, v3 (0, 0, -0.1f), 0);
  if (stand_at (layout, &outside, v3 (0.3f, 1, 0.3f)))
    build_office_chair (&front, chair);
}

static void
add_dining_table (Layout *layout, float reach)
{
  NddrRandom *random = &layout->random;
  gboolean round = chance (random, 0.35f);
  V3 size = some_size (layout, v3 (1.1f, 0.72f, 0.8f), v3 (1.8f, 0.77f, 1.0f));
  if (round)
    size.x = size.z = between (random, 0.9f, 1.25f);
  for (int attempt = 0; attempt < 12; attempt++) {
    V3 at = between3 (random, v3 (-reach, 0, -reach), v3 (reach, 0, reach));
    float yaw = chance (random, 0.5f) ? 0 : 1.5707964f, askew = chance (random, 0.3f) ? between (random, -0.3f, 0.3f) : 0;
    Place place = place_within (&layout->place, at, yaw + askew);
    if (!stand_at (layout, &place, v3 (size.x + 0.5f, size.y, size.z + 0.5f)))
      continue;
    (round ? build_round_table : build_table) (&place, size);
    V3 chair = between3 (random, v3 (0.4f, 0.84f, 0.4f), v3 (0.46f, 1.0f, 0.46f));
    int along = size.x > 1.35f ? 2 : 1;
    guint64 look = random->state; /* chairs of one set look alike */
    for (int side = -1; side <= 1; side += 2)
      for (int i = 0; i < along; i++) {
        NddrRandom own = { look };
        float pull = between (random, -0.05f, 0.25f);
        Place seat
            = place_within (&place, v3 (along == 1 ? 0 : (i - 0.5f) * size.x * 0.5f, 0, side * (size.z / 2 + pull)),
                (side > 0 ? (float) G_PI : 0) + between (random, -0.2f, 0.2f));
        seat.random = &own;
        if (chance (random, 0.92f))
          build_chair (&seat, chair);
      }
    for (int side = -1; side <= 1; side += 2) {
      NddrRandom own = { look };
      Place seat = place_within (&place, v3 (side * (size.x / 2 + between (random, 0, 0.25f)), 0, 0),
          side > 0 ? -1.5707964f : 1.5707964f);
      seat.random = &own;
      if (chance (random, 0.5f))
        build_chair (&seat, chair);
    }
    return;
  }
}

/* ---- the room itself */

static void
add_baseboards (Layout *layout)
{
  guint16 material = chance (&layout->random, 0.7f) ? layout->palette.white : layout->palette.wood;
  float high = between (&layout->random, 0.03f, 0.07f);
  for (int w = 0; w < 4; w++)
    build_box (&layout->walls[w], CLASS_WALL, material, v3 (0, high, 0.007f), v3 (layout->lengths[w] / 2, high, 0.007f));
}

static void
add_door (Layout *layout)
{
  Place place;
  float half = between (&layout->random, 0.38f, 0.48f), height = between (&layout->random, 1.95f, 2.1f);
  if (!take_span (layout, -1, half + 0.08f, 0, height, &place))
    return;
  place.origin.y = 0;
  build_door (&place, half, height);
  Place before = place_within (&place, v3 (0, 0, 0.4f), 0);
  Footprint keep = footprint_of (&before, v3 (2 * half, 0, 0.8f));
  g_array_append_val (layout->room->footprints, keep);
}

static void
add_windows (Layout *layout, float daylight)
{
  NddrRandom *random = &layout->random;
  guint n = 1 + nddr_random_below (random, 3);
  int wall = nddr_random_below (random, 4);
  float half_width = between (random, 0.35f, 0.95f), sill = between (random, 0.75f, 1.05f),
        top = minf (layout->room->scene->size.y - 0.25f, between (random, 1.95f, 2.35f));
  V3 light = v3_scale (v3 (0.9f, 0.97f, 1.08f), daylight);
  gboolean curtains = chance (random, 0.6f);
  for (guint i = 0; i < n; i++) {
    Place place;
    if (chance (random, 0.25f))
      wall = nddr_random_below (random, 4);
    if (take_span (layout, wall, half_width + 0.25f, sill - 0.1f, top + 0.15f, &place)) {
      place.origin.y = (sill + top) / 2;
      build_window (&place, half_width, (top - sill) / 2, light, curtains);
      if (i == 0 && daylight > 0.8f && chance (random, 0.55f)) {
        layout->room->scene->has_sun = TRUE;
        V3 toward = between3 (random, v3 (-0.7f, 0.45f, -1), v3 (0.7f, 1, -1));
        layout->room->scene->sun_direction = v3_unit (basis_out (&place.basis, toward));
        layout->room->scene->sun_power = v3_scale (v3 (1, 0.9f, 0.74f), daylight * between (random, 2.5f, 5));
      }
    }
  }
}

/** A lamp, or two, on the ceiling. */
static void
add_ceiling_lamps (Layout *layout, float power)
{
  NddrRandom *random = &layout->random;
  Scene *scene = layout->room->scene;
  int n = scene->size.x * scene->size.z > 22 ? 2 : 1, kind = nddr_random_below (random, 3);
  V3 tint = v3_mix (v3 (1, 0.84f, 0.64f), v3 (1, 0.97f, 0.92f), between (random, 0, 1));
  Material glow = { MATERIAL_GLOW, tint, v3 (0, 0, 0), 1, 0, power > 0.2f ? between (random, 1.6f, 3) : 0.35f, 5 };
  guint16 bright = scene_add_material (scene, glow);
  for (int i = 0; i < n; i++) {
    float along = n == 1 ? between (random, -0.3f, 0.3f) : (i - 0.5f) * scene->size.x * 0.45f, h = scene->size.y;
    Place place = place_within (&layout->place, v3 (along, 0, between (random, -0.3f, 0.3f)), 0);
    float drop = kind == 0 ? between (random, 0.35f, 0.6f) : 0.1f, r = between (random, 0.12f, 0.22f);
    Solid lamp = { .kind = SOLID_ELLIPSOID,
      .class = CLASS_OBJECTS,
      .material = bright,
      .clear = TRUE,
      .half = v3 (r, kind == 0 ? r : 0.07f, r) };
    if (kind == 2) {
      lamp.kind = SOLID_BOX;
      lamp.half = v3 (0.6f, 0.03f, 0.15f);
    }
    build_solid (&place, lamp, v3 (0, h - drop, 0), NULL);
    build_cylinder (&place, CLASS_OBJECTS, layout->palette.metal, v3 (0, h - drop / 2, 0), 0.008f, 0.008f, drop / 2);
    build_cylinder (&place, CLASS_OBJECTS, layout->palette.white, v3 (0, h - 0.012f, 0), 0.05f, 0.06f, 0.012f);
    if (power > 0)
      build_light (&place, v3 (0, h - drop - 0.03f, 0), kind == 2 ? 0.3f : r, v3_scale (tint, power / n));
  }
}

static void
add_surfaces (Layout *layout, RoomKind kind)
{
  NddrRandom *random = &layout->random;
  Scene *scene = layout->room->scene;
  const Place *place = &layout->place;
  V3 light, dark, none = v3 (0, 0, 0), color = some_color (random, 0.3f, 0.72f, 0.95f);
  guint16 wall
      = material_new (place, MATERIAL_PAINT, v3_mix (color, v3 (0.7f, 0.68f, 0.62f), between (random, 0, 0.8f)), none, 1, 0);
  for (int i = 0; i < 4; i++)
    scene->wall_material[i] = wall;
  float accent = between (random, 0, 1);
  int which = nddr_random_below (random, 4);
  if (accent < 0.25f)
    scene->wall_material[which] = material_new (place, MATERIAL_PAINT, some_color (random, 0.6f, 0.4f, 0.85f), none, 1, 0);
  else if (accent < 0.33f)
    scene->wall_material[which]
        = material_new (place, MATERIAL_BRICKS, v3 (0.36f, 0.16f, 0.1f), v3 (0.5f, 0.47f, 0.43f), 0.075f, 0);
  else if (accent < 0.45f)
    scene->wall_material[which]
        = material_new (place, MATERIAL_STRIPES, color, v3_scale (color, 0.85f), between (random, 0.08f, 0.3f), 0);
  if (kind == KITCHEN && chance (random, 0.5f))
    scene->wall_material[which]
        = material_new (place, MATERIAL_TILES, v3 (0.72f, 0.71f, 0.68f), v3 (0.5f, 0.5f, 0.48f), 0.15f, 0.03f);
  scene->ceiling_material
      = material_new (place, MATERIAL_PAINT, v3_scale (v3 (0.8f, 0.79f, 0.76f), between (random, 0.9f, 1.05f)), none, 1, 0);

  float floor = between (random, 0, 1);
  some_wood (random, &light, &dark);
  if (kind == KITCHEN ? floor < 0.6f : floor < 0.12f) {
    V3 tile = v3_mix (some_color (random, 0.25f, 0.4f, 0.85f), v3 (0.55f, 0.5f, 0.44f), 0.4f);
    scene->floor_material
        = material_new (place, MATERIAL_TILES, tile, v3_scale (tile, 0.6f), between (random, 0.28f, 0.5f), 0.04f);
  } else if (floor < 0.65f || kind == KITCHEN) {
    float board = between (random, 0.07f, 0.14f);
    scene->floor_material = material_new (place, MATERIAL_PLANKS, light, dark, board, between (random, 0.015f, 0.05f));
  } else {
    V3 pile = v3_mix (some_color (random, 0.4f, 0.4f, 0.8f), v3 (0.4f, 0.35f, 0.28f), 0.5f);
    scene->floor_material = material_new (place, MATERIAL_CARPET, v3_scale (pile, 0.75f), v3_scale (pile, 1.2f), 1, 0);
  }
}

/* ---- what is in it */

typedef struct
{
  Build build;
  V3 least, most;
  float likely[N_KINDS]; /* how many of them one would expect, in each kind of room */
} WallItem;

static const WallItem wall_items[] = {
  { build_wardrobe, { 0.9f, 1.9f, 0.5f }, { 1.7f, 2.2f, 0.62f }, { 0, 0.8f, 0.2f, 0, 0 } },
  { build_shelf, { 0.7f, 1.2f, 0.28f }, { 1.5f, 2.2f, 0.38f }, { 0.9f, 0.4f, 1.4f, 0.1f, 0.6f } },
  { build_counter, { 1.6f, 2.1f, 0.6f }, { 2.8f, 2.2f, 0.65f }, { 0, 0, 0, 1, 0 } },
  { build_counter, { 1.2f, 0.9f, 0.6f }, { 2.6f, 0.92f, 0.65f }, { 0, 0, 0, 1, 0.1f } },
  { build_fridge, { 0.62f, 1.55f, 0.62f }, { 0.85f, 1.85f, 0.72f }, { 0, 0, 0, 0.95f, 0.05f } },
  { build_tv_stand, { 1.0f, 0.4f, 0.38f }, { 1.8f, 0.6f, 0.48f }, { 0.85f, 0.3f, 0.05f, 0, 0.1f } },
  { build_cabinet, { 0.7f, 0.7f, 0.38f }, { 1.6f, 1.2f, 0.5f }, { 0.8f, 1.1f, 0.6f, 0.1f, 1.1f } },
  { build_shelf, { 0.5f, 0.7f, 0.25f }, { 1.1f, 1.15f, 0.34f }, { 0.4f, 0.5f, 0.5f, 0.1f, 0.3f } },
  { build_chair, { 0.42f, 0.85f, 0.42f }, { 0.48f, 0.98f, 0.48f }, { 0.3f, 0.4f, 0.5f, 0.4f, 0.5f } },
  { build_floor_lamp, { 0.3f, 1.4f, 0.3f }, { 0.44f, 1.75f, 0.44f }, { 0.7f, 0.25f, 0.3f, 0, 0.3f } },
  { build_plant, { 0.5f, 0.7f, 0.5f }, { 0.75f, 1.4f, 0.75f }, { 0.7f, 0.3f, 0.6f, 0.15f, 0.6f } },
  { build_bin, { 0.26f, 0.28f, 0.26f }, { 0.36f, 0.6f, 0.36f }, { 0.2f, 0.4f, 0.7f, 0.6f, 0.15f } },
  { build_carton, { 0.28f, 0.2f, 0.24f }, { 0.55f, 0.42f, 0.45f }, { 0.35f, 0.5f, 0.7f, 0.25f, 0.2f } },
};

static void
add_wall_items (Layout *layout, RoomKind kind)
{
  for (guint i = 0; i < G_N_ELEMENTS (wall_items); i++) {
    const WallItem *item = &wall_items[i];
    int number = floor_int (1.2f * item->likely[kind] + between (&layout->random, 0, 1));
    for (int k = 0; k < number; k++) {
      Place place;
      V3 size;
      furnish (layout, item->build, item->least, item->most, &place, &size);
    }
  }
}

static void
add_hangings (Layout *layout)
{
  NddrRandom *random = &layout->random;
  guint n = 3 + nddr_random_below (random, 6);
  for (guint i = 0; i < n; i++) {
    Place place;
    float which = between (random, 0, 1), half_width = between (random, 0.14f, 0.5f),
          half_height = half_width * between (random, 0.65f, 1.3f);
    half_height = minf (half_height, 0.45f);
    float y = between (random, 1.45f, 1.75f);
    if (which < 0.8f
        && take_span (layout, -1, half_width + 0.04f, y - half_height - 0.04f, y + half_height + 0.04f, &place))
      build_picture (&place, half_width, half_height);
    else if (which >= 0.8f && which < 0.88f && take_span (layout, -1, 0.35f, 1.0f, 1.95f, &place))
      build_mirror (&place, 0.3f, 0.42f);
    else if (which >= 0.88f && take_span (layout, -1, 0.5f, 1.25f, 1.8f, &place)) {
      place.origin.y = 1.32f;
      build_wall_shelf (&place, between (random, 0.6f, 0.95f));
    }
  }
}

/** What lies on the floor. */
static void
add_clutter (Layout *layout)
{
  NddrRandom *random = &layout->random;
  static const Build builds[] = { build_carton, build_ball, build_bin, build_carton };
  guint n = nddr_random_below (random, 6);
  for (guint i = 0; i < n; i++) {
    float w = layout->room->scene->size.x / 2 - 0.4f, d = layout->room->scene->size.z / 2 - 0.4f,
          s = between (random, 0.16f, 0.42f);
    V3 size = v3_scale (between3 (random, v3 (1, 0.5f, 0.7f), v3 (1, 0.9f, 1)), s);
    V3 at = between3 (random, v3 (-w, 0, -d), v3 (w, 0, d));
    Place place = place_within (&layout->place, at, between (random, -3, 3));
    if (stand_at (layout, &place, v3 (s * 1.3f, size.y, s * 1.3f)))
      builds[nddr_random_below (random, G_N_ELEMENTS (builds))] (&place, size);
  }
}

/** What light there is after many reflections: all of it, spread over all there is. */
static void
set_ambient (Scene *scene)
{
  V3 sum = v3 (0.02f, 0.02f, 0.02f), s = scene->size;
  float surface = 2 * (s.x * s.y + s.y * s.z + s.x * s.z);
  for (guint i = 0; i < scene->n_lights; i++) {
    const Light *light = &scene->lights[i];
    float flux = light->kind == LIGHT_BALL ? 4 * (float) G_PI : 4 * v3_length (light->u) * v3_length (light->v);
    sum = v3_mad (sum, light->power, 0.55f * flux / surface);
  }
  if (scene->has_sun)
    sum = v3_mad (sum, scene->sun_power, 0.6f / surface);
  scene->ambient = sum;
}

Room *
room_new (guint64 seed, gboolean spacious)
{
  Layout layout = { .random = nddr_random_init (seed, 100, 0) };
  NddrRandom *random = &layout.random;
  RoomKind kind = spacious ? LIVING : (RoomKind) nddr_random_below (random, N_KINDS);
  V3 size = between3 (random, v3 (3, 2.4f, 3), v3 (5.8f, 2.9f, 5.8f));
  if (spacious)
    size = between3 (random, v3 (5.6f, 2.7f, 5.2f), v3 (6.4f, 2.7f, 6));
  Room *room = layout.room = g_new0 (Room, 1);
  room->scene = scene_new (size);
  room->footprints = g_array_new (FALSE, FALSE, sizeof (Footprint));
  layout.spans = g_array_new (FALSE, FALSE, sizeof (Span));

  layout.place = (Place) { room->scene, random, &layout.palette, v3 (0, 0, 0), basis_turned (0, 0, 0) };
  palette_make (&layout.place, &layout.palette);
  static const float yaws[4] = { 1.5707964f, -1.5707964f, 0, 3.1415927f };
  V3 feet[4] = { v3 (-size.x / 2, 0, 0), v3 (size.x / 2, 0, 0), v3 (0, 0, -size.z / 2), v3 (0, 0, size.z / 2) };
  for (int w = 0; w < 4; w++) {
    layout.walls[w] = place_within (&layout.place, feet[w], yaws[w]);
    layout.lengths[w] = w < 2 ? size.z : size.x;
  }

  float day = between (random, 0, 1), daylight = day < 0.25f ? 0.03f : between (random, 0.6f, 2.2f);
  add_surfaces (&layout, kind);
  add_baseboards (&layout);
  add_door (&layout);
  add_windows (&layout, daylight);
  add_ceiling_lamps (&layout, daylight < 0.1f || chance (random, 0.6f) ? between (random, 1.2f, 3) : 0);
  if (kind == LIVING)
    add_sofa (&layout);
  if (kind == BEDROOM)
    add_bed (&layout);
  if (spacious || (kind == LIVING && chance (random, 0.35f)))
    add_sofa (&layout);
  if (kind == OFFICE || spacious || (kind == BEDROOM && chance (random, 0.4f)))
    add_desk (&layout);
  if (kind == OFFICE && chance (random, 0.5f))
    add_desk (&layout);
  if (kind == DINING && chance (random, 0.25f))
    add_sofa (&layout);
  if (kind == DINING || (kind == KITCHEN && chance (random, 0.6f)))
    add_dining_table (&layout, 0.8f);
  add_wall_items (&layout, kind);
  if (spacious)
    add_wall_items (&layout, chance (random, 0.5f) ? OFFICE : DINING);
  if (spacious || (kind == LIVING && chance (random, 0.25f)))
    add_dining_table (&layout, 1.2f);
  add_hangings (&layout);
  if (spacious)
    add_hangings (&layout);
  add_clutter (&layout);
  set_ambient (room->scene);
  scene_finish (room->scene);
  g_array_unref (layout.spans);
  return room;
}

void
room_free (Room *room)
{
  scene_free (room->scene);
  g_array_unref (room->footprints);
  g_free (room);
}
