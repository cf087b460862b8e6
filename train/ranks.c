/* Ranks but for MPI: see ranks.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/ranks-private.h>

#include <nddr/gpu/device.h>
#include <string.h>

G_DEFINE_QUARK (nddr-ranks-error-quark, nddr_ranks_error)

const char *
nddr_ranks_launched (int *count)
{
  /* Open MPI's mpirun; MPICH's and Slurm's; Slurm's with PMIx */
  static const struct { const char *name, *size; } variables[] = { { "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE" }, { "PMI_SIZE", "PMI_SIZE" },
    { "PMIX_RANK", "SLURM_STEP_NUM_TASKS" } };
  for (guint i = 0; i < G_N_ELEMENTS (variables); i++) {
    const char *size = g_getenv (variables[i].size);
    if (!g_getenv (variables[i].name))
      continue;
    *count = size ? CLAMP (g_ascii_strtoll (size, NULL, 10), 0, G_MAXINT) : 0;
    return variables[i].name;
  }
  *count = 1;
  return NULL;
}

/* ---- devices */

NddrDevice *
nddr_ranks_open_device (NddrRanks *ranks, const char *which, GError **error)
{
  if (!nddr_ranks_are_several (ranks))
    return nddr_device_open (which, error);
  g_autoptr (GArray) matches = nddr_device_match (which, error);
  if (!matches)
    return NULL;
  ranks->sharers = (ranks->local_count + matches->len - 1) / matches->len;
  g_autofree char *index = g_strdup_printf ("%u", g_array_index (matches, guint, ranks->local_index % matches->len));
  return nddr_device_open (index, error);
}

/* ---- what all know of all */

gboolean
nddr_ranks_agree (NddrRanks *ranks, gboolean fine, GError **error)
{
  if (!nddr_ranks_are_several (ranks))
    return fine;
  g_autofree gboolean *all = g_new (gboolean, ranks->count);
  int failed = 0;
  nddr_ranks_allgather (ranks, &fine, all, sizeof fine);
  while (failed < ranks->count && all[failed])
    failed++;
  if (failed == ranks->count)
    return TRUE;
  ranks->ending = TRUE;
  if (failed == ranks->index)
    return FALSE;
  if (!fine)
    g_clear_error (error);
  g_set_error (error, NDDR_RANKS_ERROR, NDDR_RANKS_ERROR_ELSEWHERE, "rank %d failed", failed);
  return FALSE;
}

void
nddr_ranks_allreduce (NddrRanks *ranks, double *values, guint n)
{
  if (!nddr_ranks_are_several (ranks))
    return;
  g_autofree double *all = g_new (double, (gsize) ranks->count * n);
  nddr_ranks_allgather (ranks, values, all, n * sizeof *values);
  memset (values, 0, n * sizeof *values);
  for (int r = 0; r < ranks->count; r++)
    for (guint i = 0; i < n; i++)
      values[i] += all[r * n + i];
}
