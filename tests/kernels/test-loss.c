/* Losses against their references, and those against finite differences.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "loss.h"

#include <math.h>
#include <string.h>

typedef struct
{
  NddrTaskKind kind;
  int batch, height, width, channels;
  double spread; /* of the predictions */
  gboolean weighted; /* by classes */
  gboolean angle;    /* of normals, not 1 - cos */
} Row;

static const Row rows[] = {
  { NDDR_TASK_SEGMENTATION, 1, 1, 1, 2, 1 },
  { NDDR_TASK_SEGMENTATION, 1, 3, 5, 1, 1 },
  { NDDR_TASK_SEGMENTATION, 2, 7, 9, 3, 1 },
  { NDDR_TASK_SEGMENTATION, 3, 12, 16, 13, 5 },
  { NDDR_TASK_SEGMENTATION, 1, 21, 13, 40, 60 },
  { NDDR_TASK_SEGMENTATION, 1, 9, 9, 41, 500 },
  { NDDR_TASK_SEGMENTATION, 2, 5, 7, 255, 3 },
  { NDDR_TASK_SEGMENTATION, 2, 97, 129, 13, 4 },
  { NDDR_TASK_SEGMENTATION, 3, 97, 131, 13, 4 },
  { NDDR_TASK_SEGMENTATION, 1, 3, 5, 1, 1, TRUE },
  { NDDR_TASK_SEGMENTATION, 3, 12, 16, 13, 5, TRUE },
  { NDDR_TASK_SEGMENTATION, 2, 5, 7, 255, 3, TRUE },
  { NDDR_TASK_SEGMENTATION, 2, 97, 129, 13, 4, TRUE },
  { NDDR_TASK_NORMAL, 1, 1, 1, 3, 1 },
  { NDDR_TASK_NORMAL, 3, 13, 17, 3, 1 },
  { NDDR_TASK_NORMAL, 2, 97, 129, 3, 100 },
  { NDDR_TASK_NORMAL, 3, 97, 131, 3, 1 },
  { NDDR_TASK_NORMAL, 1, 9, 9, 3, 1e-4 },
  { NDDR_TASK_NORMAL, 1, 1, 1, 3, 1, FALSE, TRUE },
  { NDDR_TASK_NORMAL, 3, 13, 17, 3, 1, FALSE, TRUE },
  { NDDR_TASK_NORMAL, 2, 97, 129, 3, 100, FALSE, TRUE },
  { NDDR_TASK_DEPTH, 1, 1, 1, 1, 1 },
  { NDDR_TASK_DEPTH, 3, 13, 17, 1, 10 },
  { NDDR_TASK_DEPTH, 2, 97, 129, 1, 3 },
};

static const Row bench_rows[] = {
  { NDDR_TASK_SEGMENTATION, 8, 192, 256, 13, 4 },
  { NDDR_TASK_SEGMENTATION, 8, 192, 256, 13, 4, TRUE },
  { NDDR_TASK_NORMAL, 8, 192, 256, 3, 1 },
  { NDDR_TASK_NORMAL, 8, 192, 256, 3, 1, FALSE, TRUE },
  { NDDR_TASK_DEPTH, 8, 192, 256, 1, 1 },
};

static const char *const kind_names[] = { [NDDR_TASK_SEGMENTATION] = "segmentation", [NDDR_TASK_NORMAL] = "normal", [NDDR_TASK_DEPTH] = "depth" };

/* What each class counts with. */
static double *
make_class_weights (const Row *r)
{
  double *weights = r->weighted ? g_new (double, r->channels) : NULL;

  for (int c = 0; weights && c < r->channels; c++)
    weights[c] = 0.25 * (1 + c * 7 % 11);
  return weights;
}

/* A label for each pixel, every seventh ignored, as the device wants it; @values: as the reference does. */
static NddrTensor *
add_label (NddrPlan *plan, const Row *r)
{
  if (r->kind == NDDR_TASK_SEGMENTATION)
    return nddr_plan_tensor (plan, "label", NDDR_SPACE_INPUT, NDDR_BYTES, 1, r->batch, r->height, r->width, 1);
  return nddr_plan_flat (plan, "label", NDDR_SPACE_INPUT, NDDR_F32,
      (gsize) r->batch * r->height * r->width * (r->kind == NDDR_TASK_NORMAL ? 4 : 1));
}

static double *
make_labels (const Row *r, int pixels, const double *class_weights, guint8 **classes, double *valid)
{
  double *values = check_random (4 * (gsize) pixels, 21, FALSE);

  *classes = g_new (guint8, pixels);
  *valid = 0;
  for (int p = 0; p < pixels; p++) {
    gboolean ignored = p % 7 == 3;

    (*classes)[p] = ignored ? 255 : (p * 31 + p / 5) % r->channels;
    *valid += ignored ? 0 : class_weights ? class_weights[(*classes)[p]] : 1;
    if (r->kind == NDDR_TASK_DEPTH) {
      values[p] = ignored ? 0 : (float) (fabs (values[p]) * 5 + 0.1);
    } else if (r->kind == NDDR_TASK_NORMAL) {
      double *v = values + 4 * p, n = sqrt (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);

      for (int c = 0; c < 3; c++)
        v[c] = (float) (v[c] / n);
      v[3] = !ignored;
    }
  }
  return values;
}

static double
reference (const Row *r, int pixels, double *gradient, const double *x, const guint8 *classes, const double *labels, const double *class_weights,
    double weight)
{
  if (r->kind == NDDR_TASK_SEGMENTATION)
    return ref_loss_segmentation (pixels, r->channels, gradient, x, classes, class_weights, weight);
  return r->kind == NDDR_TASK_NORMAL ? ref_loss_normal (pixels, gradient, x, labels, r->angle, weight) :
      ref_loss_depth (pixels, gradient, x, labels, weight);
}

/* The prediction is the second branch of two, its gradient the first of two. */
static void
check_row (const Row *r, NddrFamily family, gboolean bench)
{
  int pixels = r->batch * r->height * r->width;
  gsize n = (gsize) pixels * r->channels;
  g_autofree char *what = g_strdup_printf ("%s %dx%dx%dx%d, predictions to %g%s", kind_names[r->kind], r->batch, r->height, r->width,
      r->channels, r->spread, r->weighted ? ", classes weighted" : r->angle ? ", angles" : "");
  g_autofree double *x = check_random (2 * n, 20, FALSE), *gradient = check_random (2 * n, 22, FALSE), *labels = NULL;
  g_autofree double *class_weights = make_class_weights (r);
  g_autofree guint8 *classes = NULL;
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *tx = check_map (c, "x", 2, r->batch, r->height, r->width, r->channels);
  NddrTensor *tg = check_map (c, "gradient", 2, r->batch, r->height, r->width, r->channels);
  NddrTensor *label = add_label (plan, r), *scale = nddr_plan_flat (plan, "scale", NDDR_SPACE_INPUT, NDDR_F32, 2);
  NddrTensor *loss = nddr_plan_flat (plan, "loss", NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrTensor *weights = class_weights ? nddr_plan_flat (plan, "class weights", NDDR_SPACE_INPUT, NDDR_F32, r->channels) : NULL;
  NddrLoss op = { r->kind, { tx, 1, 1 }, { tg, 0, 1 }, label, scale, loss, weights, r->angle };
  float *scales;
  double valid, want;

  labels = make_labels (r, pixels, class_weights, &classes, &valid);
  for (gsize i = 0; i < 2 * n; i++)
    x[i] = (float) (x[i] * r->spread);
  if (r->kind == NDDR_TASK_DEPTH)
    x[n + pixels / 2] = labels[pixels / 2]; /* no error, no gradient */
  if (r->kind == NDDR_TASK_NORMAL && pixels > 10) {
    x[n + 30] = x[n + 31] = x[n + 32] = 0; /* no direction */
    for (int i = 0; i < 3; i++) { /* the label's direction, and the opposite */
      x[n + 12 + i] = labels[16 + i];
      x[n + 18 + i] = -labels[24 + i];
    }
  }
  nddr_loss (plan, &op);
  check_ready (c);
  check_fill (c, tx, x);
  check_fill (c, tg, gradient);
  if (r->kind == NDDR_TASK_SEGMENTATION)
    memcpy (nddr_program_map (check_program (c), label, 0), classes, pixels);
  else
    check_fill (c, label, labels);
  if (weights)
    check_fill (c, weights, class_weights);
  scales = nddr_program_map (check_program (c), scale, 0);
  scales[0] = 1 / valid;
  scales[1] = 20;
  check_run (c, 1);
  want = reference (r, pixels, gradient, x + n, classes, labels, class_weights, 20);
  check_compare (c, tg, gradient, 1e-5, "gradient of %s", what);
  check_compare (c, loss, &want, 1e-5, "%s", what);
  if (bench)
    check_bench (c, 1, 0, tx->bytes / 2 + tg->bytes / 2, "%s", what);
  check_end (c);
}

static void
test_loss (gconstpointer data)
{
  NddrFamily family = GPOINTER_TO_INT (data);

  for (guint i = 0; i < G_N_ELEMENTS (rows) && check_can (family, FALSE); i++)
    check_row (&rows[i], family, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (bench_rows) && check_benching (); i++)
    check_row (&bench_rows[i], family, TRUE);
}

static void
test_differences (void)
{
  static const Row small[] = {
    { NDDR_TASK_SEGMENTATION, 1, 3, 5, 4, 2 },
    { NDDR_TASK_SEGMENTATION, 1, 3, 5, 4, 2, TRUE },
    { NDDR_TASK_NORMAL, 1, 3, 5, 3, 1 },
    { NDDR_TASK_NORMAL, 1, 3, 5, 3, 1, FALSE, TRUE },
    { NDDR_TASK_DEPTH, 1, 3, 5, 1, 5 },
  };
  const double h = 1e-6;

  for (guint k = 0; k < G_N_ELEMENTS (small); k++) {
    const Row *r = &small[k];
    int pixels = 15, n = pixels * r->channels;
    g_autofree double *x = check_random (n, 3000, FALSE), *gradient = g_new (double, n), *unused = g_new (double, n), *labels = NULL;
    g_autofree double *class_weights = make_class_weights (r);
    g_autofree guint8 *classes = NULL;
    double valid;

    labels = make_labels (r, pixels, class_weights, &classes, &valid);
    reference (r, pixels, gradient, x, classes, labels, class_weights, 3);
    for (int i = 0; i < n; i++) {
      double kept = x[i], up, down;

      x[i] = kept + h;
      up = reference (r, pixels, unused, x, classes, labels, class_weights, 3);
      x[i] = kept - h;
      down = reference (r, pixels, unused, x, classes, labels, class_weights, 3);
      x[i] = kept;
      g_assert_cmpfloat_with_epsilon (gradient[i], 3 * (up - down) / (2 * h), 1e-7);
    }
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_func ("/loss/reference/differences", test_differences);
  g_test_add_data_func ("/loss/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_loss);
  g_test_add_data_func ("/loss/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_loss);
  return check_finish (g_test_run ());
}
