/* Procedural textures: functions of the point within the solid.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/material.h"

/** Coordinates across the face that @n belongs to: u along, v up where the face is upright. @extent: half sizes along u and v. */
static void
face_coordinates (V3 p, V3 n, V3 half, float *u, float *v, float *extent_u, float *extent_v)
{
  float x = fabsf (n.x), y = fabsf (n.y), z = fabsf (n.z);
  if (y >= x && y >= z)
    *u = p.x, *v = p.z, *extent_u = half.x, *extent_v = half.z;
  else if (x >= z)
    *u = p.z, *v = p.y, *extent_u = half.z, *extent_v = half.y;
  else
    *u = p.x, *v = p.y, *extent_u = half.x, *extent_v = half.y;
}

static V3
wood (const Material *m, float along, float across, float board)
{
  guint32 seed = m->seed + floor_int (board) * 7919u;
  V3 p = v3 (along * 1.1f + lattice (seed, 1, 2, 3) * 50, across * 14, 0);
  float bend = noise (v3 (along * 0.9f, across * 2.5f, board), seed) * 2.2f;
  float ring = fract (p.y * 0.35f + bend + 0.4f * noise (p, seed + 1));
  float grain = smooth (ring < 0.8f ? ring / 0.8f : (1 - ring) / 0.2f);
  float fibre = noise (v3 (along * 6, across * 160, board), seed + 2);
  float tone = 0.85f + 0.3f * lattice (seed, 5, 6, 7);
  return v3_scale (v3_mix (m->a, m->b, 0.65f * grain + 0.35f * fibre), tone);
}

static V3
wood_on_face (const Material *m, float u, float v, float eu, float ev)
{
  return eu >= ev ? wood (m, u, v, 0) : wood (m, v, u, 0);
}

static V3
planks (const Material *m, float u, float v)
{
  float row = v / m->scale, shift = lattice (floor_int (row), 3, 1, m->seed) * 1.3f, length = 1.3f;
  float board = (u + shift) / length, edge = fract (row), end = fract (board);
  V3 color = wood (m, u, v, floor_int (row) * 31 + floor_int (board) + 0.5f);
  float gap = ramp (0, 0.03f, minf (edge, 1 - edge)) * ramp (0, 0.003f, minf (end, 1 - end));
  return v3_scale (color, 0.45f + 0.55f * gap);
}

static V3
tiles (const Material *m, float u, float v, float aspect)
{
  float row = v / m->scale, column = u / (m->scale * aspect);
  if (aspect != 1)
    column += 0.5f * (floor_int (row) & 1);
  float a = fract (row), b = fract (column), joint = 0.035f;
  float inside = ramp (joint * 0.5f, joint, minf (a, 1 - a)) * ramp (joint * 0.5f / aspect, joint / aspect, minf (b, 1 - b));
  float tone = 0.86f + 0.28f * lattice (floor_int (row), floor_int (column), 0, m->seed);
  float mottle = 0.9f + 0.2f * noise_layers (v3 (u * 20, v * 20, 0), m->seed, 2);
  return v3_mix (m->b, v3_scale (m->a, tone * mottle), inside);
}

static V3
rug (const Material *m, float u, float v, float eu, float ev)
{
  float inset = minf (eu - fabsf (u), ev - fabsf (v));
  float pile = 0.8f + 0.4f * noise (v3 (u * 90, v * 90, 1), m->seed);
  float figure = sine (fabsf (u) * 18) * sine (fabsf (v) * 18) + 0.6f * sine ((u * u + v * v) * 14);
  float t = inset < 0.06f ? 1 : inset < 0.1f ? 0 : inset < 0.13f ? 1 : figure > 0.35f ? 0.85f : 0;
  return v3_scale (v3_mix (m->a, m->b, t), pile);
}

/** A landscape, or coloured fields, in a frame that the builder puts around it. */
static V3
art (const Material *m, float u, float v, float eu, float ev)
{
  float x = u / maxf (eu, 1e-3f), y = v / maxf (ev, 1e-3f);
  guint32 s = m->seed;
  V3 warm = v3 (0.75f, 0.45f * lattice (s, 1, 0, 0) + 0.15f, 0.12f),
     cool = v3 (0.1f, 0.22f, 0.2f + 0.45f * lattice (s, 2, 0, 0));
  if (maxf (fabsf (x), fabsf (y)) > 0.86f && s % 3)
    return v3 (0.82f, 0.8f, 0.74f);
  if (s % 5 < 3) {
    float horizon = -0.25f + 0.5f * lattice (s, 3, 0, 0) + 0.35f * (noise_layers (v3 (x * 2, 0, 0), s, 3) - 0.5f);
    float far = horizon + 0.15f + 0.4f * (noise_layers (v3 (x * 3 + 9, 0, 0), s + 7, 3) - 0.4f);
    V3 sky = v3_mix (v3_mix (warm, v3 (0.9f, 0.85f, 0.7f), 0.6f), v3_mix (cool, v3 (0.5f, 0.65f, 0.85f), 0.6f),
        clampf (y * 0.5f + 0.5f, 0, 1));
    if (y < horizon)
      return v3_scale (m->a, 0.35f + 0.6f * noise_layers (v3 (x * 7, y * 16, 2), s, 3));
    return y < far ? v3_mix (m->b, sky, 0.45f)
                   : v3_mix (sky, v3 (0.9f, 0.9f, 0.9f), ramp (0.55f, 0.75f, noise_layers (v3 (x * 2, y * 5, 4), s, 3)));
  }
  float blot = noise_layers (v3 (x * 1.6f, y * 1.6f, 3), s, 3),
        blot2 = noise_layers (v3 (x * 2.4f + 5, y * 2.4f, 3), s + 3, 2);
  V3 ground = blot > 0.55f ? m->a : blot > 0.45f ? v3 (0.8f, 0.78f, 0.7f) : m->b;
  return blot2 > 0.6f ? warm : ground;
}

static V3
screen (const Material *m, float u, float v, float eu, float ev)
{
  float x = u / maxf (eu, 1e-3f), y = v / maxf (ev, 1e-3f);
  float field = noise_layers (v3 (x * 1.5f, y * 1.5f, 0), m->seed, 3),
        ball = 1 - ramp (0.25f, 0.4f, sqrtf ((x - 0.3f) * (x - 0.3f) * 2 + y * y));
  V3 color = v3_mix (v3_mix (m->a, m->b, clampf (y * 0.5f + 0.5f, 0, 1)), v3 (0.9f, 0.9f, 0.85f), ramp (0.5f, 0.7f, field));
  return v3_mix (color, v3 (0.8f, 0.35f, 0.15f), 0.8f * ball);
}

static V3
panels (const Material *m, float u, float v, float eu, float ev)
{
  float columns = maxf (1, floor_int (2 * eu / m->scale + 0.5f)), rows = maxf (1, floor_int (2 * ev / m->scale + 0.5f));
  float x = fract ((u + eu) / (2 * eu) * columns) * 2 * eu / columns, y = fract ((v + ev) / (2 * ev) * rows) * 2 * ev / rows;
  float edge = minf (minf (x, 2 * eu / columns - x), minf (y, 2 * ev / rows - y));
  V3 color = wood (m, v, u, 0.5f);
  float groove = ramp (0.002f, 0.008f, edge), frame = fabsf (edge - 0.06f) < 0.006f && m->seed & 1 ? 0.8f : 1;
  return v3_scale (color, (0.35f + 0.65f * groove) * frame);
}

static V3
color_at (const Material *m, V3 p, float u, float v, float eu, float ev)
{
  float t;
  switch (m->kind) {
    case MATERIAL_WOOD:
      return wood_on_face (m, u, v, eu, ev);
    case MATERIAL_PLANKS:
      return planks (m, u, v);
    case MATERIAL_TILES:
      return tiles (m, u, v, 1);
    case MATERIAL_BRICKS:
      return tiles (m, u, v, 2.6f);
    case MATERIAL_CARPET:
      t = 0.6f * noise (v3_scale (p, 110), m->seed) + 0.4f * noise_layers (v3_scale (p, 9), m->seed + 1, 2);
      return v3_mix (m->a, m->b, t);
    case MATERIAL_FABRIC:
      t = 0.5f + 0.25f * (sine (u * 420) * sine (v * 420)) + 0.4f * (noise_layers (v3_scale (p, 22), m->seed, 2) - 0.5f);
      return v3_mix (m->a, m->b, clampf (t, 0, 1));
    case MATERIAL_STRIPES:
      t = fract (u / m->scale);
      return v3_mix (m->a, m->b, ramp (0.44f, 0.5f, t) * (1 - ramp (0.94f, 1, t)));
    case MATERIAL_CHECKS:
      return (floor_int (u / m->scale) + floor_int (v / m->scale)) & 1 ? m->a : m->b;
    case MATERIAL_RUG:
      return rug (m, u, v, eu, ev);
    case MATERIAL_MARBLE:
      t = fabsf (sine (8 * (u + 0.4f * v) + 9 * noise_layers (v3_scale (p, 2.5f), m->seed, 4)));
      return v3_mix (m->b, m->a, ramp (0, 0.35f, t));
    case MATERIAL_ART:
      return art (m, u, v, eu, ev);
    case MATERIAL_SPINE:
      t = fract ((v + ev) / (2 * ev) * 3 + lattice (m->seed, 0, 0, 1));
      return t > 0.72f && t < 0.8f + 0.1f * lattice (m->seed, 1, 1, 1) ? m->b : m->a;
    case MATERIAL_PANELS:
      return panels (m, u, v, eu, ev);
    case MATERIAL_SKY:
      t = ramp (-0.5f, 0.3f, v / maxf (ev, 1e-3f) + 0.35f * (noise_layers (v3 (u * 5, v * 5, 0), m->seed, 3) - 0.5f));
      return v3_mix (m->a, m->b, t);
    case MATERIAL_SCREEN:
      return screen (m, u, v, eu, ev);
    case MATERIAL_PAINT:
    case MATERIAL_GLOW:
      break;
  }
  return v3_scale (m->a, 0.95f + 0.1f * noise_layers (v3_scale (p, 3), m->seed, 2));
}

Surface
material_at (const Material *m, V3 p, V3 n, V3 half)
{
  float u, v, eu, ev;
  face_coordinates (p, n, half, &u, &v, &eu, &ev);
  V3 color = color_at (m, p, u, v, eu, ev);
  if (m->kind >= MATERIAL_SKY)
    return (Surface) { v3 (0.05f, 0.05f, 0.05f), v3_scale (color, m->shine), m->gloss };
  return (Surface) { color, v3 (0, 0, 0), m->gloss };
}
