/* Depthwise 3x3 convolution: forward, gradient to the input, gradients to weights and bias, on both kernel families.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <depthwise.h>
#include <math.h>
#include <string.h>

typedef struct
{
  int batch, height, width, channels, stride, dilation;
  int branches;
  int of, first, step; /* the input's branches that they take: tensor of `of`, first + b * step */
  gboolean bias;
} Row;

static const Row rows[] = {
  { 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, TRUE },
  { 1, 1, 1, 3, 2, 1, 1, 1, 0, 1, TRUE },
  { 2, 1, 7, 8, 1, 1, 1, 1, 0, 1, FALSE },
  { 1, 7, 1, 4, 2, 1, 2, 2, 0, 1, TRUE },
  { 1, 2, 2, 3, 1, 1, 1, 1, 0, 1, TRUE },
  { 1, 5, 7, 3, 1, 1, 2, 2, 0, 1, TRUE },
  { 2, 9, 6, 8, 1, 1, 1, 3, 2, 1, FALSE },
  { 3, 6, 11, 41, 1, 2, 2, 4, 1, 2, TRUE },
  { 1, 13, 10, 40, 1, 4, 3, 3, 0, 1, TRUE },
  { 1, 5, 4, 8, 1, 12, 2, 2, 0, 1, TRUE },
  { 1, 3, 3, 960, 1, 2, 1, 1, 0, 1, TRUE },
  { 1, 30, 40, 24, 1, 4, 1, 1, 0, 1, FALSE },
  { 2, 8, 8, 40, 2, 1, 2, 2, 0, 1, TRUE },
  { 1, 7, 9, 41, 2, 1, 1, 2, 1, 1, FALSE },
  { 3, 9, 8, 3, 2, 1, 3, 3, 0, 1, TRUE },
  { 1, 8, 9, 1, 2, 1, 1, 1, 0, 1, TRUE },
  { 1, 9, 7, 8, 2, 2, 2, 2, 0, 1, TRUE },
  { 2, 8, 10, 5, 2, 4, 1, 1, 0, 1, TRUE },
  { 1, 11, 13, 8, 3, 1, 1, 1, 0, 1, TRUE },
  { 2, 9, 11, 5, 2, 2, 2, 2, 0, 1, TRUE },  /* several partial sums of uneven length */
  { 2, 6, 5, 8, 1, 1, 3, 1, 0, 0, TRUE },  /* one input, three branches */
  { 1, 7, 6, 12, 2, 1, 2, 2, 1, 0, TRUE },
  { 1, 97, 65, 16, 1, 1, 1, 1, 0, 1, TRUE }, /* several partial sums */
  { 4, 65, 99, 4, 2, 1, 1, 1, 0, 1, TRUE },
  { 2, 37, 65, 48, 1, 1, 1, 1, 0, 1, TRUE }, /* so large that software drivers read ahead */
  { 2, 66, 65, 41, 2, 1, 2, 2, 0, 1, TRUE },
  { 2, 31, 34, 72, 1, 3, 1, 1, 0, 1, TRUE },
};

static const Row bench_rows[] = {
  { 8, 96, 128, 32, 1, 1, 2, 2, 0, 1, FALSE },
  { 8, 96, 128, 96, 2, 1, 1, 1, 0, 1, FALSE },
  { 8, 48, 64, 144, 1, 1, 1, 1, 0, 1, FALSE },
  { 8, 48, 64, 144, 2, 1, 1, 1, 0, 1, FALSE },
  { 8, 24, 32, 192, 1, 1, 1, 1, 0, 1, FALSE },
  { 8, 12, 16, 576, 1, 1, 1, 1, 0, 1, FALSE },
  { 8, 12, 16, 960, 1, 2, 1, 1, 0, 1, FALSE },
  { 1, 30, 40, 960, 1, 4, 1, 1, 0, 1, FALSE },
  { 8, 96, 128, 96, 1, 1, 1, 1, 0, 1, FALSE },
};

enum { PACK, FORWARD, DATA, DATA_ADD, WEIGHT };

/* @narrow: as on a device whose grids are 5 groups high. */
typedef struct { const Row *row; NddrFamily family; gboolean half, narrow; } Case;

static void
test_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefDepthwise ref = { r->batch, r->height, r->width, r->channels, r->stride, r->dilation };
  int oh = ref_depthwise_height (&ref), ow = ref_depthwise_width (&ref), phase = FORWARD;
  gsize n_x = (gsize) r->batch * r->height * r->width * r->channels, n_y = (gsize) r->batch * oh * ow * r->channels, n_w = (gsize) r->channels * 9;
  gsize all_x = r->of * n_x, all_y = (r->branches + 1) * n_y;
  double bound = k->half ? 2e-3 : 1e-6;
  float low = -0.6f, high = 0.8f;
  g_autofree double *x = check_random (all_x, 1, k->half), *dy = check_random (all_y, 2, k->half);
  g_autofree double *w = check_random (r->branches * n_w, 3, FALSE), *bias = check_random ((gsize) r->branches * r->channels, 4, FALSE);
  g_autofree double *y_before = check_random (all_y, 5, k->half), *dx_before = check_random (all_x, 6, k->half), *part = g_new (double, MAX (n_x, n_y));

  if (!check_can (k->family, k->half))
    return;
  NddrCheck *c = check_begin (k->family, k->half);
  NddrPlan *plan = check_plan (c);
  if (k->narrow)
    plan->traits.max_groups[1] = 5;
  NddrTensor *tx = check_map (c, "x", r->of, r->batch, r->height, r->width, r->channels);
  NddrTensor *ty = check_map (c, "y", r->branches + 1, r->batch, oh, ow, r->channels);
  NddrTensor *tw = check_flat (c, "weight", NDDR_SPACE_PARAMS, r->branches * n_w);
  NddrTensor *tb = check_flat (c, "bias", NDDR_SPACE_PARAMS, (gsize) r->branches * r->channels);
  NddrTensor *tdx = NULL, *tdy = NULL, *tdw = NULL, *tdb = NULL;
  /* outputs go to the last branches of their tensor, the first one must stay as it is */
  NddrDepthwise op = { .output = { ty, 1, 1 }, .input = { tx, r->first, r->step }, .branches = r->branches, .weight = tw, .bias = r->bias ? tb : NULL,
    .stride = r->stride, .dilation = r->dilation, .low = low, .high = high, .pack_phase = PACK };

  plan->phase = phase;
  nddr_depthwise_forward (plan, &op);
  if (!k->half) {
    tdx = check_map (c, "dx", r->of, r->batch, r->height, r->width, r->channels);
    tdy = check_map (c, "dy", r->branches + 1, r->batch, oh, ow, r->channels);
    tdw = check_flat (c, "dw", NDDR_SPACE_STATE, r->branches * n_w);
    tdb = check_flat (c, "db", NDDR_SPACE_STATE, (gsize) r->branches * r->channels);
    plan->phase = DATA;
    nddr_depthwise_backward_data (plan, &op, (NddrBranches){ tdx, r->first, r->step }, (NddrBranches){ tdy, 1, 1 }, FALSE);
    plan->phase = DATA_ADD;
    nddr_depthwise_backward_data (plan, &op, (NddrBranches){ tdx, r->first, r->step }, (NddrBranches){ tdy, 1, 1 }, TRUE);
    plan->phase = WEIGHT;
    nddr_depthwise_backward_weight (plan, &op, (NddrBranches){ tdy, 1, 1 }, tdw, r->bias ? tdb : NULL);
  }
  check_ready (c);
  check_fill (c, tx, x);
  check_fill (c, ty, y_before);
  check_fill (c, tw, w);
  check_fill (c, tb, bias);
  check_run (c, 1 << PACK);

  g_autofree double *y = g_memdup2 (y_before, all_y * sizeof *y);
  for (int b = 0; b < r->branches; b++) {
    double *branch = y + (b + 1) * n_y;
    ref_depthwise_forward (&ref, branch, x + (r->first + b * r->step) * n_x, w + b * n_w, r->bias ? bias + b * r->channels : NULL);
    for (gsize i = 0; i < n_y; i++)
      branch[i] = CLAMP (branch[i], low, high);
  }
  check_run (c, 1 << FORWARD);
  check_compare (c, ty, y, bound, "forward");

  if (!k->half) {
    g_autofree double *dx = g_memdup2 (dx_before, all_x * sizeof *dx), *dw = g_new0 (double, r->branches * n_w);
    g_autofree double *db = g_new0 (double, (gsize) r->branches * r->channels);

    check_fill (c, tdx, dx_before);
    check_fill (c, tdy, dy);
    for (int b = 0; b < r->branches; b++) {
      double *branch = dx + (r->first + b * r->step) * n_x;
      ref_depthwise_backward_data (&ref, part, dy + (b + 1) * n_y, w + b * n_w);
      for (gsize i = 0; i < n_x; i++)
        branch[i] = part[i] + (b > 0 && r->step == 0 ? branch[i] : 0);
      ref_depthwise_backward_weight (&ref, dw + b * n_w, db + b * r->channels, x + (r->first + b * r->step) * n_x, dy + (b + 1) * n_y);
    }
    check_run (c, 1 << DATA);
    check_compare (c, tdx, dx, bound, "gradient to the input");

    for (gsize i = 0; i < all_x; i++)
      dx[i] += dx[i] == dx_before[i] ? 0 : dx_before[i]; /* branches that were not written stay */
    check_fill (c, tdx, dx_before);
    check_run (c, 1 << DATA_ADD);
    check_compare (c, tdx, dx, bound, "gradient added to the input's");

    check_run (c, 1 << WEIGHT);
    check_compare (c, tdw, dw, 5e-6, "gradient to the weights");
    if (r->bias)
      check_compare (c, tdb, db, 5e-6, "gradient to the bias");

    /* the same bits again */
    g_autofree double *once = check_fetch (c, tdw);
    check_run (c, 1 << WEIGHT);
    g_autofree double *twice = check_fetch (c, tdw);
    g_assert_cmpmem (once, r->branches * n_w * sizeof *once, twice, r->branches * n_w * sizeof *twice);
  }
  check_end (c);
}

#define LONG_ROW 5700 /* pixels */
#define LONG_ROW_CHANNELS 3840
#define LONG_ROW_GROUPS (LONG_ROW * LONG_ROW_CHANNELS / 4 / 64 + 1)

/* A row of so many texels that a quotient in floats is no longer exact.  Filters that are 1 in the middle give what there is. */
static void
test_long_row (void)
{
  const int width = LONG_ROW, channels = LONG_ROW_CHANNELS;
  gsize n = (gsize) width * channels;
  NddrCheck *c = check_begin (NDDR_FAMILY_GPU, FALSE);

  g_autofree double *x = check_random (n, 1, FALSE), *w = g_new0 (double, 9 * channels);
  NddrTensor *tx = check_map (c, "x", 1, 1, 1, width, channels), *ty = check_map (c, "y", 1, 1, 1, width, channels);
  NddrTensor *tw = check_flat (c, "weight", NDDR_SPACE_PARAMS, 9 * channels);

  for (int i = 0; i < channels; i++)
    w[9 * i + 4] = 1;
  check_plan (c)->phase = FORWARD;
  nddr_depthwise_forward (check_plan (c), &(NddrDepthwise){ .output = NDDR_BRANCHES (ty), .input = NDDR_BRANCHES (tx), .branches = 1, .weight = tw,
    .stride = 1, .dilation = 1, .low = -INFINITY, .high = INFINITY, .pack_phase = PACK });
  check_ready (c);
  check_fill (c, tx, x);
  check_fill (c, tw, w);
  check_poison (c, ty);
  check_run (c, 1 << PACK);
  check_run (c, 1 << FORWARD);
  check_compare (c, ty, x, 0, "a row of %dx%d", width, channels);
  check_end (c);
}

static void
bench_row (gconstpointer data)
{
  const Case *k = data;
  const Row *r = k->row;
  RefDepthwise ref = { r->batch, r->height, r->width, r->channels, r->stride, r->dilation };
  int oh = ref_depthwise_height (&ref), ow = ref_depthwise_width (&ref);
  double macs = (double) r->branches * r->batch * oh * ow * r->channels * 9;
  double bytes = 4.0 * r->branches * r->batch * r->channels * (oh * ow + r->height * r->width);
  NddrCheck *c = check_begin (k->family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *x = check_map (c, "x", r->branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *y = check_map (c, "y", r->branches, r->batch, oh, ow, r->channels);
  NddrTensor *w = check_flat (c, "weight", NDDR_SPACE_PARAMS, (gsize) r->branches * r->channels * 9);
  NddrTensor *dw = check_flat (c, "dw", NDDR_SPACE_STATE, (gsize) r->branches * r->channels * 9);
  NddrDepthwise op = { .output = NDDR_BRANCHES (y), .input = NDDR_BRANCHES (x), .branches = r->branches, .weight = w,
    .stride = r->stride, .dilation = r->dilation, .low = 0, .high = 6, .pack_phase = PACK };
  g_autofree char *shape = g_strdup_printf ("%dx%dx%dx%dx%d s%d d%d", r->branches, r->batch, r->height, r->width, r->channels, r->stride, r->dilation);

  plan->phase = FORWARD;
  nddr_depthwise_forward (plan, &op);
  plan->phase = DATA;
  nddr_depthwise_backward_data (plan, &op, NDDR_BRANCHES (x), NDDR_BRANCHES (y), FALSE);
  plan->phase = WEIGHT;
  nddr_depthwise_backward_weight (plan, &op, NDDR_BRANCHES (y), dw, NULL);
  check_ready (c);
  check_run (c, 1 << PACK);
  check_bench (c, 1 << FORWARD, 2 * macs, bytes, "%s forward", shape);
  check_bench (c, 1 << DATA, 2 * macs, bytes, "%s gradient to the input", shape);
  check_bench (c, 1 << WEIGHT, 2 * macs, bytes, "%s gradient to the weights", shape);
  check_end (c);
}

/* The reference's gradients against its own differences: they are what everything else is held to. */
static void
test_reference (void)
{
  RefDepthwise ref = { 2, 5, 4, 3, 2, 1 };

  for (ref.stride = 1; ref.stride <= 2; ref.stride++)
    for (ref.dilation = 1; ref.dilation <= 2; ref.dilation++) {
      gsize n_x = (gsize) ref.batch * ref.height * ref.width * ref.channels, n_w = (gsize) ref.channels * 9;
      gsize n_y = (gsize) ref.batch * ref_depthwise_height (&ref) * ref_depthwise_width (&ref) * ref.channels;
      g_autofree double *x = check_random (n_x, 1, FALSE), *w = check_random (n_w, 2, FALSE), *bias = check_random (ref.channels, 3, FALSE);
      g_autofree double *dy = check_random (n_y, 4, FALSE), *up = g_new (double, n_y), *down = g_new (double, n_y);
      g_autofree double *dx = g_new (double, n_x), *dw = g_new (double, n_w), *db = g_new (double, ref.channels);
      struct { double *values, *gradient; gsize n; } of[] = { { x, dx, n_x }, { w, dw, n_w }, { bias, db, ref.channels } };

      ref_depthwise_backward_data (&ref, dx, dy, w);
      ref_depthwise_backward_weight (&ref, dw, db, x, dy);
      for (int i = 0; i < 3; i++)
        for (gsize j = 0; j < of[i].n; j++) {
          double kept = of[i].values[j], difference = 0;
          of[i].values[j] = kept + 0.5;
          ref_depthwise_forward (&ref, up, x, w, bias);
          of[i].values[j] = kept - 0.5;
          ref_depthwise_forward (&ref, down, x, w, bias);
          of[i].values[j] = kept;
          for (gsize y = 0; y < n_y; y++)
            difference += dy[y] * (up[y] - down[y]); /* exact: the output is linear in each */
          g_assert_cmpfloat_with_epsilon (difference, of[i].gradient[j], 1e-12);
        }
    }
}

int
main (int argc, char **argv)
{
  static const struct { NddrFamily family; gboolean half, narrow; const char *name; } ways[] = {
    { NDDR_FAMILY_SOFTWARE, FALSE, FALSE, "software" }, { NDDR_FAMILY_SOFTWARE, FALSE, TRUE, "software-narrow" }, { NDDR_FAMILY_GPU, FALSE, FALSE, "gpu" },
    { NDDR_FAMILY_GPU, FALSE, TRUE, "gpu-narrow" }, { NDDR_FAMILY_GPU, TRUE, FALSE, "gpu-fp16" },
  };

  check_init (&argc, &argv);
  g_test_add_func ("/depthwise/reference", test_reference);
  if (check_traits ()->max_groups[0] >= LONG_ROW_GROUPS)
    g_test_add_func ("/depthwise/long-row", test_long_row);
  for (guint v = 0; v < G_N_ELEMENTS (ways); v++)
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
      const Row *r = &rows[i];
      Case *k = g_new (Case, 1);
      g_autofree char *path = g_strdup_printf ("/depthwise/%s/%u-%dx%dx%dx%dx%d-s%d-d%d", ways[v].name, i, r->branches, r->batch, r->height, r->width,
          r->channels, r->stride, r->dilation);
      *k = (Case){ r, ways[v].family, ways[v].half, ways[v].narrow };
      g_test_add_data_func_full (path, k, test_row, g_free);
    }
  if (check_benching ())
    for (guint i = 0; i < G_N_ELEMENTS (bench_rows); i++) {
      Case *k = g_new (Case, 1);
      g_autofree char *path = g_strdup_printf ("/depthwise/bench/%u", i);
      *k = (Case){ &bench_rows[i], check_can (NDDR_FAMILY_SOFTWARE, FALSE) ? NDDR_FAMILY_SOFTWARE : NDDR_FAMILY_GPU, FALSE, FALSE };
      g_test_add_data_func_full (path, k, bench_row, g_free);
    }
  return check_finish (g_test_run ());
}
