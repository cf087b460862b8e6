/* Ranks: the processes that train one network together, started by mpirun, each with a device of its own.
 *
 * MPI itself is in ranks-mpi.c alone, or ranks-none.c takes its place: then there is one rank.  A NULL of these, or a count of 1, is one rank too, for which
 * everything below does nothing.  All but nddr_ranks_poll() are collective: every rank calls them in the same order, from its main thread.
 * A call of MPI that fails ends all ranks, with MPI's message.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>

G_BEGIN_DECLS

typedef struct
{
  int index, count;
  int local_index, local_count; /* among those on this machine */
  int sharers;                  /* of this machine's ranks, at most, that have this one's device: set by nddr_ranks_open_device() */
  gboolean ending;              /* agreed to: see nddr_ranks_agree() */
} NddrRanks;

/** Errors of ranks that are fine themselves: to be ended with, not to be printed. */
#define NDDR_RANKS_ERROR (nddr_ranks_error_quark ())
GQuark nddr_ranks_error_quark (void);
enum { NDDR_RANKS_ERROR_ELSEWHERE };

/** What was built in: "Open MPI v4.1.4"; NULL: nothing. */
const char *nddr_ranks_library (void);

/** Joins the ranks that a launcher started this process as one of, or is the only one.  Fails where there are others that cannot be joined. */
NddrRanks *nddr_ranks_join (GError **error);
/** @failed: and not because all agreed to: ends the others too, and does not return.  May be NULL. */
void nddr_ranks_leave (NddrRanks *ranks, gboolean failed);

/** The device of this rank: those that @which means to nddr_device_open() go round the ranks of this machine. */
NddrDevice *nddr_ranks_open_device (NddrRanks *ranks, const char *which, GError **error);

/** Whether all ranks are @fine.  Where one is not, FALSE for all of them: the first that is not keeps its @error, all others have
 * NDDR_RANKS_ERROR_ELSEWHERE. */
gboolean nddr_ranks_agree (NddrRanks *ranks, gboolean fine, GError **error);

/** Each of @n values becomes its sum over the ranks, to the same bits on all. */
void nddr_ranks_allreduce (NddrRanks *ranks, double *values, guint n);
/** Each of @n floats becomes its sum over the ranks, while sums that were begun go on. */
void nddr_ranks_allreduce_floats (NddrRanks *ranks, float *values, gsize n);
/** @all: [count][bytes]: every rank's @mine. */
void nddr_ranks_allgather (NddrRanks *ranks, gconstpointer mine, gpointer all, gsize bytes);
/** Rank 0's @data for all. */
void nddr_ranks_broadcast (NddrRanks *ranks, gpointer data, gsize bytes);

/** @sums: [n]: those of @values, many of them, while the caller goes on: neither is to be touched before nddr_ranks_finish_sums(). */
void nddr_ranks_begin_sum (NddrRanks *ranks, const float *values, float *sums, gsize n);
/** Lets sums that were begun go on, which they do only while something here is called.  Not collective. */
void nddr_ranks_poll (NddrRanks *ranks);
void nddr_ranks_finish_sums (NddrRanks *ranks);

static inline gboolean nddr_ranks_are_several (const NddrRanks *ranks) { return ranks && ranks->count > 1; }
static inline gboolean nddr_ranks_is_first (const NddrRanks *ranks) { return !ranks || ranks->index == 0; }

G_END_DECLS
