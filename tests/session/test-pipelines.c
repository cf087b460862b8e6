/* Pipelines that are made side by side: each once, and also where no thread can be had for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/gpu/device.h>
#include <nddr/gpu/device-pipelines.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

static gint refusing; /* GLib any more threads; atomic */

/* Stands before the system's: what GLib asks for can be refused, as a limit on processes would. */
int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*start) (void *), void *data)
{
  int (*next) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) = dlsym (RTLD_NEXT, __func__);
  Dl_info caller;

  if (g_atomic_int_get (&refusing) && dladdr (__builtin_return_address (0), &caller) && strstr (caller.dli_fname, "libglib"))
    return EAGAIN;
  return next (thread, attributes, start, data);
}

/* Steps of four kernels, of which one has two sets of constants and one comes twice. */
static void
make_steps (NddrStep *steps, NddrStep **list, guint n)
{
  static const NddrKernelId ids[] = { NDDR_KERNEL_ZERO, NDDR_KERNEL_RESIZE, NDDR_KERNEL_POOL_MAX, NDDR_KERNEL_DEPTHWISE, NDDR_KERNEL_DEPTHWISE,
    NDDR_KERNEL_ZERO };

  g_assert_cmpuint (n, ==, G_N_ELEMENTS (ids));
  for (guint i = 0; i < n; i++) {
    steps[i] = (NddrStep){ .kernel = nddr_kernel_find (ids[i], NDDR_FAMILY_GPU, NDDR_MAPS_FP32) };
    g_assert_nonnull (steps[i].kernel);
    list[i] = &steps[i];
  }
  steps[3].n_spec = steps[4].n_spec = 1;
  steps[3].spec[0] = 1;
  steps[4].spec[0] = 2;
}

static void
test_made_once (gconstpointer without_threads)
{
  NddrStep steps[6], *list[6];
  NddrPipeline *first[6], *again[6];
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  make_steps (steps, list, 6);
  g_atomic_int_set (&refusing, without_threads != NULL);
  nddr_device_get_pipelines (device, list, 6, first, &error);
  g_atomic_int_set (&refusing, FALSE);
  g_assert_no_error (error);
  for (guint i = 0; i < 6; i++) {
    g_assert_true (first[i]->kernel == steps[i].kernel && first[i]->pipeline != VK_NULL_HANDLE);
    for (guint k = 0; k < i; k++)
      g_assert_true ((first[i] == first[k]) == (i == 5 && k == 0));
  }
  g_assert_true (nddr_device_get_pipelines (device, list, 6, again, &error));
  g_assert_cmpmem (first, sizeof first, again, sizeof again);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* first: threads that GLib has already could serve */
  g_test_add_data_func ("/pipelines/without-threads", "", test_made_once);
  g_test_add_data_func ("/pipelines/made-once", NULL, test_made_once);
  return g_test_run ();
}
