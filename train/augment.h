/* Augmentation: a sample becomes a slice of a batch, as training wants it.
 *
 * picture x factor -> mirrored -> cropped -> colours changed -> padded -> normalised; labels go along, nearest, and then to the
 * size at which the loss is taken.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/sample.h>

G_BEGIN_DECLS

/** What happens to pictures. nddr_augment_plain() gives that of evaluation. */
typedef struct
{
  guint input_width, input_height; /* pictures are brought to this size times the factor */
  double scale_min, scale_max;     /* the factor, uniform between these */
  gboolean mirror;                 /* every other picture, by chance; negates a normal's x */
  guint width, height;             /* of the crop: what the network sees */
  double brightness, contrast, saturation; /* torchvision's ColorJitter; 0: none */
  double mean[3], std[3];          /* RGB in [0, 1] */
  guint label_width, label_height; /* the loss's resolution: the crop's, or the head's */
} NddrAugment;

/** No change but to @width x @height: factor 1, no mirror, labels of the same size. */
void nddr_augment_plain (NddrAugment *augment, guint width, guint height, const double mean[3], const double std[3]);

/** Where a sample's slice goes; label pointers may be NULL: not wanted. */
typedef struct
{
  float *image;         /* [height][width][4]: normalised RGB, then 0 */
  guint8 *segmentation; /* [label_height][label_width], 255 ignored */
  float *normal;        /* [label_height][label_width][4]: x, y, z of unit length, 1; or zeros */
  float *depth;         /* [label_height][label_width]: metres, 0 ignored */
  gint32 *shown;        /* [2]: width and height of the upper left part of the crop that shows the picture: the rest is padding */
} NddrSlice;

/** Makes @slice from @sample; labels that the sample lacks come out ignored.  The same @seed, @epoch and @index make the same bytes.
 * @valid: (out): for each NddrTaskKind the number of pixels that are not ignored; 0 where not wanted */
void nddr_augment_apply (const NddrAugment *augment, const NddrSample *sample, guint64 seed, guint64 epoch, guint64 index,
    const NddrSlice *slice, guint valid[3]);

/** What of the labels shows the picture, where @shown of the crop does: those whose place in the crop lies in it.
 * @labels: (out): width and height */
void nddr_augment_shown_labels (const NddrAugment *augment, const gint32 shown[2], gint32 labels[2]);

G_END_DECLS
