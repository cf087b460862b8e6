/* Ranks where MPI is not built in: one.  See ranks.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/ranks-private.h>

const char *
nddr_ranks_library (void)
{
  return NULL;
}

NddrRanks *
nddr_ranks_join (GError **error)
{
  int count;
  const char *variable = nddr_ranks_launched (&count);
  if (count != 1) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "it was started as one of several ranks (%s is %s), but this nddr was built without MPI and they "
        "would each train alone: build it with libopenmpi-dev and meson's -Dmpi=enabled, or start it without mpirun", variable, g_getenv (variable));
    return NULL;
  }
  NddrRanks *ranks = g_new0 (NddrRanks, 1);
  ranks->count = ranks->local_count = ranks->sharers = 1;
  return ranks;
}

void
nddr_ranks_leave (NddrRanks *ranks, gboolean failed)
{
  g_free (ranks);
}

void
nddr_ranks_allgather (NddrRanks *ranks, gconstpointer mine, gpointer all, gsize bytes)
{
}

void
nddr_ranks_allreduce_floats (NddrRanks *ranks, float *values, gsize n)
{
}

void
nddr_ranks_broadcast (NddrRanks *ranks, gpointer data, gsize bytes)
{
}

void
nddr_ranks_begin_sum (NddrRanks *ranks, const float *values, float *sums, gsize n)
{
}

void
nddr_ranks_poll (NddrRanks *ranks)
{
}

void
nddr_ranks_finish_sums (NddrRanks *ranks)
{
}
