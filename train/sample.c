/* Samples: made, shared, freed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/sample.h"

NddrSample *
nddr_sample_new (guint width, guint height)
{
  NddrSample *sample = g_new0 (NddrSample, 1);
  sample->width = width;
  sample->height = height;
  g_atomic_ref_count_init (&sample->refs);
  return sample;
}

NddrSample *
nddr_sample_ref (NddrSample *sample)
{
  g_atomic_ref_count_inc (&sample->refs);
  return sample;
}

void
nddr_sample_unref (NddrSample *sample)
{
  if (!sample || !g_atomic_ref_count_dec (&sample->refs))
    return;
  g_free (sample->rgb);
  g_free (sample->segmentation);
  g_free (sample->normal);
  g_free (sample->depth);
  g_free (sample);
}

gsize
nddr_sample_bytes (const NddrSample *sample)
{
  gsize pixel = 3 * (sample->rgb != NULL) + (sample->segmentation != NULL) + 3 * (sample->normal != NULL)
      + 2 * (sample->depth != NULL);
  return sizeof *sample + (gsize) sample->width * sample->height * pixel;
}

NddrLabels
nddr_sample_labels (const NddrSample *sample)
{
  return (sample->segmentation ? NDDR_LABEL (NDDR_TASK_SEGMENTATION) : 0)
      | (sample->normal ? NDDR_LABEL (NDDR_TASK_NORMAL) : 0) | (sample->depth ? NDDR_LABEL (NDDR_TASK_DEPTH) : 0);
}
