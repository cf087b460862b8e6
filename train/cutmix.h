/* CutMix (Yun et al., ICCV 2019): a box of another picture, with its labels, over a picture.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/augment.h>
#include <train/random.h>

G_BEGIN_DECLS

/** In pixels of the crop. */
typedef struct
{
  guint x, y, width, height;
} NddrBox;

/** The box of the paper's section 3.1 within a crop of @width x @height: in its proportions, its area's share of the crop's uniform in [0, 1], its centre
 * anywhere; what lies outside is cut off.  May be empty. */
NddrBox nddr_cutmix_draw (NddrRandom *random, guint width, guint height);

/** Copies what @box shows of @other, image and labels, to @slice, where neither is padding.  Both are of the size that @augment says and have the same planes.
 * @valid: of @slice, as nddr_augment_apply() gives it; afterwards as the labels now are */
void nddr_cutmix_paste (const NddrAugment *augment, const NddrBox *box, const NddrSlice *other, const NddrSlice *slice, guint valid[3]);

G_END_DECLS
