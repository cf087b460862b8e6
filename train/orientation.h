/* Which way up a picture is, as cameras note it (Exif 2.32, tag Orientation, 274): the picture in the file stays as the sensor saw it, and who
 * shows it turns it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "train/image.h"

G_BEGIN_DECLS

/** The orientation that a file's Exif data say: 1 to 8, where 1 is upright; also 1 where they are not sound or do not say.  Thread-safe.
 * @exif: from "Exif\0\0" on, as a JPEG's APP1 has it */
guint nddr_orientation_read (const guint8 *exif, gsize size);

/** Turns and mirrors @image so that it is upright.  FALSE where there is not enough memory: then it is as it was.
 * @orientation: that of @image as it is, 1 to 8 */
gboolean nddr_orientation_apply (NddrImage *image, guint orientation);

G_END_DECLS
