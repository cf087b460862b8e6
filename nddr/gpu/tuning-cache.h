/* What was fastest on a device, in a file beside its pipelines.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>
#include <nddr/tuning.h>

G_BEGIN_DECLS

/** Reads the device's tuning; one that is missing is none, and one that is damaged or another version's is none, too, with a message. */
void nddr_tuning_cache_init (NddrDevice *device);
/** What inference is planned with; NULL: there is none.  As long as the device, or until another is set. */
const NddrTuning *nddr_device_get_tuning (const NddrDevice *device);
/** @tuning: taken; NULL: none.  Before other threads see the device, and before plans are made for it. */
void nddr_device_set_tuning (NddrDevice *device, NddrTuning *tuning);
/** Whether what is tuned could be written, as far as that can be said before: to be asked before minutes go into it. */
gboolean nddr_device_can_save_tuning (const NddrDevice *device, GError **error);
/** Writes it for processes to come: beside, then renamed.  @path: (out): where. */
gboolean nddr_device_save_tuning (NddrDevice *device, char **path, GError **error);

G_END_DECLS
