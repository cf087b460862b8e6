/* Plans are pure data: placing and barriers are checked without a device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/ops/convolution.h>

#include <math.h>
#include <string.h>

/* y = f (x), whatever f is */
static void
step (NddrPlan *plan, NddrTensor *x, NddrTensor *y)
{
  NddrStep *s = nddr_plan_step (plan, NDDR_KERNEL_ZERO, 1, 1, 1);

  s->bindings[1] = (NddrBinding){ .tensor = x, .read = TRUE };
  s->bindings[0] = (NddrBinding){ .tensor = y, .write = TRUE };
}

static gboolean
overlap (const NddrTensor *a, const NddrTensor *b)
{
  return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* No two tensors that live at once share memory; a chain of n maps needs the room of two. */
static void
test_chain (void)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *t[20];
  gboolean before[19];

  for (int i = 0; i < 20; i++)
    t[i] = nddr_plan_map (plan, "t", 1, 1, 8, 8, 8);
  for (int i = 0; i < 19; i++)
    step (plan, t[i], t[i + 1]);
  g_assert_true (nddr_plan_finish (plan, NULL));
  for (int i = 0; i < 19; i++)
    g_assert_false (overlap (t[i], t[i + 1]));
  for (int i = 0; i < 20; i++)
    g_assert_cmpuint (t[i]->offset, >=, 256); /* the zero page */
  g_assert_cmpuint (plan->space_bytes[NDDR_SPACE_ARENA], <=, 256 + 2 * 8 * 8 * 8 * 4);
  nddr_plan_barriers (plan, 1, before);
  g_assert_false (before[0]);
  for (int i = 1; i < 19; i++)
    g_assert_true (before[i]);
}

/* Random graphs: a brute-force check that what lives at once lies apart. */
static void
test_random (void)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  for (int round = 0; round < 200; round++) {
    g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
    NddrTensor *t[40];
    int first[40], last[40], n = 40;

    for (int i = 0; i < n; i++) {
      t[i] = nddr_plan_map (plan, "t", 1, 1, g_rand_int_range (random, 1, 9), g_rand_int_range (random, 1, 9), g_rand_int_range (random, 1, 30));
      first[i] = i - 1; /* written by step i - 1 */
      last[i] = n;      /* a result, unless somebody reads it */
    }
    first[0] = 0;
    for (int i = 1; i < n; i++) {
      int from = g_rand_int_range (random, 0, i);

      step (plan, t[from], t[i]);
      last[from] = last[from] == n ? i - 1 : MAX (last[from], i - 1);
    }
    g_assert_true (nddr_plan_finish (plan, NULL));
    for (int i = 0; i < n; i++)
      for (int j = 0; j < i; j++)
        if (first[i] <= last[j] && first[j] <= last[i])
          g_assert_false (overlap (t[i], t[j]));
  }
}

/* Steps that touch nothing in common need no barrier between them; reading what was written does; so does writing over what is read. */
static void
test_barriers (void)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  NddrTensor *a = nddr_plan_map (plan, "a", 1, 1, 4, 4, 4), *b = nddr_plan_map (plan, "b", 1, 1, 4, 4, 4);
  NddrTensor *c = nddr_plan_map (plan, "c", 1, 1, 4, 4, 4), *d = nddr_plan_map (plan, "d", 1, 1, 4, 4, 4);
  gboolean before[4];

  a->keep = b->keep = c->keep = d->keep = TRUE;
  step (plan, a, c);
  step (plan, b, d); /* apart */
  step (plan, c, b); /* reads c, writes b, which the step before reads */
  step (plan, d, a); /* d was written before that barrier, and a read */
  g_assert_true (nddr_plan_finish (plan, NULL));
  nddr_plan_barriers (plan, 1, before);
  g_assert_false (before[0]);
  g_assert_false (before[1]);
  g_assert_true (before[2]);
  g_assert_false (before[3]);
}

/* Over the device's limit: an error that names the tensor. */
static void
test_limits (void)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  g_autoptr (GError) error = NULL;
  NddrTensor *x = nddr_plan_map (plan, "x", 1, 1, 8, 8, 8), *huge = nddr_plan_map (plan, "huge", 1, 1, 8192, 8192, 4);

  step (plan, x, huge);
  g_assert_false (nddr_plan_finish (plan, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "huge"));
  g_assert_nonnull (strstr (error->message, "a smaller input or batch"));
}

/* The way out of weights that are too large is no smaller input: of one tensor on a GPU, of all together on a software driver. */
static void
test_large_weights (void)
{
  static const NddrTraits *const all_traits[] = { &nddr_traits_gpu, &nddr_traits_software };

  for (guint i = 0; i < G_N_ELEMENTS (all_traits); i++) {
    g_autoptr (NddrPlan) plan = nddr_plan_new (all_traits[i]);
    g_autoptr (GError) error = NULL;
    int channels = i ? 4096 : 2048; /* 144 MiB; 2.3 GiB */
    NddrBranches x = NDDR_BRANCHES (nddr_plan_map (plan, "x", 1, 1, 8, 8, channels));
    NddrConvolution convolution = { .output = NDDR_BRANCHES (nddr_plan_map (plan, "y", 1, 1, 8, 8, i ? 4 * channels : channels)), .branches = 1,
      .inputs = &x, .n_inputs = 1, .kernel = 3, .stride = 1, .dilation = 1, .low = 0, .high = INFINITY,
      .weight = nddr_plan_flat (plan, "weight", NDDR_SPACE_PARAMS, NDDR_F32, (gsize) (i ? 4 : 1) * channels * channels * 9) };

    nddr_convolution_forward (plan, &convolution);
    g_assert_false (nddr_plan_finish (plan, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, "a narrower network"));
  }
}

/* The published network's largest weights, on a device with as few workgroups along an axis as Vulkan allows. */
static void
test_many_groups (void)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  g_autoptr (GError) error = NULL;
  gsize weights = 2 * 1024 * 512 * 9;
  NddrBranches x = NDDR_BRANCHES (nddr_plan_map (plan, "x", 2, 8, 41, 41, 512));
  NddrTensor *y = nddr_plan_map (plan, "y", 2, 8, 41, 41, 1024), *dx = nddr_plan_map (plan, "dx", 2, 8, 41, 41, 512);
  NddrConvolution fc6 = { .output = NDDR_BRANCHES (y), .branches = 2, .inputs = &x, .n_inputs = 1, .kernel = 3, .stride = 1, .dilation = 12,
    .low = 0, .high = INFINITY, .weight = nddr_plan_flat (plan, "weight", NDDR_SPACE_PARAMS, NDDR_F32, weights) };

  nddr_convolution_forward (plan, &fc6);
  nddr_convolution_backward_data (plan, &fc6, 0, 1, NDDR_BRANCHES (dx), NDDR_BRANCHES (y), FALSE);
  nddr_convolution_backward_weight (plan, &fc6, NDDR_BRANCHES (y), nddr_plan_flat (plan, "dw", NDDR_SPACE_STATE, NDDR_F32, weights), NULL);
  nddr_plan_finish (plan, &error);
  g_assert_no_error (error);
}

/* Tiles on matrices fit the device, and the ranges of split sums cover a row, each with something to do. */
static void
check_tile (const NddrTraits *traits, const NddrMatrixShape *shape, const NddrMatrixTile *tile)
{
  g_assert_cmpint (tile->m % traits->matrix.m, ==, 0);
  g_assert_cmpint (tile->n % traits->matrix.n, ==, 0);
  g_assert_cmpint (tile->spec[0], <=, traits->max_invocations);
  g_assert_cmpint (tile->spec[0] % traits->subgroup_size, ==, 0);
  g_assert_cmpint ((tile->m + tile->n) * (tile->spec[9] + 1) * 16, <=, traits->max_shared);
  g_assert_cmpint (tile->spec[5] * tile->spec[6] * tile->spec[7] * traits->matrix.m * traits->matrix.n * 4, <=, traits->max_shared);
  g_assert_cmpint ((shape->pixels + tile->m - 1) / tile->m, <=, traits->max_groups[0]);
  g_assert_cmpint (tile->range % tile->spec[9], ==, 0);
  g_assert_cmpint (tile->splits * tile->range, >=, shape->octs);
  g_assert_cmpint ((tile->splits - 1) * tile->range, <, shape->octs);
}

/* So do those of gradients to weights, whose threads load whole pixels. */
static void
check_gradient_tile (const NddrTraits *traits, const NddrMatrixGradientTile *tile)
{
  g_assert_cmpint (tile->m, >, 0);
  g_assert_cmpint (tile->m % traits->matrix.m, ==, 0);
  g_assert_cmpint (tile->n % traits->matrix.n, ==, 0);
  g_assert_cmpint (tile->spec[0], <=, traits->max_invocations);
  g_assert_cmpint (tile->spec[0] % (tile->m / 8), ==, 0);
  g_assert_cmpint (tile->spec[0] % (tile->n / 8), ==, 0);
  g_assert_cmpint (tile->spec[9] % traits->matrix.k, ==, 0);
  g_assert_cmpint (tile->spec[9] * (tile->m / 8 + 1 + tile->n / 8 + 1) * 16, <=, traits->max_shared);
  g_assert_cmpint (tile->spec[5] * tile->spec[6] * traits->matrix.m * traits->matrix.n * 4, <=, traits->max_shared);
}

static void
test_matrix_tiles (void)
{
  static const NddrMatrixShape shapes[] = { { 1, 1, 8, 1 }, { 2, 1681, 512, 576 }, { 2, 192, 320, 40 }, { 1, 25, 1024, 4608 }, { 2, 103041, 64, 72 },
    { 3, 2073600, 40, 9 }, { 2, 8294400, 16, 36 } };
  static const NddrMatrixSize sizes[] = { { 16, 16, 16 }, { 8, 8, 8 }, { 16, 8, 16 }, { 8, 16, 16 } };
  NddrTraits traits = nddr_traits_gpu;

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    g_assert_cmpint (nddr_matrix_tile (&traits, &shapes[i], 0).m, ==, 0); /* it has no matrices */
  for (int device = 0; device < 32; device++) {
    traits.matrix = sizes[device % 4];
    traits.matrix.emulated = device >= 16;
    traits.subgroup_size = device & 4 ? 64 : 8;
    traits.cores = device & 8 ? 132 : 0;
    for (int out = 8; out <= 1024; out *= 2)
      for (int in = 8; in <= 1024; in += 88) {
        NddrMatrixGradientTile tile = nddr_matrix_gradient_tile (&traits, out, in);
        check_gradient_tile (&traits, &tile);
      }
    for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
      for (int variant = 0; variant <= nddr_matrix_tiles (); variant++) {
        NddrMatrixTile tile = nddr_matrix_tile (&traits, &shapes[i], variant);

        if (tile.m)
          check_tile (&traits, &shapes[i], &tile);
      }
  }
  g_assert_cmpint (nddr_matrix_tile (&traits, &shapes[4], 0).splits, ==, 1); /* enough to do as it is */
  g_assert_cmpint (nddr_matrix_tile (&traits, &shapes[3], 0).splits, >, 1);  /* few pixels, and a long row */
}

/* ---- recomputation: a machine whose every step writes a number that depends on what it read and on its name */

#define UNIT 256
#define N_FORWARD 30

static NddrStep *
numbered_step (NddrPlan *plan, int number, NddrTensor *x, NddrTensor *z, NddrTensor *y)
{
  NddrStep *s = nddr_plan_step (plan, NDDR_KERNEL_OPTIMIZER, 1, 1, 1);

  nddr_step_read (s, 0, x);
  if (z)
    nddr_step_read (s, 1, z);
  nddr_step_write (s, 6, y);
  nddr_step_push_i (s, number);
  return s;
}

/* What the last step writes, when all run on the memory that the plan gives them. */
static guint64
run_machine (const NddrPlan *plan)
{
  gsize units = plan->space_bytes[NDDR_SPACE_ARENA] / UNIT;
  g_autofree guint64 *memory = g_new0 (guint64, units);
  guint64 value = 0;

  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *s = g_ptr_array_index (plan->steps, i);
    value = 0x9e3779b97f4a7c15u * (s->push[0].i + 1);
    for (int pass = 0; pass < 2; pass++)
      for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
        const NddrTensor *t = s->bindings[b].tensor;
        for (gsize u = t ? t->offset / UNIT : 1; t && u < (t->offset + t->bytes + UNIT - 1) / UNIT; u++)
          if (pass == 0 && s->bindings[b].read)
            value = (value ^ memory[u]) * 0xbf58476d1ce4e5b9u + (value >> 29);
          else if (pass == 1 && s->bindings[b].write)
            memory[u] = value;
      }
  }
  return value;
}

/* A graph as training's: steps that read one or two recent results, then gradients in reverse, each of which reads some of them. */
static guint64
make_and_run (guint seed, int segments, gsize *bytes)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  g_autoptr (NddrPlan) plan = nddr_plan_new (&nddr_traits_gpu);
  g_autoptr (GError) error = NULL;
  NddrTensor *y[N_FORWARD + 1], *g = NULL;

  for (int i = 0; i <= N_FORWARD; i++)
    y[i] = nddr_plan_map (plan, "y", 1, 1, 8, 8, 4 * g_rand_int_range (random, 1, 9));
  numbered_step (plan, -2, nddr_plan_flat (plan, "image", NDDR_SPACE_INPUT, NDDR_F32, 4), NULL, y[0])->bindings[0].read = FALSE;
  for (int i = 1; i <= N_FORWARD; i++) {
    g_autofree char *label = g_strdup_printf ("layer %d", i / 2);
    plan->label = g_intern_string (label);
    int back = g_rand_int_range (random, 2, 12);
    numbered_step (plan, i, y[i - 1], g_rand_int_range (random, 0, 3) ? NULL : y[MAX (i - back, 0)], y[i]);
    if (g_rand_int_range (random, 0, 5) == 0) /* a result that is changed once more */
      numbered_step (plan, 100 + i, y[i], NULL, y[i]);
  }
  plan->phase = 1;
  guint end = plan->steps->len;
  for (int i = N_FORWARD; i >= 0; i--) {
    NddrTensor *next = nddr_plan_map (plan, "g", 1, 1, 8, 8, 16);
    numbered_step (plan, 200 + i, g ? g : y[i], y[i], next);
    g = next;
  }
  nddr_plan_recompute (plan, 0, end, segments, 1);
  nddr_plan_finish (plan, &error);
  g_assert_no_error (error);
  *bytes = plan->space_bytes[NDDR_SPACE_ARENA];
  return run_machine (plan);
}

static void
test_recompute (void)
{
  int smaller = 0;

  for (guint seed = 0; seed < 200; seed++) {
    gsize all, some;
    guint64 want = make_and_run (seed, 1, &all);
    for (int segments = 2; segments <= 8; segments++) {
      g_assert_cmphex (make_and_run (seed, segments, &some), ==, want);
      smaller += some < all;
    }
  }
  g_assert_cmpint (smaller, >, 1000); /* of 1400 */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/chain", test_chain);
  g_test_add_func ("/plan/random", test_random);
  g_test_add_func ("/plan/recompute", test_recompute);
  g_test_add_func ("/plan/barriers", test_barriers);
  g_test_add_func ("/plan/limits", test_limits);
  g_test_add_func ("/plan/large-weights", test_large_weights);
  g_test_add_func ("/plan/many-groups", test_many_groups);
  g_test_add_func ("/plan/matrix-tiles", test_matrix_tiles);
  return g_test_run ();
}
