/* Ranks over MPI: see ranks.h.
 *
 * Whatever waits, tests and sleeps instead of blocking in MPI, which would keep a processor busy: ranks may share one, and wait for minutes while the
 * first one validates.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/ranks-private.h>

#include <mpi.h>
#include <sched.h>
#include <string.h>

#define SPIN_US 200     /* a short wait keeps the processor, as far as nobody else wants it; */
#define SLEEP_US 50     /* a longer one looks again so often */
#define TESTS 16        /* one after the other in a poll: each moves what a connection holds by then */
#define PIECE (1 << 28) /* elements of one call: MPI counts in int */

typedef struct
{
  NddrRanks base;    /* first: handed out */
  GArray *requests;  /* of MPI_Request: sums that were begun */
} Ranks;

static Ranks *
several (NddrRanks *ranks)
{
  return nddr_ranks_are_several (ranks) ? (Ranks *) ranks : NULL;
}

const char *
nddr_ranks_library (void)
{
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int n;
  if (text[0] == '\0')
    MPI_Get_library_version (text, &n);
  text[strcspn (text, ",\n")] = '\0'; /* its name and version; the rest is about its making */
  return text;
}

static void
find_local (NddrRanks *ranks)
{
  MPI_Comm machine;
  MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, ranks->index, MPI_INFO_NULL, &machine);
  MPI_Comm_rank (machine, &ranks->local_index);
  MPI_Comm_size (machine, &ranks->local_count);
  MPI_Comm_free (&machine);
}

NddrRanks *
nddr_ranks_join (GError **error)
{
  Ranks *r = g_new0 (Ranks, 1);
  int wanted, provided;
  const char *variable = nddr_ranks_launched (&wanted);
  r->base.count = r->base.local_count = r->base.sharers = 1;
  r->requests = g_array_new (FALSE, FALSE, sizeof (MPI_Request));
  if (!variable)
    return &r->base;
  MPI_Init_thread (NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank (MPI_COMM_WORLD, &r->base.index);
  MPI_Comm_size (MPI_COMM_WORLD, &r->base.count);
  find_local (&r->base);
  if (wanted > 0 && wanted != r->base.count) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED, "%s says that there are %d ranks, but %s finds %d: start nddr with that MPI's own mpirun", variable,
        wanted, nddr_ranks_library (), r->base.count);
    nddr_ranks_leave (&r->base, TRUE);
    return NULL;
  }
  return &r->base;
}

void
nddr_ranks_leave (NddrRanks *ranks, gboolean failed)
{
  Ranks *r = (Ranks *) ranks;
  int initialized = 0;
  if (!r)
    return;
  MPI_Initialized (&initialized);
  if (initialized && failed && r->base.count > 1 && !r->base.ending)
    MPI_Abort (MPI_COMM_WORLD, 1);
  if (initialized)
    MPI_Finalize ();
  g_array_unref (r->requests);
  g_free (r);
}

/* ---- waiting */

static void
wait_for (MPI_Request *requests, int n)
{
  gint64 start = g_get_monotonic_time ();
  int done = 0;
  MPI_Testall (n, requests, &done, MPI_STATUSES_IGNORE);
  while (!done) {
    if (g_get_monotonic_time () - start < SPIN_US)
      sched_yield ();
    else
      g_usleep (SLEEP_US);
    MPI_Testall (n, requests, &done, MPI_STATUSES_IGNORE);
  }
}

void
nddr_ranks_allreduce_floats (NddrRanks *ranks, float *values, gsize n)
{
  MPI_Request request;
  if (!several (ranks))
    return;
  g_assert (n <= PIECE);
  MPI_Iallreduce (MPI_IN_PLACE, values, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  wait_for (&request, 1);
}

void
nddr_ranks_allgather (NddrRanks *ranks, gconstpointer mine, gpointer all, gsize bytes)
{
  MPI_Request request;
  if (!several (ranks))
    return;
  g_assert (bytes <= PIECE);
  MPI_Iallgather (mine, bytes, MPI_BYTE, all, bytes, MPI_BYTE, MPI_COMM_WORLD, &request);
  wait_for (&request, 1);
}

void
nddr_ranks_broadcast (NddrRanks *ranks, gpointer data, gsize bytes)
{
  for (gsize from = 0; several (ranks) && from < bytes; from += PIECE) {
    MPI_Request request;
    MPI_Ibcast ((char *) data + from, MIN (bytes - from, PIECE), MPI_BYTE, 0, MPI_COMM_WORLD, &request);
    wait_for (&request, 1);
  }
}

/* ---- sums in the background */

/* Not in place: then Open MPI would send everything up a tree and down again, log2 (ranks) times over, in place of twice all together. */

void
nddr_ranks_begin_sum (NddrRanks *ranks, const float *values, float *sums, gsize n)
{
  Ranks *r = several (ranks);
  for (gsize from = 0; r && from < n; from += PIECE) {
    MPI_Request request;
    MPI_Iallreduce (values + from, sums + from, MIN (n - from, PIECE), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    g_array_append_val (r->requests, request);
  }
}

void
nddr_ranks_poll (NddrRanks *ranks)
{
  Ranks *r = several (ranks);
  int done = 0;
  for (int i = 0; r && r->requests->len > 0 && i < TESTS && !done; i++)
    MPI_Testall (r->requests->len, (MPI_Request *) r->requests->data, &done, MPI_STATUSES_IGNORE);
}

void
nddr_ranks_finish_sums (NddrRanks *ranks)
{
  Ranks *r = several (ranks);
  if (!r)
    return;
  wait_for ((MPI_Request *) r->requests->data, r->requests->len);
  g_array_set_size (r->requests, 0);
}
