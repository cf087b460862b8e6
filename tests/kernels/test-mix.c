/* Weighted sums of branches and of stages: forward, gradients to the inputs and to the weights, on both kernel families.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <mix.h>
#include <string.h>

typedef struct
{
  int batch, height, width, channels;
  int branches, n_inputs, parts;
  gboolean each_channel;
  int before; /* branches of every tensor before those that are used; one more comes after */
} Row;

static const Row rows[] = {
  { 1, 1, 1, 1, 1, 1, 1, TRUE, 0 },
  { 1, 1, 1, 8, 2, 2, 2, FALSE, 0 },
  { 1, 3, 5, 5, 2, 2, 1, TRUE, 0 },
  { 2, 7, 9, 40, 2, 2, 1, TRUE, 1 },
  { 2, 7, 9, 40, 2, 2, 2, FALSE, 1 },
  { 1, 13, 4, 16, 3, 3, 1, TRUE, 0 },
  { 1, 13, 4, 16, 3, 3, 2, FALSE, 2 },
  { 3, 5, 6, 24, 4, 4, 1, TRUE, 0 },
  { 3, 5, 6, 24, 4, 4, 2, FALSE, 0 },
  { 1, 9, 11, 32, 1, 3, 1, TRUE, 1 }, /* fewer outputs than inputs */
  { 1, 9, 11, 32, 2, 3, 2, FALSE, 1 },
  { 2, 6, 5, 13, 2, 3, 1, FALSE, 0 },
  { 2, 6, 5, 16, 2, 2, 2, TRUE, 0 },
  { 1, 2, 3, 512, 2, 2, 2, FALSE, 0 },
  { 1, 97, 83, 8, 2, 2, 1, TRUE, 0 }, /* several partial sums of uneven length */
  { 2, 65, 61, 8, 2, 2, 2, FALSE, 0 },
};

static const Row bench_rows[] = {
  { 2, 161, 161, 64, 2, 2, 1, TRUE, 0 },
  { 2, 161, 161, 64, 2, 2, 2, FALSE, 0 },
  { 2, 41, 41, 512, 2, 2, 1, TRUE, 0 },
  { 2, 41, 41, 512, 2, 2, 2, FALSE, 0 },
};

enum { PACK, FORWARD, DATA, DATA_ADD, WEIGHT };

typedef struct { const Row *row; NddrFamily family; gboolean half; } Case;

static RefMix
reference (const Row *r)
{
  return (RefMix){ r->batch * r->height * r->width, r->channels, r->branches, r->n_inputs, r->parts, r->each_channel };
}

static NddrBranches
view (NddrCheck *c, const Row *r, const char *name, int branches)
{
  return (NddrBranches){ check_map (c, name, r->before + branches + 1, r->batch, r->height, r->width, r->channels), r->before, 1 };
}

static void
add (double *to, const double *from, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[i] += from[i];
}

static void
check_same_bits (NddrCheck *c, NddrTensor *tensor, guint mask)
{
  g_autofree double *once = check_fetch (c, tensor);
  check_run (c, mask);
  g_autofree double *twice = check_fetch (c, tensor);
  g_assert_cmpmem (once, check_elements (tensor) * sizeof *once, twice, check_elements (tensor) * sizeof *twice);
}

static void
test_mix (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefMix ref = reference (r);
  gsize n_branch = (gsize) ref.pixels * r->channels, n_x = r->n_inputs * n_branch, n_y = r->branches * n_branch, n_w = ref_mix_weights (&ref);
  g_autofree double *x = check_random (n_x, 1, k->half), *dy = check_random (n_y, 2, FALSE), *w = check_random (n_w, 3, FALSE);
  g_autofree double *before = check_random (n_x, 4, FALSE), *y = g_new (double, n_y), *dx = g_new (double, n_x), *dw = g_new (double, n_w);
  NddrBranches vdx, vdy;
  NddrTensor *tdw = NULL;

  if (!check_can (k->family, k->half))
    return;
  NddrCheck *c = check_begin (k->family, k->half);
  NddrPlan *plan = check_plan (c);
  NddrBranches vx = view (c, r, "x", r->n_inputs), vy = view (c, r, "y", r->branches);
  NddrTensor *tw = check_flat (c, "weight", NDDR_SPACE_PARAMS, n_w);
  NddrMix op = { .output = vy, .branches = r->branches, .input = vx, .n_inputs = r->n_inputs, .parts = r->parts, .each_channel = r->each_channel,
    .weight = tw, .pack_phase = PACK };

  plan->phase = FORWARD;
  nddr_mix_forward (plan, &op);
  if (!k->half) {
    vdx = view (c, r, "dx", r->n_inputs);
    vdy = view (c, r, "dy", r->branches);
    tdw = check_flat (c, "dw", NDDR_SPACE_STATE, n_w);
    plan->phase = DATA;
    nddr_mix_backward_data (plan, &op, vdx, vdy, FALSE);
    plan->phase = DATA_ADD;
    nddr_mix_backward_data (plan, &op, vdx, vdy, TRUE);
    plan->phase = WEIGHT;
    nddr_mix_backward_weight (plan, &op, vdy, tdw);
  }
  check_ready (c);
  check_fill (c, tw, w);
  check_run (c, 1 << PACK);

  ref_mix_forward (&ref, y, x, w);
  check_fill_view (c, vx, r->n_inputs, x);
  check_poison (c, vy.tensor);
  check_run (c, 1 << FORWARD);
  check_compare_view (c, vy, r->branches, y, k->half ? 1e-3 : 1e-6, "forward");

  if (!k->half) {
    check_fill_view (c, vdy, r->branches, dy);
    ref_mix_backward_data (&ref, dx, dy, w);
    check_poison (c, vdx.tensor);
    check_run (c, 1 << DATA);
    check_compare_view (c, vdx, r->n_inputs, dx, 1e-6, "gradient to the inputs");
    add (dx, before, n_x);
    check_fill_view (c, vdx, r->n_inputs, before);
    check_run (c, 1 << DATA_ADD);
    check_compare_view (c, vdx, r->n_inputs, dx, 1e-6, "gradient added to the inputs'");

    ref_mix_backward_weight (&ref, dw, x, dy);
    check_poison (c, tdw);
    check_run (c, 1 << WEIGHT);
    check_compare (c, tdw, dw, 5e-6, "gradient to the weights");
    check_same_bits (c, tdw, 1 << WEIGHT);
  }
  check_end (c);
}

/* ---- stages: n_inputs maps of each branch, which the reference sees as a mixture for each branch */

#define MOST_INPUTS 4

static void
test_blend (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefMix ref = { r->batch * r->height * r->width, r->channels, 1, r->n_inputs, 1, FALSE };
  gsize n_branch = (gsize) ref.pixels * r->channels, n_y = r->branches * n_branch, n_w = (gsize) r->branches * r->n_inputs;
  /* as the reference has them: [branches][inputs][pixels][channels] */
  g_autofree double *x = check_random (n_y * r->n_inputs, 1, k->half), *dy = check_random (n_y, 2, FALSE), *w = check_random (n_w, 3, FALSE);
  g_autofree double *before = check_random (n_y, 4, FALSE), *y = g_new (double, n_y), *dx = g_new (double, n_y * r->n_inputs), *dw = g_new (double, n_w);
  g_autofree double *one = g_new (double, n_y);
  NddrBranches vx[MOST_INPUTS], vdx[MOST_INPUTS], vdy;
  NddrTensor *tdw = NULL;

  if (!check_can (k->family, k->half))
    return;
  g_assert_cmpint (r->n_inputs, <=, MOST_INPUTS);
  NddrCheck *c = check_begin (k->family, k->half);
  NddrPlan *plan = check_plan (c);
  for (int i = 0; i < r->n_inputs; i++)
    vx[i] = view (c, r, "x", r->branches);
  NddrBranches vy = view (c, r, "y", r->branches);
  NddrTensor *tw = check_flat (c, "weight", NDDR_SPACE_PARAMS, n_w);
  NddrBlend op = { .output = vy, .branches = r->branches, .inputs = vx, .n_inputs = r->n_inputs, .weight = tw, .pack_phase = PACK };

  plan->phase = FORWARD;
  nddr_blend_forward (plan, &op);
  if (!k->half) {
    vdy = view (c, r, "dy", r->branches);
    tdw = check_flat (c, "dw", NDDR_SPACE_STATE, n_w);
    for (int i = 0; i < r->n_inputs; i++) {
      vdx[i] = view (c, r, "dx", r->branches);
      plan->phase = DATA;
      nddr_blend_backward_data (plan, &op, i, vdx[i], vdy, FALSE);
      plan->phase = DATA_ADD;
      nddr_blend_backward_data (plan, &op, i, vdx[i], vdy, TRUE);
    }
    plan->phase = WEIGHT;
    nddr_blend_backward_weight (plan, &op, vdy, tdw);
  }
  check_ready (c);
  check_fill (c, tw, w);
  check_run (c, 1 << PACK);

  for (int b = 0; b < r->branches; b++) {
    const double *branch_x = x + b * r->n_inputs * n_branch, *branch_w = w + b * r->n_inputs;

    ref_mix_forward (&ref, y + b * n_branch, branch_x, branch_w);
    ref_mix_backward_data (&ref, dx + b * r->n_inputs * n_branch, dy + b * n_branch, branch_w);
    ref_mix_backward_weight (&ref, dw + b * r->n_inputs, branch_x, dy + b * n_branch);
  }
  for (int i = 0; i < r->n_inputs; i++) {
    for (int b = 0; b < r->branches; b++)
      memcpy (one + b * n_branch, x + (b * r->n_inputs + i) * n_branch, n_branch * sizeof *one);
    check_fill_view (c, vx[i], r->branches, one);
  }
  check_poison (c, vy.tensor);
  check_run (c, 1 << FORWARD);
  check_compare_view (c, vy, r->branches, y, k->half ? 2e-3 : 1e-6, "forward");

  if (!k->half) {
    check_fill_view (c, vdy, r->branches, dy);
    for (guint phase = DATA; phase <= DATA_ADD; phase++) {
      for (int i = 0; i < r->n_inputs; i++)
        check_fill_view (c, vdx[i], r->branches, before);
      check_run (c, 1 << phase);
      for (int i = 0; i < r->n_inputs; i++) {
        for (int b = 0; b < r->branches; b++)
          memcpy (one + b * n_branch, dx + (b * r->n_inputs + i) * n_branch, n_branch * sizeof *one);
        if (phase == DATA_ADD)
          add (one, before, n_y);
        check_compare_view (c, vdx[i], r->branches, one, 1e-6, "gradient to input %d", i);
      }
    }
    check_poison (c, tdw);
    check_run (c, 1 << WEIGHT);
    check_compare (c, tdw, dw, 5e-6, "gradient to the weights");
    check_same_bits (c, tdw, 1 << WEIGHT);
  }
  check_end (c);
}

/* ---- */

/* The reference's gradients against its own differences: they are what everything else is held to. */
static void
test_reference (void)
{
  for (int variant = 0; variant < 4; variant++) {
    RefMix ref = { 6, 8, 2, 3, variant % 2 + 1, variant / 2 };
    gsize n_x = (gsize) ref.n_inputs * ref.pixels * ref.channels, n_y = (gsize) ref.branches * ref.pixels * ref.channels;
    gsize n_w = ref_mix_weights (&ref);
    g_autofree double *x = check_random (n_x, 1, FALSE), *w = check_random (n_w, 2, FALSE), *dy = check_random (n_y, 3, FALSE);
    g_autofree double *up = g_new (double, n_y), *down = g_new (double, n_y), *dx = g_new (double, n_x), *dw = g_new (double, n_w);
    struct { double *values, *gradient; gsize n; } of[] = { { x, dx, n_x }, { w, dw, n_w } };

    ref_mix_backward_data (&ref, dx, dy, w);
    ref_mix_backward_weight (&ref, dw, x, dy);
    for (int i = 0; i < 2; i++)
      for (gsize j = 0; j < of[i].n; j++) {
        double kept = of[i].values[j], difference = 0;
        of[i].values[j] = kept + 0.5;
        ref_mix_forward (&ref, up, x, w);
        of[i].values[j] = kept - 0.5;
        ref_mix_forward (&ref, down, x, w);
        of[i].values[j] = kept;
        for (gsize y = 0; y < n_y; y++)
          difference += dy[y] * (up[y] - down[y]); /* exact: the output is linear in each */
        g_assert_cmpfloat_with_epsilon (difference, of[i].gradient[j], 1e-12);
      }
  }
}

/* The definitions, a number at a time. */
static void
test_definition (void)
{
  /* cross-stitch: two branches, one pixel, two channels: F'^a[c] = sum over b of w[c][a][b] F^b[c] */
  RefMix stitch = { 1, 2, 2, 2, 1, TRUE };
  const double x[] = { 1, 2, 10, 20 }, w[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, want[] = { 1 * 1 + 2 * 10, 5 * 2 + 6 * 20, 3 * 1 + 4 * 10, 7 * 2 + 8 * 20 };
  double y[4];
  ref_mix_forward (&stitch, y, x, w);
  g_assert_cmpmem (y, sizeof y, want, sizeof want);
  /* sluice: the halves in the order (task 1 half 1), (task 1 half 2), (task 2 half 1), … */
  RefMix sluice = { 1, 2, 2, 2, 2, FALSE };
  const double m[] = { 1, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 3 }, mixed[] = { 1, 10, 4, 60 };
  ref_mix_forward (&sluice, y, x, m);
  g_assert_cmpmem (y, sizeof y, mixed, sizeof mixed);
}

static void
bench_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefMix ref = reference (r);
  NddrCheck *c = check_begin (k->family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrBranches x = view (c, r, "x", r->n_inputs), y = view (c, r, "y", r->branches);
  NddrTensor *w = check_flat (c, "weight", NDDR_SPACE_PARAMS, ref_mix_weights (&ref)), *dw = check_flat (c, "dw", NDDR_SPACE_STATE, ref_mix_weights (&ref));
  NddrMix op = { .output = y, .branches = r->branches, .input = x, .n_inputs = r->n_inputs, .parts = r->parts, .each_channel = r->each_channel,
    .weight = w, .pack_phase = PACK };
  double bytes = 4.0 * (r->branches + r->n_inputs) * ref.pixels * r->channels, flops = 2.0 * r->branches * r->n_inputs * r->parts * ref.pixels * r->channels;
  g_autofree char *shape = g_strdup_printf ("%dx%dx%dx%dx%d parts %d", r->branches, r->batch, r->height, r->width, r->channels, r->parts);

  plan->phase = FORWARD;
  nddr_mix_forward (plan, &op);
  plan->phase = DATA;
  nddr_mix_backward_data (plan, &op, x, y, FALSE);
  plan->phase = WEIGHT;
  nddr_mix_backward_weight (plan, &op, y, dw);
  check_ready (c);
  check_run (c, 1 << PACK);
  check_bench (c, 1 << FORWARD, flops, bytes, "%s forward", shape);
  check_bench (c, 1 << DATA, flops, bytes, "%s gradient to the inputs", shape);
  check_bench (c, 1 << WEIGHT, flops, bytes, "%s gradient to the weights", shape);
  check_end (c);
}

static void
add_test (const char *what, const char *way, guint i, const Case *row, GTestDataFunc test)
{
  const Row *r = row->row;
  g_autofree char *path = g_strdup_printf ("/mix/%s/%s/%u-%dx%d-%dx%dx%dx%d-%d", what, way, i, r->branches, r->n_inputs, r->batch, r->height, r->width,
      r->channels, r->parts);
  g_test_add_data_func_full (path, g_memdup2 (row, sizeof *row), test, g_free);
}

int
main (int argc, char **argv)
{
  static const struct { NddrFamily family; gboolean half; const char *name; } ways[] = {
    { NDDR_FAMILY_SOFTWARE, FALSE, "software" }, { NDDR_FAMILY_GPU, FALSE, "gpu" }, { NDDR_FAMILY_GPU, TRUE, "gpu-fp16" },
  };

  check_init (&argc, &argv);
  g_test_add_func ("/mix/reference", test_reference);
  g_test_add_func ("/mix/definition", test_definition);
  for (guint v = 0; v < G_N_ELEMENTS (ways); v++)
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
      Case row = { &rows[i], ways[v].family, ways[v].half };

      add_test ("branches", ways[v].name, i, &row, test_mix);
      if (rows[i].parts == 1)
        add_test ("stages", ways[v].name, i, &row, test_blend);
    }
  if (check_benching ())
    for (guint i = 0; i < G_N_ELEMENTS (bench_rows); i++) {
      Case row = { &bench_rows[i], check_can (NDDR_FAMILY_SOFTWARE, FALSE) ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU, FALSE };

      add_test ("bench", "", i, &row, bench_row);
    }
  return check_finish (g_test_run ());
}
