/* Vectors, and the few functions that rooms are made with.
 *
 * A room must come out the same on every machine.  So nothing here, or in what uses it, calls the mathematics library but for square
 * roots, which IEEE 754 rounds correctly, and the compiler is told not to fuse multiplications and additions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>

#include <train/random.h>

typedef struct { float x, y, z; } V3;

static inline V3 v3 (float x, float y, float z) { return (V3) { x, y, z }; }
static inline V3 v3_add (V3 a, V3 b) { return v3 (a.x + b.x, a.y + b.y, a.z + b.z); }
static inline V3 v3_sub (V3 a, V3 b) { return v3 (a.x - b.x, a.y - b.y, a.z - b.z); }
static inline V3 v3_mul (V3 a, V3 b) { return v3 (a.x * b.x, a.y * b.y, a.z * b.z); }
static inline V3 v3_scale (V3 a, float s) { return v3 (a.x * s, a.y * s, a.z * s); }
static inline V3 v3_mad (V3 a, V3 b, float s) { return v3 (a.x + b.x * s, a.y + b.y * s, a.z + b.z * s); }
static inline V3 v3_mix (V3 a, V3 b, float t) { return v3_mad (a, v3_sub (b, a), t); }
static inline float v3_dot (V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline V3 v3_cross (V3 a, V3 b) { return v3 (a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x); }
static inline float v3_length (V3 a) { return sqrtf (v3_dot (a, a)); }
static inline V3 v3_unit (V3 a) { return v3_scale (a, 1 / v3_length (a)); }
static inline float v3_get (V3 a, int axis) { return axis == 0 ? a.x : axis == 1 ? a.y : a.z; }
static inline float v3_luma (V3 a) { return 0.2126f * a.x + 0.7152f * a.y + 0.0722f * a.z; }

static inline float clampf (float x, float low, float high) { return x < low ? low : x > high ? high : x; }
static inline float minf (float a, float b) { return a < b ? a : b; }
static inline float maxf (float a, float b) { return a > b ? a : b; }
static inline float smooth (float t) { return t * t * (3 - 2 * t); }
static inline float ramp (float low, float high, float x) { return smooth (clampf ((x - low) / (high - low), 0, 1)); }

static inline int
floor_int (float x)
{
  int i = (int) x;
  return i - (x < i);
}

static inline float fract (float x) { return x - floor_int (x); }

/** Sine, by its Taylor series about the nearest multiple of pi; within 2e-6. */
static inline float
sine (float x)
{
  int turns = floor_int (x * (float) (1 / G_PI) + 0.5f);
  float r = (float) (x - turns * G_PI), s = r * r;
  float y = r * (1 + s * (-1 / 6.0f + s * (1 / 120.0f + s * (-1 / 5040.0f + s * (1 / 362880.0f)))));
  return turns & 1 ? -y : y;
}

static inline float cosine (float x) { return sine (x + (float) (G_PI / 2)); }

/** Rows are the axes of a frame, seen from outside: a point p is (rows . (p - origin)) within it. */
typedef struct { V3 x, y, z; } Basis;

static inline V3 basis_in (const Basis *b, V3 p) { return v3 (v3_dot (b->x, p), v3_dot (b->y, p), v3_dot (b->z, p)); }
static inline V3 basis_out (const Basis *b, V3 p) { return v3_mad (v3_mad (v3_scale (b->x, p.x), b->y, p.y), b->z, p.z); }

/** Turned by @yaw about y (from z toward x), then leaned back by @pitch (y toward -z: a camera, which looks along -z, looks down), then
 * rolled (y toward -x); radians. */
static inline Basis
basis_turned (float yaw, float pitch, float roll)
{
  float sy = sine (yaw), cy = cosine (yaw), sp = sine (pitch), cp = cosine (pitch), sr = sine (roll), cr = cosine (roll);
  V3 z = v3 (sy * cp, sp, cy * cp), x = v3 (cy, 0, -sy), y = v3_cross (z, x);
  return (Basis) { v3_add (v3_scale (x, cr), v3_scale (y, sr)), v3_sub (v3_scale (y, cr), v3_scale (x, sr)), z };
}

/** @inner, given within @outer, as seen from outside. */
static inline Basis
basis_within (const Basis *outer, const Basis *inner)
{
  return (Basis) { basis_out (outer, inner->x), basis_out (outer, inner->y), basis_out (outer, inner->z) };
}

/** Two axes across the unit vector @n. */
static inline void
v3_across (V3 n, V3 *u, V3 *v)
{
  *u = v3_unit (fabsf (n.y) < 0.9f ? v3 (n.z, 0, -n.x) : v3 (0, n.z, -n.y));
  *v = v3_cross (n, *u);
}

static inline float
between (NddrRandom *random, float low, float high)
{
  return low + (high - low) * (float) nddr_random_unit (random);
}
static inline gboolean chance (NddrRandom *random, float p) { return nddr_random_unit (random) < p; }

/** A draw a component, x first.  Draws must never be arguments of one call: C leaves their order to the compiler. */
static inline V3
between3 (NddrRandom *random, V3 low, V3 high)
{
  float x = between (random, low.x, high.x), y = between (random, low.y, high.y), z = between (random, low.z, high.z);
  return v3 (x, y, z);
}

/** A hash of lattice points, in [0, 1). */
static inline float
lattice (int x, int y, int z, guint32 seed)
{
  guint32 h = seed + (guint32) x * 0x9e3779b1u + (guint32) y * 0x85ebca77u + (guint32) z * 0xc2b2ae3du;
  h = (h ^ h >> 15) * 0x2c1b3c6du;
  h = (h ^ h >> 12) * 0x297a2d39u;
  return ((h ^ h >> 15) >> 8) * (1 / 16777216.0f);
}

/** Smooth noise in [0, 1], of features one unit wide. */
static inline float
noise (V3 p, guint32 seed)
{
  int x = floor_int (p.x), y = floor_int (p.y), z = floor_int (p.z);
  float u = smooth (p.x - x), v = smooth (p.y - y), w = smooth (p.z - z), plane[2];
  for (int k = 0; k < 2; k++) {
    float a = lattice (x, y, z + k, seed), b = lattice (x + 1, y, z + k, seed);
    float c = lattice (x, y + 1, z + k, seed), d = lattice (x + 1, y + 1, z + k, seed);
    a += u * (b - a);
    c += u * (d - c);
    plane[k] = a + v * (c - a);
  }
  return plane[0] + w * (plane[1] - plane[0]);
}

static inline float
noise_layers (V3 p, guint32 seed, int layers)
{
  float sum = 0, weight = 0.5f, total = 0;
  for (int i = 0; i < layers; i++) {
    sum += weight * noise (p, seed + i);
    total += weight;
    weight *= 0.5f;
    p = v3_scale (p, 2.03f);
  }
  return sum / total;
}
