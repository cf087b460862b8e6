/* The table of kernels, and the one function that chooses from it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/kernel.h>

#include <stdint.h>

#include "nddr/kernel-table.h"

/* A matrix kernel works on halves.  Whether the device has matrices its operation knows. */
static gboolean
is_variant (const char *variant, NddrFamily family, gboolean half)
{
  if (family == NDDR_FAMILY_SOFTWARE)
    return g_str_equal (variant, "software");
  return half ? g_str_equal (variant, "half") || g_str_equal (variant, "matrix") : g_str_equal (variant, "gpu");
}

const NddrKernel *
nddr_kernel_find (NddrKernelId id, NddrFamily family, gboolean half)
{
  for (guint i = 0; i < G_N_ELEMENTS (kernels); i++)
    if (kernels[i].id == id && is_variant (kernels[i].variant, family, half))
      return &kernels[i];
  return NULL;
}
