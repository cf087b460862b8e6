/* Mixed precision: ten steps against PyTorch in double precision; what an overflow does, and does not; the scaler against the definition of PyTorch's
 * GradScaler; going on where another learner was read, to the same bits.
 *
 * The kernels are a GPU's, which every device runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <train/checkpoint.h>
#include <train/divergence.h>

static const char *const mixed[] = { "train.precision=mixed", NULL };

/* ---- the scaler */

static void
test_scaler (void)
{
  NddrScaler s = nddr_scaler_new ();
  g_assert_cmpfloat (s.scale, ==, 65536);
  for (int i = 1; i < 2000; i++)
    nddr_scaler_end (&s, TRUE);
  g_assert_cmpfloat (s.scale, ==, 65536);
  nddr_scaler_end (&s, TRUE);
  g_assert_cmpfloat (s.scale, ==, 131072);
  nddr_scaler_end (&s, FALSE);
  nddr_scaler_end (&s, FALSE);
  g_assert_cmpfloat (s.scale, ==, 32768);
  g_assert_cmpint (s.overflows, ==, 2);
  for (int i = 0; i < 1999; i++)
    nddr_scaler_end (&s, TRUE);
  nddr_scaler_end (&s, FALSE); /* the count of steps begins anew */
  g_assert_cmpfloat (s.scale, ==, 16384);
  for (int i = 0; i < 1999; i++)
    nddr_scaler_end (&s, TRUE);
  g_assert_cmpfloat (s.scale, ==, 16384);

  /* read back, and on as the other */
  g_autoptr (GError) error = NULL;
  g_autofree char *text = nddr_scaler_to_text (&s);
  NddrScaler again = nddr_scaler_new ();
  g_assert_true (nddr_scaler_from_text (&again, text, &error));
  g_assert_no_error (error);
  nddr_scaler_end (&s, TRUE);
  nddr_scaler_end (&again, TRUE);
  g_assert_cmpfloat (again.scale, ==, 32768);
  g_assert_cmpmem (&s, sizeof s, &again, sizeof again);

  while (nddr_scaler_can_back_off (&s))
    nddr_scaler_end (&s, FALSE);
  g_assert_cmpfloat (s.scale, ==, 1);
  static const char *const broken[] = { "", "[scaler]\nscale=0\nsteps=1\noverflows=0\n", "[scaler]\nscale=nan\nsteps=1\noverflows=0\n",
    "[scaler]\nscale=2\nsteps=-1\noverflows=0\n", "[scaler]\nscale=2\nsteps=2000\noverflows=0\n", "{}" };
  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autoptr (GError) e = NULL;
    g_assert_false (nddr_scaler_from_text (&again, broken[i], &e));
    g_assert_nonnull (e);
  }
}

/* ---- steps */

/* A learner with the kernels of GPUs; NULL where the device stores no 16-bit floats. */
static Golden *
load (const char *name, const char *const *sets)
{
  Golden *golden = golden_load_with (name, NDDR_FAMILY_GPU, sets, 0);
  if (nddr_learner_is_mixed (golden->learner))
    return golden;
  golden_free (golden);
  g_test_skip ("the device stores no 16-bit floats");
  return NULL;
}

static void
step (const Golden *golden, int batch_of, gint64 t, double *losses)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrBatch) batch = golden_batch (golden, batch_of);
  nddr_learner_step (golden->learner, batch, t, NDDR_TRAINING_STEP, losses, &error);
  g_assert_no_error (error);
}

/* Factors have 11 bits; ten steps make of that some thousandths of a loss, seven where sums are split unluckily. */
#define LOSS 1e-2

static void
test_follows (gconstpointer name)
{
  g_autoptr (Golden) golden = load (name, mixed);
  double losses[8], worst = 0;
  if (!golden)
    return;
  const NddrConfig *config = golden->start->config;
  const NddrArray *want = golden_tensor (golden, "losses", NULL);
  const NddrScaler *scaler = nddr_learner_get_scaler (golden->learner);
  for (int t = 1; t <= golden->recipe->steps; t++) {
    do /* a step that is skipped is taken again */
      step (golden, t, t - 1 + scaler->overflows, losses);
    while (nddr_learner_get_outcome (golden->learner)->skipped);
    for (guint k = 0; k < config->n_tasks; k++) {
      double is = losses[k], should = want->data[(t - 1) * (1 + config->n_tasks) + 1 + k];
      worst = MAX (worst, fabs (is - should) / fabs (should));
      if (fabs (is - should) > LOSS * fabs (should))
        g_error ("%s, step %d: the loss of %s is %.7g, PyTorch's %.7g", golden->name, t, config->tasks[k].name, is, should);
    }
  }
  g_assert_cmpint (scaler->overflows, <, 8);
  g_test_message ("worst %.2g, %d overflows", worst, (int) scaler->overflows);
}

static NddrArrays *
read_all (const Golden *golden)
{
  g_autoptr (GError) error = NULL;
  NddrArrays *tensors = nddr_arrays_new ();
  nddr_learner_read (golden->learner, TRUE, tensors, &error);
  g_assert_no_error (error);
  return tensors;
}

/* @statistics: running ones too, which a step without an update changes as PyTorch's does. */
static void
expect_same (const NddrArrays *a, const NddrArrays *b, gboolean statistics)
{
  g_assert_cmpuint (a->arrays->len, ==, b->arrays->len);
  for (guint i = 0; i < a->arrays->len; i++) {
    const NddrArray *one = a->arrays->pdata[i], *other = nddr_arrays_find (b, one->name);
    if (!statistics && strstr (one->name, ".running_"))
      continue;
    if (memcmp (one->data, other->data, one->n_elements * sizeof (float)) != 0)
      g_error ("%s differs", one->name);
  }
}

/* A scale that is far too large is halved until gradients fit; until then nothing is learnt; and then what would have been at once. */
static void
test_overflow (gconstpointer name)
{
  g_autoptr (Golden) golden = load (name, mixed);
  g_autoptr (Golden) other = load (name, mixed);
  if (!golden)
    return;
  g_autoptr (NddrArrays) before = read_all (golden);
  NddrScaler *scaler = nddr_learner_get_scaler (golden->learner);
  const NddrOutcome *outcome = nddr_learner_get_outcome (golden->learner);
  double losses[8], first[8], scale = scaler->scale = ldexp (1, 24);
  gint64 t = 0;
  step (golden, 1, t++, first);
  for (; outcome->skipped; t++) {
    g_autoptr (NddrArrays) now = read_all (golden);
    expect_same (before, now, FALSE);
    g_assert_false (isfinite (outcome->gradient_norm));
    g_assert_cmpfloat (outcome->loss_scale, ==, scale);
    g_assert_cmpfloat (scaler->scale, ==, scale /= 2);
    g_assert_cmpint (scaler->overflows, ==, t);
    step (golden, 1, t, losses);
    g_assert_cmpmem (first, golden->start->config->n_tasks * sizeof *first, losses, golden->start->config->n_tasks * sizeof *first);
  }
  g_assert_cmpint (t, >, 5);
  g_assert_true (isfinite (outcome->gradient_norm));
  g_assert_cmpfloat (outcome->loss_scale, ==, scale);
  g_test_message ("%d overflows, then %g", (int) scaler->overflows, scale);

  nddr_learner_get_scaler (other->learner)->scale = scale;
  step (other, 1, 0, losses);
  g_autoptr (NddrArrays) late = read_all (golden), at_once = read_all (other);
  expect_same (late, at_once, FALSE);
}

/* Where no scale is small enough the run has diverged. */
static void
test_hopeless (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) usual = load (name, mixed);
  if (!usual)
    return;
  g_autofree char *weight = g_strdup_printf ("loss.%s=1e30", usual->start->config->tasks[0].name), *what = NULL;
  const char *const sets[] = { mixed[0], weight, NULL };
  g_autoptr (Golden) golden = load (name, sets);
  double losses[8];
  nddr_learner_get_scaler (golden->learner)->scale = 2;
  for (int t = 0; t < 2; t++) {
    step (golden, 1, t, losses);
    g_assert_cmpint (nddr_learner_get_outcome (golden->learner)->skipped, ==, t == 0);
    nddr_divergence_find (golden->learner, golden->start->config, losses, &what, &error);
    g_assert_no_error (error);
    g_assert_cmpint (what != NULL, ==, t == 1);
  }
  g_assert_nonnull (strstr (what, "the gradient of "));
  g_assert_nonnull (strstr (what, "is not finite"));
}

static NddrCheckpoint *
save_and_load (const Golden *golden, gint64 t)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("nddr-mixed-XXXXXX", &error), *path = g_build_filename (folder, "checkpoint.safetensors", NULL);
  nddr_checkpoint_save (path, golden->learner, t, NAN, 0, "", golden->start->config, NULL, &error);
  g_assert_no_error (error);
  NddrCheckpoint *checkpoint = nddr_checkpoint_load (path, &error);
  g_assert_no_error (error);
  g_remove (path);
  g_rmdir (folder);
  return checkpoint;
}

/* Saved, and restored elsewhere: the same bits from there on. */
static void
test_restore (gconstpointer name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) golden = load (name, mixed);
  g_autoptr (Golden) other = load (name, mixed);
  double losses[8];
  if (!golden)
    return;
  nddr_learner_get_scaler (golden->learner)->scale = ldexp (1, 20);
  gint64 t = 0;
  do
    step (golden, 1, t++, losses);
  while (nddr_learner_get_outcome (golden->learner)->skipped);
  g_autoptr (NddrCheckpoint) checkpoint = save_and_load (golden, t);
  nddr_scaler_from_text (nddr_learner_get_scaler (other->learner), checkpoint->scaler, &error);
  g_assert_no_error (error);
  g_assert_cmpint (nddr_learner_get_scaler (other->learner)->overflows, ==, t - 1);
  nddr_learner_restore (other->learner, checkpoint->tensors, &error);
  g_assert_no_error (error);
  for (int i = 2; i <= 4; i++, t++) {
    step (golden, i, t, losses);
    step (other, i, t, losses);
  }
  g_autoptr (NddrArrays) one = read_all (golden), two = read_all (other);
  expect_same (one, two, TRUE);
}

/* A device that cannot trains in fp32, and keeps the losses' scale and the overflows for one that can. */
static void
test_falls_back (gconstpointer name)
{
  g_autoptr (Golden) golden = golden_load_with (name, NDDR_FAMILY_SOFTWARE, mixed, 0);
  g_autoptr (Golden) other = golden_load (name, NDDR_FAMILY_SOFTWARE);
  double losses[8];
  g_assert_false (nddr_learner_is_mixed (golden->learner));
  g_assert_null (nddr_learner_get_scaler (other->learner));
  *nddr_learner_get_scaler (golden->learner) = (NddrScaler){ .scale = 512, .steps = 7, .overflows = 3 };
  step (golden, 1, 0, losses);
  step (other, 1, 0, losses);
  g_autoptr (NddrArrays) one = read_all (golden), two = read_all (other);
  expect_same (one, two, TRUE);
  g_autoptr (NddrCheckpoint) checkpoint = save_and_load (golden, 1);
  NddrScaler kept;
  g_assert_true (nddr_scaler_from_text (&kept, checkpoint->scaler, NULL));
  g_assert_cmpfloat (kept.scale, ==, 512);
  g_assert_cmpint (kept.steps, ==, 7);
  g_assert_cmpint (kept.overflows, ==, 3);
}

int
main (int argc, char **argv)
{
  static const struct { const char *what, *name; GTestDataFunc func; } tests[] = {
    { "follows", "vgg16-nddr", test_follows },
    { "follows", "vgg16-cross-stitch", test_follows },
    { "follows", "mobilenet_v2-nddr", test_follows },
    { "follows", "resnet50-sluice", test_follows },
    { "follows", "adamw", test_follows },
    { "follows", "bn-frozen-trunk", test_follows },
    { "follows", "distillation-clip", test_follows },
    { "follows", "distillation-accumulate-uncertainty", test_follows },
    { "follows", "distillation-depth", test_follows },
    { "follows", "accumulate-clip-adamw", test_follows },
    { "overflow", "clip", test_overflow },
    { "overflow", "accumulate-clip-adamw", test_overflow },
    { "restore", "accumulate-clip-adamw", test_restore },
    { "hopeless", "clip", test_hopeless },
    { "falls-back", "clip", test_falls_back },
  };
  golden_init (&argc, &argv);
  g_test_add_func ("/mixed/scaler", test_scaler);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree char *path = g_strdup_printf ("/mixed/%s/%s", tests[i].what, tests[i].name);
    if (golden_has (tests[i].name))
      g_test_add_data_func (path, tests[i].name, tests[i].func);
  }
  return golden_run ();
}
