/* Optimisers against their references.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "optimizer.h"

#include <math.h>

#define N_GROUPS 3
#define STEPS 3

#define CLIP 0.375

static const float rates[N_GROUPS][2] = { { 0.1f, 0 }, { 0.01f, 0.05f }, { 1e-3f, 2.5e-4f } };

typedef struct
{
  int n;
  guint64 range; /* of a storage binding; 0: the device's */
} Row;

static const Row rows[] = { { 1, 0 }, { 64, 0 }, { 65, 0 }, { 1000, 0 }, { 4099, 0 }, { 70001, 0 }, { 5003, 4096 }, { 100000, 65536 } };
static const Row bench_row = { 5000000, 0 };

static void
write_rates (NddrCheck *c, NddrTensor *tensor, int t)
{
  float *out = nddr_program_map (check_program (c), tensor, 0);

  for (int g = 0; g < N_GROUPS; g++) {
    out[4 * g] = rates[g][0];
    out[4 * g + 1] = rates[g][1];
  }
  out[4 * N_GROUPS] = 1 / (1 - pow (0.9, t));
  out[4 * N_GROUPS + 1] = 1 / (1 - pow (0.999, t));
}

/* A factor of 0 leaves every bit. */
static void
check_untouched (NddrCheck *c, NddrTensor *factor, NddrTensor *const *tensors, const char *what)
{
  check_fill (c, factor, (double[]){ 0 });
  for (int i = 0; i < 3; i++) {
    g_autofree double *before = check_fetch (c, tensors[i]);

    check_run (c, 1);
    check_compare (c, tensors[i], before, 0, "after nothing, %s", what);
  }
}

/* @clip: 1: by a factor; 2: which may be 0 */
static void
check_row (const Row *r, gboolean adamw, int clip, NddrFamily family, gboolean bench)
{
  int n = r->n, blocks = (n + 63) / 64;
  g_autofree char *what = g_strdup_printf ("%s%s, %d parameters", adamw ? "adamw" : "sgd", clip ? ", clipped" : "", n);
  g_autofree double *w = check_random (n, 1, FALSE), *g = check_random (n, 2, FALSE), *m = check_random (n, 3, FALSE);
  g_autofree double *v = check_random (n, 4, FALSE), *behind = check_random (n, 5, FALSE);
  g_autofree guint32 *groups = g_new (guint32, blocks);
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *tw = check_flat (c, "w", NDDR_SPACE_PARAMS, n), *after = check_flat (c, "after", NDDR_SPACE_PARAMS, n);
  NddrTensor *tg = check_flat (c, "g", NDDR_SPACE_STATE, n);
  NddrTensor *tm = check_flat (c, "m", NDDR_SPACE_STATE, n), *tv = check_flat (c, "v", NDDR_SPACE_STATE, n);
  NddrTensor *tclip = clip ? check_flat (c, "clip", NDDR_SPACE_STATE, 1) : NULL;
  NddrTensor *trates = nddr_plan_flat (plan, "rates", NDDR_SPACE_INPUT, NDDR_F32, 4 * (N_GROUPS + 1));
  NddrOptimizer op = {
    .params = tw,
    .gradients = tg,
    .moment1 = tm,
    .moment2 = adamw ? tv : NULL,
    .rates = trates,
    .n_groups = N_GROUPS,
    .clip = tclip,
    .guarded = clip == 2,
    .adamw = adamw,
    .momentum = 0.9,
    .beta1 = 0.9,
    .beta2 = 0.999,
    .adam_eps = 1e-8,
  };

  for (int b = 0; b < blocks; b++)
    groups[b] = (b / 3 + b % 2) % N_GROUPS;
  for (int i = 0; i < n; i++)
    v[i] = fabs (v[i]);
  op.groups = nddr_plan_table (plan, "groups", groups, 4 * blocks);
  if (r->range)
    plan->traits.max_storage_range = r->range;
  nddr_optimizer_step (plan, &op);
  plan->traits.max_storage_range = G_MAXUINT32;
  check_ready (c);
  check_fill (c, tw, w);
  check_fill (c, tg, g);
  check_fill (c, tm, m);
  check_fill (c, tv, v);
  check_fill (c, after, behind);
  if (clip)
    check_fill (c, tclip, (double[]){ CLIP });
  for (int i = 0; clip && i < n; i++)
    g[i] *= CLIP;
  for (int t = 1; t <= STEPS; t++) {
    write_rates (c, trates, t);
    check_run (c, 1);
    for (int b = 0; b < blocks; b++) {
      int i = 64 * b, count = MIN (64, n - i);
      double rate = rates[groups[b]][0], decay = rates[groups[b]][1];

      if (adamw)
        ref_adamw (count, w + i, m + i, v + i, g + i, rate, decay, 0.9, 0.999, 1e-8, t);
      else
        ref_sgd (count, w + i, m + i, g + i, rate, decay, 0.9);
    }
    check_compare (c, tw, w, 1e-5, "parameters, %s, step %d", what, t);
    check_compare (c, tm, m, 1e-5, "first moment, %s, step %d", what, t);
    check_compare (c, tv, v, 1e-5, "second moment, %s, step %d", what, t);
  }
  if (clip == 2)
    check_untouched (c, tclip, (NddrTensor *const[]){ tw, tm, tv }, what);
  check_compare (c, after, behind, 0, "behind the parameters, %s", what);
  if (bench)
    check_bench (c, 1, 0, (adamw ? 7.0 : 5.0) * tw->bytes, "%s", what);
  check_end (c);
}

static void
test_optimizer (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (int adamw = 0; adamw < 2; adamw++) {
    for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
      for (int clip = 0; clip < 3; clip++)
        check_row (&rows[i], adamw, clip, family, FALSE);
    for (int clip = 0; clip < 2 && check_benching (); clip++)
      check_row (&bench_row, adamw, clip, family, TRUE);
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_data_func ("/optimizer/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_optimizer);
  g_test_add_data_func ("/optimizer/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_optimizer);
  return check_finish (g_test_run ());
}
