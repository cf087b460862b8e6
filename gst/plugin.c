/* The plugin: registers its one element and nothing else.  Vulkan is not touched before an
 * element opens its device, so that inspecting plugins works on every machine.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrcnn.h"

#include <nddr/nddr-version.h>

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (nddrcnn, plugin);
}

#define PACKAGE "gst-nddr"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, nddr,
    "Segments video and finds its surface normals with NDDR-CNN networks on Vulkan", plugin_init,
    NDDR_VERSION, "LGPL", PACKAGE, "gst-nddr")
