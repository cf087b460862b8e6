/* Marks: the host reads and writes what lies in EXCHANGE between the parts of a plan.
 *
 * The functions below stand before the loader's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <dlfcn.h>

#define N 5000

static guint submitted, waited_for; /* parts of plans: each has a fence, which is reset when it is handed over */

VKAPI_ATTR VkResult VKAPI_CALL
vkResetFences (VkDevice device, uint32_t n, const VkFence *fences)
{
  PFN_vkResetFences next = (PFN_vkResetFences) dlsym (RTLD_NEXT, __func__);

  submitted += n;
  return next (device, n, fences);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkWaitForFences (VkDevice device, uint32_t n, const VkFence *fences, VkBool32 all, uint64_t timeout)
{
  PFN_vkWaitForFences next = (PFN_vkWaitForFences) dlsym (RTLD_NEXT, __func__);
  VkResult result = next (device, n, fences, all, timeout);

  waited_for += result == VK_SUCCESS ? n : 0;
  return result;
}

typedef struct
{
  NddrCheck *check;
  NddrTensor *first, *second;
  const double *x;
  int reached[3]; /* the marks, in order */
  int n_reached, fail_at;
} Host;

static void
idle (gpointer user_data)
{
}

/* Adds 1 to the first tensor; the second must then hold that.  What is behind the first mark waits for the host, what is behind the second does not, nor
 * the host for it. */
static gboolean
reached (int mark, gpointer user_data, GError **error)
{
  Host *host = user_data;
  float *first = nddr_program_map (check_program (host->check), host->first, 0);
  const float *second = nddr_program_map (check_program (host->check), host->second, 0);

  host->reached[host->n_reached++] = mark;
  if (mark == 1)
    g_assert_cmpuint (submitted, ==, waited_for);
  else
    g_assert_cmpuint (submitted, >, waited_for);
  if (mark == host->fail_at) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FAILED, "at mark %d", mark);
    return FALSE;
  }
  for (int i = 0; i < N; i++)
    if (mark == 1)
      first[i] += 1;
    else
      g_assert_cmpfloat (second[i], ==, (float) host->x[i] + 1);
  return TRUE;
}

typedef struct
{
  const char *name;
  NddrFamily family;
  gboolean in_parts; /* each step is as much as is submitted at once: marks or not, they are cut */
} Case;

static const Case cases[] = {
  { "/marks/software", NDDR_FAMILY_SOFTWARE },
  { "/marks/gpu", NDDR_FAMILY_GPU },
  { "/marks/parts", NDDR_FAMILY_GPU, TRUE },
};

/* first = x, the host's turn, second = first, the host's turn while y = second; in phase 1 z = second + second. */
static void
test_marks (gconstpointer data)
{
  const Case *this = data;
  NddrFamily family = this->family;
  g_autoptr (GError) error = NULL;
  g_autofree double *x = check_random (N, 1, FALSE), *want = g_new (double, N);
  NddrPlan *plan;
  NddrCheck *c;
  NddrTensor *tx, *ty, *tz;

  if (!check_can (family, FALSE))
    return;
  for (int i = 0; i < N; i++)
    x[i] = (int) (1000 * x[i]); /* sums are exact */
  c = check_begin (family, FALSE);
  plan = check_plan (c);
  tx = check_flat (c, "x", NDDR_SPACE_STATE, N);
  ty = check_flat (c, "y", NDDR_SPACE_OUTPUT, N);
  tz = check_flat (c, "z", NDDR_SPACE_STATE, N);
  Host host = { c, check_flat (c, "first", NDDR_SPACE_EXCHANGE, N), check_flat (c, "second", NDDR_SPACE_EXCHANGE, N), x };
  NddrMarkHandler handler = { reached, idle, &host };

  nddr_gradients_add (plan, host.first, tx, FALSE);
  g_assert_cmpint (nddr_plan_mark (plan, TRUE), ==, 1);
  nddr_gradients_add (plan, host.second, host.first, FALSE);
  g_assert_cmpint (nddr_plan_mark (plan, FALSE), ==, 2);
  nddr_gradients_add (plan, ty, host.second, FALSE);
  plan->phase = 1;
  nddr_gradients_add (plan, tz, host.second, FALSE);
  nddr_gradients_add (plan, tz, host.second, TRUE);
  for (guint i = 0; this->in_parts && i < plan->steps->len; i++)
    ((NddrStep *) g_ptr_array_index (plan->steps, i))->work = plan->traits.max_work;
  check_ready (c);
  check_fill (c, tx, x);
  for (int time = 0; time < 2; time++) { /* recorded, and replayed */
    host.n_reached = submitted = waited_for = 0;
    nddr_program_run_marked (check_program (c), 3, &handler, &error);
    g_assert_no_error (error);
    g_assert_cmpint (host.n_reached, ==, 2);
    g_assert_cmpint (host.reached[0], ==, 1);
    g_assert_cmpint (host.reached[1], ==, 2);
  }
  for (int i = 0; i < N; i++)
    want[i] = x[i] + 1;
  check_compare (c, ty, want, 0, "y");
  for (int i = 0; i < N; i++)
    want[i] *= 2;
  check_compare (c, tz, want, 0, "z");

  host.n_reached = 0;
  nddr_program_run_marked (check_program (c), 2, &handler, &error); /* marks of other phases are none */
  g_assert_no_error (error);
  g_assert_cmpint (host.n_reached, ==, 0);
  for (host.fail_at = 1; host.fail_at <= 2; host.fail_at++) {
    g_autoptr (GError) failure = NULL;

    host.n_reached = submitted = waited_for = 0;
    g_assert_false (nddr_program_run_marked (check_program (c), 3, &handler, &failure));
    g_assert_error (failure, NDDR_ERROR, NDDR_ERROR_FAILED);
    g_assert_cmpint (host.n_reached, ==, host.fail_at);
  }
  check_run (c, 1); /* marks or not, it is a plan like others */
  check_end (c);
}

int
main (int argc, char **argv)
{
  check_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].name, &cases[i], test_marks);
  return check_finish (g_test_run ());
}
