/* Where one looks from: views, and a walk.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/room.h"

/** Whether a camera at @p would not be in, or all too near, something. */
static gboolean
stands_free (const Room *room, V3 p, float clearance)
{
  for (guint i = 0; i < room->footprints->len; i++) {
    const Footprint *f = &g_array_index (room->footprints, Footprint, i);
    if (p.x > f->x0 - clearance && p.x < f->x1 + clearance && p.z > f->z0 - clearance && p.z < f->z1 + clearance
        && p.y < f->height + 0.25f)
      return FALSE;
  }
  return TRUE;
}

/** A camera at @from that looks at @to. */
static Camera
look_at (V3 from, V3 to, float roll, float focal)
{
  V3 back = v3_unit (v3_sub (from, to)), x = v3_unit (v3 (back.z, 0, -back.x)), y = v3_cross (back, x);
  float c = cosine (roll), s = sine (roll);
  return (
      Camera){ from, { v3_add (v3_scale (x, c), v3_scale (y, s)), v3_sub (v3_scale (y, c), v3_scale (x, s)), back }, focal };
}

/** How much there is to see: many classes, few of them cut off by something close by, and not walls alone. */
static float
interest (const Room *room, const Camera *camera)
{
  enum { W = 16, H = 12 };
  guint seen[N_CLASSES] = { 0 };
  float score = 0;
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      Hit hit;
      scene_trace (room->scene, camera->position, camera_ray (camera, W, H, x + 0.5f, y + 0.5f), &hit);
      seen[hit.class]++;
      score -= hit.t < 0.5f ? 0.06f : hit.t < 0.9f ? 0.02f : 0;
      score += minf (hit.t, 4) * 0.003f;
    }
  for (int c = 0; c < N_CLASSES; c++) {
    float share = seen[c] / (float) (W * H);
    gboolean shell = c == CLASS_WALL || c == CLASS_FLOOR || c == CLASS_CEILING;
    score += shell ? (share > 0.02f ? 0.35f : 0) : minf (1, 5 * sqrtf (share));
    score -= share > 0.55f ? 4 * (share - 0.55f) : 0;
  }
  return score;
}

Camera
room_view (const Room *room, guint64 seed)
{
  NddrRandom random = nddr_random_init (seed, 101, 0);
  V3 half = v3_scale (room->scene->size, 0.5f);
  float focal = between (&random, 0.76f, 0.87f), best_score = -INFINITY;
  Camera best = look_at (v3 (half.x - 0.3f, 1.5f, half.z - 0.3f), v3 (0, 0.9f, 0), 0, focal);
  for (int i = 0; i < 40; i++) {
    V3 from = between3 (&random, v3 (-half.x + 0.25f, 1.05f, -half.z + 0.25f), v3 (half.x - 0.25f, 1.75f, half.z - 0.25f));
    V3 to = between3 (&random, v3 (-half.x, 0.3f, -half.z), v3 (half.x, 1.3f, half.z));
    float roll = between (&random, -0.05f, 0.05f);
    V3 way = v3_sub (to, from);
    if (way.x * way.x + way.z * way.z < 2.2f || !stands_free (room, from, 0.3f))
      continue;
    Camera camera = look_at (from, to, roll, focal);
    float score = interest (room, &camera);
    if (score > best_score) {
      best_score = score;
      best = camera;
    }
  }
  return best;
}

/** Walks round the middle of the room and looks across it; as far out as nothing tall stands in the way. */
Camera
room_walk (const Room *room, guint64 seed, guint index, guint n)
{
  NddrRandom random = nddr_random_init (seed, 102, 0);
  float start = between (&random, 0, 6.28f), turn = 2.6f, out = 0.62f, height = 1.5f;
  V3 half = v3_scale (room->scene->size, 0.5f);
  for (gboolean free = FALSE; !free && out > 0.15f; out -= free ? 0 : 0.04f) {
    free = TRUE;
    for (int i = 0; i <= 40 && free; i++) {
      float angle = start + turn * i / 40;
      free = stands_free (room, v3 (half.x * out * sine (angle), height, half.z * out * cosine (angle)), 0.25f);
    }
  }
  float t = n > 1 ? index / (float) (n - 1) : 0, angle = start + turn * t;
  V3 from = v3 (half.x * out * sine (angle), height + 0.012f * sine (t * 60), half.z * out * cosine (angle));
  float ahead = angle + 0.5f * sine (t * 6.2832f);
  V3 to = v3 (-0.7f * half.x * sine (ahead), 0.95f + 0.12f * sine (t * 9), -0.7f * half.z * cosine (ahead));
  return look_at (from, to, 0.008f * sine (t * 30), 0.81f);
}
