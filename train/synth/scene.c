/* Rays against solids, through a tree of boxes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/scene.h"

#define EPSILON 1e-4f
#define LEAF 2
#define DEEP 40   /* beyond this the tree is halved, whatever it costs: at most 16 levels more for 65535 solids */
#define STACK 64
#define WALK_STEPS 64

Scene *
scene_new (V3 size)
{
  Scene *scene = g_new0 (Scene, 1);
  scene->size = size;
  scene->solids = g_array_new (FALSE, TRUE, sizeof (Solid));
  scene->materials = g_array_new (FALSE, TRUE, sizeof (Material));
  scene->nodes = g_array_new (FALSE, TRUE, sizeof (Node));
  return scene;
}

void
scene_free (Scene *scene)
{
  g_array_unref (scene->solids);
  g_array_unref (scene->materials);
  g_array_unref (scene->nodes);
  g_free (scene);
}

guint16
scene_add_material (Scene *scene, Material material)
{
  g_array_append_val (scene->materials, material);
  return scene->materials->len - 1;
}

void
scene_add_solid (Scene *scene, Solid solid)
{
  V3 h = solid.half;
  if (solid.kind == SOLID_CYLINDER)
    h.x = h.z = maxf (h.x, h.z);
  const Basis *b = &solid.basis;
  V3 span = v3 (fabsf (b->x.x) * h.x + fabsf (b->y.x) * h.y + fabsf (b->z.x) * h.z,
      fabsf (b->x.y) * h.x + fabsf (b->y.y) * h.y + fabsf (b->z.y) * h.z,
      fabsf (b->x.z) * h.x + fabsf (b->y.z) * h.y + fabsf (b->z.z) * h.z);
  solid.low = v3_sub (solid.centre, span);
  solid.high = v3_add (solid.centre, span);
  g_array_append_val (scene->solids, solid);
}

void
scene_add_light (Scene *scene, Light light)
{
  if (scene->n_lights < SCENE_MAX_LIGHTS)
    scene->lights[scene->n_lights++] = light;
}

/* ---- the tree */

typedef struct
{
  V3 low, high;
} Bounds;

static const Bounds nothing = { { 1e9f, 1e9f, 1e9f }, { -1e9f, -1e9f, -1e9f } };

static Bounds
bounds_of (Bounds b, const Solid *solid)
{
  V3 l = solid->low, h = solid->high;
  return (Bounds) { v3 (minf (b.low.x, l.x), minf (b.low.y, l.y), minf (b.low.z, l.z)),
    v3 (maxf (b.high.x, h.x), maxf (b.high.y, h.y), maxf (b.high.z, h.z)) };
}

static float
bounds_area (const Bounds *b)
{
  V3 s = v3_sub (b->high, b->low);
  return s.x * s.y + s.y * s.z + s.z * s.x;
}

static float
middle (const Solid *solid, int axis)
{
  return v3_get (solid->low, axis) + v3_get (solid->high, axis);
}

/** Insertion sort: a room has a few hundred solids, and the order of equals must not depend on the C library. */
static void
sort_solids (const Solid *solids, guint *order, guint n, int axis)
{
  for (guint i = 1; i < n; i++) {
    guint solid = order[i], j = i;
    for (; j > 0 && middle (&solids[order[j - 1]], axis) > middle (&solids[solid], axis); j--)
      order[j] = order[j - 1];
    order[j] = solid;
  }
}

/** Where to part @n solids so that rays meet few of them: the least sum, over both parts, of number times surface. @areas: room for n. */
static guint
best_split (const Solid *solids, guint *order, guint n, float *areas, int *best_axis)
{
  float best = INFINITY;
  guint split = n / 2;
  *best_axis = 0;
  for (int axis = 0; axis < 3; axis++) {
    sort_solids (solids, order, n, axis);
    Bounds after = nothing, before = nothing;
    for (guint i = n - 1; i > 0; i--) {
      after = bounds_of (after, &solids[order[i]]);
      areas[i] = bounds_area (&after);
    }
    for (guint i = 1; i < n; i++) {
      before = bounds_of (before, &solids[order[i - 1]]);
      float cost = i * bounds_area (&before) + (n - i) * areas[i];
      if (cost < best) {
        best = cost;
        split = i;
        *best_axis = axis;
      }
    }
  }
  sort_solids (solids, order, n, *best_axis);
  return split;
}

/** @order: the solids from @first on, as indices; parted in place. */
static void
build_node (Scene *scene, guint *order, float *areas, guint first, guint n, int depth)
{
  const Solid *solids = (const Solid *) scene->solids->data;
  Bounds bounds = nothing;
  for (guint i = 0; i < n; i++)
    bounds = bounds_of (bounds, &solids[order[first + i]]);
  Node node = { .first = first, .n = n, .low = bounds.low, .high = bounds.high };
  guint at = scene->nodes->len;
  g_array_append_val (scene->nodes, node);
  if (n <= LEAF)
    return;
  int axis;
  guint split = best_split (solids, order + first, n, areas, &axis);
  if (depth > DEEP) /* however lopsided a room is, the walk's stack is enough */
    split = n / 2;
  build_node (scene, order, areas, first, split, depth + 1);
  guint second = scene->nodes->len;
  build_node (scene, order, areas, first + split, n - split, depth + 1);
  Node *parent = &g_array_index (scene->nodes, Node, at);
  parent->first = second;
  parent->n = 0;
  parent->axis = axis;
}

void
scene_finish (Scene *scene)
{
  guint n = scene->solids->len;
  g_autofree guint *order = g_new (guint, n + 1);
  g_autofree float *areas = g_new (float, n + 1);
  GArray *ordered = g_array_sized_new (FALSE, FALSE, sizeof (Solid), n);
  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_array_set_size (scene->nodes, 0);
  if (n)
    build_node (scene, order, areas, 0, n, 0);
  for (guint i = 0; i < n; i++)
    g_array_append_val (ordered, g_array_index (scene->solids, Solid, order[i]));
  g_array_unref (scene->solids);
  scene->solids = ordered;
}

/* ---- solids: each function gives the nearest t in (EPSILON, *t), and the normal there, within the solid */

typedef struct
{
  V3 origin, direction;
} Ray;

static inline float
safe_inverse (float x)
{
  return 1 / (fabsf (x) < 1e-12f ? (x < 0 ? -1e-12f : 1e-12f) : x);
}

/** Where a ray enters and leaves a box about the origin, and through which axis it enters. */
static inline gboolean
slabs (const Ray *ray, V3 half, float *enter, float *leave, int *axis)
{
  V3 inverse = v3 (safe_inverse (ray->direction.x), safe_inverse (ray->direction.y), safe_inverse (ray->direction.z));
  V3 m = v3_mul (ray->origin, inverse), k = v3_mul (v3 (fabsf (inverse.x), fabsf (inverse.y), fabsf (inverse.z)), half);
  V3 near = v3 (-m.x - k.x, -m.y - k.y, -m.z - k.z), far = v3 (k.x - m.x, k.y - m.y, k.z - m.z);
  *axis = near.x >= near.y && near.x >= near.z ? 0 : near.y >= near.z ? 1 : 2;
  *enter = v3_get (near, *axis);
  *leave = minf (far.x, minf (far.y, far.z));
  return *enter <= *leave && *leave > EPSILON;
}

static gboolean
meet_box (const Solid *solid, const Ray *ray, float *t, V3 *normal)
{
  float enter, leave;
  int axis;
  if (!slabs (ray, solid->half, &enter, &leave, &axis) || enter <= EPSILON || enter >= *t)
    return FALSE;
  *t = enter;
  float sign = v3_get (ray->direction, axis) > 0 ? -1 : 1;
  *normal = axis == 0 ? v3 (sign, 0, 0) : axis == 1 ? v3 (0, sign, 0) : v3 (0, 0, sign);
  return TRUE;
}

/** The distance to a rounded box, walked along the ray. */
static gboolean
meet_round (const Solid *solid, const Ray *ray, float *t, V3 *normal)
{
  float enter, leave;
  int axis;
  if (!slabs (ray, solid->half, &enter, &leave, &axis) || enter >= *t)
    return FALSE;
  V3 inner = v3_sub (solid->half, v3 (solid->rounding, solid->rounding, solid->rounding));
  float at = maxf (enter, EPSILON);
  for (int i = 0; i < WALK_STEPS && at < leave && at < *t; i++) {
    V3 p = v3_mad (ray->origin, ray->direction, at);
    V3 q = v3 (maxf (fabsf (p.x) - inner.x, 0), maxf (fabsf (p.y) - inner.y, 0), maxf (fabsf (p.z) - inner.z, 0));
    float length = v3_length (q), distance = length - solid->rounding;
    /* a ray that grazes comes no nearer for many steps: near is near enough then */
    if (distance < (i < WALK_STEPS - 1 ? 2e-5f : 5e-3f)) {
      if (i == 0 && at <= EPSILON)
        return FALSE; /* the ray starts on it */
      *t = at;
      float scale = 1 / maxf (length, 1e-9f);
      *normal = v3 (p.x < 0 ? -q.x * scale : q.x * scale, p.y < 0 ? -q.y * scale : q.y * scale, p.z < 0 ? -q.z * scale : q.z * scale);
      return TRUE;
    }
    at += distance;
  }
  return FALSE;
}

/** A stump of a cone about y: radius r (y) = mean + slope * y. */
static gboolean
meet_cylinder (const Solid *solid, const Ray *ray, float *t, V3 *normal)
{
  float h = solid->half.y, slope = (solid->half.z - solid->half.x) / (2 * h), mean = (solid->half.x + solid->half.z) / 2;
  V3 o = ray->origin, d = ray->direction;
  float r = mean + slope * o.y, k = slope * d.y;
  float a = d.x * d.x + d.z * d.z - k * k, b = o.x * d.x + o.z * d.z - r * k, c = o.x * o.x + o.z * o.z - r * r;
  float under = b * b - a * c;
  gboolean met = FALSE;
  if (under > 0 && fabsf (a) > 1e-9f) {
    float root = sqrtf (under);
    for (int side = -1; side <= 1; side += 2) {
      float at = (-b + side * root) / a, y = o.y + at * d.y;
      if (at > EPSILON && at < *t && fabsf (y) <= h && mean + slope * y >= 0) {
        V3 p = v3_mad (o, d, at);
        *t = at;
        *normal = v3_unit (v3 (p.x, -slope * (mean + slope * y), p.z));
        met = TRUE;
      }
    }
  }
  float inverse = safe_inverse (d.y);
  for (int side = -1; side <= 1; side += 2) {
    float at = (side * h - o.y) * inverse, radius = side < 0 ? solid->half.x : solid->half.z;
    V3 p = v3_mad (o, d, at);
    if (at > EPSILON && at < *t && p.x * p.x + p.z * p.z <= radius * radius) {
      *t = at;
      *normal = v3 (0, side, 0);
      met = TRUE;
    }
  }
  return met;
}

static gboolean
meet_ellipsoid (const Solid *solid, const Ray *ray, float *t, V3 *normal)
{
  V3 k = v3 (1 / solid->half.x, 1 / solid->half.y, 1 / solid->half.z), o = v3_mul (ray->origin, k),
     d = v3_mul (ray->direction, k);
  float a = v3_dot (d, d), b = v3_dot (o, d), c = v3_dot (o, o) - 1, under = b * b - a * c;
  if (under <= 0)
    return FALSE;
  float root = sqrtf (under), at = (-b - root) / a;
  if (at <= EPSILON)
    at = (-b + root) / a;
  if (at <= EPSILON || at >= *t)
    return FALSE;
  *t = at;
  *normal = v3_unit (v3_mul (v3_mad (o, d, at), k));
  return TRUE;
}

static inline gboolean
meet (const Solid *solid, V3 origin, V3 direction, float *t, V3 *normal)
{
  Ray ray = { basis_in (&solid->basis, v3_sub (origin, solid->centre)), basis_in (&solid->basis, direction) };
  switch (solid->kind) {
    case SOLID_BOX:
      return meet_box (solid, &ray, t, normal);
    case SOLID_ROUND:
      return meet_round (solid, &ray, t, normal);
    case SOLID_CYLINDER:
      return meet_cylinder (solid, &ray, t, normal);
    case SOLID_ELLIPSOID:
      return meet_ellipsoid (solid, &ray, t, normal);
  }
  return FALSE;
}

static inline gboolean
may_meet (const Node *node, V3 origin, V3 inverse, float limit)
{
  float x0 = (node->low.x - origin.x) * inverse.x, x1 = (node->high.x - origin.x) * inverse.x;
  float y0 = (node->low.y - origin.y) * inverse.y, y1 = (node->high.y - origin.y) * inverse.y;
  float z0 = (node->low.z - origin.z) * inverse.z, z1 = (node->high.z - origin.z) * inverse.z;
  float enter = maxf (maxf (minf (x0, x1), minf (y0, y1)), minf (z0, z1));
  float leave = minf (minf (maxf (x0, x1), maxf (y0, y1)), maxf (z0, z1));
  return enter <= leave && leave > 0 && enter < limit;
}

/** Walks the tree; with @any, stops at the first solid that is not clear.  The index of the solid met, or -1. */
static int
walk (const Scene *scene, V3 origin, V3 direction, gboolean any, float *t, V3 *normal)
{
  const Node *nodes = (const Node *) scene->nodes->data;
  const Solid *solids = (const Solid *) scene->solids->data;
  V3 inverse = v3 (safe_inverse (direction.x), safe_inverse (direction.y), safe_inverse (direction.z));
  guint32 stack[STACK], depth = 0, at = 0;
  int met = -1;
  if (!scene->nodes->len)
    return -1;
  for (;;) {
    const Node *node = &nodes[at];
    if (may_meet (node, origin, inverse, *t)) {
      if (!node->n) {
        gboolean backward = v3_get (direction, node->axis) < 0;
        stack[depth++] = backward ? at + 1 : node->first;
        at = backward ? node->first : at + 1;
        continue;
      }
      for (guint32 i = node->first; i < node->first + node->n; i++)
        if (!(any && solids[i].clear) && meet (&solids[i], origin, direction, t, normal)) {
          met = i;
          if (any)
            return met;
        }
    }
    if (!depth)
      return met;
    at = stack[--depth];
  }
}

gboolean
scene_blocked (const Scene *scene, V3 origin, V3 direction, float distance)
{
  V3 normal;
  return walk (scene, origin, direction, TRUE, &distance, &normal) >= 0;
}

/** The room's own faces, from inside. */
static void
meet_room (const Scene *scene, V3 origin, V3 direction, Hit *hit)
{
  V3 half = v3 (scene->size.x / 2, scene->size.y / 2, scene->size.z / 2), o = v3_sub (origin, v3 (0, half.y, 0));
  hit->t = INFINITY;
  for (int axis = 0; axis < 3; axis++) {
    float d = v3_get (direction, axis), wall = d > 0 ? v3_get (half, axis) : -v3_get (half, axis);
    float t = maxf (0, (wall - v3_get (o, axis)) * safe_inverse (d));
    if (t >= hit->t)
      continue;
    hit->t = t;
    float sign = d > 0 ? -1 : 1;
    hit->normal = axis == 0 ? v3 (sign, 0, 0) : axis == 1 ? v3 (0, sign, 0) : v3 (0, 0, sign);
    hit->solid = -1 - 2 * axis - (d > 0);
    hit->class = axis != 1 ? CLASS_WALL : d > 0 ? CLASS_CEILING : CLASS_FLOOR;
    hit->material
        = axis == 1 ? (d > 0 ? scene->ceiling_material : scene->floor_material) : scene->wall_material[axis + (d > 0)];
  }
  hit->half = half;
}

static void
describe_room (V3 origin, V3 direction, Hit *hit)
{
  hit->local = hit->point = v3_mad (origin, direction, hit->t);
  hit->local_normal = hit->normal;
}

static void
describe_solid (const Scene *scene, V3 origin, V3 direction, int met, V3 normal, Hit *hit)
{
  const Solid *solid = &g_array_index (scene->solids, Solid, met);
  hit->point = v3_mad (origin, direction, hit->t);
  hit->solid = met;
  hit->class = solid->class;
  hit->material = solid->material;
  hit->half = solid->half;
  hit->local = basis_in (&solid->basis, v3_sub (hit->point, solid->centre));
  hit->local_normal = normal;
  hit->normal = basis_out (&solid->basis, normal);
  if (v3_dot (hit->normal, direction) > 0)
    hit->normal = v3_scale (hit->normal, -1);
}

void
scene_trace (const Scene *scene, V3 origin, V3 direction, Hit *hit)
{
  V3 normal;
  meet_room (scene, origin, direction, hit);
  int met = walk (scene, origin, direction, FALSE, &hit->t, &normal);
  if (met < 0)
    describe_room (origin, direction, hit);
  else
    describe_solid (scene, origin, direction, met, normal, hit);
}

gboolean
scene_trace_again (const Scene *scene, V3 origin, V3 direction, int known, Hit *hit)
{
  V3 normal;
  meet_room (scene, origin, direction, hit);
  if (known < 0) {
    describe_room (origin, direction, hit);
    return hit->solid == known;
  }
  if (!meet (&g_array_index (scene->solids, Solid, known), origin, direction, &hit->t, &normal))
    return FALSE;
  describe_solid (scene, origin, direction, known, normal, hit);
  return TRUE;
}

Surface
scene_surface (const Scene *scene, const Hit *hit)
{
  return material_at (&g_array_index (scene->materials, Material, hit->material), hit->local, hit->local_normal, hit->half);
}
