/* Rendering: one ray through each pixel's centre finds what is seen there; light is gathered there by a few rays and smoothed along
 * surfaces; then four rays a pixel colour it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/render.h"

#include <nddr/allocate.h>

#include "train/synth/film.h"

#define OFFSET 2e-3f /* rays leave a surface from this far above it */

typedef struct
{
  V3 point, normal;
  float t;
  int solid;
} Seen;

typedef struct
{
  const Scene *scene;
  const Camera *camera;
  guint width, height;
  guint64 seed;
  Seen *seen;
  V3 *light, *glow, *mirror, *spare; /* of each pixel: what lamps and what surfaces send to it, what it mirrors */
  NddrSample *sample;
} Render;

V3
camera_ray (const Camera *camera, guint width, guint height, float x, float y)
{
  float k = 1 / (camera->focal * width);
  V3 d = v3 ((x - 0.5f * width) * k, (0.5f * height - y) * k, -1);
  return v3_unit (basis_out (&camera->basis, d));
}

/* ---- light */

/** Numbers of one pixel that complement those of its neighbours: over 4 x 4 pixels they fill the unit square evenly. */
typedef struct
{
  guint cell;
  NddrRandom random;
} Dice;

static Dice
dice_of (const Render *r, guint x, guint y)
{
  static const guint8 order[16] = { 0, 10, 5, 15, 12, 6, 9, 3, 7, 13, 2, 8, 11, 1, 14, 4 };
  return (Dice) { order[(x & 3) + 4 * (y & 3)], nddr_random_init (r->seed, 1, (guint64) y * r->width + x) };
}

static void
dice_roll (Dice *dice, float *u, float *v)
{
  guint64 bits = nddr_random_next (&dice->random);
  *u = ((dice->cell & 3) + (bits >> 40) * (1 / 16777216.0f)) * 0.25f;
  *v = ((dice->cell >> 2) + (bits & 0xffffff) * (1 / 16777216.0f)) * 0.25f;
  dice->cell = (dice->cell + 5) & 15;
}

/** What @light sends to @point, as if nothing were between, from its point (@u, @v); and the way there. */
static V3
arriving (const Light *light, V3 point, V3 normal, float u, float v, V3 *direction, float *distance)
{
  V3 at = light->centre;
  if (light->kind == LIGHT_PANE)
    at = v3_mad (v3_mad (at, light->u, 2 * u - 1), light->v, 2 * v - 1);
  else
    at = v3_add (at, v3_scale (v3 (2 * u - 1, 2 * v - 1, 2 * fract (u * 7 + v * 3) - 1), light->radius));
  V3 way = v3_sub (at, point);
  *distance = v3_length (way);
  *direction = v3_scale (way, 1 / maxf (*distance, 1e-3f));
  float cosine_here = v3_dot (*direction, normal), falloff = 1 / (*distance * *distance + 0.06f);
  if (cosine_here <= 0)
    return v3 (0, 0, 0);
  if (light->kind == LIGHT_BALL)
    return v3_scale (light->power, cosine_here * falloff);
  float cosine_there = -v3_dot (*direction, light->normal), area = 4 * v3_length (light->u) * v3_length (light->v);
  return v3_scale (light->power, maxf (cosine_there, 0) * cosine_here * area * falloff * (float) (1 / G_PI));
}

/** A guess at what falls on @point without asking what is between: for what is seen only indirectly. */
static V3
guessed_light (const Scene *scene, V3 point, V3 normal)
{
  V3 sum = scene->ambient;
  for (guint i = 0; i < scene->n_lights; i++) {
    V3 direction;
    float distance;
    sum = v3_mad (sum, arriving (&scene->lights[i], point, normal, 0.5f, 0.5f, &direction, &distance), 0.6f);
  }
  return sum;
}

/** What comes from @direction to @point. @lamps: whether what shines is seen, too. */
static V3
incoming (const Scene *scene, V3 point, V3 direction, gboolean lamps)
{
  Hit hit;
  scene_trace (scene, point, direction, &hit);
  Surface surface = scene_surface (scene, &hit);
  V3 light = guessed_light (scene, hit.point, hit.normal);
  /* a corner close by is darker than the open room */
  V3 color = v3_scale (v3_mul (surface.albedo, light), 0.35f + 0.65f * ramp (0, 0.5f, hit.t));
  return lamps ? v3_add (color, surface.emission) : color;
}

/** Light that comes straight from lamps and panes. */
static V3
gather_lamps (const Render *r, const Seen *seen, Dice *dice)
{
  const Scene *scene = r->scene;
  V3 start = v3_mad (seen->point, seen->normal, OFFSET), sum = v3 (0, 0, 0);
  for (guint i = 0; i < scene->n_lights; i++) {
    V3 direction;
    float distance, u, v;
    dice_roll (dice, &u, &v);
    V3 power = arriving (&scene->lights[i], start, seen->normal, u, v, &direction, &distance);
    if (v3_luma (power) > 1e-3f && !scene_blocked (scene, start, direction, distance - OFFSET))
      sum = v3_add (sum, power);
  }
  return sum;
}

/** Light that other surfaces reflect. */
static V3
gather_glow (const Render *r, const Seen *seen, Dice *dice)
{
  V3 start = v3_mad (seen->point, seen->normal, OFFSET), sum = v3_scale (r->scene->ambient, 0.25f), a, b;
  v3_across (seen->normal, &a, &b);
  for (int i = 0; i < 2; i++) {
    float u, v;
    dice_roll (dice, &u, &v);
    float radius = sqrtf (u), height = sqrtf (maxf (0, 1 - u)), angle = 2 * (float) G_PI * v;
    V3 direction = v3_mad (v3_scale (seen->normal, height), a, radius * cosine (angle));
    direction = v3_unit (v3_mad (direction, b, radius * sine (angle)));
    sum = v3_mad (sum, incoming (r->scene, start, direction, FALSE), 0.5f);
  }
  return sum;
}

/** What a glossy surface mirrors, slightly scattered. */
static V3
mirrored (const Render *r, const Seen *seen, V3 ray, float gloss, Dice *dice)
{
  float u, v, facing = -v3_dot (ray, seen->normal), edge = 1 - clampf (facing, 0, 1);
  float share = minf (0.7f, gloss * (1 + 10 * edge * edge * edge * edge * edge) - 0.02f);
  if (share <= 0)
    return v3 (0, 0, 0);
  dice_roll (dice, &u, &v);
  V3 direction = v3_mad (ray, seen->normal, 2 * facing);
  direction = v3_unit (
      v3_add (direction, v3_scale (v3 (u - 0.5f, fract (u * 5 + v) - 0.5f, v - 0.5f), 0.05f * (1 - gloss) * (1 - gloss))));
  if (v3_dot (direction, seen->normal) < 0.01f)
    return v3 (0, 0, 0);
  V3 color = incoming (r->scene, v3_mad (seen->point, seen->normal, OFFSET), direction, TRUE);
  return v3_scale (v3 (minf (color.x, 4), minf (color.y, 4), minf (color.z, 4)), share);
}

/** Sunlight that falls through a pane onto @point. */
static V3
sunlight (const Scene *scene, V3 point, V3 normal)
{
  float facing = v3_dot (scene->sun_direction, normal);
  if (!scene->has_sun || facing <= 0)
    return v3 (0, 0, 0);
  for (guint i = 0; i < scene->n_lights; i++) {
    const Light *pane = &scene->lights[i];
    float toward = -v3_dot (scene->sun_direction, pane->normal);
    if (pane->kind != LIGHT_PANE || toward <= 0.01f)
      continue;
    V3 way = v3_sub (pane->centre, point);
    float t = -v3_dot (way, pane->normal) / toward;
    V3 from_centre = v3_sub (v3_mad (point, scene->sun_direction, t), pane->centre);
    if (t > 0 && fabsf (v3_dot (from_centre, pane->u)) <= v3_dot (pane->u, pane->u)
        && fabsf (v3_dot (from_centre, pane->v)) <= v3_dot (pane->v, pane->v)
        && !scene_blocked (scene, v3_mad (point, normal, OFFSET), scene->sun_direction, t - OFFSET))
      return v3_scale (scene->sun_power, facing);
  }
  return v3 (0, 0, 0);
}

/* ---- passes */

static guint8
encode (float n)
{
  return clampf ((n + 1) * 127.5f + 0.5f, 0, 255);
}

static void
look (Render *r)
{
  const Basis *basis = &r->camera->basis;
  for (guint y = 0; y < r->height; y++)
    for (guint x = 0; x < r->width; x++) {
      gsize i = (gsize) y * r->width + x;
      V3 ray = camera_ray (r->camera, r->width, r->height, x + 0.5f, y + 0.5f);
      Hit hit;
      scene_trace (r->scene, r->camera->position, ray, &hit);
      r->seen[i] = (Seen) { hit.point, hit.normal, hit.t, hit.solid };
      V3 n = basis_in (basis, hit.normal);
      r->sample->segmentation[i] = hit.class;
      r->sample->normal[3 * i] = encode (n.x);
      r->sample->normal[3 * i + 1] = encode (n.y);
      r->sample->normal[3 * i + 2] = encode (n.z);
      r->sample->depth[i] = clampf (-1000 * hit.t * v3_dot (ray, basis->z) + 0.5f, 1, 65535);
      Dice dice = dice_of (r, x, y);
      r->light[i] = gather_lamps (r, &r->seen[i], &dice);
      r->glow[i] = gather_glow (r, &r->seen[i], &dice);
      float gloss = scene_surface (r->scene, &hit).gloss;
      r->mirror[i] = gloss > 0 ? mirrored (r, &r->seen[i], ray, gloss, &dice) : v3 (0, 0, 0);
    }
}

/** How much two pixels show of one smooth surface. */
static inline float
alike (const Seen *a, const Seen *b)
{
  float facing = v3_dot (a->normal, b->normal);
  if (facing < 0.9f)
    return 0;
  float off = fabsf (v3_dot (v3_sub (b->point, a->point), a->normal)), reach = 0.02f * a->t;
  return off < reach ? (facing - 0.9f) * 10 * (1 - off / reach) : 0;
}

/** Averages what few rays found over ever wider neighbourhoods, but not across edges: along rows, along columns, then again at twice the
 * distance. */
static void
spread (Render *r, V3 **values, int rounds)
{
  static const float kernel[3] = { 0.375f, 0.25f, 0.0625f };
  int w = r->width, h = r->height;
  for (int pass = 0; pass < 2 * rounds; pass++) {
    int step = 1 << pass / 2, shift = pass & 1 ? step * w : step, n = pass & 1 ? h : w;
    const V3 *in = *values;
    for (int i = 0; i < w * h; i++) {
      const Seen *here = &r->seen[i];
      int at = pass & 1 ? i / w : i % w;
      V3 sum = v3_scale (in[i], kernel[0]);
      float total = kernel[0];
      for (int k = -2; k <= 2; k++) {
        if (k == 0 || at + k * step < 0 || at + k * step >= n)
          continue;
        float weight = kernel[k < 0 ? -k : k] * alike (here, &r->seen[i + k * shift]);
        sum = v3_mad (sum, in[i + k * shift], weight);
        total += weight;
      }
      r->spare[i] = v3_scale (sum, 1 / total);
    }
    V3 *t = *values;
    *values = r->spare;
    r->spare = t;
  }
}

/** The pixel near (@x, @y) that shows what @hit is part of: light found there is right here too. */
static gsize
nearest_alike (const Render *r, int x, int y, const Hit *hit)
{
  Seen here = { hit->point, hit->normal, hit->t, hit->solid };
  gsize best = (gsize) y * r->width + x;
  float best_weight = r->seen[best].solid == hit->solid ? 2 * alike (&here, &r->seen[best]) : 0;
  if (best_weight > 1)
    return best;
  for (int ny = MAX (0, y - 1); ny <= MIN (y + 1, (int) r->height - 1); ny++)
    for (int nx = MAX (0, x - 1); nx <= MIN (x + 1, (int) r->width - 1); nx++) {
      gsize i = (gsize) ny * r->width + nx;
      float weight = alike (&here, &r->seen[i]) + (r->seen[i].solid == hit->solid ? 0.5f : 0);
      if (weight > best_weight) {
        best_weight = weight;
        best = i;
      }
    }
  return best;
}

/** Whether the pixel and all around it show one solid: then its other rays meet that, too. */
static gboolean
is_inside (const Render *r, guint x, guint y)
{
  if (x == 0 || y == 0 || x + 1 >= r->width || y + 1 >= r->height)
    return FALSE;
  const Seen *here = &r->seen[(gsize) y * r->width + x];
  for (int dy = -1; dy <= 1; dy++)
    for (int dx = -1; dx <= 1; dx++)
      if (here[dy * (int) r->width + dx].solid != here->solid)
        return FALSE;
  return TRUE;
}

/** Four rays a pixel, each with its own surface and sun, but with light from the pixel nearby that shows the same. */
static void
color (const Render *r, V3 *picture)
{
  static const float offsets[4][2] = { { 0.375f, 0.125f }, { 0.875f, 0.375f }, { 0.125f, 0.625f }, { 0.625f, 0.875f } };
  for (guint y = 0; y < r->height; y++)
    for (guint x = 0; x < r->width; x++) {
      V3 sum = v3 (0, 0, 0);
      gboolean inside = is_inside (r, x, y);
      int known = r->seen[(gsize) y * r->width + x].solid;
      for (int s = 0; s < 4; s++) {
        V3 ray = camera_ray (r->camera, r->width, r->height, x + offsets[s][0], y + offsets[s][1]);
        Hit hit;
        if (!inside || !scene_trace_again (r->scene, r->camera->position, ray, known, &hit))
          scene_trace (r->scene, r->camera->position, ray, &hit);
        Surface surface = scene_surface (r->scene, &hit);
        gsize i = nearest_alike (r, x, y, &hit);
        V3 light = v3_add (v3_add (r->light[i], r->glow[i]), sunlight (r->scene, hit.point, hit.normal));
        V3 shade = v3_add (v3_mul (surface.albedo, light), surface.emission);
        if (surface.gloss > 0)
          shade = v3_add (shade, r->mirror[i]);
        /* what is far too bright would leave stairs along its edge */
        sum = v3_add (sum, v3 (minf (shade.x, 6), minf (shade.y, 6), minf (shade.z, 6)));
      }
      picture[(gsize) y * r->width + x] = v3_scale (sum, 0.25f);
    }
}

/* FALSE: what there was memory for is there. */
static gboolean
allocate (Render *r, GError **error)
{
  const char *what = "a synthetic picture";
  gsize n = (gsize) r->width * r->height;
  return (r->seen = nddr_try_alloc (n, sizeof *r->seen, what, error)) && (r->light = nddr_try_alloc (n, sizeof (V3), what, error))
      && (r->glow = nddr_try_alloc (n, sizeof (V3), what, error)) && (r->mirror = nddr_try_alloc (n, sizeof (V3), what, error))
      && (r->spare = nddr_try_alloc (n, sizeof (V3), what, error)) && (r->sample->rgb = nddr_try_alloc (n, 3, what, error))
      && (r->sample->segmentation = nddr_try_alloc (n, 1, what, error)) && (r->sample->normal = nddr_try_alloc (n, 3, what, error))
      && (r->sample->depth = nddr_try_alloc (n, sizeof (guint16), what, error));
}

static void
expose (Render *r, const Film *film)
{
  look (r);
  spread (r, &r->light, 3);
  spread (r, &r->glow, 4);
  spread (r, &r->mirror, 1);
  color (r, r->spare);
  film_develop (film, r->spare, r->width, r->height, r->sample->rgb);
}

NddrSample *
render (const Scene *scene, const Camera *camera, const Film *film, guint width, guint height, GError **error)
{
  g_autoptr (NddrSample) sample = nddr_sample_new (width, height);
  Render r = { .scene = scene, .camera = camera, .width = width, .height = height, .seed = film->seed, .sample = sample };
  gboolean fine = allocate (&r, error);
  if (fine)
    expose (&r, film);
  g_free (r.seen);
  g_free (r.light);
  g_free (r.glow);
  g_free (r.mirror);
  g_free (r.spare);
  return fine ? g_steal_pointer (&sample) : NULL;
}
