/* Devices that lack something, or are slower than those at hand: the same pictures all the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"
#include "generator.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/matrix.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>
#include <nddr/program.h>
#include <string.h>
#include <unistd.h>

#define CONFIG \
  "{ \"backbone\": \"vgg16\", \"width\": 0.0625, \"head_width\": 0.0078125, \"tasks\": [" \
  "{ \"name\": \"depth\", \"kind\": \"depth\" } ]," \
  "\"input\": { \"width\": 64, \"height\": 48, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }"

#define WIDTH 64
#define HEIGHT 48
#define PICTURE (WIDTH * HEIGHT * 4)

static NddrModel *model;

static const NddrFrameFormat input = { NDDR_PIXEL_RGBA, WIDTH, HEIGHT, .full_range = TRUE };
static const NddrOutput output = { "depth", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA };

static NddrDevice *
open_device (void)
{
  g_autoptr (GError) error = NULL;
  NddrDevice *device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  device->max_twins = 0; /* calls are counted */
  return device;
}

static NddrSession *
new_session (NddrDevice *device)
{
  g_autoptr (GError) error = NULL;
  NddrSession *session = nddr_session_new (device, model, NULL, &error);

  g_assert_no_error (error);
  nddr_session_set_frames (session, &input, &output, 1, &error);
  g_assert_no_error (error);
  return session;
}

/* FALSE: it was not taken. */
static gboolean
try_frame (NddrSession *session, guint8 *picture, NddrTiming *timing, GError **error)
{
  guint8 pixels[PICTURE];
  NddrFrame frame = { { pixels }, { WIDTH * 4 } }, result = { { picture }, { WIDTH * 4 } };

  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = i * 2654435761u >> 24;
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, error);
  return ticket && nddr_session_wait (session, ticket, &result, timing, error);
}

static void
show_frame (NddrSession *session, guint8 *picture, NddrTiming *timing)
{
  g_autoptr (GError) error = NULL;

  try_frame (session, picture, timing, &error);
  g_assert_no_error (error);
}

/* The picture of a device as it is. */
static void
usual_picture (guint8 *picture)
{
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (NddrSession) session = new_session (device);

  show_frame (session, picture, NULL);
}

/* What takes long is submitted in parts, each of the size that the device takes, here a convolution; what then turns out to be quick, in one. */
static void
test_parts (void)
{
  guint8 want[PICTURE], got[PICTURE];
  g_autoptr (NddrDevice) device = open_device ();

  usual_picture (want);
  device->traits.max_work = 1;
  faults_set (NULL, 0, VK_SUCCESS);
  faults_slow (150); /* too long to be called quick */
  g_autoptr (NddrSession) session = new_session (device);
  for (int time = 0; time < 3; time++) { /* in either slot, recorded and replayed */
    guint before = faults_count ("vkQueueSubmit");
    memset (got, 0, sizeof got);
    show_frame (session, got, NULL);
    g_assert_cmpuint (faults_count ("vkQueueSubmit") - before, >=, 15); /* convolutions of VGG-16 and its head */
    g_assert_cmpmem (want, sizeof want, got, sizeof got);
  }

  faults_slow (0);
  show_frame (session, got, NULL);
  for (int time = 0; time < 3; time++) {
    guint before = faults_count ("vkQueueSubmit");
    memset (got, 0, sizeof got);
    show_frame (session, got, NULL);
    g_assert_cmpuint (faults_count ("vkQueueSubmit") - before, ==, 1);
    g_assert_cmpmem (want, sizeof want, got, sizeof got);
  }
}

/* A frame that was long done when somebody asked took no less for that: it stays in parts. */
static void
test_late_wait (void)
{
  guint8 pixels[PICTURE] = { 0 };
  NddrFrame frame = { { pixels }, { WIDTH * 4 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device ();
  guint64 tickets[2];

  device->traits.max_work = 1;
  faults_slow (150);
  g_autoptr (NddrSession) session = new_session (device);
  for (int i = 0; i < 2; i++) {
    tickets[i] = nddr_session_submit (session, &frame, NULL, FALSE, &error);
    g_assert_no_error (error);
  }
  g_usleep (150000);
  faults_slow (0);
  for (int i = 0; i < 2; i++) {
    nddr_session_wait (session, tickets[i], NULL, NULL, &error);
    g_assert_no_error (error);
  }
  faults_set (NULL, 0, VK_SUCCESS);
  show_frame (session, pixels, NULL);
  g_assert_cmpuint (faults_count ("vkQueueSubmit"), >=, 15);
}

/* A part that cannot be submitted: those before it are waited for, and the next frame is right. */
static void
test_parts_fail (void)
{
  static const guint nths[] = { 1, 2, 9, 15 };
  guint8 want[PICTURE], got[PICTURE];
  g_autoptr (NddrDevice) device = open_device ();

  usual_picture (want);
  device->traits.max_work = 1;
  faults_slow (150);
  g_autoptr (NddrSession) session = new_session (device);
  for (guint i = 0; i < G_N_ELEMENTS (nths); i++) {
    g_autoptr (GError) error = NULL;

    faults_set ("vkQueueSubmit", nths[i], VK_ERROR_OUT_OF_HOST_MEMORY);
    g_assert_false (try_frame (session, got, NULL, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
    faults_set (NULL, 0, VK_SUCCESS);
    memset (got, 0, sizeof got);
    show_frame (session, got, NULL);
    g_assert_cmpmem (want, sizeof want, got, sizeof got);
  }
  faults_slow (0);
}

/* A device without timestamps is timed by the host's clock. */
static void
test_no_clock (void)
{
  guint8 picture[PICTURE];
  NddrTiming timing = { 0 };
  g_autoptr (NddrDevice) device = open_device ();

  device->timestamp_bits = 0;
  g_autoptr (NddrSession) session = new_session (device);
  faults_slow (20);
  for (int i = 0; i < 3; i++) {
    gint64 before = g_get_monotonic_time ();
    show_frame (session, picture, &timing);
    g_assert_cmpuint (timing.compute, >=, 20000000);
    g_assert_cmpuint (timing.compute, <=, 1000 * (g_get_monotonic_time () - before));
  }
  faults_slow (0);
}

/* Memory that the host can map, but reads slowly, is copied to other first. */
static void
test_uncached (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (NddrPlan) plan = nddr_plan_new (nddr_device_get_traits (device));
  NddrTensor *tensor = nddr_plan_flat (plan, "numbers", NDDR_SPACE_STATE, NDDR_F32, 1000);
  float in[1000], out[700];

  for (guint i = 0; i < device->memory.memoryTypeCount; i++)
    device->memory.memoryTypes[i].propertyFlags &= ~VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  for (int i = 0; i < 1000; i++)
    in[i] = i;
  nddr_plan_finish (plan, &error);
  g_assert_no_error (error);
  g_autoptr (NddrProgram) program = nddr_program_new (device, g_steal_pointer (&plan), 1, &error);
  g_assert_no_error (error);
  nddr_program_write (program, tensor, 0, in, sizeof in, &error);
  g_assert_no_error (error);
  faults_set (NULL, 0, VK_SUCCESS);
  nddr_program_read (program, tensor, 300 * sizeof (float), out, sizeof out, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (faults_count ("vkQueueSubmit"), ==, 1);
  g_assert_cmpmem (out, sizeof out, in + 300, sizeof out);
}

/* Matrices that a driver lists are taken where their sums are 32 bits wide indeed. */
static void
test_matrices (void)
{
#define MATRIX(m, n, k, c) { .MSize = m, .NSize = n, .KSize = k, .AType = VK_COMPONENT_TYPE_FLOAT16_KHR, .BType = VK_COMPONENT_TYPE_FLOAT16_KHR, \
  .CType = c, .ResultType = c, .scope = VK_SCOPE_SUBGROUP_KHR }
  static const struct
  {
    guint32 vendor;
    VkPhysicalDeviceType type;
    VkCooperativeMatrixPropertiesKHR all[3];
    NddrMatrixSize want;
  } cases[] = {
    /* NVIDIA */
    { 0x10de, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
        { MATRIX (16, 16, 16, VK_COMPONENT_TYPE_FLOAT16_KHR), MATRIX (16, 8, 8, VK_COMPONENT_TYPE_FLOAT32_KHR),
            MATRIX (16, 16, 16, VK_COMPONENT_TYPE_FLOAT32_KHR) },
        { 16, 16, 16 } },
    /* AMD */
    { 0x1002, VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, { MATRIX (16, 16, 16, VK_COMPONENT_TYPE_FLOAT32_KHR) }, { 16, 16, 16 } },
    /* Intel before Xe2, and Xe2 */
    { 0x8086, VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, { MATRIX (8, 8, 16, VK_COMPONENT_TYPE_FLOAT32_KHR) }, { 0 } },
    { 0x8086, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, { MATRIX (8, 16, 16, VK_COMPONENT_TYPE_FLOAT32_KHR) }, { 8, 16, 16 } },
    /* lavapipe */
    { 0x10005, VK_PHYSICAL_DEVICE_TYPE_CPU, { MATRIX (8, 8, 8, VK_COMPONENT_TYPE_FLOAT32_KHR) }, { 8, 8, 8, TRUE } },
    { 0x1002, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, { { 0 } }, { 0 } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    VkPhysicalDeviceProperties device = { .vendorID = cases[i].vendor, .deviceType = cases[i].type };
    NddrMatrixSize got = nddr_matrix_choose (&device, cases[i].all, 3);

    g_assert_cmpuint (got.m, ==, cases[i].want.m);
    g_assert_cmpuint (got.n, ==, cases[i].want.n);
    g_assert_cmpuint (got.k, ==, cases[i].want.k);
    g_assert_cmpint (got.emulated, ==, cases[i].want.emulated);
  }
}

/* ---- a driver that loaders hide from those who do not ask for such */

/* (transfer full) (nullable): lavapipe's manifest. */
static char *
find_manifest (void)
{
  static const char *const folders[] = { "/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d" };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);

    for (const char *name = dir ? g_dir_read_name (dir) : NULL; name; name = g_dir_read_name (dir))
      if (g_str_has_prefix (name, "lvp_icd"))
        return g_build_filename (folders[i], name, NULL);
  }
  return NULL;
}

static void
test_portability_subprocess (void)
{
  guint8 picture[PICTURE];

  g_unsetenv ("NDDR_DEVICE");
  usual_picture (picture);
}

static void
test_portability (void)
{
  g_autofree char *found = find_manifest (), *path = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (GError) error = NULL;

  if (!found) {
    g_test_skip ("lavapipe is not installed");
    return;
  }
  json_parser_load_from_file (parser, found, &error);
  g_assert_no_error (error);
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  json_object_set_boolean_member (json_object_get_object_member (root, "ICD"), "is_portability_driver", TRUE);
  json_generator_set_root (generator, json_parser_get_root (parser));
  close (g_file_open_tmp ("nddr-icd-XXXXXX.json", &path, &error));
  g_assert_no_error (error);
  json_generator_to_file (generator, path, &error);
  g_assert_no_error (error);
  g_setenv ("VK_DRIVER_FILES", path, TRUE);
  g_setenv ("VK_ICD_FILENAMES", path, TRUE); /* what older loaders call it */
  g_test_trap_subprocess ("/limits/portability/subprocess", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_unsetenv ("VK_DRIVER_FILES");
  g_unsetenv ("VK_ICD_FILENAMES");
  g_unlink (path);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  NddrConfig *config = nddr_config_parse (CONFIG, &error);
  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  g_test_add_func ("/limits/parts", test_parts);
  g_test_add_func ("/limits/parts/late-wait", test_late_wait);
  g_test_add_func ("/limits/parts/fail", test_parts_fail);
  g_test_add_func ("/limits/no-clock", test_no_clock);
  g_test_add_func ("/limits/uncached", test_uncached);
  g_test_add_func ("/limits/matrices", test_matrices);
  g_test_add_func ("/limits/portability", test_portability);
  g_test_add_func ("/limits/portability/subprocess", test_portability_subprocess);
  int status = g_test_run ();
  nddr_model_unref (model);
  return status;
}
