/* A sample: a picture and what is known of its pixels.
 *
 * Labels are kept as data sets store them, in few bytes, so that many samples fit in memory; the functions here say what
 * the numbers mean.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>
#include <nddr/nddr-model.h>

G_BEGIN_DECLS

/** The pixel that segmentation labels leave out. */
#define NDDR_IGNORED 255

/** A set of label kinds: the bits 1 << NddrTaskKind. */
typedef guint NddrLabels;
#define NDDR_LABEL(kind) (1u << (kind))
#define NDDR_LABELS_ALL (NDDR_LABEL (NDDR_TASK_SEGMENTATION) | NDDR_LABEL (NDDR_TASK_NORMAL) | NDDR_LABEL (NDDR_TASK_DEPTH))

/** Immutable once made, reference counted, safe to share between threads.  All planes have the picture's size, rows without
 * gaps. */
typedef struct
{
  guint width, height;
  guint8 *rgb;          /* [height][width][3] */
  guint8 *segmentation; /* [height][width] class ids, 255 ignored; NULL: unknown */
  guint8 *normal;       /* [height][width][3] encoded, see nddr_normal_decode(); NULL: unknown */
  guint16 *depth;       /* [height][width] millimetres along the optical axis, 0 ignored; NULL: unknown */
  gatomicrefcount refs;
} NddrSample;

/** One reference; all planes NULL: the caller fills them with g_malloc()ed memory. */
NddrSample *nddr_sample_new (guint width, guint height);
NddrSample *nddr_sample_ref (NddrSample *sample);
void nddr_sample_unref (NddrSample *sample);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrSample, nddr_sample_unref)

/** The memory that @sample holds, in bytes. */
gsize nddr_sample_bytes (const NddrSample *sample);

/** What @sample has labels of. */
NddrLabels nddr_sample_labels (const NddrSample *sample);

/** Decodes v / 127.5 - 1 for each of x, y and z, and brings the vector to unit length.  FALSE, and a zero vector, where the
 * decoded vector is shorter than 0.5: the pixel is ignored. */
static inline gboolean
nddr_normal_decode (const guint8 encoded[3], double n[3])
{
  for (int c = 0; c < 3; c++)
    n[c] = encoded[c] / 127.5 - 1;
  double length = sqrt (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  gboolean valid = length >= 0.5;
  for (int c = 0; c < 3; c++)
    n[c] = valid ? n[c] / length : 0;
  return valid;
}

G_END_DECLS
