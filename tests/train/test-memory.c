/* What plans take: the arena against the least that it could have, the tensors that live at once; and that maps beyond all buffers are refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jobs.h"

#include <nddr/inference.h>
#include <train/training.h>

#include <string.h>

#define ALLOWED 1.05

/* Limits apart: what does not fit a device is still placed. */
static void
check_plan (const char *name, const char *what, NddrPlan *plan)
{
  g_autoptr (GError) error = NULL;
  plan->traits.max_storage_range = plan->traits.max_texel_elements = G_MAXUINT32;
  for (int i = 0; i < 3; i++)
    plan->traits.max_groups[i] = G_MAXUINT32;
  if (!nddr_plan_finish (plan, &error))
    g_test_message ("%s", error->message);
  double arena = plan->space_bytes[NDDR_SPACE_ARENA], least = nddr_plan_live_bytes (plan);
  g_test_message ("%s, %s: %.2f MiB, at least %.2f: %.4f", name, what, arena / 1048576, least / 1048576, arena / least);
  g_assert_cmpfloat (arena, >=, least);
  g_assert_cmpfloat (arena, <=, least * ALLOWED);
}

static void
check_inference (const Job *job, const NddrNetwork *network, const NddrTraits *traits, NddrType type)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  plan->activation_type = type;
  NddrInference *inference = nddr_inference_append (plan, network, nddr_plan_map (plan, "input", 1, 1, job->height, job->width, 3), NULL);
  check_plan (job->name, type == NDDR_F16 ? "inference in fp16" : "inference", plan);
  nddr_inference_free (inference);
}

static void
check_training (const Job *job, const NddrNetwork *network, const NddrConfig *config, const NddrTraits *traits, int segments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  NddrTrainingOptions options = { .batch = job->batch, .width = job->width, .height = job->height, .learn = TRUE, .input_resolution = TRUE,
    .bn_momentum = 0.05, .segments = segments, .adamw = TRUE, .beta1 = 0.9, .beta2 = 0.999, .adam_eps = 1e-8 };
  g_autoptr (NddrTraining) training = nddr_training_append (plan, network, config, &options, &error);
  g_assert_no_error (error);
  check_plan (job->name, segments > 1 ? "training, activations computed again" : "training", plan);
}

static void
test_job (gconstpointer data)
{
  const Job *job = data;
  g_autoptr (GError) error = NULL;
  NddrConfig *config = job_config (job);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, &error);
  g_assert_no_error (error);
  check_inference (job, network, &nddr_traits_software, NDDR_F32);
  check_inference (job, network, &nddr_traits_gpu, NDDR_F32);
  check_inference (job, network, &nddr_traits_gpu, NDDR_F16);
  check_training (job, network, config, &nddr_traits_software, 1);
  check_training (job, network, config, &nddr_traits_gpu, 1);
  check_training (job, network, config, &nddr_traits_software, 4);
  nddr_config_free (config);
}

/* Up to the largest input and crop: pixels and texels are more than an int holds, and would be 0 there or negative. */
static void
test_too_large (gconstpointer data)
{
  static const struct { int batch, size; } rows[] = { { 1, 16384 }, { 8, 16384 }, { 16, 16384 }, { 64, 16384 }, { 1, 8192 }, { 3, 8192 }, { 32, 2048 } };
  const Job *job = data;
  g_autoptr (GError) error = NULL;
  NddrConfig *config = job_config (job);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, &error);
  g_assert_no_error (error);

  for (guint i = 0; i < 3 * G_N_ELEMENTS (rows); i++) {
    const NddrTraits *traits = i % 3 ? &nddr_traits_gpu : &nddr_traits_software;
    int batch = rows[i / 3].batch, size = rows[i / 3].size;
    for (int learn = 0; learn < 2; learn++) {
      g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
      NddrTrainingOptions options = { .batch = batch, .width = size, .height = size, .learn = TRUE, .dropout = 0.5 };
      gboolean fine;
      plan->activation_type = i % 3 == 2 && !learn ? NDDR_F16 : NDDR_F32;
      if (learn) {
        g_autoptr (NddrTraining) training = nddr_training_append (plan, network, config, &options, &error);
        fine = training != NULL;
      } else {
        NddrInference *inference = nddr_inference_append (plan, network, nddr_plan_map (plan, "input", 1, batch, size, size, 3), &error);
        fine = inference != NULL;
        nddr_inference_free (inference);
      }
      g_assert_false (fine && nddr_plan_finish (plan, &error));
      g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, "a smaller input or batch"));
      g_clear_error (&error);
    }
  }
  nddr_config_free (config);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  job_add_tests ("/memory", NULL, test_job);
  job_add_tests ("/memory/too-large", NULL, test_too_large);
  return g_test_run ();
}
