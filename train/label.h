/* Labels in files: a picture's segmentation, normals or depth, checked against the picture.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/image.h>
#include <train/sample.h>

G_BEGIN_DECLS

/** Reads the label of @kind at @path, a PNG: 8-bit ids, 8-bit RGB or 16-bit gray, by kind.
 * @width, @height: the picture's, which the label must have too
 * @picture: the picture's path, for messages
 * @n_classes: ids of segmentation are below that, or 255
 * Returns: (transfer full): the plane as the file has it, to go into a sample. */
gpointer nddr_label_read (const char *path, NddrTaskKind kind, guint width, guint height, const char *picture, guint n_classes,
    GError **error);

/** Gives @plane, of @kind, to @sample. */
void nddr_label_take (NddrSample *sample, NddrTaskKind kind, gpointer plane);

G_END_DECLS
