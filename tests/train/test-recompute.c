/* Activations that are computed again in the backward pass: the same bits, less memory, and taken where memory is short.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../session/faults.h"
#include "golden.h"

#include <string.h>

#define STEPS 2

/* All that STEPS steps leave. */
static NddrArrays *
train (const Golden *golden)
{
  g_autoptr (GError) error = NULL;
  NddrArrays *after = nddr_arrays_new ();
  double losses[8];
  for (int t = 1; t <= STEPS; t++) {
    g_autoptr (NddrBatch) batch = golden_batch (golden, t);
    nddr_learner_step (golden->learner, batch, t - 1, NDDR_TRAINING_STEP, losses, &error);
    g_assert_no_error (error);
  }
  nddr_learner_read (golden->learner, TRUE, after, &error);
  g_assert_no_error (error);
  return after;
}

/* @more: (nullable): a key that is set besides */
static void
check_case (const char *name, NddrFamily family, const char *more)
{
  const char *const kept[] = { "train.dropout=0.5", "train.activation_checkpointing=off", more, NULL };
  const char *const again[] = { "train.dropout=0.5", "train.activation_checkpointing=on", more, NULL };
  g_autoptr (Golden) a = golden_load_with (name, family, kept, 0);
  g_autoptr (Golden) b = golden_load_with (name, family, again, 0);
  const NddrFootprint *most = nddr_learner_get_footprint (a->learner), *least = nddr_learner_get_footprint (b->learner);
  g_test_message ("%s: %" G_GUINT64_FORMAT " KiB, in %d segments %" G_GUINT64_FORMAT, name, most->bytes >> 10, least->segments, least->bytes >> 10);
  g_assert_cmpint (most->segments, ==, 1);
  g_assert_cmpint (least->segments, >, 1);
  g_assert_cmpuint (least->bytes, <, most->bytes);
  g_assert_cmpuint (least->all_kept, ==, most->bytes);

  g_autoptr (NddrArrays) one = train (a), other = train (b);
  g_assert_cmpuint (one->arrays->len, ==, other->arrays->len);
  for (guint i = 0; i < one->arrays->len; i++) {
    const NddrArray *x = one->arrays->pdata[i], *y = nddr_arrays_find (other, x->name);
    if (!y || memcmp (x->data, y->data, x->n_elements * sizeof (float)) != 0)
      g_error ("%s: %s differs", name, x->name);
  }
}

static void
test_software (gconstpointer name)
{
  check_case (name, NDDR_FAMILY_SOFTWARE, NULL);
}

static void
test_gpu (gconstpointer name)
{
  check_case (name, NDDR_FAMILY_GPU, NULL);
}

/* Gradients of several batches, of which each drops and computes its own again. */
static void
test_accumulate (gconstpointer name)
{
  check_case (name, NDDR_FAMILY_SOFTWARE, "train.accumulate=2");
}

static void
test_mixed (gconstpointer name)
{
  static const char *const mixed[] = { "train.precision=mixed", NULL };
  g_autoptr (Golden) golden = golden_load_with (name, NDDR_FAMILY_GPU, mixed, 0);
  if (nddr_learner_is_mixed (golden->learner))
    check_case (name, NDDR_FAMILY_GPU, mixed[0]);
  else
    g_test_skip ("the device stores no 16-bit floats");
}

/* A heap with room for all activations, one with a little less, one with hardly any. */
static void
test_auto (void)
{
  static const char *const off[] = { "train.activation_checkpointing=off", NULL };
  g_autoptr (Golden) roomy = golden_load ("vgg16-nddr", NDDR_FAMILY_SOFTWARE);
  guint64 all = nddr_learner_get_footprint (roomy->learner)->bytes;
  g_assert_cmpint (nddr_learner_get_footprint (roomy->learner)->segments, ==, 1);

  g_autoptr (Golden) tight = golden_load_with ("vgg16-nddr", NDDR_FAMILY_SOFTWARE, NULL, all);
  const NddrFootprint *f = nddr_learner_get_footprint (tight->learner);
  g_assert_cmpint (f->segments, >, 1);
  g_assert_cmpuint (f->bytes, <=, f->most);
  g_assert_cmpuint (f->most, <, all);

  g_autoptr (Golden) starved = golden_load_with ("vgg16-nddr", NDDR_FAMILY_SOFTWARE, NULL, 1 << 10);
  f = nddr_learner_get_footprint (starved->learner);
  g_assert_cmpint (f->segments, >, 1);
  g_assert_cmpuint (f->bytes, >, f->most);

  g_autoptr (Golden) forbidden = golden_load_with ("vgg16-nddr", NDDR_FAMILY_SOFTWARE, off, all);
  g_assert_cmpint (nddr_learner_get_footprint (forbidden->learner)->segments, ==, 1);
}

static NddrLearner *
refuse (NddrDevice *device, const Golden *golden, VkResult result, GError **error)
{
  faults_set ("vkAllocateMemory", 1, result);
  NddrLearner *learner = nddr_learner_new (device, NULL, NULL, golden->start, golden->recipe, error);
  g_assert_cmpuint (faults_count ("vkAllocateMemory"), >, 0);
  faults_set (NULL, 0, VK_SUCCESS);
  return learner;
}

/* A device that refuses what its heap should hold: activations are computed again as if the heap were smaller, unless that is forbidden; what else goes
 * wrong is an error. */
static void
test_refused (void)
{
  static const char *const off[] = { "train.activation_checkpointing=off", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (Golden) roomy = golden_load ("vgg16-nddr", NDDR_FAMILY_SOFTWARE);
  g_autoptr (Golden) forbidden = golden_load_with ("vgg16-nddr", NDDR_FAMILY_SOFTWARE, off, 0);
  const NddrFootprint *most = nddr_learner_get_footprint (roomy->learner);
  g_assert_cmpint (most->segments, ==, 1);

  g_autoptr (NddrLearner) learner = refuse (device, roomy, VK_ERROR_OUT_OF_DEVICE_MEMORY, &error);
  g_assert_no_error (error);
  const NddrFootprint *f = nddr_learner_get_footprint (learner);
  g_assert_cmpint (f->segments, >, 1);
  g_assert_cmpuint (f->bytes, <, most->bytes);

  g_assert_null (refuse (device, forbidden, VK_ERROR_OUT_OF_DEVICE_MEMORY, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  g_clear_error (&error);
  g_assert_null (refuse (device, roomy, VK_ERROR_DEVICE_LOST, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_DEVICE_LOST);
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "vgg16-nddr-three", "vgg16-sluice", "mobilenet_v2-nddr" };
  static const struct { const char *name; GTestDataFunc test; } variants[] = {
    { "software", test_software }, { "gpu", test_gpu }, { "accumulate", test_accumulate }, { "mixed", test_mixed },
  };
  golden_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint v = 0; v < G_N_ELEMENTS (variants); v++) {
      g_autofree char *path = g_strdup_printf ("/recompute/%s/%s", variants[v].name, names[i]);
      g_test_add_data_func (path, names[i], variants[v].test);
    }
  g_test_add_func ("/recompute/auto", test_auto);
  g_test_add_func ("/recompute/refused", test_refused);
  return golden_run ();
}
