/* The table of kernels, and the one function that chooses from it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/kernel.h>

#include <stdint.h>

#include "nddr/kernel-table.h"

const NddrKernel *
nddr_kernel_find (NddrKernelId id, NddrFamily family, gboolean half)
{
  const char *variant = family == NDDR_FAMILY_SOFTWARE ? "software" : half ? "half" : "gpu";

  for (guint i = 0; i < G_N_ELEMENTS (kernels); i++)
    if (kernels[i].id == id && g_str_equal (kernels[i].variant, variant))
      return &kernels[i];
  return NULL;
}
