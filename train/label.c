/* See label.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/label.h"
#include <nddr/error.h>

static gboolean
check_ids (const char *path, const NddrImage *label, guint n_classes, GError **error)
{
  const guint8 *ids = label->data;
  gsize n = (gsize) label->width * label->height;
  for (gsize i = 0; i < n; i++)
    if (ids[i] >= n_classes && ids[i] != NDDR_IGNORED)
      return nddr_fail (error, NDDR_ERROR_FORMAT,
          "%s has class %u at (%u, %u), but its data set has %u classes, 0 to %u (255 is ignored)", path, ids[i],
          (guint) (i % label->width), (guint) (i / label->width), n_classes, n_classes - 1);
  return TRUE;
}

gpointer
nddr_label_read (const char *path, NddrTaskKind kind, guint width, guint height, const char *picture, guint n_classes,
    GError **error)
{
  static const NddrImageContent contents[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_IMAGE_IDS,
    [NDDR_TASK_NORMAL] = NDDR_IMAGE_VECTORS,
    [NDDR_TASK_DEPTH] = NDDR_IMAGE_GRAY16,
  };
  g_autoptr (NddrImage) label = nddr_image_read (path, contents[kind], error);
  if (!label)
    return NULL;
  if (label->width != width || label->height != height) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s is %ux%u, but its picture %s is %ux%u%s: they must have one size",
        path, label->width, label->height, picture, width, height, label->width == height && label->height == width ? " as it is shown" : "");
    return NULL;
  }
  if (kind == NDDR_TASK_SEGMENTATION && !check_ids (path, label, n_classes, error))
    return NULL;
  return g_steal_pointer (&label->data);
}

void
nddr_label_take (NddrSample *sample, NddrTaskKind kind, gpointer plane)
{
  if (kind == NDDR_TASK_SEGMENTATION)
    sample->segmentation = plane;
  else if (kind == NDDR_TASK_NORMAL)
    sample->normal = plane;
  else
    sample->depth = plane;
}
