/* What a teacher gives, as a loss, against its references, and those against finite differences.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "distillation.h"

#include <math.h>
#include <string.h>

#define MAX_BATCH 8 /* of the rows here */

typedef struct
{
  NddrTaskKind kind;
  int batch, height, width, channels;
  double spread;      /* of predictions */
  double temperature; /* of segmentation */
  gboolean angle;     /* of normals, not 1 - cos */
} Row;

static const Row rows[] = {
  { NDDR_TASK_SEGMENTATION, 1, 1, 1, 2, 1, 1 },
  { NDDR_TASK_SEGMENTATION, 1, 3, 5, 1, 1, 1 },
  { NDDR_TASK_SEGMENTATION, 2, 7, 9, 3, 1, 2 },
  { NDDR_TASK_SEGMENTATION, 3, 12, 16, 13, 5, 4 },
  { NDDR_TASK_SEGMENTATION, 1, 21, 13, 40, 60, 1 },
  { NDDR_TASK_SEGMENTATION, 1, 9, 9, 41, 500, 0.5 },
  { NDDR_TASK_SEGMENTATION, 2, 5, 7, 255, 3, 1 },
  { NDDR_TASK_SEGMENTATION, 3, 97, 131, 13, 4, 2 },
  { NDDR_TASK_NORMAL, 1, 1, 1, 3, 1, 1 },
  { NDDR_TASK_NORMAL, 3, 13, 17, 3, 1, 1 },
  { NDDR_TASK_NORMAL, 3, 97, 131, 3, 100, 1 },
  { NDDR_TASK_NORMAL, 1, 9, 9, 3, 1e-4, 1 },
  { NDDR_TASK_NORMAL, 3, 13, 17, 3, 1, 1, TRUE },
  { NDDR_TASK_NORMAL, 3, 97, 131, 3, 100, 1, TRUE },
  { NDDR_TASK_DEPTH, 1, 1, 1, 1, 1, 1 },
  { NDDR_TASK_DEPTH, 3, 13, 17, 1, 10, 1 },
  { NDDR_TASK_DEPTH, 2, 97, 129, 1, 3, 1 },
  { NDDR_TASK_DEPTH, 2, 3200, 1000, 1, 3, 1 }, /* more pixels than a product with 1 / width can be told apart for */
};

static const Row bench_rows[] = {
  { NDDR_TASK_SEGMENTATION, 8, 192, 256, 13, 4, 1 },
  { NDDR_TASK_NORMAL, 8, 192, 256, 3, 1, 1 },
  { NDDR_TASK_DEPTH, 8, 192, 256, 1, 1, 1 },
};

static const char *const kind_names[] = { [NDDR_TASK_SEGMENTATION] = "segmentation", [NDDR_TASK_NORMAL] = "normal", [NDDR_TASK_DEPTH] = "depth" };

/* All of the first picture, less and less of the others, and of the last of several nothing. */
static RefShown
make_shown (const Row *r, int (*shown)[2])
{
  for (int b = 0; b < r->batch; b++) {
    gboolean none = b > 1 && b == r->batch - 1;
    shown[b][0] = none ? 0 : r->width - r->width * b / 3;
    shown[b][1] = none ? 0 : r->height - r->height * b / 4;
  }
  return (RefShown){ r->batch, r->height, r->width, r->channels, (const int (*)[2]) shown };
}

static double
reference (const Row *r, const RefShown *shown, double *gradient, const double *x, const double *teacher, double weight)
{
  if (r->kind == NDDR_TASK_SEGMENTATION)
    return ref_distill_segmentation (shown, gradient, x, teacher, r->temperature, weight);
  return r->kind == NDDR_TASK_NORMAL ? ref_distill_normal (shown, gradient, x, teacher, r->angle, weight) : ref_distill_depth (shown, gradient, x, teacher, weight);
}

/* The prediction is the second branch of two, its gradient the first of two, which holds something already; large maps have one. */
static void
check_row (const Row *r, NddrFamily family, gboolean bench)
{
  int pixels = r->batch * r->height * r->width, counted = 0, branches = pixels < 4000000 ? 2 : 1;
  gsize n = (gsize) pixels * r->channels;
  g_autofree char *what = g_strdup_printf ("%s %dx%dx%dx%d, predictions to %g, temperature %g%s", kind_names[r->kind], r->batch, r->height, r->width, r->channels,
      r->spread, r->temperature, r->angle ? ", angles" : "");
  g_autofree double *x = check_random (branches * n, 40, FALSE), *teacher = check_random (n, 41, FALSE), *gradient = check_random (branches * n, 42, FALSE);
  g_autofree int (*shown)[2] = g_malloc (r->batch * sizeof *shown);
  RefShown ref = make_shown (r, shown);
  NddrCheck *c = check_begin (family, FALSE);
  NddrPlan *plan = check_plan (c);
  NddrTensor *tx = check_map (c, "x", branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *tt = check_map (c, "teacher", 1, r->batch, r->height, r->width, r->channels);
  NddrTensor *tg = check_map (c, "gradient", branches, r->batch, r->height, r->width, r->channels);
  NddrTensor *scale = nddr_plan_flat (plan, "scale", NDDR_SPACE_INPUT, NDDR_F32, 2);
  NddrTensor *ts = nddr_plan_flat (plan, "shown", NDDR_SPACE_INPUT, NDDR_F32, 2 * r->batch);
  NddrTensor *loss = nddr_plan_flat (plan, "loss", NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  float *scales;
  double want, *own = x + (branches - 1) * n;

  for (gsize i = 0; i < branches * n; i++)
    x[i] = (float) (x[i] * r->spread);
  for (gsize i = 0; i < n; i++)
    teacher[i] = (float) (teacher[i] * r->spread * 0.7);
  for (int b = 0; b < r->batch; b++)
    counted += shown[b][0] * shown[b][1];
  for (gsize i = 0; i < branches * n; i++)
    gradient[i] = (float) (gradient[i] / counted); /* of the size of what is added */
  if (r->kind == NDDR_TASK_DEPTH)
    own[0] = teacher[0]; /* no error, no gradient */
  if (r->kind == NDDR_TASK_NORMAL && pixels > 10)
    own[3] = own[4] = own[5] = teacher[6] = teacher[7] = teacher[8] = 0; /* no direction */
  nddr_distillation (plan, &(NddrDistillation){ r->kind, { tx, branches - 1, 1 }, { tg, 0, 1 }, tt, ts, scale, loss, r->temperature, r->angle });
  check_ready (c);
  check_fill (c, tx, x);
  check_fill (c, tt, teacher);
  check_fill (c, tg, gradient);
  memcpy (nddr_program_map (check_program (c), ts, 0), shown, r->batch * sizeof *shown);
  scales = nddr_program_map (check_program (c), scale, 0);
  scales[0] = 1.0f / counted;
  scales[1] = 20;
  check_run (c, 1);
  want = reference (r, &ref, gradient, own, teacher, 20);
  check_compare (c, tg, gradient, 1e-5, "gradient of %s", what);
  check_compare (c, loss, &want, r->channels > 1 ? 1e-5 : 1, "%s", what); /* of one class alone it is 0 */
  if (bench)
    check_bench (c, 1, 0, tx->bytes / branches + tt->bytes + tg->bytes, "%s", what);
  check_end (c);
}

static void
test_distillation (gconstpointer data)
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
    { NDDR_TASK_SEGMENTATION, 2, 3, 5, 4, 2, 1 },
    { NDDR_TASK_SEGMENTATION, 2, 3, 5, 4, 2, 3 },
    { NDDR_TASK_NORMAL, 2, 3, 5, 3, 1, 1 },
    { NDDR_TASK_NORMAL, 2, 3, 5, 3, 1, 1, TRUE },
    { NDDR_TASK_DEPTH, 2, 3, 5, 1, 5, 1 },
  };
  const double h = 1e-6;

  for (guint k = 0; k < G_N_ELEMENTS (small); k++) {
    const Row *r = &small[k];
    int n = 30 * r->channels, shown[MAX_BATCH][2];
    RefShown ref = make_shown (r, shown);
    g_autofree double *x = check_random (n, 50, FALSE), *teacher = check_random (n, 51, FALSE), *gradient = g_new0 (double, n), *unused = g_new0 (double, n);

    reference (r, &ref, gradient, x, teacher, 3);
    for (int i = 0; i < n; i++) {
      double kept = x[i], up, down;

      x[i] = kept + h;
      up = reference (r, &ref, unused, x, teacher, 3);
      x[i] = kept - h;
      down = reference (r, &ref, unused, x, teacher, 3);
      x[i] = kept;
      g_assert_cmpfloat_with_epsilon (gradient[i], 3 * (up - down) / (2 * h), 1e-7);
    }
    for (int i = 0; i < n; i++) /* what is the teacher's own costs nothing */
      unused[i] = 0;
    g_assert_cmpfloat_with_epsilon (reference (r, &ref, unused, teacher, teacher, 3), 0, r->angle ? 1e-6 : 1e-12); /* acos () near 1 */
  }
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  g_test_add_func ("/distillation/reference/differences", test_differences);
  g_test_add_data_func ("/distillation/software", GINT_TO_POINTER (NDDR_FAMILY_SOFTWARE), test_distillation);
  g_test_add_data_func ("/distillation/gpu", GINT_TO_POINTER (NDDR_FAMILY_GPU), test_distillation);
  return check_finish (g_test_run ());
}
