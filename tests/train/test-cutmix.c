/* CutMix against its definition: boxes by another implementation of the paper's algorithm, what they copy a pixel at a time, and batches with boxes
 * against batches without.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fixture.h"
#include "train/cutmix.h"
#include "train/loader.h"

/* ---- the box */

/** The mean and the mean square of areas' shares, and of the left edge's. */
typedef struct { double area, area_square, left, left_square; } Moments;

static void
count_box (Moments *moments, double area, double left, double n)
{
  moments->area += area / n;
  moments->area_square += area * area / n;
  moments->left += left / n;
  moments->left_square += left * left / n;
}

/** As the paper's section 3.1 has it: r_x ~ U(0, W), r_w = W sqrt (1 - lambda), lambda ~ U(0, 1); edges r_x - r_w / 2 and r_x + r_w / 2, clipped. */
static void
test_box (void)
{
  enum { N = 40000, W = 320, H = 200 };
  Moments ours = { 0 }, theirs = { 0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  for (guint i = 0; i < N; i++) {
    NddrRandom random = nddr_random_init (1, 2, i);
    NddrBox box = nddr_cutmix_draw (&random, W, H);
    g_assert_true (box.x + box.width <= W && box.y + box.height <= H);
    count_box (&ours, (double) box.width * box.height / (W * H), (double) box.x / W, N);
    double lambda = g_rand_double (rand), x = g_rand_double (rand), y = g_rand_double (rand), half = sqrt (1 - lambda) / 2;
    double w = MIN (x + half, 1) - MAX (x - half, 0), h = MIN (y + half, 1) - MAX (y - half, 0);
    count_box (&theirs, w * h, MAX (x - half, 0), N);
  }
  /* the means' standard deviations are below 0.002 */
  g_assert_cmpfloat_with_epsilon (ours.area, theirs.area, 0.01);
  g_assert_cmpfloat_with_epsilon (ours.area_square, theirs.area_square, 0.01);
  g_assert_cmpfloat_with_epsilon (ours.left, theirs.left, 0.01);
  g_assert_cmpfloat_with_epsilon (ours.left_square, theirs.left_square, 0.01);
}

/* ---- what it copies */

#define WIDTH 20
#define HEIGHT 16
#define PIXELS (WIDTH * HEIGHT)

typedef struct
{
  float image[4 * PIXELS], normal[4 * PIXELS], depth[PIXELS];
  guint8 segmentation[PIXELS];
  gint32 shown[2];
} Planes;

/** Numbers that are unlike @salt's others; some labels are ignored. */
static void
fill (Planes *planes, guint salt)
{
  for (guint i = 0; i < 4 * PIXELS; i++) {
    planes->image[i] = salt + i;
    planes->normal[i] = i % 4 < 3 ? salt - (float) i : (i / 4 + salt) % 5 != 0;
  }
  for (guint i = 0; i < PIXELS; i++) {
    planes->depth[i] = (i + salt) % 7 ? salt + 2 * i : 0;
    planes->segmentation[i] = (i + salt) % 3 ? (salt + i) % 13 : 255;
  }
}

static void
test_paste (void)
{
  static const struct { NddrBox box; gint32 other[2], own[2]; guint label_width, label_height; } cases[] = {
    { { 3, 2, 9, 11 }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, WIDTH, HEIGHT },
    { { 0, 0, WIDTH, HEIGHT }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, 5, 4 },
    { { 3, 2, 9, 11 }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, 5, 4 },
    { { 4, 7, 5, 1 }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, 7, 3 },
    { { 5, 1, 2, 1 }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, 5, 4 }, /* no label's place is in it */
    { { 3, 2, 17, 14 }, { 10, 12 }, { 15, 9 }, WIDTH, HEIGHT },     /* padding at either */
    { { 3, 2, 17, 14 }, { 10, HEIGHT }, { WIDTH, 9 }, 7, 5 },
    { { 3, 2, 17, 14 }, { WIDTH, 6 }, { 8, HEIGHT }, 7, 5 },
    { { 12, 2, 8, 8 }, { 10, 12 }, { WIDTH, HEIGHT }, WIDTH, HEIGHT }, /* all of it */
    { { 6, 6, 0, 4 }, { WIDTH, HEIGHT }, { WIDTH, HEIGHT }, WIDTH, HEIGHT },
  };
  for (guint k = 0; k < G_N_ELEMENTS (cases); k++) {
    static Planes before, after, other;
    NddrAugment augment = { .width = WIDTH, .height = HEIGHT, .label_width = cases[k].label_width, .label_height = cases[k].label_height };
    fill (&before, 1000);
    fill (&other, 9002);
    memcpy (before.shown, cases[k].own, sizeof before.shown);
    memcpy (other.shown, cases[k].other, sizeof other.shown);
    after = before;
    NddrSlice to = { after.image, after.segmentation, after.normal, after.depth, after.shown };
    NddrSlice from = { other.image, other.segmentation, other.normal, other.depth, other.shown };
    guint valid[3] = { 0 }, expected[3] = { 0 };
    guint n = augment.label_width * augment.label_height;
    for (guint i = 0; i < n; i++) {
      valid[0] += before.segmentation[i] != 255;
      valid[1] += before.normal[4 * i + 3] != 0;
      valid[2] += before.depth[i] != 0;
    }
    nddr_cutmix_paste (&augment, &cases[k].box, &from, &to, valid);

#define INSIDE(px, py) ((px) >= box.x && (px) < box.x + box.width && (py) >= box.y && (py) < box.y + box.height \
    && (px) < (guint) MIN (cases[k].other[0], cases[k].own[0]) && (py) < (guint) MIN (cases[k].other[1], cases[k].own[1]))
    NddrBox box = cases[k].box;
    for (guint y = 0; y < HEIGHT; y++)
      for (guint x = 0; x < WIDTH; x++) {
        const Planes *truth = INSIDE (x, y) ? &other : &before;
        g_assert_cmpmem (after.image + 4 * (y * WIDTH + x), 16, truth->image + 4 * (y * WIDTH + x), 16);
      }
    for (guint y = 0; y < augment.label_height; y++)
      for (guint x = 0; x < augment.label_width; x++) {
        guint i = y * augment.label_width + x, px = x * WIDTH / augment.label_width, py = y * HEIGHT / augment.label_height;
        const Planes *truth = INSIDE (px, py) ? &other : &before;
        g_assert_cmpint (after.segmentation[i], ==, truth->segmentation[i]);
        g_assert_cmpmem (after.normal + 4 * i, 16, truth->normal + 4 * i, 16);
        g_assert_cmpfloat (after.depth[i], ==, truth->depth[i]);
        expected[0] += truth->segmentation[i] != 255;
        expected[1] += truth->normal[4 * i + 3] != 0;
        expected[2] += truth->depth[i] != 0;
      }
    g_assert_cmpmem (after.shown, sizeof after.shown, before.shown, sizeof before.shown);
    g_assert_cmpmem (valid, sizeof valid, expected, sizeof expected);

    /* labels that nobody wants */
    valid[0] = valid[1] = valid[2] = 0;
    to.segmentation = from.segmentation = NULL;
    to.normal = from.normal = to.depth = from.depth = NULL;
    nddr_cutmix_paste (&augment, &box, &from, &to, valid);
    g_assert_cmpuint (valid[0] + valid[1] + valid[2], ==, 0);
  }
}

/* ---- batches */

#define SAMPLES 6
#define CROP_WIDTH 24
#define CROP_HEIGHT 18
#define CROP (CROP_WIDTH * CROP_HEIGHT)

static char *folder;

static NddrLoader *
new_loader (NddrDataset *dataset, double cutmix, gboolean vary)
{
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  NddrLoaderOptions o = { .batch = SAMPLES, .labels = NDDR_LABELS_ALL, .repeat = TRUE, .shuffle = vary, .cutmix = cutmix, .seed = 3, .threads = 2 };
  nddr_augment_plain (&o.augment, CROP_WIDTH, CROP_HEIGHT, mean, std);
  if (vary) {
    o.augment.scale_min = 0.6;
    o.augment.scale_max = 1.4;
    o.augment.mirror = TRUE;
  }
  return nddr_loader_new (dataset, &o);
}

static NddrDataset *
open_dataset (void)
{
  g_autofree char *spec = g_strdup_printf ("folder:%s", folder);
  g_autoptr (GError) error = NULL;
  NddrDataset *dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  return dataset;
}

static gboolean
same_pixel (const NddrBatch *a, guint i, const NddrBatch *b, guint j, guint pixel)
{
  gsize at = (gsize) i * CROP + pixel, other = (gsize) j * CROP + pixel;
  return !memcmp (a->image + 4 * at, b->image + 4 * other, 16) && !memcmp (a->normal + 4 * at, b->normal + 4 * other, 16)
      && a->segmentation[at] == b->segmentation[other] && a->depth[at] == b->depth[other];
}

/** The box around all pixels of sample @i that are not as without boxes. */
static NddrBox
find_box (const NddrBatch *with, const NddrBatch *without, guint i)
{
  guint left = CROP_WIDTH, top = CROP_HEIGHT, right = 0, bottom = 0;
  for (guint y = 0; y < CROP_HEIGHT; y++)
    for (guint x = 0; x < CROP_WIDTH; x++)
      if (!same_pixel (with, i, without, i, y * CROP_WIDTH + x)) {
        left = MIN (left, x);
        right = MAX (right, x + 1);
        top = MIN (top, y);
        bottom = MAX (bottom, y + 1);
      }
  return (NddrBox) { left, top, right > left ? right - left : 0, bottom > top ? bottom - top : 0 };
}

/** Pictures that are not changed: what differs from the sample is a box, and all of it is one other sample's, at the same place. */
static void
test_sources (void)
{
  enum { BATCHES = 12 };
  g_autoptr (NddrDataset) dataset = open_dataset ();
  g_autoptr (NddrLoader) plain = new_loader (dataset, 0, FALSE), mixed = new_loader (dataset, 1, FALSE);
  NddrBatch *without = nddr_loader_next (plain, NULL);
  guint sources = 0, boxes = 0;
  double area = 0;
  for (guint t = 0; t < BATCHES; t++) {
    NddrBatch *with = nddr_loader_next (mixed, NULL);
    for (guint i = 0; i < SAMPLES; i++) {
      NddrBox box = find_box (with, without, i);
      guint fits = 0;
      g_assert_cmpuint (with->indices[i], ==, i);
      if (!box.width)
        continue;
      for (guint j = 0; j < SAMPLES; j++) {
        gboolean fit = j != i;
        for (guint y = box.y; fit && y < box.y + box.height; y++)
          for (guint x = box.x; fit && x < box.x + box.width; x++)
            fit = same_pixel (with, i, without, j, y * CROP_WIDTH + x);
        if (fit) {
          fits++;
          sources |= 1 << j;
        }
      }
      g_assert_cmpuint (fits, ==, 1);
      boxes++;
      area += (double) box.width * box.height / CROP;
    }
    nddr_loader_return (mixed, with);
  }
  g_assert_cmpuint (sources, ==, (1 << SAMPLES) - 1);
  g_assert_cmpuint (boxes, >, BATCHES * SAMPLES / 2);
  g_assert_cmpfloat (area / boxes, >, 0.15);
}

/** Pictures that are changed: around the boxes all is as without them, as many have one as were asked for, padding stays padding, and what is counted is
 * right. */
static void
test_batches (void)
{
  enum { BATCHES = 40 };
  g_autoptr (NddrDataset) dataset = open_dataset ();
  g_autoptr (NddrLoader) plain = new_loader (dataset, 0, TRUE), mixed = new_loader (dataset, 0.4, TRUE);
  guint boxes = 0;
  for (guint t = 0; t < BATCHES; t++) {
    NddrBatch *without = nddr_loader_next (plain, NULL), *with = nddr_loader_next (mixed, NULL);
    guint64 valid[3] = { 0 };
    g_assert_cmpmem (with->indices, SAMPLES * sizeof (guint), without->indices, SAMPLES * sizeof (guint));
    g_assert_cmpmem (with->shown, SAMPLES * sizeof *with->shown, without->shown, SAMPLES * sizeof *with->shown);
    for (guint i = 0; i < SAMPLES; i++) {
      NddrBox box = find_box (with, without, i);
      g_assert_cmpuint (box.x + box.width, <=, CROP_WIDTH);
      boxes += box.width > 0;
      if (box.width > 0) {
        g_assert_cmpint (box.x + box.width, <=, with->shown[i][0]);
        g_assert_cmpint (box.y + box.height, <=, with->shown[i][1]);
      }
      for (guint p = i * CROP; p < (i + 1) * CROP; p++) {
        valid[0] += with->segmentation[p] != 255;
        valid[1] += with->normal[4 * p + 3] != 0;
        valid[2] += with->depth[p] != 0;
      }
    }
    g_assert_cmpmem (with->valid, sizeof with->valid, valid, sizeof valid);
    nddr_loader_return (plain, without);
    nddr_loader_return (mixed, with);
  }
  /* 0.4 of 240 less empty ones and those beyond a small picture: five deviations */
  g_assert_cmpuint (boxes, >, 40);
  g_assert_cmpuint (boxes, <, 134);
}

/** Whether the picture whose depth is at @place of a crop, by fixture_sample(), is mirrored. */
static gboolean
is_mirrored (const float *depth, guint place)
{
  guint x = ((guint) (depth[place] * 1000 + 0.5) % 1000 - 1) % 30, left = place % CROP_WIDTH;
  return x != left * 30 / CROP_WIDTH;
}

/** What is in a box has its own chance: it is mirrored where the picture around it is and where it is not, and is not the same each time. */
static void
test_chance (void)
{
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  g_autoptr (NddrDataset) dataset = open_dataset ();
  NddrLoaderOptions o = { .batch = SAMPLES, .labels = NDDR_LABELS_ALL, .repeat = TRUE, .cutmix = 1, .seed = 3 };
  nddr_augment_plain (&o.augment, CROP_WIDTH, CROP_HEIGHT, mean, std);
  o.augment.mirror = TRUE;
  g_autoptr (NddrLoader) mixed = nddr_loader_new (dataset, &o);
  o.cutmix = 0;
  g_autoptr (NddrLoader) plain = nddr_loader_new (dataset, &o);
  guint counts[2][2] = { 0 };
  for (guint t = 0; t < 12; t++) {
    NddrBatch *without = nddr_loader_next (plain, NULL), *with = nddr_loader_next (mixed, NULL);
    for (guint i = 0; i < SAMPLES; i++) {
      NddrBox box = find_box (with, without, i);
      guint place = box.y * CROP_WIDTH + box.x;
      if (box.width > 0)
        counts[is_mirrored (without->depth + i * CROP, place)][is_mirrored (with->depth + i * CROP, place)]++;
    }
    nddr_loader_return (plain, without);
    nddr_loader_return (mixed, with);
  }
  for (guint own = 0; own < 2; own++)
    for (guint other = 0; other < 2; other++)
      g_assert_cmpuint (counts[own][other], >, 4);
}

/** A broken sample is no box's either: it is skipped and counted, or the batch fails. */
static void
test_broken (void)
{
  g_autofree char *path = fixture_path (folder, "train/image/2.png"), *good = NULL;
  gsize bytes;
  g_assert_true (g_file_get_contents (path, &good, &bytes, NULL));
  fixture_write (path, good, bytes / 2);
  g_autoptr (NddrDataset) dataset = open_dataset ();
  nddr_dataset_set_skip (dataset, TRUE);
  g_autoptr (NddrLoader) skipping = new_loader (dataset, 1, FALSE);
  guint skipped = 0;
  for (guint t = 0; t < 12; t++) {
    g_autoptr (GError) error = NULL;
    NddrBatch *batch = nddr_loader_next (skipping, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (batch->n_skipped, >=, 1); /* the sample itself */
    skipped += batch->n_skipped - 1;
    nddr_loader_return (skipping, batch);
  }
  g_assert_cmpuint (skipped, >, 0);
  g_assert_cmpuint (skipped, <, 36);

  nddr_dataset_set_skip (dataset, FALSE);
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  NddrLoaderOptions o = { .batch = 1, .labels = NDDR_LABELS_ALL, .repeat = TRUE, .cutmix = 1, .seed = 3 };
  nddr_augment_plain (&o.augment, CROP_WIDTH, CROP_HEIGHT, mean, std);
  g_autoptr (NddrLoader) stopping = nddr_loader_new (dataset, &o);
  guint failed = 0, failed_for_own = 0;
  for (guint t = 0; t < 10 * SAMPLES; t++) {
    g_autoptr (GError) error = NULL;
    NddrBatch *batch = nddr_loader_next (stopping, &error);
    if (batch)
      nddr_loader_return (stopping, batch);
    else {
      g_assert_nonnull (strstr (error->message, "2.png"));
      failed++;
      failed_for_own += t % SAMPLES == 2;
    }
  }
  g_assert_cmpuint (failed_for_own, ==, 10);
  g_assert_cmpuint (failed, >, failed_for_own);
  fixture_write (path, good, bytes);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fixture_folder ();
  for (guint i = 0; i < SAMPLES; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    g_autoptr (NddrSample) sample = fixture_sample (30, 20, i);
    for (guint p = 0; p < 30 * 20; p++) /* no pixel is like another sample's */
      sample->depth[p] += 1000 * i;
    fixture_write_sample (folder, "train", name, sample, FALSE);
  }
  g_test_add_func ("/cutmix/box", test_box);
  g_test_add_func ("/cutmix/paste", test_paste);
  g_test_add_func ("/cutmix/sources", test_sources);
  g_test_add_func ("/cutmix/batches", test_batches);
  g_test_add_func ("/cutmix/chance", test_chance);
  g_test_add_func ("/cutmix/broken", test_broken);
  int status = g_test_run ();
  fixture_remove (folder);
  return status;
}
