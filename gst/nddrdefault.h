/* Finding the models that come with the plugin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** (transfer full): the path of the small model, which is for software drivers, or of the base model, which is
 * for GPUs: in the folder NDDR_MODELS, else where they are installed, else, where @element's plugin was loaded
 * from a build tree, among its sources.  NULL with @error NDDR_ERROR_FILE, saying where it was looked for. */
char *gst_nddr_default_model (GstElement *element, gboolean small, GError **error);

G_END_DECLS
