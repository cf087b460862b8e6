/* What was fastest, kept on disk: found again, used by sessions, never believed where it is not whole; and the same result by every algorithm.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generator.h"

#include <glib/gstdio.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/tuning-cache.h>
#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>

#include <math.h>
#include <string.h>

#define WIDTH 48
#define HEIGHT 40
#define BOUND 1e-4 /* of the norm, between any two algorithms */

static char *folder;
static NddrConfig *config;
static NddrNetwork *network;
static NddrArrays *tensors;

static NddrDevice *
open_device (void)
{
  g_autoptr (GError) error = NULL;
  NddrDevice *device = nddr_device_open (NULL, &error);

  g_assert_no_error (error);
  return device;
}

static void
make_network (void)
{
  g_autoptr (GError) error = NULL;
  config = nddr_config_parse ("{ \"backbone\": \"vgg16\", \"width\": 0.125, \"head_width\": 0.5, \"fusion\": \"nddr\", \"input\": { \"width\": 48, \"height\": 40, "
      "\"mean\": [0, 0, 0], \"std\": [1, 1, 1] }, \"tasks\": [{ \"name\": \"normal\", \"kind\": \"normal\" }, { \"name\": \"depth\", \"kind\": \"depth\" }] }",
      &error);

  g_assert_no_error (error);
  tensors = generate_model (config, TRUNK_NORM, FALSE);
  network = nddr_network_new (config, tensors, NULL, &error);
  g_assert_no_error (error);
}

/* The network's heads, one after the other (transfer full); its steps are handed to @look. */
static float *
infer (NddrDevice *device, const NddrTuning *tuning, gsize *n, void (*look) (const NddrStep *step, gpointer data), gpointer data)
{
  g_autoptr (GError) error = NULL;
  NddrTraits traits = *nddr_device_get_traits (device);
  g_autoptr (NddrProgram) program = NULL;
  g_autofree float *picture = generate_picture ("picture", 1, HEIGHT, WIDTH, 4);
  NddrInference *inference;
  NddrPlan *plan;
  NddrTensor *input;
  float *heads = NULL;

  traits.tuning = tuning;
  plan = nddr_plan_new (&traits);
  input = nddr_plan_map (plan, "input", 1, 1, HEIGHT, WIDTH, 3);
  inference = nddr_inference_append (plan, network, input, NULL);
  g_assert_true (nddr_plan_finish (plan, &error));
  for (guint i = 0; i < plan->steps->len; i++)
    look (g_ptr_array_index (plan->steps, i), data);
  program = nddr_program_new (device, plan, 1, &error);
  g_assert_no_error (error);
  g_assert_true (nddr_inference_upload (inference, network, tensors, program, &error));
  g_assert_true (nddr_program_write (program, input, 0, picture, input->bytes, &error));
  g_assert_true (nddr_program_run (program, 1 << NDDR_PHASE_PACK | 1 << NDDR_PHASE_NETWORK, &error));
  *n = 0;
  for (int t = 0; t < inference->n_tasks; t++) {
    NddrTensor *head = inference->heads[t].tensor;

    heads = g_realloc (heads, *n * sizeof (float) + head->bytes);
    g_assert_true (nddr_program_read (program, head, 0, heads + *n, head->bytes, &error));
    *n += head->bytes / sizeof (float);
  }
  g_assert_no_error (error);
  nddr_inference_free (inference);
  return heads;
}

static double
difference (const float *a, const float *b, gsize n)
{
  double sum = 0, norm = 0;

  for (gsize i = 0; i < n; i++) {
    sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    norm += (double) b[i] * b[i];
  }
  return sqrt (sum / norm);
}

/* ---- every algorithm, and each shape's own */

static void
collect_shape (const NddrStep *step, gpointer shapes)
{
  if (step->shape) {
    g_assert_cmpint (step->algorithm.kind, !=, NDDR_ALGORITHM_CHOOSE);
    g_hash_table_add (shapes, g_strdup (step->shape));
  }
}

typedef struct
{
  NddrAlgorithm algorithm;
  int taken;
} Asked;

static void
count_taken (const NddrStep *step, gpointer data)
{
  Asked *asked = data;

  asked->taken += step->shape && nddr_algorithm_equal (&step->algorithm, &asked->algorithm);
}

static void
test_algorithms (void)
{
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (GHashTable) shapes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gboolean software = nddr_device_get_traits (device)->family == NDDR_FAMILY_SOFTWARE;
  gsize n, m;
  g_autofree float *estimated = infer (device, NULL, &n, collect_shape, shapes);
  Asked asked = { 0 };

  g_assert_cmpuint (g_hash_table_size (shapes), >, 10);
  for (guint i = 0; nddr_algorithm_nth (software, FALSE, i, &asked.algorithm); i++) {
    g_autoptr (NddrTuning) uniform = nddr_tuning_new_uniform (&asked.algorithm);
    g_autofree float *heads = NULL;

    asked.taken = 0;
    heads = infer (device, uniform, &m, count_taken, &asked);
    g_assert_cmpint (asked.taken, >, 0);
    g_assert_cmpuint (m, ==, n);
    g_assert_cmpfloat (difference (heads, estimated, n), <, BOUND);
  }
}

/* One shape's algorithm is its layers' alone; algorithms that fit nothing are as none. */
static void
test_one_shape (void)
{
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (GHashTable) shapes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (NddrTuning) tuning = nddr_tuning_new ();
  gboolean software = nddr_device_get_traits (device)->family == NDDR_FAMILY_SOFTWARE;
  static const NddrAlgorithm absurd[] = { { NDDR_ALGORITHM_DIRECT, 12 }, { NDDR_ALGORITHM_WINOGRAD, -5 }, { NDDR_ALGORITHM_TILE, 48, 64 },
    { NDDR_ALGORITHM_MATRIX, 1 << 30 }, { NDDR_ALGORITHM_DIRECT, 1 << 30, 1 }, { NDDR_ALGORITHM_TILE, 64, 0 }, { NDDR_ALGORITHM_MATRIX, 0 } };
  gsize n, m;
  g_autofree float *estimated = infer (device, NULL, &n, collect_shape, shapes);
  Asked asked = { .algorithm = software ? (NddrAlgorithm){ NDDR_ALGORITHM_WINOGRAD, 1300 } : (NddrAlgorithm){ NDDR_ALGORITHM_TILE, 32, 16 } };
  const char *key = NULL;
  GHashTableIter iter;
  gpointer shape;

  g_hash_table_iter_init (&iter, shapes);
  while (!key && g_hash_table_iter_next (&iter, &shape, NULL))
    key = strstr (shape, "kernel 3") && strstr (shape, "dilation 2") ? shape : NULL;
  g_assert_nonnull (key);
  nddr_tuning_set (tuning, key, &asked.algorithm);
  g_autofree float *heads = infer (device, tuning, &m, count_taken, &asked);
  g_assert_cmpint (asked.taken, >, 0);
  g_assert_cmpfloat (difference (heads, estimated, n), <, BOUND);

  for (guint i = 0; i < G_N_ELEMENTS (absurd); i++) {
    g_autoptr (NddrTuning) uniform = nddr_tuning_new_uniform (&absurd[i]);
    g_autofree float *same = NULL;

    asked = (Asked){ absurd[i], 0 };
    same = infer (device, uniform, &m, count_taken, &asked);
    g_assert_cmpint (asked.taken, ==, 0);
    g_assert_cmpmem (same, n * sizeof (float), estimated, n * sizeof (float));
  }
}

/* ---- sessions */

#define HEAD_FLOATS (3 * (WIDTH / 8) * (HEIGHT / 8))

/* What a session gives for the normals' head. */
static void
show (NddrDevice *device, NddrModel *model, float head[HEAD_FLOATS])
{
  static guint8 pixels[WIDTH * HEIGHT * 4];
  g_autoptr (GError) error = NULL;
  const NddrSessionOptions options = { .precision = NDDR_PRECISION_FP32 };
  const NddrFrameFormat input = { .format = NDDR_PIXEL_RGBA, .width = WIDTH, .height = HEIGHT };
  const NddrOutput output = { "normal", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
  const NddrFrame frame = { { pixels }, { WIDTH * 4 } }, result = { { (guint8 *) head }, { 3 * (WIDTH / 8) * sizeof (float) } };
  guint64 ticket;

  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = i * 2654435761u >> 24;
  g_autoptr (NddrSession) session = nddr_session_new (device, model, &options, &error);
  g_assert_no_error (error);
  g_assert_true (nddr_session_set_frames (session, &input, &output, 1, &error));
  ticket = nddr_session_submit (session, &frame, NULL, FALSE, &error);
  g_assert_true (nddr_session_wait (session, ticket, &result, NULL, &error));
  g_assert_no_error (error);
}

/* Winograd's transforms round otherwise: a session that was told to use them gives other bits, and the same numbers. */
static void
test_session (void)
{
  static const NddrAlgorithm direct = { NDDR_ALGORITHM_DIRECT, 32 }, winograd = { NDDR_ALGORITHM_WINOGRAD, 2600 };
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (NddrModel) model = nddr_model_new (nddr_config_copy (config), generate_model (config, TRUNK_NORM, FALSE), &error);
  float estimated[HEAD_FLOATS], one[HEAD_FLOATS], other[HEAD_FLOATS];

  g_assert_no_error (error);
  if (nddr_device_get_traits (device)->family != NDDR_FAMILY_SOFTWARE) {
    g_test_skip ("this family's algorithms do not differ in a bit");
    return;
  }
  show (device, model, estimated);
  nddr_device_set_tuning (device, nddr_tuning_new_uniform (&direct));
  show (device, model, one);
  nddr_device_set_tuning (device, nddr_tuning_new_uniform (&winograd));
  show (device, model, other);
  g_assert_true (memcmp (one, other, sizeof one) != 0);
  g_assert_cmpfloat (difference (one, estimated, HEAD_FLOATS), <, BOUND);
  g_assert_cmpfloat (difference (other, estimated, HEAD_FLOATS), <, BOUND);
}

/* ---- files */

static void
test_file (void)
{
  g_autoptr (NddrTuning) tuning = nddr_tuning_new (), again = NULL;
  g_autofree char *text = NULL, *second = NULL;
  const NddrAlgorithm a = { NDDR_ALGORITHM_DIRECT, 24 }, b = { NDDR_ALGORITHM_TILE, 64, 32 }, none = { 0 };
  gsize bytes, size;

  nddr_tuning_set (tuning, "one", &a);
  nddr_tuning_set (tuning, "two", &b);
  nddr_tuning_set (tuning, "three", &a);
  nddr_tuning_set (tuning, "three", &none);
  text = nddr_tuning_print (tuning, &bytes);
  again = nddr_tuning_parse (text, bytes);
  g_assert_nonnull (again);
  g_assert_cmpuint (nddr_tuning_size (again), ==, 2);
  for (guint i = 0; i < 4; i++) {
    static const char *const shapes[] = { "one", "two", "three", "four" };
    NddrAlgorithm want = i == 0 ? a : i == 1 ? b : none, got = nddr_tuning_find (again, shapes[i]);

    g_assert_true (nddr_algorithm_equal (&got, &want));
  }
  second = nddr_tuning_print (again, &size);
  g_assert_cmpmem (second, size, text, bytes);
  for (gsize i = 0; i < bytes; i++) {
    g_autofree char *other = g_memdup2 (text, bytes);

    g_assert_null (nddr_tuning_parse (text, i)); /* cut short there */
    other[i] ^= 0x10;                            /* another byte there */
    g_assert_null (nddr_tuning_parse (other, bytes));
  }
}

static void
write_tuning (const char *path, const char *text, gsize bytes)
{
  g_assert_true (g_file_set_contents (path, text, bytes, NULL));
}

/* A digest that is right under content that is not. */
static char *
sign (const char *body)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, body, -1);

  return g_strconcat (body, digest, "\n", NULL);
}

static void
test_cache (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL, *text = NULL;
  const NddrAlgorithm algorithm = { NDDR_ALGORITHM_DIRECT, 24 };
  NddrTuning *tuning = nddr_tuning_new ();
  GStatBuf status;
  gsize bytes;

  {
    g_autoptr (NddrDevice) device = open_device ();

    g_assert_null (nddr_device_get_tuning (device));
    nddr_tuning_set (tuning, "a shape", &algorithm);
    nddr_device_set_tuning (device, tuning);
    g_assert_true (nddr_device_save_tuning (device, &path, &error));
  }
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0022, ==, 0);
  g_assert_true (g_file_get_contents (path, &text, &bytes, NULL));
  {
    g_autoptr (NddrDevice) device = open_device ();
    NddrAlgorithm found = nddr_tuning_find (nddr_device_get_tuning (device), "a shape");

    g_assert_true (nddr_algorithm_equal (&found, &algorithm));
  }
  static const char *const bodies[] = { "", "nddr-tuning 0 0.1.0\n", "nddr-tuning 1 0.0.0\na shape\tdirect 24 0\n" };
  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_autofree char *other = sign (bodies[i]);

    write_tuning (path, other, strlen (other));
    g_autoptr (NddrDevice) device = open_device ();
    g_assert_null (nddr_device_get_tuning (device));
  }
  static const char *const lines[] = { "a shape direct 24 0\n", "a shape\tdirect 24\n", "a shape\tsideways 24 0\n", "a shape\tdirect 24 0\tmore\n",
    "a shape\tchoose 0 0\n", "a shape\tdirect 24 0 0\n" };
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *first = g_strndup (text, strchr (text, '\n') + 1 - text), *body = g_strconcat (first, lines[i], NULL), *other = sign (body);

    write_tuning (path, other, strlen (other));
    g_autoptr (NddrDevice) device = open_device ();
    g_assert_null (nddr_device_get_tuning (device));
  }
  write_tuning (path, text, bytes / 2);
  {
    g_autoptr (NddrDevice) device = open_device ();

    g_assert_null (nddr_device_get_tuning (device));
  }
  g_remove (path);
}

/* Where it cannot be kept, an error says so. */
static void
test_no_folder (void)
{
  g_autoptr (NddrDevice) device = open_device ();
  g_autoptr (GError) error = NULL;
  g_autofree char *file = g_build_filename (folder, "file", NULL), *below = g_build_filename (file, "below", NULL), *path = NULL;

  write_tuning (file, "", 0);
  g_setenv ("NDDR_CACHE", below, TRUE);
  nddr_device_set_tuning (device, nddr_tuning_new ());
  g_assert_false (nddr_device_save_tuning (device, &path, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, below));
  g_setenv ("NDDR_CACHE", folder, TRUE);
  g_remove (file);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("nddr-tuning-XXXXXX", NULL);
  g_setenv ("NDDR_CACHE", folder, TRUE);
  make_network ();
  g_test_add_func ("/tuning/file", test_file);
  g_test_add_func ("/tuning/cache", test_cache);
  g_test_add_func ("/tuning/no-folder", test_no_folder);
  g_test_add_func ("/tuning/algorithms", test_algorithms);
  g_test_add_func ("/tuning/one-shape", test_one_shape);
  g_test_add_func ("/tuning/session", test_session);
  result = g_test_run ();
  nddr_network_free (network);
  nddr_config_free (config);
  nddr_arrays_free (tensors);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_remove (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return result;
}
