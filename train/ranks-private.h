/* What ranks.c needs of ranks-mpi.c or ranks-none.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/ranks.h>

G_BEGIN_DECLS

/** (nullable): the variable of the environment by which a launcher says that this process is a rank. @count: (out): of how many; 0: it does not say. */
const char *nddr_ranks_launched (int *count);

G_END_DECLS
