/* Augmentation.  Only those pixels of the enlarged picture that the crop shows are ever made.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/augment.h"

#include <string.h>

#include "train/random.h"

/** What chance decided for one sample.  The draws are made in a fixed order, whether or not an option uses them, so that
 * changing one option leaves the other decisions as they were. */
typedef struct
{
  double factor;
  gboolean mirror;
  guint width, height;   /* of the picture times the factor */
  guint x, y;            /* of the crop within it */
  guint shown_width, shown_height; /* of the crop, the part that is not padding */
  double change[3];      /* factors of brightness, contrast, saturation */
  guint order[3];        /* in which they are applied */
} Chance;

enum { BRIGHTNESS, CONTRAST, SATURATION };

static double
jitter_factor (NddrRandom *random, double amount)
{
  return nddr_random_between (random, MAX (0, 1 - amount), 1 + amount);
}

static void
decide (const NddrAugment *augment, NddrRandom random, Chance *chance)
{
  chance->factor = nddr_random_between (&random, augment->scale_min, augment->scale_max);
  chance->width = MAX (1, floor (augment->input_width * chance->factor + 0.5));
  chance->height = MAX (1, floor (augment->input_height * chance->factor + 0.5));
  chance->mirror = nddr_random_unit (&random) < 0.5 && augment->mirror;
  chance->shown_width = MIN (chance->width, augment->width);
  chance->shown_height = MIN (chance->height, augment->height);
  chance->x = nddr_random_below (&random, chance->width - chance->shown_width + 1);
  chance->y = nddr_random_below (&random, chance->height - chance->shown_height + 1);
  chance->change[BRIGHTNESS] = jitter_factor (&random, augment->brightness);
  chance->change[CONTRAST] = jitter_factor (&random, augment->contrast);
  chance->change[SATURATION] = jitter_factor (&random, augment->saturation);
  for (guint i = 0; i < 3; i++)
    chance->order[i] = i;
  for (guint i = 2; i > 0; i--) {
    guint j = nddr_random_below (&random, i + 1), t = chance->order[i];
    chance->order[i] = chance->order[j];
    chance->order[j] = t;
  }
}

/* ---- the picture */

/** Memory that each thread uses again and again. */
typedef struct
{
  gsize bytes;
  guint8 data[];
} Scratch;

static GPrivate scratch_key = G_PRIVATE_INIT (g_free);

static gpointer
scratch_get (gsize bytes)
{
  Scratch *scratch = g_private_get (&scratch_key);
  if (!scratch || scratch->bytes < bytes) {
    scratch = g_malloc (sizeof *scratch + bytes);
    scratch->bytes = bytes;
    g_private_replace (&scratch_key, scratch);
  }
  return scratch->data;
}

/** The weights of a triangle filter along one axis: output pixel i of a run of @n is the sum of @taps inputs from first[i] on. */
typedef struct
{
  guint taps;
  guint *first;
  float *weights; /* [n][taps] */
} Filter;

/** How many inputs an output pixel can touch. */
static guint
filter_taps (guint in, guint out)
{
  double support = MAX (1, (double) in / out);
  return MIN (in, (guint) ceil (support) * 2 + 1);
}

static gsize
filter_bytes (guint in, guint out, guint n)
{
  return (gsize) n * (sizeof (guint) + filter_taps (in, out) * sizeof (float));
}

/** Half-pixel centres; where the picture shrinks the triangle is widened by the factor.  Outputs start … start + n - 1 of @out;
 * mirrored, output i is out - 1 - (start + i). */
static void
filter_make (Filter *filter, gpointer memory, guint in, guint out, guint start, guint n, gboolean mirror)
{
  double step = (double) in / out, support = MAX (1, step);
  filter->taps = filter_taps (in, out);
  filter->first = memory;
  filter->weights = (float *) (filter->first + n);
  for (guint i = 0; i < n; i++) {
    guint at = mirror ? out - 1 - (start + i) : start + i;
    double centre = (at + 0.5) * step, sum = 0;
    int low = MAX (0, (int) floor (centre - support + 0.5));
    int high = MIN ((int) in, (int) floor (centre + support + 0.5));
    float *weights = filter->weights + (gsize) i * filter->taps;
    low = MAX (0, MIN (low, (int) in - (int) filter->taps)); /* all taps inside; surplus ones weigh nothing */
    filter->first[i] = low;
    for (guint t = 0; t < filter->taps; t++) {
      double distance = fabs ((low + (int) t + 0.5 - centre) / support);
      double weight = low + (int) t < high && distance < 1 ? 1 - distance : 0;
      weights[t] = weight;
      sum += weight;
    }
    for (guint t = 0; t < filter->taps; t++)
      weights[t] /= sum;
  }
}

/** One row of the sample, resized along x: 4 floats a pixel, the last 0, in [0, 1]. */
static void
resize_row (const guint8 *source, const Filter *filter, guint n, float *row)
{
  for (guint i = 0; i < n; i++) {
    const guint8 *pixel = source + 3 * filter->first[i];
    const float *weights = filter->weights + (gsize) i * filter->taps;
    float r = 0, g = 0, b = 0;
    for (guint t = 0; t < filter->taps; t++, pixel += 3) {
      r += weights[t] * pixel[0];
      g += weights[t] * pixel[1];
      b += weights[t] * pixel[2];
    }
    row[4 * i] = r * (1.0f / 255);
    row[4 * i + 1] = g * (1.0f / 255);
    row[4 * i + 2] = b * (1.0f / 255);
    row[4 * i + 3] = 0;
  }
}

/** The shown part of the crop, in [0, 1], into @image, whose rows have @stride floats. */
static void
resize_picture (const NddrSample *sample, const Chance *chance, float *image, gsize stride)
{
  guint n_x = chance->shown_width, n_y = chance->shown_height;
  gsize row_floats = 4 * (gsize) n_x;
  gsize x_bytes = (filter_bytes (sample->width, chance->width, n_x) + 63) & ~(gsize) 63;
  gsize y_bytes = (filter_bytes (sample->height, chance->height, n_y) + 63) & ~(gsize) 63;
  gsize ring = filter_taps (sample->height, chance->height);
  guint8 *memory = scratch_get (x_bytes + y_bytes + ring * row_floats * sizeof (float));
  float *rows = (float *) (memory + x_bytes + y_bytes);
  Filter x, y;
  filter_make (&x, memory, sample->width, chance->width, chance->x, n_x, chance->mirror);
  filter_make (&y, memory + x_bytes, sample->height, chance->height, chance->y, n_y, FALSE);

  /* The last `ring` source rows, resized along x, are kept: row s at s % ring. */
  guint next = y.first[0];
  for (guint i = 0; i < n_y; i++) {
    const float *weights = y.weights + (gsize) i * y.taps;
    next = MAX (next, y.first[i]);
    for (; next < y.first[i] + y.taps; next++)
      resize_row (sample->rgb + (gsize) next * sample->width * 3, &x, n_x, rows + (next % ring) * row_floats);
    float *out = image + i * stride;
    memset (out, 0, row_floats * sizeof (float));
    for (guint t = 0; t < y.taps; t++) {
      const float *in = rows + ((y.first[i] + t) % ring) * row_floats;
      float weight = weights[t];
      for (gsize k = 0; weight != 0 && k < row_floats; k++)
        out[k] += weight * in[k];
    }
  }
}

/* ---- colours: torchvision's ColorJitter, on the part of the crop that is not padding */

static inline float
gray (const float *pixel)
{
  return 0.2989f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2];
}

static inline float
blend (float a, float b, float ratio)
{
  return CLAMP (ratio * a + (1 - ratio) * b, 0, 1);
}

static void
change_colors (const Chance *chance, guint what, float *image, gsize stride)
{
  float ratio = chance->change[what];
  double mean = 0;
  if (ratio == 1)
    return;
  if (what == CONTRAST) {
    for (guint y = 0; y < chance->shown_height; y++)
      for (guint x = 0; x < chance->shown_width; x++)
        mean += gray (image + y * stride + 4 * x);
    mean /= (double) chance->shown_width * chance->shown_height;
  }
  for (guint y = 0; y < chance->shown_height; y++)
    for (guint x = 0; x < chance->shown_width; x++) {
      float *pixel = image + y * stride + 4 * x;
      float other = what == BRIGHTNESS ? 0 : what == CONTRAST ? (float) mean : gray (pixel);
      for (int c = 0; c < 3; c++)
        pixel[c] = blend (pixel[c], other, ratio);
    }
}

/** (x - mean) / std; what is padded has the mean's colour, and so becomes 0. */
static void
normalise (const NddrAugment *augment, const Chance *chance, float *image, gsize stride)
{
  float mean[3], scale[3];
  for (int c = 0; c < 3; c++) {
    mean[c] = augment->mean[c];
    scale[c] = 1 / augment->std[c];
  }
  for (guint y = 0; y < augment->height; y++) {
    float *row = image + y * stride;
    guint shown = y < chance->shown_height ? chance->shown_width : 0;
    for (guint x = 0; x < shown; x++)
      for (int c = 0; c < 3; c++)
        row[4 * x + c] = (row[4 * x + c] - mean[c]) * scale[c];
    memset (row + 4 * shown, 0, (augment->width - shown) * 4 * sizeof (float));
  }
}

/* ---- labels */

/** Where label pixel (@lx, @ly) comes from in the sample: nearest twice, from the loss's size to the crop's and from the enlarged
 * picture's to the sample's.  FALSE in the padding. */
static gboolean
label_source (const NddrAugment *augment, const NddrSample *sample, const Chance *chance, guint lx, guint ly, gsize *at)
{
  guint x = (guint64) lx * augment->width / augment->label_width, y = (guint64) ly * augment->height / augment->label_height;
  if (x >= chance->shown_width || y >= chance->shown_height)
    return FALSE;
  x += chance->x;
  y += chance->y;
  if (chance->mirror)
    x = chance->width - 1 - x;
  x = (guint64) x * sample->width / chance->width;
  y = (guint64) y * sample->height / chance->height;
  *at = (gsize) y * sample->width + x;
  return TRUE;
}

static void
apply_labels (const NddrAugment *augment, const NddrSample *sample, const Chance *chance, const NddrSlice *slice,
    guint valid[3])
{
  gsize i = 0;
  for (guint y = 0; y < augment->label_height; y++)
    for (guint x = 0; x < augment->label_width; x++, i++) {
      gsize at = 0;
      gboolean shown = label_source (augment, sample, chance, x, y, &at);
      if (slice->segmentation) {
        guint8 id = shown && sample->segmentation ? sample->segmentation[at] : NDDR_IGNORED;
        slice->segmentation[i] = id;
        valid[NDDR_TASK_SEGMENTATION] += id != NDDR_IGNORED;
      }
      if (slice->normal) {
        double n[3] = { 0 };
        gboolean known = shown && sample->normal && nddr_normal_decode (sample->normal + 3 * at, n);
        float *out = slice->normal + 4 * i;
        out[0] = chance->mirror ? -n[0] : n[0];
        out[1] = n[1];
        out[2] = n[2];
        out[3] = known;
        valid[NDDR_TASK_NORMAL] += known;
      }
      if (slice->depth) {
        guint mm = shown && sample->depth ? sample->depth[at] : 0;
        slice->depth[i] = mm / 1000.0 / chance->factor;
        valid[NDDR_TASK_DEPTH] += mm != 0;
      }
    }
}

void
nddr_augment_apply (const NddrAugment *augment, const NddrSample *sample, guint64 seed, guint64 epoch, guint64 index,
    const NddrSlice *slice, guint valid[3])
{
  Chance chance;
  gsize stride = 4 * (gsize) augment->width;
  decide (augment, nddr_random_init (seed, epoch, index), &chance);
  resize_picture (sample, &chance, slice->image, stride);
  for (int i = 0; i < 3; i++)
    change_colors (&chance, chance.order[i], slice->image, stride);
  normalise (augment, &chance, slice->image, stride);
  memset (valid, 0, 3 * sizeof *valid);
  apply_labels (augment, sample, &chance, slice, valid);
  if (slice->shown) {
    slice->shown[0] = chance.shown_width;
    slice->shown[1] = chance.shown_height;
  }
}

void
nddr_augment_shown_labels (const NddrAugment *augment, const gint32 shown[2], gint32 labels[2])
{
  labels[0] = ((guint64) shown[0] * augment->label_width + augment->width - 1) / augment->width;
  labels[1] = ((guint64) shown[1] * augment->label_height + augment->height - 1) / augment->height;
}

void
nddr_augment_plain (NddrAugment *augment, guint width, guint height, const double mean[3], const double std[3])
{
  *augment = (NddrAugment) {
    .input_width = width, .input_height = height, .scale_min = 1, .scale_max = 1, .width = width, .height = height,
    .label_width = width, .label_height = height,
  };
  memcpy (augment->mean, mean, sizeof augment->mean);
  memcpy (augment->std, std, sizeof augment->std);
}
