/* From light to bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/synth/film.h"

/** What brings the picture's middle tones to where an automatic camera would.  Very bright parts count no more than bright ones. */
static float
meter (const V3 *picture, gsize n)
{
  double sum = 0;
  for (int round = 0, first = 1; round < 3; round++, first = 0) {
    double limit = first ? 1e9 : 3 * sum;
    double total = 0;
    for (gsize i = 0; i < n; i++) {
      double luma = v3_luma (picture[i]);
      total += luma < limit ? luma : limit;
    }
    sum = total / n;
  }
  return 0.34f / (float) (sum > 1e-4 ? sum : 1e-4);
}

/** A three-tap blur along one direction; @shift: between neighbours. */
static void
blur_line (V3 *line, guint n, gsize shift, float side)
{
  V3 before = line[0];
  for (guint i = 0; i < n; i++) {
    V3 here = line[i * shift], after = line[MIN (i + 1, n - 1) * shift];
    line[i * shift] = v3_add (v3_scale (here, 1 - 2 * side), v3_scale (v3_add (before, after), side));
    before = here;
  }
}

/** Three taps with a weight of `side` have variance 2 side: as many rounds as are needed. */
static void
blur (V3 *picture, guint width, guint height, float deviation)
{
  float variance = deviation * deviation;
  while (variance > 0.01f) {
    float side = minf (variance / 2, 0.25f);
    for (guint y = 0; y < height; y++)
      blur_line (picture + (gsize) y * width, width, 1, side);
    for (guint x = 0; x < width; x++)
      blur_line (picture + x, height, width, side);
    variance -= 2 * side;
  }
}

/** Bright light is compressed, then encoded as sRGB is, nearly: by roots alone. */
static float
tone (float x)
{
  x = maxf (x, 0);
  x = x * (1 + x * 0.12f) / (1 + 0.6f * x);
  x = minf (x, 1);
  float root2 = sqrtf (x), root4 = sqrtf (root2), root8 = sqrtf (root4);
  return clampf (0.6625f * root2 + 0.6841f * root4 - 0.3235f * root8 - 0.0225f * x, 0, 1);
}

/** Nearly normal, variance 1. */
static float
bell (NddrRandom *random)
{
  guint64 bits = nddr_random_next (random);
  int sum = 0;
  for (int i = 0; i < 4; i++)
    sum += (bits >> 16 * i) & 0xffff;
  return (sum - 131070) * (1 / 37837.2f);
}

void
film_develop (const Film *film, V3 *picture, guint width, guint height, guint8 *rgb)
{
  gsize n = (gsize) width * height;
  float exposure = film->exposure * meter (picture, n);
  V3 balance = v3_scale (v3 (1 + 0.14f * film->warmth, 1, 1 - 0.16f * film->warmth), exposure);
  blur (picture, width, height, film->blur * width / 320);
  NddrRandom random = nddr_random_init (film->seed, 2, 0);
  for (gsize i = 0; i < n; i++) {
    float x = (i % width + 0.5f) / width - 0.5f, y = (i / width + 0.5f) / height - 0.5f;
    V3 light = v3_scale (v3_mul (picture[i], balance), 1 - 0.28f * (x * x + y * y));
    float shared = 0.6f * bell (&random), channels[3] = { tone (light.x), tone (light.y), tone (light.z) };
    for (int c = 0; c < 3; c++) {
      float value = channels[c] + film->noise * (shared + 0.8f * bell (&random));
      rgb[3 * i + c] = clampf (value * 255 + 0.5f, 0, 255);
    }
  }
}
