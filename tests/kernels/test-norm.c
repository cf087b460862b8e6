/* Batch normalisation, activation and dropout against their references, and those against finite differences.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "norm.h"

#include <math.h>
#include <string.h>

typedef enum { NO_RESIDUAL, RESIDUAL, SHARED_RESIDUAL /* all branches read branch 1 of another tensor */ } ResidualKind;
typedef enum { IN_PLACE = 1, ACCUMULATE = 2, FROZEN = 4 /* running statistics */, FIXED = 8 /* scale and shift are not learnt */,
  SHARE = 16 /* the third of four parts of the batch */ } Flags;

typedef struct
{
  int branches, batch, height, width, channels;
  double low, high;
  ResidualKind residual;
  double dropout;
  Flags flags;
  double bound; /* of the backward pass; 0: 1e-5 */
} Row;

#define LINEAR -INFINITY, INFINITY
#define RELU 0, INFINITY
#define RELU6 0, 6

static const Row rows[] = {
  { 1, 1, 1, 1, 3, LINEAR, NO_RESIDUAL, 0, 0, 1e-5 }, /* one pixel: the gradient is exactly zero */
  { 1, 2, 1, 1, 5, LINEAR, NO_RESIDUAL, 0, 0, 0.02 }, /* two: it is what rounding leaves of a difference */
  { 2, 1, 1, 3, 4, RELU, NO_RESIDUAL, 0, IN_PLACE, 1e-3 },
  { 1, 3, 5, 7, 1, RELU, NO_RESIDUAL, 0, 0, 0 },
  { 3, 2, 9, 11, 41, RELU, NO_RESIDUAL, 0, IN_PLACE, 0 },
  { 2, 3, 8, 9, 40, RELU6, NO_RESIDUAL, 0.25, 0, 0 },
  { 2, 1, 21, 33, 24, RELU, RESIDUAL, 0, IN_PLACE, 0 },
  { 2, 2, 13, 9, 41, LINEAR, RESIDUAL, 0, ACCUMULATE, 0 },
  { 3, 1, 13, 17, 40, RELU, RESIDUAL, 0.5, ACCUMULATE | IN_PLACE, 0 },
  { 2, 2, 12, 16, 48, RELU6, SHARED_RESIDUAL, 0, 0, 0 },
  { 1, 2, 161, 161, 16, RELU, NO_RESIDUAL, 0, IN_PLACE, 0 },
  { 1, 1, 97, 129, 192, RELU6, NO_RESIDUAL, 0, 0, 0 }, /* more than the cache */
  { 2, 1, 5, 7, 64, RELU, RESIDUAL, 0.25, 0, 0 }, /* a lane takes 2 texels of a pixel, and here 3, 4, 5, 4 that are further apart */
  { 1, 2, 7, 9, 96, RELU6, NO_RESIDUAL, 0, IN_PLACE, 0 },
  { 2, 1, 6, 5, 128, RELU, RESIDUAL, 0.5, ACCUMULATE, 0 },
  { 1, 3, 9, 11, 160, RELU6, RESIDUAL, 0, 0, 0 },
  { 2, 1, 7, 5, 144, RELU6, SHARED_RESIDUAL, 0.25, 0, 0 },
  { 1, 3, 61, 83, 4, RELU, NO_RESIDUAL, 0, 0, 0 },     /* many runs: combined in two stages */
  { 2, 3, 61, 83, 8, RELU, NO_RESIDUAL, 0, 0, 0 },     /* groups of uneven length side by side, and another branch behind */
  { 2, 1, 67, 83, 3, RELU, NO_RESIDUAL, 0, 0, 0 },
  { 3, 2, 8, 9, 41, RELU6, NO_RESIDUAL, 0.25, SHARE, 0 },
  { 1, 1, 1, 1, 3, LINEAR, NO_RESIDUAL, 0, FROZEN, 0 },
  { 3, 2, 9, 11, 41, RELU, NO_RESIDUAL, 0, FROZEN | IN_PLACE, 0 },
  { 2, 3, 8, 9, 40, RELU6, NO_RESIDUAL, 0.25, FROZEN | FIXED, 0 },
  { 3, 1, 13, 17, 40, RELU, RESIDUAL, 0.5, FROZEN | ACCUMULATE | IN_PLACE, 0 },
  { 2, 2, 13, 9, 41, LINEAR, RESIDUAL, 0, FROZEN | FIXED | ACCUMULATE, 0 },
  { 1, 1, 97, 129, 192, RELU6, NO_RESIDUAL, 0, FROZEN, 0 },
  { 2, 3, 61, 83, 8, RELU, NO_RESIDUAL, 0, FROZEN, 0 },
};

static const Row bench_rows[] = {
  { 1, 8, 96, 128, 96, RELU6, NO_RESIDUAL, 0, IN_PLACE, 1e-3 }, /* of nine million values, one or two lie so near the clamp that they fall on its other side */
  { 1, 8, 48, 64, 144, RELU6, NO_RESIDUAL, 0, IN_PLACE, 1e-3 },
  { 1, 8, 12, 16, 960, RELU6, NO_RESIDUAL, 0, IN_PLACE, 0 },
  { 2, 8, 12, 16, 64, RELU, NO_RESIDUAL, 0.5, IN_PLACE, 0 },
};

static RefNorm
reference (const Row *r)
{
  return (RefNorm){ r->branches, r->batch * r->height * r->width, r->channels, 1e-5, 0.1, r->low, r->high, r->dropout, 7,
    { 0x12345678, 0x9abcdef0, 1000, 1 }, NULL, NULL, r->flags & SHARE ? 2 : 0, r->flags & SHARE ? 4 : 0 };
}

static char *
describe (const Row *r)
{
  return g_strdup_printf ("%dx%dx%dx%dx%d clamp %g..%g residual %d dropout %g flags %d", r->branches, r->batch, r->height, r->width,
      r->channels, r->low, r->high, r->residual, r->dropout, r->flags);
}

/* A tensor that lies beside the ones that are written, to see that nothing else is. */
typedef struct
{
  NddrTensor *tensor;
  double *values;
} Guard;

static Guard
guard_new (NddrCheck *c, const Row *r, const char *name)
{
  Guard guard = { check_map (c, name, r->branches, r->batch, r->height, r->width, r->channels) };

  guard.values = check_random (check_elements (guard.tensor), 99, FALSE);
  return guard;
}

static void
guard_check (NddrCheck *c, Guard *guard, const char *what)
{
  check_compare (c, guard->tensor, guard->values, 0, "%s: beside the output", what);
  g_free (guard->values);
}

static void
fill_random (NddrCheck *c, NddrTensor *random, const RefNorm *n)
{
  memcpy (nddr_program_map (check_program (c), random, 0), n->random, sizeof n->random);
}

/* Everything of a layer: forward in phase 0, backward in phase 1. */
static void
check_row (const Row *r, NddrFamily family, gboolean bench)
{
  RefNorm n = reference (r);
  gsize count = (gsize) n.branches * n.pixels * n.channels, params = (gsize) n.branches * n.channels;
  gboolean shared = r->residual == SHARED_RESIDUAL, accumulate = r->flags & ACCUMULATE, frozen = r->flags & FROZEN, fixed = r->flags & FIXED;
  double bound = r->bound > 0 ? r->bound : 1e-5;
  g_autofree char *what = describe (r);
  g_autofree double *y = check_random (count, 1, FALSE), *dz = check_random (count, 2, FALSE), *residual = check_random (3 * count, 3, FALSE);
  g_autofree double *weight = check_random (params, 4, FALSE), *bias = check_random (params, 5, FALSE), *before = check_random (count, 6, FALSE);
  g_autofree double *mean = check_random (params, 7, FALSE), *var = check_random (params, 8, FALSE);
  g_autofree double *z = g_new (double, count), *dy = g_new (double, count), *dresidual = g_new (double, count), *seen = NULL;
  g_autofree double *dweight = g_new (double, params), *dbias = g_new (double, params);

  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  Guard guard = guard_new (c, r, "guard"), guard2;
  NddrTensor *ty = check_map (c, "y", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tz = check_map (c, "z", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tdz = check_map (c, "dz", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tdy = r->flags & IN_PLACE ? tdz : check_map (c, "dy", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tr = r->residual ? check_map (c, "residual", shared ? 2 : r->branches, r->batch, r->height, r->width, r->channels) : NULL;
  NddrTensor *tdr = r->residual && !shared ? check_map (c, "dresidual", r->branches, r->batch, r->height, r->width, r->channels) : NULL;
  NddrTensor *tweight = check_flat (c, "weight", NDDR_SPACE_PARAMS, params), *tbias = check_flat (c, "bias", NDDR_SPACE_PARAMS, params);
  NddrTensor *tmean = check_flat (c, "mean", NDDR_SPACE_STATE, params), *tvar = check_flat (c, "var", NDDR_SPACE_STATE, params);
  NddrTensor *tdweight = check_flat (c, "dweight", NDDR_SPACE_STATE, params), *tdbias = check_flat (c, "dbias", NDDR_SPACE_STATE, params);
  NddrTensor *random = nddr_plan_flat (plan, "random", NDDR_SPACE_INPUT, NDDR_BYTES, 16);
  NddrNorm op = {
    .input = ty,
    .output = tz,
    .residual = shared ? (NddrBranches){ tr, 1, 0 } : NDDR_BRANCHES (tr),
    .weight = tweight,
    .bias = tbias,
    .running_mean = tmean,
    .running_var = tvar,
    .frozen = frozen,
    .eps = n.eps,
    .momentum = n.momentum,
    .low = n.low,
    .high = n.high,
    .dropout = n.dropout,
    .dropout_layer = n.layer,
    .random = random,
    .share = { n.share, n.shares },
  };

  guard2 = guard_new (c, r, "guard 2");
  if (frozen) {
    for (gsize i = 0; i < params; i++)
      var[i] = (float) (fabs (var[i]) + 0.5);
    n.mean = mean;
    n.var = var;
  }
  for (gsize i = 0; i < count; i++)
    y[i] = (float) (3 * y[i] + 2); /* off zero, as layers' outputs are */
  for (gsize i = 0; i < params; i++)
    weight[i] = (float) (weight[i] + 2);
  if (shared)
    for (int b = 0; b < r->branches; b++) /* every branch sees the tensor's second */
      memcpy (residual + (b + 1) * count / r->branches, residual + count / r->branches, count / r->branches * sizeof *residual);

  nddr_norm_forward (plan, &op);
  op.saved->keep = TRUE;
  plan->phase = 1;
  nddr_norm_backward (plan, &op, tdy, tdz, fixed ? NULL : tdweight, fixed ? NULL : tdbias, NDDR_BRANCHES (tdr), accumulate);
  check_ready (c);
  fill_random (c, random, &n);
  check_fill (c, ty, y);
  check_fill (c, tdz, dz);
  check_fill (c, tweight, weight);
  check_fill (c, tbias, bias);
  check_fill (c, tmean, mean);
  check_fill (c, tvar, var);
  check_fill (c, guard.tensor, guard.values);
  check_fill (c, guard2.tensor, guard2.values);
  if (tr)
    check_fill (c, tr, residual);
  if (tdr)
    check_fill (c, tdr, before);
  check_run (c, 1);

  seen = shared ? g_memdup2 (residual + count / r->branches, count * sizeof *seen) : g_memdup2 (residual, count * sizeof *seen);
  ref_norm_forward (&n, z, y, r->residual ? seen : NULL, weight, bias, mean, var);
  check_compare (c, tz, z, 1e-5, "forward %s", what);
  check_compare (c, tmean, mean, frozen ? 0 : 1e-5, "running mean %s", what);
  check_compare (c, tvar, var, frozen ? 0 : 1e-5, "running variance %s", what);
  check_run (c, 2);
  ref_norm_backward (&n, dy, dresidual, dweight, dbias, y, r->residual ? seen : NULL, weight, bias, dz);
  if (!fixed) {
    check_compare (c, tdweight, dweight, bound, "gradient of the weight %s", what);
    check_compare (c, tdbias, dbias, bound, "gradient of the bias %s", what);
  }
  check_compare (c, tdy, dy, bound, "gradient %s", what);
  if (tdr) {
    for (gsize i = 0; i < count && accumulate; i++)
      dresidual[i] += before[i];
    check_compare (c, tdr, dresidual, 1e-5, "gradient of the residual %s", what);
  }
  guard_check (c, &guard, what);
  guard_check (c, &guard2, what);
  if (bench) {
    check_bench (c, 1, 0, 3.0 * ty->bytes, "forward %s", what);
    check_bench (c, 2, 0, 5.0 * ty->bytes, "backward %s", what);
  }
  check_end (c);
}

static void
test_norm (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
    check_row (&rows[i], family, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_row (&bench_rows[i], family, TRUE);
}

/* ---- synchronised: the device has the second half of each branch's pixels, the host what another process would make of the first */

static const Row synchronised_rows[] = {
  { 1, 1, 1, 1, 3, LINEAR, NO_RESIDUAL, 0, 0, 0.02 }, /* two pixels, one in each process */
  { 3, 2, 9, 11, 41, RELU, NO_RESIDUAL, 0, 0, 0 },
  { 2, 3, 8, 9, 40, RELU6, NO_RESIDUAL, 0.25, 0, 0 },
  { 2, 3, 61, 83, 4, RELU, NO_RESIDUAL, 0, 0, 0 }, /* many runs: combined in two stages, and then with the other process's */
};

typedef struct
{
  NddrCheck *check;
  const NddrNorm *op;
  int branches, pixels, channels; /* of a half */
  const double *y;                /* whole */
  const double *own[2], *other[2]; /* gradients of bias and weight by the two halves' pixels */
} Meeting;

/* The first half of [branches][2][pixels][channels], or the second. */
static double *
half_of (const double *whole, int branches, gsize n, int half)
{
  double *part = g_new (double, branches * n);

  for (int b = 0; b < branches; b++)
    memcpy (part + b * n, whole + (2 * b + half) * n, n * sizeof *part);
  return part;
}

/* Mean and sum of squared deviations of half @half of branch @b, channel @c. */
static void
half_statistics (const Meeting *m, int half, int b, int c, double *mean, double *m2)
{
  const double *y = m->y + (gsize) (2 * b + half) * m->pixels * m->channels + c;

  *mean = *m2 = 0;
  for (int p = 0; p < m->pixels; p++)
    *mean += y[(gsize) p * m->channels] / m->pixels;
  for (int p = 0; p < m->pixels; p++)
    *m2 += (y[(gsize) p * m->channels] - *mean) * (y[(gsize) p * m->channels] - *mean);
}

static gboolean
meet (int mark, gpointer user_data, GError **error)
{
  const Meeting *m = user_data;
  int stride = m->op->sums->stride;
  float *mine = nddr_program_map (check_program (m->check), mark == 1 ? m->op->statistics : m->op->sums, 0);
  float *all = nddr_program_map (check_program (m->check), m->op->all_statistics, 0);

  for (int b = 0; b < m->branches; b++)
    for (int c = 0; c < m->channels; c++)
      for (int v = 0; v < 2; v++) {
        float *value = mine + (b * 2 + v) * stride + c;
        double want[2];

        if (mark == 1) {
          half_statistics (m, 0, b, c, &want[0], &want[1]);
          all[(b * 4 + v) * stride + c] = want[v];
          half_statistics (m, 1, b, c, &want[0], &want[1]);
          g_assert_cmpfloat_with_epsilon (*value, want[v], 1e-5 * (1 + fabs (want[v])));
          all[(b * 4 + 2 + v) * stride + c] = *value;
        } else {
          gsize k = b * m->channels + c;

          g_assert_cmpfloat_with_epsilon (*value, m->own[v][k] / (2 * m->pixels), 1e-5);
          *value += m->other[v][k] / (2 * m->pixels);
        }
      }
  return TRUE;
}

static void
wait_idly (gpointer user_data)
{
}

static void
check_synchronised (const Row *r, NddrFamily family)
{
  RefNorm n = reference (r);
  int half = n.pixels;
  gsize count = (gsize) n.branches * half * n.channels, each = count / n.branches, params = (gsize) n.branches * n.channels;
  double bound = r->bound > 0 ? r->bound : 1e-5;
  g_autofree char *text = describe (r), *what = g_strconcat ("synchronised ", text, NULL);
  g_autofree double *y = check_random (2 * count, 1, FALSE), *dz = check_random (2 * count, 2, FALSE);
  g_autofree double *weight = check_random (params, 4, FALSE), *bias = check_random (params, 5, FALSE);
  g_autofree double *mean = check_random (params, 7, FALSE), *var = check_random (params, 8, FALSE);
  g_autofree double *z = g_new (double, 2 * count), *dy = g_new (double, 2 * count), *scratch = g_new (double, 2 * count), *part = g_new (double, 2 * count);
  double *dweight[2], *dbias[2];
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *ty = check_map (c, "y", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tz = check_map (c, "z", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tdz = check_map (c, "dz", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tweight = check_flat (c, "weight", NDDR_SPACE_PARAMS, params), *tbias = check_flat (c, "bias", NDDR_SPACE_PARAMS, params);
  NddrTensor *tmean = check_flat (c, "mean", NDDR_SPACE_STATE, params), *tvar = check_flat (c, "var", NDDR_SPACE_STATE, params);
  NddrTensor *tdweight = check_flat (c, "dweight", NDDR_SPACE_STATE, params), *tdbias = check_flat (c, "dbias", NDDR_SPACE_STATE, params);
  NddrTensor *random = nddr_plan_flat (plan, "random", NDDR_SPACE_INPUT, NDDR_BYTES, 16);
  NddrNorm op = {
    .input = ty, .output = tz, .weight = tweight, .bias = tbias, .running_mean = tmean, .running_var = tvar, .eps = n.eps, .momentum = n.momentum,
    .low = n.low, .high = n.high, .dropout = n.dropout, .dropout_layer = n.layer, .random = random, .share = { 1, 2 }, .synchronised = TRUE,
  };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < 2 * count; i++)
    y[i] = (float) (3 * y[i] + 2);
  for (gsize i = 0; i < params; i++)
    weight[i] = (float) (weight[i] + 2);
  g_autofree double *y_half = half_of (y, n.branches, each, 1), *dz_half = half_of (dz, n.branches, each, 1);

  nddr_norm_forward (plan, &op);
  nddr_norm_backward (plan, &op, tdz, tdz, tdweight, tdbias, NDDR_BRANCHES (NULL), FALSE);
  check_ready (c);
  fill_random (c, random, &n);
  check_fill (c, ty, y_half);
  check_fill (c, tdz, dz_half);
  check_fill (c, tweight, weight);
  check_fill (c, tbias, bias);
  check_fill (c, tmean, mean);
  check_fill (c, tvar, var);

  n.pixels = 2 * half;
  for (int h = 0; h < 2; h++) { /* of dz on one half alone */
    dweight[h] = g_new (double, params);
    dbias[h] = g_new (double, params);
    for (gsize i = 0; i < 2 * count; i++)
      part[i] = (int) (i / each) % 2 == h ? dz[i] : 0;
    ref_norm_backward (&n, dy, scratch, dweight[h], dbias[h], y, NULL, weight, bias, part);
  }
  Meeting meeting = { c, &op, r->branches, half, r->channels, y, { dbias[1], dweight[1] }, { dbias[0], dweight[0] } };
  NddrMarkHandler handler = { meet, wait_idly, &meeting };

  nddr_program_run_marked (check_program (c), 1, &handler, &error);
  g_assert_no_error (error);
  ref_norm_forward (&n, z, y, NULL, weight, bias, mean, var);
  ref_norm_backward (&n, dy, scratch, part, part + params, y, NULL, weight, bias, dz);
  g_autofree double *z_half = half_of (z, n.branches, each, 1), *dy_half = half_of (dy, n.branches, each, 1);

  check_compare (c, tz, z_half, 1e-5, "%s", what);
  check_compare (c, tmean, mean, 1e-5, "running mean %s", what);
  check_compare (c, tvar, var, 1e-5, "running variance %s", what);
  check_compare (c, tdweight, dweight[1], bound, "gradient of the weight %s", what);
  check_compare (c, tdbias, dbias[1], bound, "gradient of the bias %s", what);
  check_compare (c, tdz, dy_half, bound, "gradient %s", what);
  for (int h = 0; h < 2; h++) {
    g_free (dweight[h]);
    g_free (dbias[h]);
  }
  check_end (c);
}

static void
test_synchronised (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (synchronised_rows) && check_can (family, FALSE); i++)
    check_synchronised (&synchronised_rows[i], family);
}

/* ---- without normalisation */

static void
check_activate (const Row *r, NddrFamily family)
{
  RefNorm n = reference (r);
  gsize count = (gsize) n.branches * n.pixels * n.channels;
  g_autofree char *what = describe (r);
  g_autofree double *y = check_random (count, 1, FALSE), *dz = check_random (count, 2, FALSE);
  g_autofree double *z = g_new (double, count), *dy = g_new (double, count);
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  Guard guard = guard_new (c, r, "guard");
  NddrTensor *ty = check_map (c, "y", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tz = check_map (c, "z", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tdz = check_map (c, "dz", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tdy = r->flags & IN_PLACE ? tdz : check_map (c, "dy", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *random = nddr_plan_flat (plan, "random", NDDR_SPACE_INPUT, NDDR_BYTES, 16);
  NddrActivate op = { ty, tz, n.low, n.high, n.dropout, n.layer, random, { n.share, n.shares } };

  for (gsize i = 0; i < count; i++)
    y[i] = i % 5 ? (float) (4 * y[i] + 3) : i % 10 ? 0 : 6; /* the clamp's borders pass no gradient */
  nddr_activate_forward (plan, &op);
  nddr_activate_backward (plan, &op, tdy, tdz);
  check_ready (c);
  fill_random (c, random, &n);
  check_fill (c, ty, y);
  check_fill (c, tdz, dz);
  check_fill (c, guard.tensor, guard.values);
  check_run (c, 1);
  ref_activate_forward (&n, z, y);
  ref_activate_backward (&n, dy, y, dz);
  check_compare (c, tz, z, 1e-6, "activation %s", what);
  check_compare (c, tdy, dy, 1e-6, "activation's gradient %s", what);
  guard_check (c, &guard, what);
  check_end (c);
}

static void
test_activate (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
    check_activate (&rows[i], family);
}

/* ---- the references themselves */

/* sum (dz * z): what the gradients are of */
static double
objective (const RefNorm *n, const double *y, const double *residual, const double *weight, const double *bias, const double *dz)
{
  gsize count = (gsize) n->branches * n->pixels * n->channels;
  g_autofree double *z = g_new (double, count), *mean = g_new0 (double, count), *var = g_new0 (double, count);
  double sum = 0;

  ref_norm_forward (n, z, y, residual, weight, bias, mean, var);
  for (gsize i = 0; i < count; i++)
    sum += z[i] * dz[i];
  return sum;
}

static void
check_differences (const double *mean, const double *var)
{
  RefNorm n = { 2, 35, 3, 1e-3, 0.1, 0, 1.5, 0.25, 3, { 1, 2, 3, 4 }, mean, var };
  gsize count = 2 * 35 * 3, params = 2 * 3;
  const double h = 1e-6;
  g_autofree double *y = check_random (count, 11, FALSE), *dz = check_random (count, 12, FALSE), *residual = check_random (count, 13, FALSE);
  g_autofree double *weight = check_random (params, 14, FALSE), *bias = check_random (params, 15, FALSE);
  g_autofree double *dy = g_new (double, count), *dresidual = g_new (double, count);
  g_autofree double *dweight = g_new (double, params), *dbias = g_new (double, params);
  struct { double *value, *gradient; gsize n; } parts[] = { { y, dy, count }, { residual, dresidual, count }, { weight, dweight, params },
    { bias, dbias, params } };

  ref_norm_backward (&n, dy, dresidual, dweight, dbias, y, residual, weight, bias, dz);
  for (guint p = 0; p < G_N_ELEMENTS (parts); p++)
    for (gsize i = 0; i < parts[p].n; i++) {
      double kept = parts[p].value[i], up, down;

      parts[p].value[i] = kept + h;
      up = objective (&n, y, residual, weight, bias, dz);
      parts[p].value[i] = kept - h;
      down = objective (&n, y, residual, weight, bias, dz);
      parts[p].value[i] = kept;
      g_assert_cmpfloat_with_epsilon (parts[p].gradient[i], (up - down) / (2 * h), 1e-6);
    }
}

static void
test_differences (void)
{
  static const double mean[6] = { 0.1, -0.2, 0.3, 0, 0.5, -0.1 }, var[6] = { 1, 0.5, 2, 0.25, 1, 3 };

  check_differences (NULL, NULL);
  check_differences (mean, var);
}

/* The generator's published answers, and what they make of a map. */
static void
test_mask (void)
{
  const guint32 zeros[4] = { 0 }, ones[4] = { ~0u, ~0u, ~0u, ~0u };
  RefNorm n = { 1, 10000, 10, 0, 0, 0, 0, 0.3, 1, { 5, 6, 7, 0 } };
  g_autofree double *mask = g_new (double, 100000), *other = g_new (double, 100000);
  guint32 out[4];
  double kept = 0;

  ref_philox (zeros, zeros, out);
  g_assert_cmphex (out[0], ==, 0x6627e8d5);
  g_assert_cmphex (out[1], ==, 0xe169c58d);
  g_assert_cmphex (out[2], ==, 0xbc57ac4c);
  g_assert_cmphex (out[3], ==, 0x9b00dbd8);
  ref_philox (ones, ones, out);
  g_assert_cmphex (out[0], ==, 0x408f276d);
  g_assert_cmphex (out[1], ==, 0x41c83b0e);
  g_assert_cmphex (out[2], ==, 0xa20bc7c6);
  g_assert_cmphex (out[3], ==, 0x6d5451fd);

  ref_dropout_mask (&n, mask);
  for (int i = 0; i < 100000; i++)
    kept += mask[i] > 0;
  g_assert_cmpfloat_with_epsilon (kept / 100000, 0.7, 5 * sqrt (0.21 / 100000));
  for (int change = 0; change < 3; change++) { /* another layer, step, seed: another mask */
    RefNorm m = n;
    int same = 0;

    if (change == 0)
      m.layer++;
    else
      m.random[change == 1 ? 2 : 0]++;
    ref_dropout_mask (&m, other);
    for (int i = 0; i < 100000; i++)
      same += (mask[i] > 0) == (other[i] > 0);
    g_assert_cmpfloat_with_epsilon (same / 100000.0, 0.58, 0.01);
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_func ("/norm/reference/differences", test_differences);
  g_test_add_func ("/norm/reference/mask", test_mask);
  g_test_add_data_func ("/norm/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_norm);
  g_test_add_data_func ("/norm/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_norm);
  g_test_add_data_func ("/norm/synchronised/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_synchronised);
  g_test_add_data_func ("/norm/synchronised/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_synchronised);
  g_test_add_data_func ("/activate/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_activate);
  g_test_add_data_func ("/activate/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_activate);
  return check_finish (g_test_run ());
}
