/* Where two networks differ, for people.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/config.h>

G_BEGIN_DECLS

/** (transfer full) (nullable): the first member of their configs, as a model file has them, that is not the same, and both values:
 * `tasks[0].classes[3].name is "chair" in the first and "sofa" in the second`; NULL where all are the same. */
char *nddr_config_difference (const NddrConfig *first, const NddrConfig *second);

G_END_DECLS
