/* Classes of segmentation labels, as data sets have them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-model.h>

G_BEGIN_DECLS

/** Frees @n classes and their names. */
void nddr_classes_free (NddrClass *classes, guint n);
/** (transfer full) (nullable): in words, where @a's classes are called otherwise than @b's; NULL: nowhere.
 * @a_owner, @b_owner: who has them, to be read behind "of" */
char *nddr_classes_difference (const NddrClass *a, guint n_a, const char *a_owner, const NddrClass *b, guint n_b, const char *b_owner);
/** (nullable): classes from a file with lines `name #rrggbb`.  On error *@n is 0. */
NddrClass *nddr_classes_read (const char *path, guint *n, GError **error);
/** (transfer full): the 40 classes of NYU Depth v2. */
NddrClass *nddr_classes_nyu40 (guint *n);
/** (transfer full): the 13 that they are often brought to (Couprie et al., ICLR 2013). */
NddrClass *nddr_classes_nyu13 (guint *n);

#define NDDR_NYU40_CLASSES 40
/** For each of the 40 that of the 13; all from 0. */
extern const guint8 nddr_nyu13_of_nyu40[NDDR_NYU40_CLASSES];

G_END_DECLS
