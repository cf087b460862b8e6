/* What a run moves at least: plans by hand, and their bytes counted by hand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/traffic.h>

#define MAP (8 * 8 * 8 * 4) /* bytes of a map of 8 pixels times 8, of 8 channels */

static NddrTensor *
map (NddrPlan *plan)
{
  return nddr_plan_map (plan, "map", 1, 1, 8, 8, 8);
}

/* A step of layer @label in the plan's phase: @z = f (@x, @y), @y may be NULL. */
static void
step (NddrPlan *plan, const char *label, NddrTensor *x, NddrTensor *y, NddrTensor *z)
{
  plan->label = label;
  NddrStep *s = nddr_plan_step (plan, NDDR_KERNEL_ZERO, 1, 1, 1);
  s->bindings[0] = (NddrBinding){ .tensor = z, .write = TRUE };
  s->bindings[1] = (NddrBinding){ .tensor = x, .read = TRUE };
  s->bindings[2] = (NddrBinding){ .tensor = y, .read = y != NULL };
}

static void
expect (NddrPlan *plan, guint phases, const gsize *want, guint n)
{
  g_autofree gsize *got = nddr_traffic (plan, phases);
  g_assert_cmpuint (plan->steps->len, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (got[i], ==, want[i]);
}

/* A map between two steps of a layer stays where it is, and so does what the layer reads twice; a map between two layers goes out and comes back. */
static void
test_layers (void)
{
  static const gsize want[] = { MAP + 400, 0, MAP, 2 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *input = nddr_plan_flat (plan, "input", NDDR_SPACE_INPUT, NDDR_F32, 8 * 8 * 8);
  NddrTensor *weights = nddr_plan_flat (plan, "weights", NDDR_SPACE_WEIGHTS, NDDR_F32, 100);
  NddrTensor *inner = map (plan), *sum = map (plan), *between = map (plan), *result = nddr_plan_flat (plan, "result", NDDR_SPACE_OUTPUT, NDDR_F32, 8 * 8 * 8);
  step (plan, "a", input, weights, inner);
  step (plan, "a", inner, weights, sum);
  step (plan, "a", sum, input, between);
  step (plan, "b", between, NULL, result);
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* A layer that comes again, as it does in training, reads again, and what its first turn left for the second went out. */
static void
test_again (void)
{
  static const gsize want[] = { 2 * MAP, 2 * MAP, 3 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *y = map (plan), *z = map (plan), *gradient = map (plan);
  x->keep = TRUE;
  step (plan, "a", x, NULL, y);
  step (plan, "b", y, NULL, z);
  step (plan, "a", z, y, gradient);
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* Steps of other phases move nothing, and what they read of others' went out; between two of a layer they do not stand. */
static void
test_phases (void)
{
  static const gsize first[] = { 0, 2 * MAP, 0, MAP, 0 }, second[] = { 3 * MAP, 0, 2 * MAP, 0, 2 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *packed = map (plan), *other = map (plan), *inner = map (plan), *y = map (plan);
  plan->phase = 1;
  step (plan, "a", x, other, packed);
  plan->phase = 0;
  step (plan, "a", packed, NULL, inner);
  plan->phase = 1;
  step (plan, "other", inner, NULL, other);
  plan->phase = 0;
  step (plan, "a", inner, packed, y);
  plan->phase = 1;
  step (plan, "c", y, NULL, x);
  expect (plan, 1, first, G_N_ELEMENTS (first));
  expect (plan, 2, second, G_N_ELEMENTS (second));
}

/* What is added to is read and written, once a layer. */
static void
test_update (void)
{
  static const gsize want[] = { 3 * MAP, 0 };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *total = map (plan);
  total->keep = TRUE;
  for (int i = 0; i < 2; i++) {
    step (plan, "a", x, NULL, total);
    ((NddrStep *) plan->steps->pdata[i])->bindings[0].read = TRUE;
  }
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* A gradient that one layer left and the next changes in place: for its own steps alone, it stays. */
static void
test_in_place (void)
{
  static const gsize want[] = { 2 * MAP, 2 * MAP, MAP, 2 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *dy = map (plan), *y = map (plan), *gradient = map (plan), *dx = map (plan), *result = map (plan);
  step (plan, "a", dy, NULL, gradient);
  step (plan, "b", gradient, y, gradient);
  ((NddrStep *) plan->steps->pdata[1])->bindings[0].read = TRUE;
  step (plan, "b", gradient, NULL, dx);
  step (plan, "c", dx, NULL, result);
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* Two steps of a layer write what a third reads, and what the layer before it left there is gone. */
static void
test_two_writers (void)
{
  static const gsize want[] = { 2 * MAP, MAP, 0, MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *inner = map (plan), *y = map (plan);
  step (plan, "a", x, NULL, inner);
  step (plan, "b", x, NULL, inner);
  step (plan, "b", x, NULL, inner);
  step (plan, "b", inner, NULL, y);
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* Parts of a tensor and the whole of it are the same bytes; and what is written in part is not read for that. */
static void
test_parts (void)
{
  static const gsize want[] = { MAP + 1024, 1024, 4096 + 1024 /* all of it is read, a part written */, 2 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *y = map (plan);
  NddrTensor *whole = nddr_plan_flat (plan, "gradients", NDDR_SPACE_STATE, NDDR_F32, 1024);
  NddrTensor *first = nddr_plan_part (plan, whole, "first", 0, 256), *second = nddr_plan_part (plan, whole, "second", 1024, 256);
  step (plan, "a", x, NULL, first);
  step (plan, "a", x, NULL, second);
  step (plan, "optimizer", first, whole, second);
  step (plan, "b", x, NULL, y);
  for (guint i = 1; i < 3; i++) {
    NddrBinding *binding = ((NddrStep *) plan->steps->pdata[i])->bindings;
    binding->read = binding->partial = TRUE;
  }
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

/* What is read ahead of being written is written alone. */
static void
test_ahead (void)
{
  static const gsize want[] = { 2 * MAP, 2 * MAP, 2 * MAP };
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *x = map (plan), *y = map (plan), *z = map (plan);
  step (plan, "a", x, NULL, y);
  step (plan, "b", x, y, y);
  step (plan, "c", y, NULL, z);
  ((NddrStep *) plan->steps->pdata[1])->bindings[2].ahead = TRUE;
  expect (plan, 1, want, G_N_ELEMENTS (want));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/traffic/layers", test_layers);
  g_test_add_func ("/traffic/again", test_again);
  g_test_add_func ("/traffic/phases", test_phases);
  g_test_add_func ("/traffic/update", test_update);
  g_test_add_func ("/traffic/in-place", test_in_place);
  g_test_add_func ("/traffic/two-writers", test_two_writers);
  g_test_add_func ("/traffic/parts", test_parts);
  g_test_add_func ("/traffic/ahead", test_ahead);
  return g_test_run ();
}
