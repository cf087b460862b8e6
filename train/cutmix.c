/* CutMix.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/cutmix.h"

#include <math.h>
#include <string.h>

/** A run of about @length pixels around @centre, cut off at 0 and at @n. */
static void
draw_run (guint n, double centre, double length, guint *start, guint *count)
{
  double low = CLAMP (floor (centre - length / 2 + 0.5), 0, n), high = CLAMP (floor (centre + length / 2 + 0.5), 0, n);
  *start = low;
  *count = high - low;
}

NddrBox
nddr_cutmix_draw (NddrRandom *random, guint width, guint height)
{
  NddrBox box;
  double side = sqrt (nddr_random_unit (random)), x = nddr_random_between (random, 0, width), y = nddr_random_between (random, 0, height);
  draw_run (width, x, side * width, &box.x, &box.width);
  draw_run (height, y, side * height, &box.y, &box.height);
  return box;
}

static void
paste_image (const NddrBox *box, guint width, const float *other, float *image)
{
  for (guint y = box->y; y < box->y + box->height; y++) {
    gsize at = 4 * ((gsize) y * width + box->x);
    memcpy (image + at, other + at, 4 * box->width * sizeof *image);
  }
}

static void
paste_label (const NddrSlice *other, const NddrSlice *slice, gsize i, guint valid[3])
{
  if (slice->segmentation) {
    valid[NDDR_TASK_SEGMENTATION] += (other->segmentation[i] != NDDR_IGNORED) - (slice->segmentation[i] != NDDR_IGNORED);
    slice->segmentation[i] = other->segmentation[i];
  }
  if (slice->normal) {
    valid[NDDR_TASK_NORMAL] += (other->normal[4 * i + 3] != 0) - (slice->normal[4 * i + 3] != 0);
    memcpy (slice->normal + 4 * i, other->normal + 4 * i, 4 * sizeof *slice->normal);
  }
  if (slice->depth) {
    valid[NDDR_TASK_DEPTH] += (other->depth[i] != 0) - (slice->depth[i] != 0);
    slice->depth[i] = other->depth[i];
  }
}

/** The first of @labels pixels along a line whose place in a crop of @crop is @at or behind it. */
static guint
first_label (guint at, guint labels, guint crop)
{
  return ((guint64) at * labels + crop - 1) / crop;
}

void
nddr_cutmix_paste (const NddrAugment *augment, const NddrBox *box, const NddrSlice *other, const NddrSlice *slice, guint valid[3])
{
  guint right = MIN (box->x + box->width, (guint) MIN (other->shown[0], slice->shown[0]));
  guint bottom = MIN (box->y + box->height, (guint) MIN (other->shown[1], slice->shown[1]));
  if (right <= box->x || bottom <= box->y)
    return;
  NddrBox common = { box->x, box->y, right - box->x, bottom - box->y };
  paste_image (&common, augment->width, other->image, slice->image);

  guint lx0 = first_label (common.x, augment->label_width, augment->width), lx1 = first_label (right, augment->label_width, augment->width);
  guint ly0 = first_label (common.y, augment->label_height, augment->height), ly1 = first_label (bottom, augment->label_height, augment->height);
  for (guint y = ly0; y < ly1; y++)
    for (guint x = lx0; x < lx1; x++)
      paste_label (other, slice, (gsize) y * augment->label_width + x, valid);
}
