/* What ranks exchange while they compute, as the plan has it: buckets of gradients that are complete, most of which are on their way before the backward
 * pass has done most of its work.  That the host is called at a mark before what is behind it has run: tests/kernels/test-marks.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jobs.h"

#include <train/training.h>

/* Of the gradients' bytes, and of the backward pass's work: so many have a mark while so much is still to be done. */
#define SENT 0.5
#define TO_DO 0.25

/* Those whose gradients are worth more than a few buckets. */
static const char *const large[] = { "standard", "base", "resnet101", NULL };

/* Where what @binding writes of @whole ends, in bytes; 0: it writes none of it. */
static gsize
written_end (const NddrBinding *binding, const NddrTensor *whole)
{
  const NddrTensor *tensor = binding->tensor;
  if (!tensor || !binding->write || (tensor != whole && tensor->whole != whole))
    return 0;
  return (tensor->whole ? tensor->part_offset : 0) + (binding->range ? binding->offset + binding->range : tensor->bytes);
}

static void
check_training (const Job *job, const NddrNetwork *network, const NddrConfig *config, const NddrTraits *traits, gboolean accumulate)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  NddrTrainingOptions options = { .batch = job->batch, .width = job->width, .height = job->height, .share = { .index = 1, .count = 2 }, .learn = TRUE,
    .input_resolution = TRUE, .bn_momentum = 0.05, .accumulate = accumulate, .adamw = TRUE, .beta1 = 0.9, .beta2 = 0.999, .adam_eps = 1e-8 };
  g_autoptr (NddrTraining) training = nddr_training_append (plan, network, config, &options, &error);
  g_assert_no_error (error);
  const NddrTensor *total = training->parameters->total;
  g_test_message ("%s: %.2f GiB of gradients", job->name, total->bytes / 1073741824.0);
  gsize unsent = total->bytes; /* buckets begin with the last layers' */
  double work = 0, done = 0, sent_early = 0;
  guint n_buckets = 0;
  gboolean computed = TRUE; /* something since the last mark */

  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = plan->steps->pdata[i];
    work += step->phase == NDDR_TRAINING_BACKWARD ? step->work : 0;
  }
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = plan->steps->pdata[i];
    if (step->phase == NDDR_TRAINING_BACKWARD) {
      done += step->work;
      computed = TRUE;
    }
    for (guint b = 0; b < NDDR_STEP_MAX_BINDINGS && step->phase != NDDR_TRAINING_UPDATE; b++)
      if (written_end (&step->bindings[b], total) > unsent)
        g_error ("%s: step %u, %s, writes gradients that are on their way", job->name, i, step->label);
    if (!step->mark)
      continue;
    const NddrCollective *bucket = &g_array_index (training->collectives, NddrCollective, step->mark - 1);
    gsize from = bucket->tensor->whole ? bucket->tensor->part_offset : 0;
    n_buckets++;
    g_assert_cmpint (step->phase, ==, NDDR_TRAINING_SEND);
    g_assert_true (computed); /* buckets with nothing between them might as well be one */
    computed = FALSE;
    g_assert_cmpuint (from + bucket->tensor->bytes, ==, unsent);
    unsent = from;
    g_assert_cmpint (bucket->kind, ==, unsent > 0 ? NDDR_COLLECTIVE_BUCKET : NDDR_COLLECTIVE_LAST_BUCKET);
    g_assert_cmpint (step->hold, ==, unsent == 0);
    if (work - done >= TO_DO * work)
      sent_early += bucket->tensor->bytes;
    g_test_message ("%s: %.3f of the gradients have a mark when %.3f of the work is done", job->name, 1 - (double) unsent / total->bytes, done / work);
  }
  g_assert_cmpuint (unsent, ==, 0);
  g_assert_cmpuint (n_buckets, >, 2);
  g_assert_cmpfloat (sent_early, >=, SENT * total->bytes);
}

static void
test_job (gconstpointer data)
{
  const Job *job = data;
  g_autoptr (GError) error = NULL;
  NddrConfig *config = job_config (job);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, &error);
  g_assert_no_error (error);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    check_training (job, network, config, &nddr_traits_software, accumulate);
    check_training (job, network, config, &nddr_traits_gpu, accumulate);
  }
  nddr_config_free (config);
}

/* More parameters than an int counts, in tensors that a binding of 4 GiB spans each. */
static void
test_wide (void)
{
  const Job job = { "wide", "\"backbone\": \"vgg16\", \"width\": 9", 64, 64, 2 };
  g_autoptr (GError) error = NULL;
  NddrConfig *config = job_config (&job);
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, &error);
  g_assert_no_error (error);
  check_training (&job, network, config, &nddr_traits_gpu, TRUE);
  nddr_config_free (config);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  job_add_tests ("/buckets", large, test_job);
  g_test_add_func ("/buckets/wide", test_wide);
  return g_test_run ();
}
