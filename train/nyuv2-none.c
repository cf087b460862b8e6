/* What nyuv2: says where this was built without libhdf5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/source.h"

NddrSource *
nddr_nyuv2_open (const char *where, const char *default_split, GError **error)
{
  g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED,
      "nyuv2:%s cannot be read: this nddr was built without libhdf5; install it (Debian: libhdf5-dev) and build with meson's -Dhdf5=enabled, "
      "or bring the data into the form of a folder (DIR/SPLIT/image, segmentation, normal, depth, and DIR/classes.txt)", where);
  return NULL;
}
