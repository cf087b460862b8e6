/* Measuring devices: see measure.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/measure.h>

#include <nddr/gpu/device.h>
#include <nddr/ops/ops.h>
#include <nddr/program.h>

#define RUNS 5
#define ENOUGH 20e-3   /* seconds that a run must last */
#define MOST_ROUNDS (1 << 20)

/* Appends what is measured; returns how much that is. */
typedef double (*Append) (NddrPlan *plan, const NddrDevice *device, int rounds);

static double
append_fma (NddrPlan *plan, const NddrDevice *device, int rounds)
{
  int invocations = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 8 * 64 : 64 * 4096;

  return nddr_measure_fma (plan, nddr_plan_flat (plan, "sums", NDDR_SPACE_ARENA, NDDR_F32, (gsize) invocations * 4), rounds);
}

static double
append_matrix (NddrPlan *plan, const NddrDevice *device, int rounds)
{
  NddrMatrixSize size = plan->traits.matrix;
  gsize subgroups = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 64 : 8192;
  NddrTensor *sums = nddr_plan_flat (plan, "sums", NDDR_SPACE_ARENA, NDDR_F32, subgroups * size.m * size.n);
  NddrTensor *input = nddr_plan_flat (plan, "matrices", NDDR_SPACE_ARENA, NDDR_F16, (size.m + size.n) * size.k);

  plan->traits.family = NDDR_FAMILY_GPU;
  plan->activation_type = NDDR_F16;
  return nddr_measure_matrix (plan, sums, input, rounds);
}

/* as much as no cache holds; @rounds times */
static double
append_copy (NddrPlan *plan, const NddrDevice *device, int rounds)
{
  guint64 most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? 64 << 20 : 256 << 20, memory = nddr_device_get_info (device)->memory;
  gsize n = MIN (most, MIN (plan->traits.max_storage_range, memory / 8)) / 4 / 1024 * 1024;
  NddrTensor *x = nddr_plan_flat (plan, "from", NDDR_SPACE_ARENA, NDDR_F32, n), *y = nddr_plan_flat (plan, "to", NDDR_SPACE_ARENA, NDDR_F32, n);
  double bytes = 0;

  for (int i = 0; i < rounds; i++)
    bytes += i % 2 ? nddr_measure_copy (plan, x, y) : nddr_measure_copy (plan, y, x);
  return bytes;
}

static gboolean
time_run (NddrProgram *program, double *seconds, GError **error)
{
  guint64 ns;

  if (!nddr_program_submit (program, 0, 1, error) || !nddr_program_wait (program, 0, &ns, error))
    return FALSE;
  *seconds = ns * 1e-9;
  return TRUE;
}

/* The best of some runs of @rounds; @rate: amount a second. */
static gboolean
time_rounds (NddrDevice *device, Append append, int rounds, double *rate, double *seconds, GError **error)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (nddr_device_get_traits (device));
  g_autoptr (NddrProgram) program = NULL;
  double amount = append (plan, device, rounds);

  if (!nddr_plan_finish (plan, error))
    return FALSE;
  program = nddr_program_new (device, g_steal_pointer (&plan), 1, error);
  if (!program || !time_run (program, seconds, error)) /* the first run compiles */
    return FALSE;
  *seconds = G_MAXDOUBLE;
  for (int i = 0; i < RUNS; i++) {
    double once;

    if (!time_run (program, &once, error))
      return FALSE;
    *seconds = MIN (*seconds, once);
  }
  *rate = amount / *seconds;
  return TRUE;
}

static gboolean
measure (NddrDevice *device, Append append, int most_rounds, double *rate, GError **error)
{
  double seconds = 0;

  for (int rounds = 1; rounds <= most_rounds && seconds < ENOUGH; rounds *= 4)
    if (!time_rounds (device, append, rounds, rate, &seconds, error))
      return FALSE;
  return TRUE;
}

gboolean
nddr_measure_device (NddrDevice *device, NddrDevicePeak *m, GError **error)
{
  *m = (NddrDevicePeak){ 0 };
  if (!measure (device, append_fma, MOST_ROUNDS, &m->fma, error) || !measure (device, append_copy, 64, &m->memory, error))
    return FALSE;
  return nddr_device_get_traits (device)->matrix.m == 0 || measure (device, append_matrix, MOST_ROUNDS, &m->matrix, error);
}
