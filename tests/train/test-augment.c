/* Augmentation against its rules, a pixel at a time.  Which rules chance chose is found out from the labels: each pixel's depth is
 * unlike all others'.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fixture.h"
#include "train/augment.h"

typedef struct
{
  float *image, *normal, *depth;
  guint8 *segmentation;
  guint valid[3];
  gint32 shown[2];
} Result;

static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };

static Result
apply (const NddrAugment *augment, const NddrSample *sample, guint64 seed, guint64 epoch)
{
  gsize pixels = augment->width * augment->height, labels = augment->label_width * augment->label_height;
  Result result = { g_new (float, 4 * pixels), g_new (float, 4 * labels), g_new (float, labels), g_new (guint8, labels) };
  NddrSlice slice = { result.image, result.segmentation, result.normal, result.depth, result.shown };
  memset (result.image, 0x55, 4 * pixels * sizeof (float));
  nddr_augment_apply (augment, sample, seed, epoch, 7, &slice, result.valid);
  return result;
}

static void
clear (Result *result)
{
  g_free (result->image);
  g_free (result->normal);
  g_free (result->depth);
  g_free (result->segmentation);
}

/** One pixel of @sample brought to @w x @h by the antialiased triangle, in [0, 1]: the definition, over all of the sample's pixels. */
static void
resized (const NddrSample *sample, int w, int h, int x, int y, double rgb[3])
{
  double sx = (double) sample->width / w, sy = (double) sample->height / h, total = 0;
  memset (rgb, 0, 3 * sizeof *rgb);
  for (guint v = 0; v < sample->height; v++)
    for (guint u = 0; u < sample->width; u++) {
      double wx = fmax (0, 1 - fabs (u + 0.5 - (x + 0.5) * sx) / fmax (1, sx)),
             wy = fmax (0, 1 - fabs (v + 0.5 - (y + 0.5) * sy) / fmax (1, sy));
      total += wx * wy;
      for (int c = 0; c < 3; c++)
        rgb[c] += wx * wy * sample->rgb[3 * (v * sample->width + u) + c] / 255.0;
    }
  for (int c = 0; c < 3; c++)
    rgb[c] /= total;
}

/** Compares all of @result with the sample at @w x @h (times @factor), mirrored or not, cropped at (@left, @top). */
static gboolean
matches (const NddrAugment *a, const NddrSample *sample, const Result *result, int w, int h, double factor, gboolean mirror,
    int left, int top)
{
  guint valid[3] = { 0 };
  gint32 shown[2];
  nddr_augment_shown_labels (a, result->shown, shown);
  for (guint ly = 0; ly < a->label_height; ly++)
    for (guint lx = 0; lx < a->label_width; lx++) {
      guint i = ly * a->label_width + lx;
      int cx = lx * a->width / a->label_width, cy = ly * a->height / a->label_height, x = cx + left, y = cy + top;
      gboolean inside = x < w && y < h;
      int u = (mirror ? w - 1 - x : x) * (int) sample->width / w, v = y * (int) sample->height / h;
      guint at = inside ? v * sample->width + u : 0;
      if (inside != (lx < (guint) shown[0] && ly < (guint) shown[1]))
        return FALSE;
      double n[3] = { 0 };
      gboolean known = inside && nddr_normal_decode (sample->normal + 3 * at, n);
      if (fabs (result->depth[i] - (inside ? sample->depth[at] / 1000.0 / factor : 0)) > 1e-6)
        return FALSE;
      if (result->segmentation[i] != (inside ? sample->segmentation[at] : 255))
        return FALSE;
      double expected[4] = { mirror ? -n[0] : n[0], n[1], n[2], known };
      for (int c = 0; c < 4; c++)
        if (fabs (result->normal[4 * i + c] - expected[c]) > 1e-6)
          return FALSE;
      valid[0] += result->segmentation[i] != 255;
      valid[1] += known;
      valid[2] += inside;
    }
  g_assert_cmpmem (valid, sizeof valid, result->valid, sizeof valid);
  for (guint y = 0; y < a->height; y++)
    for (guint x = 0; x < a->width; x++) {
      int px = x + left, py = y + top;
      double rgb[3];
      const float *pixel = result->image + 4 * (y * a->width + x);
      if ((px < w && py < h) != (x < (guint) result->shown[0] && y < (guint) result->shown[1]))
        return FALSE;
      g_assert_cmpfloat (pixel[3], ==, 0);
      if (px < w && py < h)
        resized (sample, w, h, mirror ? w - 1 - px : px, py, rgb);
      for (int c = 0; c < 3; c++)
        g_assert_cmpfloat_with_epsilon (pixel[c], px < w && py < h ? (rgb[c] - mean[c]) / std[c] : 0, 2e-5);
    }
  return TRUE;
}

static NddrAugment
plain (guint width, guint height)
{
  NddrAugment augment;
  nddr_augment_plain (&augment, width, height, mean, std);
  return augment;
}

static void
test_plain (void)
{
  static const struct { guint w, h; } sizes[] = { { 37, 29 }, { 16, 12 }, { 64, 48 }, { 36, 28 }, { 1, 1 }, { 5, 90 } };
  g_autoptr (NddrSample) sample = fixture_sample (37, 29, 1);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    NddrAugment augment = plain (sizes[i].w, sizes[i].h);
    Result result = apply (&augment, sample, i, 0);
    g_assert_true (matches (&augment, sample, &result, sizes[i].w, sizes[i].h, 1, FALSE, 0, 0));
    clear (&result);
  }
}

/** With a fixed factor, tries all mirrorings and crops for the one that fits; all kinds must come up. */
static void
test_geometry (void)
{
  static const struct { double factor; guint w, h, crop_w, crop_h, label_w, label_h; } cases[] = {
    { 1, 24, 18, 11, 9, 11, 9 },     /* crop alone */
    { 0.5, 24, 18, 10, 12, 10, 12 }, /* shrunk: padded below */
    { 1.5, 24, 18, 20, 40, 5, 10 },  /* enlarged: crop along x, padding along y, head's size */
    { 0.7, 24, 18, 32, 32, 13, 7 },  /* padded both ways; an odd head size */
  };
  g_autoptr (NddrSample) sample = fixture_sample (30, 20, 2);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    NddrAugment augment = plain (cases[i].w, cases[i].h);
    augment.scale_min = augment.scale_max = cases[i].factor;
    augment.mirror = TRUE;
    augment.width = cases[i].crop_w;
    augment.height = cases[i].crop_h;
    augment.label_width = cases[i].label_w;
    augment.label_height = cases[i].label_h;
    int w = cases[i].w * cases[i].factor + 0.5, h = cases[i].h * cases[i].factor + 0.5;
    int room_x = MAX (0, w - (int) cases[i].crop_w), room_y = MAX (0, h - (int) cases[i].crop_h);
    guint mirrored = 0, lefts = 0, tops = 0;
    for (guint seed = 0; seed < 24; seed++) {
      Result result = apply (&augment, sample, seed, seed % 3);
      gboolean found = FALSE;
      for (int m = 0; m < 2 && !found; m++)
        for (int left = 0; left <= room_x && !found; left++)
          for (int top = 0; top <= room_y && !found; top++)
            if (matches (&augment, sample, &result, w, h, cases[i].factor, m, left, top)) {
              found = TRUE;
              mirrored += m;
              lefts |= left == 0 ? 1 : left == room_x ? 2 : 4;
              tops |= top == 0 ? 1 : top == room_y ? 2 : 4;
            }
      g_assert_true (found);
      clear (&result);
    }
    g_assert_cmpuint (mirrored, >, 4);
    g_assert_cmpuint (mirrored, <, 20);
    if (room_x > 0)
      g_assert_cmpuint (lefts & 4, ==, 4);
    if (room_y > 0)
      g_assert_cmpuint (tops & 4, ==, 4);
  }
}

/** Crops begin at every place that there is room for, the first and the last among them, each as often as any other. */
static void
test_places (void)
{
  enum { ROOM = 2, TRIES = 600 };
  g_autoptr (NddrSample) sample = fixture_sample (16, 12, 8);
  NddrAugment augment = plain (16, 12);
  augment.width = augment.label_width = 16 - ROOM;
  augment.height = augment.label_height = 12 - ROOM;
  guint counts[ROOM + 1][ROOM + 1] = { 0 };
  for (guint seed = 0; seed < TRIES; seed++) {
    Result result = apply (&augment, sample, seed, 0);
    guint at = result.depth[0] * 1000 + 0.5 - 1, x = at % 16, y = at / 16;
    g_assert_cmpuint (x, <=, ROOM);
    g_assert_cmpuint (y, <=, ROOM);
    counts[y][x]++;
    clear (&result);
  }
  for (guint y = 0; y <= ROOM; y++)
    for (guint x = 0; x <= ROOM; x++) /* of a binomial distribution with this mean, within five deviations */
      g_assert_cmpfloat_with_epsilon (counts[y][x], TRIES / 9.0, 5 * sqrt (TRIES / 9.0 * 8 / 9));
}

/** The factor, seen from how much of a large crop is not padding. */
static void
test_scale (void)
{
  g_autoptr (NddrSample) sample = fixture_sample (20, 20, 3);
  NddrAugment augment = plain (100, 100);
  augment.scale_min = 0.5;
  augment.scale_max = 1.5;
  augment.width = augment.label_width = 160;
  augment.height = augment.label_height = 1;
  guint smallest = 160, largest = 0, sum = 0;
  for (guint seed = 0; seed < 300; seed++) {
    Result result = apply (&augment, sample, seed, 0);
    guint shown = 0;
    while (shown < 160 && result.depth[shown] > 0)
      shown++;
    smallest = MIN (smallest, shown);
    largest = MAX (largest, shown);
    sum += shown;
    clear (&result);
  }
  g_assert_cmpuint (smallest, >=, 50);
  g_assert_cmpuint (smallest, <=, 54);
  g_assert_cmpuint (largest, <=, 150);
  g_assert_cmpuint (largest, >=, 146);
  g_assert_cmpfloat_with_epsilon (sum / 300.0, 100, 5);
}

static void
test_same_bytes (void)
{
  g_autoptr (NddrSample) sample = fixture_sample (40, 30, 4);
  NddrAugment augment = plain (40, 30);
  augment.scale_min = 0.7;
  augment.scale_max = 1.6;
  augment.mirror = TRUE;
  augment.brightness = augment.contrast = augment.saturation = 0.3;
  Result a = apply (&augment, sample, 5, 1), b = apply (&augment, sample, 5, 1), c = apply (&augment, sample, 5, 2),
         d = apply (&augment, sample, 6, 1);
  gsize bytes = 40 * 30 * 16;
  g_assert_cmpmem (a.image, bytes, b.image, bytes);
  g_assert_true (memcmp (a.image, c.image, bytes) && memcmp (a.image, d.image, bytes));
  clear (&a);
  clear (&b);
  clear (&c);
  clear (&d);
}

/* ---- torchvision's ColorJitter, from its documentation: adjust_brightness blends with black, adjust_contrast with the mean of the gray
 * picture, adjust_saturation with the gray picture */

#define SIDE 12
enum { BRIGHTNESS, CONTRAST, SATURATION };

static void
adjust (double *image, int what, double factor)
{
  double gray[SIDE * SIDE], gray_mean = 0;
  for (int i = 0; i < SIDE * SIDE; i++) {
    gray[i] = 0.2989 * image[3 * i] + 0.587 * image[3 * i + 1] + 0.114 * image[3 * i + 2];
    gray_mean += gray[i] / (SIDE * SIDE);
  }
  for (int i = 0; i < 3 * SIDE * SIDE; i++) {
    double other = what == BRIGHTNESS ? 0 : what == CONTRAST ? gray_mean : gray[i / 3];
    image[i] = fmin (1, fmax (0, factor * image[i] + (1 - factor) * other));
  }
}

static double
worst_difference (const double *expected, const Result *result)
{
  double worst = 0;
  for (int i = 0; i < SIDE * SIDE; i++)
    for (int c = 0; c < 3; c++)
      worst = fmax (worst, fabs (expected[3 * i + c] - (result->image[4 * i + c] * std[c] + mean[c])));
  return worst;
}

/** The factor of one change alone, found by trying: bisection on a pixel is fooled by clamping, so it is a search for the best fit. */
static double
find_factor (const double *image, int what, const Result *result, double amount)
{
  double best = 0, best_difference = INFINITY, low = fmax (0, 1 - amount), high = 1 + amount;
  for (int round = 0; round < 6; round++) {
    for (int i = 0; i <= 40; i++) {
      double factor = low + (high - low) * i / 40, changed[3 * SIDE * SIDE];
      memcpy (changed, image, sizeof changed);
      adjust (changed, what, factor);
      double difference = worst_difference (changed, result);
      if (difference < best_difference) {
        best_difference = difference;
        best = factor;
      }
    }
    double width = (high - low) / 20;
    low = best - width / 2;
    high = best + width / 2;
  }
  g_assert_cmpfloat (best_difference, <, 1e-5);
  g_assert_cmpfloat (best, >=, fmax (0, 1 - amount) - 1e-5);
  g_assert_cmpfloat (best, <=, 1 + amount + 1e-5);
  return best;
}

static void
test_colors (void)
{
  static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  static const double amounts[3] = { 0.4, 1.3, 0.8 };
  g_autoptr (NddrSample) sample = fixture_sample (SIDE, SIDE, 6);
  double image[3 * SIDE * SIDE], spread[3][2] = { { 9, 0 }, { 9, 0 }, { 9, 0 } };
  guint seen = 0;
  for (int i = 0; i < 3 * SIDE * SIDE; i++)
    image[i] = sample->rgb[i] / 255.0;
  for (guint seed = 0; seed < 40; seed++) {
    double factors[3];
    for (int what = 0; what < 3; what++) {
      NddrAugment augment = plain (SIDE, SIDE);
      *(what == BRIGHTNESS ? &augment.brightness : what == CONTRAST ? &augment.contrast : &augment.saturation) = amounts[what];
      Result result = apply (&augment, sample, seed, 0);
      factors[what] = find_factor (image, what, &result, amounts[what]);
      spread[what][0] = fmin (spread[what][0], factors[what]);
      spread[what][1] = fmax (spread[what][1], factors[what]);
      clear (&result);
    }
    NddrAugment augment = plain (SIDE, SIDE);
    augment.brightness = amounts[0];
    augment.contrast = amounts[1];
    augment.saturation = amounts[2];
    Result result = apply (&augment, sample, seed, 0);
    guint fits = 0;
    for (int o = 0; o < 6; o++) {
      double changed[3 * SIDE * SIDE];
      memcpy (changed, image, sizeof changed);
      for (int i = 0; i < 3; i++)
        adjust (changed, orders[o][i], factors[orders[o][i]]);
      if (worst_difference (changed, &result) < 1e-4)
        fits |= 1 << o;
    }
    g_assert_cmpuint (fits, !=, 0);
    seen |= fits;
    clear (&result);
  }
  g_assert_cmpuint (seen, ==, 63);
  for (int what = 0; what < 3; what++) {
    double low = fmax (0, 1 - amounts[what]), high = 1 + amounts[what];
    g_assert_cmpfloat (spread[what][0], <, low + 0.2 * (high - low));
    g_assert_cmpfloat (spread[what][1], >, high - 0.2 * (high - low));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/augment/plain", test_plain);
  g_test_add_func ("/augment/geometry", test_geometry);
  g_test_add_func ("/augment/places", test_places);
  g_test_add_func ("/augment/scale", test_scale);
  g_test_add_func ("/augment/same-bytes", test_same_bytes);
  g_test_add_func ("/augment/colors", test_colors);
  return g_test_run ();
}
