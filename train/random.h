/* Random numbers that are the same on every machine: splitmix64 (Steele, Lea, Flood, OOPSLA 2014), integers alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

typedef struct
{
  guint64 state;
} NddrRandom;

static inline guint64
nddr_random_mix (guint64 z)
{
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/** A sequence of its own for each triple. */
static inline NddrRandom
nddr_random_init (guint64 seed, guint64 stream, guint64 index)
{
  guint64 state = nddr_random_mix (seed + 0x9e3779b97f4a7c15u);
  state = nddr_random_mix ((state ^ stream) + 0x9e3779b97f4a7c15u);
  return (NddrRandom) { nddr_random_mix ((state ^ index) + 0x9e3779b97f4a7c15u) };
}

static inline guint64
nddr_random_next (NddrRandom *random)
{
  random->state += 0x9e3779b97f4a7c15u;
  return nddr_random_mix (random->state);
}

/** Uniform in [0, 1), a multiple of 2^-53. */
static inline double
nddr_random_unit (NddrRandom *random)
{
  return (nddr_random_next (random) >> 11) * (1.0 / 9007199254740992.0);
}

static inline double
nddr_random_between (NddrRandom *random, double low, double high)
{
  return low + (high - low) * nddr_random_unit (random);
}

/** Uniform in 0 … n - 1. */
static inline guint
nddr_random_below (NddrRandom *random, guint n)
{
  return ((nddr_random_next (random) >> 32) * n) >> 32;
}
