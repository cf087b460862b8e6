/* The table of kernels, and the one function that chooses from it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/kernel.h>

#include <stdint.h>

#include "nddr/kernel-table.h"

/* The names of the variants that do, the best first.  A matrix kernel reads halves; whether the device has matrices its operation knows. */
static const char *const *
list_variants (NddrFamily family, NddrMapPrecision maps)
{
  static const char *const software[] = { "software", NULL };
  static const char *const gpu[][4] = {
    [NDDR_MAPS_FP32] = { "gpu" },
    [NDDR_MAPS_FP16] = { "half", "matrix" },
    [NDDR_MAPS_MIXED] = { "mixed", "half", "matrix" },
  };

  return family == NDDR_FAMILY_SOFTWARE ? software : gpu[maps];
}

guint
nddr_kernel_most_buffers (void)
{
  guint most = 0;

  for (guint i = 0; i < G_N_ELEMENTS (kernels); i++) {
    gboolean software = g_str_equal (kernels[i].variant, "software");
    guint n = 0;
    for (const char *b = kernels[i].bindings; *b; b++)
      n += *b == 'S' || !software;
    most = MAX (most, n);
  }
  return most;
}

const NddrKernel *
nddr_kernel_find (NddrKernelId id, NddrFamily family, NddrMapPrecision maps)
{
  for (const char *const *variant = list_variants (family, maps); *variant; variant++)
    for (guint i = 0; i < G_N_ELEMENTS (kernels); i++)
      if (kernels[i].id == id && g_str_equal (kernels[i].variant, *variant))
        return &kernels[i];
  return NULL;
}
