/* The element's properties: what may be set, when, and what that changes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gst/nddrcnn.h"

G_BEGIN_DECLS

/** The defaults; strings are freed by gst_nddr_settings_clear(). */
void gst_nddr_settings_init (GstNddrSettings *settings);
void gst_nddr_settings_clear (GstNddrSettings *settings);

/** Installs all properties on the element's class, and what sets and gets them: any thread may. */
void gst_nddr_properties_install (GObjectClass *object_class);

G_END_DECLS
