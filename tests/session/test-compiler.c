/* Compiling ahead: where the driver compiles late, everything is in its cache before it is dispatched, once, and nothing that fails there matters.
 * Other drivers are left alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"
#include "generator.h"

#include <dlfcn.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <nddr/gpu/cache-file.h>
#include <nddr/gpu/compiler.h>
#include <nddr/gpu/device-pipelines.h>
#include <nddr/gpu/instance.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>

#include <string.h>

#define CONFIG \
  "{ \"backbone\": \"mobilenet_v2\", \"width\": 0.25, \"head_width\": 0.03125, \"fusion\": \"nddr\", \"output_stride\": 16, \"tasks\": [" \
  "{ \"name\": \"normal\", \"kind\": \"normal\" }, { \"name\": \"depth\", \"kind\": \"depth\" } ]," \
  "\"input\": { \"width\": 32, \"height\": 32, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }"

#define WIDTH 8
#define HEIGHT 4
#define N 3 /* steps of the tests that need no network */

static char *folder; /* of our cache, and within it of the driver's */

static int
remove_one (const char *path, const struct stat *status, int type, struct FTW *ftw)
{
  return ftw->level > 0 ? g_remove (path) : 0;
}

/* So each test begins. */
static void
empty_folder (void)
{
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int n_shaders;

/* Mesa keeps each shader in a file of a folder of two digits. */
static int
count_one (const char *path, const struct stat *status, int type, struct FTW *ftw)
{
  g_autofree char *parent = g_path_get_dirname (path), *name = g_path_get_basename (parent);

  n_shaders += type == FTW_F && strlen (name) == 2;
  return 0;
}

static int
count_shaders (void)
{
  n_shaders = 0;
  nftw (folder, count_one, 16, FTW_PHYS);
  return n_shaders;
}

static NddrDevice *
open_device (void)
{
  g_autoptr (GError) error = NULL;
  NddrDevice *device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  return device;
}

static gboolean
is_late (void)
{
  g_autoptr (NddrDevice) device = open_device ();

  return device->compiles_late && g_get_num_processors () > 1;
}

/* (transfer full): the record's lines; none where there is no record */
static char **
read_record (const NddrDevice *device)
{
  g_autofree char *path = nddr_cache_file_path (device, "compiled"), *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_new0 (char *, 1);
  g_assert_true (*text && text[strlen (text) - 1] == '\n');
  text[strlen (text) - 1] = '\0';
  return g_strsplit (text, "\n", -1);
}

static gboolean
get_pipelines (NddrDevice *device, guint n, GError **error)
{
  static const NddrKernelId ids[N] = { NDDR_KERNEL_ZERO, NDDR_KERNEL_RESIZE, NDDR_KERNEL_POOL_MAX };
  NddrStep steps[N], *list[N];
  NddrPipeline *pipelines[N];

  for (guint i = 0; i < n; i++) {
    steps[i] = (NddrStep){ .kernel = nddr_kernel_find (ids[i], nddr_device_get_traits (device)->family, NDDR_MAPS_FP32) };
    g_assert_nonnull (steps[i].kernel);
    list[i] = &steps[i];
  }
  return nddr_device_get_pipelines (device, list, n, pipelines, error);
}

/* ---- a network */

static void
show_frame (NddrSession *session)
{
  g_autoptr (GError) error = NULL;
  guint8 pixels[WIDTH * HEIGHT * 4] = { 0 }, overlay[sizeof pixels];
  NddrFrame frame = { { pixels }, { WIDTH * 4 } }, result = { { overlay }, { WIDTH * 4 } };
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, &error);

  g_assert_no_error (error);
  nddr_session_wait (session, ticket, &result, NULL, &error);
  g_assert_no_error (error);
}

static void
make_unwritable (NddrDevice *device)
{
  g_autofree char *path = nddr_cache_file_path (device, "compiled");

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

/* How many shaders the driver's cache has when frames have gone through a network, from an empty cache; @n: (out): lines of the record. */
static int
run_network (NddrModel *model, gboolean ahead, guint *n)
{
  static const NddrFrameFormat input = { NDDR_PIXEL_RGBA, WIDTH, HEIGHT, .full_range = TRUE };
  static const NddrOutput output = { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };
  g_autoptr (GError) error = NULL;

  empty_folder ();
  NddrDevice *device = open_device ();
  if (!ahead)
    make_unwritable (device);
  NddrSession *session = nddr_session_new (device, model, NULL, &error);
  g_assert_no_error (error);
  nddr_session_set_frames (session, &input, &output, 1, &error);
  g_assert_no_error (error);
  g_auto (GStrv) record = read_record (device);
  show_frame (session);
  *n = g_strv_length (record);
  nddr_session_free (session);
  nddr_device_unref (device); /* its instance is gone, and so is what it would still write */
  return count_shaders ();
}

/* What is compiled ahead is what would be late, and not compiled again.  Some versions of Mesa have one shader for each line of the record, some have functions
 * for the kinds of buffers besides. */
static void
test_network (void)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (CONFIG, &error);
  guint n;

  g_assert_no_error (error);
  g_autoptr (NddrModel) model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  int late = run_network (model, FALSE, &n);
  g_assert_cmpuint (n, ==, 0);
  int ahead = run_network (model, TRUE, &n);
  if (is_late ()) {
    g_assert_cmpuint (n, >, 5);
    g_assert_cmpint (late, >=, n);
    g_assert_cmpint (ahead, >=, late);
    g_assert_cmpint (ahead, <, late + late / 4);
  } else {
    g_assert_cmpuint (n, ==, 0);
  }
}

/* ---- what is compiled ahead, and when */

/* how many instances are made for @n pipelines of a device */
static guint
count_instances (guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device ();

  faults_set (NULL, 0, VK_SUCCESS);
  get_pipelines (device, n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults_count_elsewhere ("vkCreateInstance") + faults_count_elsewhere ("vkCreateDevice"), ==, 0); /* see compile_ahead() */
  return faults_count ("vkCreateInstance");
}

/* Several pipelines, of which the record has not all; nothing is dispatched but what compiles. */
static void
test_when (void)
{
  gboolean late = is_late ();
  int none, two;

  empty_folder ();
  g_assert_cmpuint (count_instances (1), ==, 0); /* nobody to work beside */
  none = count_shaders (); /* what some versions of Mesa keep of a pipeline that was made */
  g_assert_true ((count_instances (2) > 0) == late);
  two = count_shaders ();
  g_assert_cmpint (two, >=, none + (late ? 2 : 0));
  g_assert_cmpuint (count_instances (2), ==, 0); /* the record has them */
  g_assert_cmpint (count_shaders (), ==, two);
  g_assert_cmpuint (count_instances (N), ==, late ? 1 : 0); /* one is new */
  g_assert_cmpint (count_shaders (), >=, two + (late ? 1 : 0));
  g_assert_cmpuint (count_instances (N), ==, 0);
}

/* What is in the record's place does not matter: it is mended. */
static void
test_damaged (void)
{
  static const char *const others[] = { "", "\n", "no record", "0123456789abcdef\n\n\n" };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (GError) error = NULL;

    empty_folder ();
    g_autoptr (NddrDevice) device = open_device ();
    g_autofree char *path = nddr_cache_file_path (device, "compiled");

    g_file_set_contents (path, others[i], -1, &error);
    g_assert_no_error (error);
    if (is_late ())
      g_assert_cmpuint (count_instances (N), >, 0);
    g_assert_cmpuint (count_instances (N), ==, 0);
  }
}

/* What another version of the driver compiled is of no use to this one. */
static void
test_upgrade (void)
{
  g_autoptr (GError) error = NULL;
  gboolean late = is_late ();

  empty_folder ();
  g_assert_true ((count_instances (N) > 0) == late);
  g_autoptr (NddrDevice) device = open_device ();
  g_free (device->info.driver);
  device->info.driver = g_strdup ("llvmpipe Mesa 99 (LLVM 99)");
  faults_set (NULL, 0, VK_SUCCESS);
  get_pipelines (device, N, &error);
  g_assert_no_error (error);
  g_assert_true ((faults_count ("vkCreateInstance") > 0) == late);
  g_assert_cmpuint (count_instances (N), ==, 0); /* both are kept in mind */
}

/* What could not be compiled is, the next time. */
static void
test_again (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device ();
  gboolean late = is_late ();
  int before, all;

  empty_folder ();
  count_instances (N);
  all = count_shaders ();
  empty_folder ();
  faults_set ("vkQueueSubmit", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY); /* which compilers alone call here */
  get_pipelines (device, N, &error);
  g_assert_no_error (error);
  before = count_shaders ();
  g_assert_true ((count_instances (N) > 0) == late);
  g_assert_cmpint (before, <, all + !late);
  g_assert_cmpint (count_shaders (), ==, all);
  g_assert_cmpuint (count_instances (N), ==, 0);
}

/* Nothing is compiled ahead where that cannot be kept in mind: it would be at each start. */
static void
test_nowhere (void)
{
  empty_folder ();
  g_autoptr (NddrDevice) device = open_device ();

  make_unwritable (device);
  g_assert_cmpuint (count_instances (N), ==, 0);
}

static guint destroyed; /* instances */

VKAPI_ATTR void VKAPI_CALL
vkDestroyInstance (VkInstance instance, const VkAllocationCallbacks *allocator)
{
  destroyed++;
  ((PFN_vkDestroyInstance) dlsym (RTLD_NEXT, __func__)) (instance, allocator);
}

/* The compiler's device is another of the same physical one, also where the device was lent; and as it was, none of the compilers' instances has to
 * stay to keep the driver loaded. */
static void
test_lent (void)
{
  g_autoptr (GError) error = NULL;

  empty_folder ();
  NddrDevice *owner = open_device ();
  const NddrDeviceImport import = {
    .instance = owner->instance,
    .physical_device = owner->physical_device,
    .device = owner->device,
    .queue = owner->queue,
    .queue_family = owner->queue_family,
  };
  guint created, before = destroyed;
  nddr_instance_return (); /* the owner is somebody else */
  faults_set (NULL, 0, VK_SUCCESS);
  NddrDevice *lent = nddr_device_import (&import, &error);
  g_assert_no_error (error);
  NddrDevice *again = nddr_device_open_again (lent, &error);
  g_assert_no_error (error);
  g_assert_true (again->instance != owner->instance && again->device != owner->device);
  g_assert_cmpmem (&again->properties, sizeof again->properties, &owner->properties, sizeof owner->properties);
  nddr_device_unref (again);

  get_pipelines (lent, N, &error);
  g_assert_no_error (error);
  created = faults_count ("vkCreateInstance");
  g_assert_true ((lent->compiles_late && g_get_num_processors () > 1) == (created > 1));
  g_assert_cmpuint (destroyed - before, ==, created);
  nddr_device_unref (lent);
  nddr_instance_borrow ();
  nddr_device_unref (owner);
}

/* ---- what fails */

/* Where a call fails that compiles ahead, nothing comes of it; where it is one that makes the device's own pipelines, they fail; nothing leaks either way, by
 * the validation layers. */
static void
test_faults (void)
{
  for (guint i = 0; i < FAULTS_N; i++) {
    const char *name = faults_names[i];
    gboolean own = g_str_equal (name, "vkCreateComputePipelines") || g_str_equal (name, "vkCreateDescriptorSetLayout") ||
        g_str_equal (name, "vkCreatePipelineLayout") || g_str_equal (name, "vkCreateShaderModule");
    guint n = 1;

    for (guint nth = 1; nth <= n; nth++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) after = NULL;

      empty_folder ();
      g_autoptr (NddrDevice) device = open_device ();
      faults_set (name, nth, VK_ERROR_OUT_OF_HOST_MEMORY);
      gboolean ok = get_pipelines (device, N, &error);
      n = faults_count (name);
      g_assert_true (ok == (error == NULL));
      if (!ok) {
        g_assert_true (own);
        g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
      }
      faults_set (NULL, 0, VK_SUCCESS);
      get_pipelines (device, N, &after);
      g_assert_no_error (after);
        }
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("nddr-compiler-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("NDDR_CACHE", folder, TRUE);
  g_setenv ("MESA_SHADER_CACHE_DIR", folder, TRUE);
  g_setenv ("MESA_DISK_CACHE_MULTI_FILE", "1", TRUE); /* as it was before Mesa 24 */
  g_test_add_func ("/compiler/lent", test_lent); /* first: no instance has stayed yet */
  g_test_add_func ("/compiler/network", test_network);
  g_test_add_func ("/compiler/when", test_when);
  g_test_add_func ("/compiler/damaged", test_damaged);
  g_test_add_func ("/compiler/nowhere", test_nowhere);
  g_test_add_func ("/compiler/upgrade", test_upgrade);
  g_test_add_func ("/compiler/again", test_again);
  g_test_add_func ("/compiler/faults", test_faults);
  int status = g_test_run ();
  empty_folder ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
