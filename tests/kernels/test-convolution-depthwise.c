/* A convolution and the depthwise one behind it in one step, against both references.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <convolution.h>
#include <depthwise.h>

typedef struct
{
  int batch, height, width, in, channels, stride;
  int branches;
  int of, first, step; /* the input's branches that they take: tensor of `of`, first + b * step */
  gboolean bias;
} Row;

static const Row rows[] = {
  { 1, 1, 1, 1, 8, 1, 1, 1, 0, 1, TRUE },
  { 1, 1, 1, 3, 8, 2, 1, 1, 0, 1, TRUE },
  { 1, 5, 7, 3, 8, 1, 2, 2, 0, 1, TRUE },
  { 1, 5, 7, 3, 8, 2, 2, 2, 0, 1, FALSE },
  { 2, 6, 16, 16, 96, 1, 2, 3, 1, 1, TRUE },
  { 2, 6, 16, 16, 96, 2, 2, 3, 1, 1, TRUE },
  { 1, 9, 17, 24, 48, 1, 1, 2, 1, 1, TRUE },  /* a column more than strips have */
  { 3, 9, 17, 24, 48, 2, 1, 2, 1, 1, TRUE },
  { 1, 8, 15, 32, 40, 1, 3, 4, 3, -1, FALSE }, /* one column less; channels that are no multiple of 16 */
  { 1, 7, 15, 32, 40, 2, 3, 4, 3, -1, TRUE },
  { 2, 4, 33, 29, 16, 1, 2, 1, 0, 0, TRUE },   /* one input, two branches; channels that are no multiple of 4 */
  { 2, 4, 34, 30, 16, 2, 2, 1, 0, 0, TRUE },
  { 1, 33, 3, 32, 24, 1, 1, 1, 0, 1, TRUE },
  { 1, 33, 3, 8, 24, 2, 1, 1, 0, 1, TRUE },
};

/* MobileNet V2's at 256x192 and 320x240 */
static const Row bench_rows[] = {
  { 1, 96, 128, 16, 96, 2, 2, 2, 0, 1, TRUE },
  { 1, 48, 64, 24, 144, 1, 2, 2, 0, 1, TRUE },
  { 1, 48, 64, 24, 144, 2, 2, 2, 0, 1, TRUE },
  { 1, 24, 32, 32, 192, 1, 2, 2, 0, 1, TRUE },
  { 1, 24, 32, 32, 192, 2, 2, 2, 0, 1, TRUE },
  { 1, 120, 160, 16, 96, 2, 2, 2, 0, 1, TRUE },
  { 1, 60, 80, 24, 144, 1, 2, 2, 0, 1, TRUE },
  { 1, 60, 80, 24, 144, 2, 2, 2, 0, 1, TRUE },
  { 1, 30, 40, 32, 192, 1, 2, 2, 0, 1, TRUE },
};

enum { PACK, FORWARD, APART };

/* What a row means, in references' terms. */
typedef struct
{
  RefConvolution convolution;
  RefDepthwise depthwise;
  int height, width; /* of the result */
  gsize n_x, n_between, n_y; /* elements of a branch */
  gsize n_w, n_d;            /* weights of a branch */
} Shape;

static Shape
shape_of (const Row *r)
{
  Shape s = { .convolution = { r->batch, r->height, r->width, 1, &r->in, r->channels, 1, 1, 1 } };

  s.depthwise = (RefDepthwise){ r->batch, r->height, r->width, r->channels, r->stride, 1 };
  s.height = ref_depthwise_height (&s.depthwise);
  s.width = ref_depthwise_width (&s.depthwise);
  s.n_x = (gsize) r->batch * r->height * r->width * r->in;
  s.n_between = (gsize) r->batch * r->height * r->width * r->channels;
  s.n_y = (gsize) r->batch * s.height * s.width * r->channels;
  s.n_w = (gsize) r->channels * r->in;
  s.n_d = (gsize) r->channels * 9;
  return s;
}

/* Its tensors; outputs go to the last branches of theirs. @input: outlives the operation */
static NddrConvolutionDepthwise
make_op (NddrCheck *c, const Row *r, const Shape *s, NddrBranches *input)
{
  gsize channels = (gsize) r->branches * r->channels;
  NddrConvolutionDepthwise op = { .convolution = { .branches = r->branches, .inputs = input, .n_inputs = 1, .kernel = 1,
                                      .stride = 1, .dilation = 1, .low = 0, .high = 6, .pack_phase = PACK },
    .depthwise = { .branches = r->branches, .stride = r->stride, .dilation = 1, .low = -0.6f, .high = 0.8f, .pack_phase = PACK } };

  *input = (NddrBranches){ check_map (c, "x", r->of, r->batch, r->height, r->width, r->in), r->first, r->step };
  op.convolution.weight = check_flat (c, "weight", NDDR_SPACE_PARAMS, r->branches * s->n_w);
  op.convolution.bias = check_flat (c, "bias", NDDR_SPACE_PARAMS, channels);
  op.depthwise.output = (NddrBranches){ check_map (c, "y", r->branches + 1, r->batch, s->height, s->width, r->channels), 1, 1 };
  op.depthwise.weight = check_flat (c, "depthwise weight", NDDR_SPACE_PARAMS, r->branches * s->n_d);
  op.depthwise.bias = check_flat (c, "depthwise bias", NDDR_SPACE_PARAMS, channels);
  return op;
}

static void
test_row (gconstpointer data)
{
  const Row *r = data;
  Shape s = shape_of (r);
  g_autofree double *x = check_random (r->of * s.n_x, 1, FALSE), *between = g_new (double, s.n_between), *y = g_new (double, r->branches * s.n_y);
  g_autofree double *w = check_random (r->branches * s.n_w, 2, FALSE), *bias = check_random ((gsize) r->branches * r->channels, 3, FALSE);
  g_autofree double *d = check_random (r->branches * s.n_d, 4, FALSE), *d_bias = check_random ((gsize) r->branches * r->channels, 5, FALSE);
  NddrBranches input;

  if (!check_can (NDDR_FAMILY_SOFTWARE, FALSE))
    return;
  NddrCheck *c = check_begin (NDDR_FAMILY_SOFTWARE, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrConvolutionDepthwise op = make_op (c, r, &s, &input), appended = op;
  if (!r->bias)
    appended.convolution.bias = appended.depthwise.bias = NULL;
  g_assert_true (nddr_convolution_depthwise_fits (plan, &appended));
  plan->phase = FORWARD;
  nddr_convolution_depthwise_forward (plan, &appended);
  check_ready (c);
  check_fill (c, input.tensor, x);
  check_fill (c, op.convolution.weight, w);
  check_fill (c, op.convolution.bias, bias);
  check_fill (c, op.depthwise.weight, d);
  check_fill (c, op.depthwise.bias, d_bias);
  check_poison (c, op.depthwise.output.tensor);
  check_run (c, 1 << PACK);

  for (int b = 0; b < r->branches; b++) {
    const double *source = x + (r->first + b * r->step) * s.n_x;

    ref_convolution_forward (&s.convolution, between, &source, w + b * s.n_w, r->bias ? bias + b * r->channels : NULL, NULL, 0, 6);
    ref_depthwise_forward (&s.depthwise, y + b * s.n_y, between, d + b * s.n_d, r->bias ? d_bias + b * r->channels : NULL);
    for (gsize i = 0; i < s.n_y; i++)
      y[b * s.n_y + i] = CLAMP (y[b * s.n_y + i], -0.6f, 0.8f);
  }
  check_run (c, 1 << FORWARD);
  check_compare_view (c, op.depthwise.output, r->branches, y, 1e-6, "in one step");
  check_end (c);
}

/* What the kernel is not for, and what the plan then has to do in two steps. */
static void
test_fits (void)
{
  static const Row row = { 1, 12, 16, 16, 24, 1, 1, 1, 0, 1, TRUE };
  Shape s = shape_of (&row);
  NddrBranches input, two[2];

  if (!check_can (NDDR_FAMILY_SOFTWARE, FALSE))
    return;
  NddrCheck *c = check_begin (NDDR_FAMILY_SOFTWARE, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrConvolutionDepthwise op = make_op (c, &row, &s, &input), other = op;
  g_assert_true (nddr_convolution_depthwise_fits (plan, &op));

  plan->traits.family = NDDR_FAMILY_GPU;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &op));
  plan->traits.family = NDDR_FAMILY_SOFTWARE;
  two[0] = two[1] = input;
  other.convolution.inputs = two;
  other.convolution.n_inputs = 2;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.convolution.residual = op.depthwise.output;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.convolution.kernel = 3;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.convolution.stride = 2;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.depthwise.dilation = 2;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.depthwise.stride = 3;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  other = op;
  other.depthwise.output.tensor = check_map (c, "odd", 2, 1, s.height, s.width, 20); /* no multiple of 8 */
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  two[0].tensor = check_map (c, "many", 1, 1, row.height, row.width, 36); /* more than the kernel's loop has room for */
  other = op;
  other.convolution.inputs = two;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &other));
  g_assert_false (nddr_convolution_depthwise_pays (plan, &op)); /* 18 KiB */
  two[0].tensor = check_map (c, "large", 1, 1, 192, 128, 16); /* 2.25 MiB of 24 channels */
  g_assert_true (nddr_convolution_depthwise_pays (plan, &other));
  plan->traits.max_storage_range = 4096;
  g_assert_false (nddr_convolution_depthwise_fits (plan, &op));
  check_end (c);
}

static void
bench_row (gconstpointer data)
{
  const Row *r = data;
  Shape s = shape_of (r);
  double macs = (double) r->branches * (s.n_between * r->in + s.n_y * 9), bytes = 4.0 * (r->of * s.n_x + r->branches * s.n_y);
  g_autofree char *shape = g_strdup_printf ("%dx%dx%dx%dx%d>%d s%d", r->branches, r->batch, r->height, r->width, r->in, r->channels, r->stride);
  NddrCheck *c = check_begin (NDDR_FAMILY_SOFTWARE, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrBranches input;
  NddrConvolutionDepthwise op = make_op (c, r, &s, &input);
  NddrTensor *between = check_map (c, "between", r->branches, r->batch, s.depthwise.height, s.depthwise.width, r->channels);

  plan->phase = FORWARD;
  nddr_convolution_depthwise_forward (plan, &op);
  plan->phase = APART;
  op.convolution.output = op.depthwise.input = NDDR_BRANCHES (between);
  nddr_convolution_forward (plan, &op.convolution);
  nddr_depthwise_forward (plan, &op.depthwise);
  check_ready (c);
  check_run (c, 1 << PACK);
  check_bench (c, 1 << FORWARD, 2 * macs, bytes, "%s", shape);
  check_bench (c, 1 << APART, 2 * macs, bytes, "%s, in two steps", shape);
  check_end (c);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_func ("/convolution-depthwise/fits", test_fits);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const Row *r = &rows[i];
    g_autofree char *path = g_strdup_printf ("/convolution-depthwise/%u-%dx%dx%dx%dx%d-%d-s%d", i, r->branches, r->batch, r->height, r->width, r->in,
        r->channels, r->stride);
    g_test_add_data_func (path, r, test_row);
  }
  if (check_benching () && check_can (NDDR_FAMILY_SOFTWARE, FALSE))
    for (guint i = 0; i < G_N_ELEMENTS (bench_rows); i++) {
      g_autofree char *path = g_strdup_printf ("/convolution-depthwise/bench/%u", i);
      g_test_add_data_func (path, &bench_rows[i], bench_row);
    }
  return check_finish (g_test_run ());
}
