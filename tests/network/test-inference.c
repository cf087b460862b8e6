/* Head outputs of small networks of every kind against PyTorch's, on both families of kernels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "generator.h"

#include <nddr/inference.h>
#include <nddr/model.h>

#include <math.h>
#include <string.h>

static NddrArrays *goldens;

typedef struct
{
  NddrFamily family;
  gboolean half;
  double bound; /* of the norm of the difference over the norm */
  gboolean pairs; /* two layers are one step wherever there is a kernel for that, however small their maps are */
} Mode;

static const Mode software = { NDDR_FAMILY_SOFTWARE, FALSE, 1e-4 };
static const Mode software_pairs = { NDDR_FAMILY_SOFTWARE, FALSE, 1e-4, TRUE };
static const Mode gpu = { NDDR_FAMILY_GPU, FALSE, 1e-4 };
/* One and a half times what rounding every layer's output to 16 bits does to these networks in PyTorch: MobileNet's linear
 * projections, with random statistics, lose more with every block. */
static const Mode gpu_half_plain = { NDDR_FAMILY_GPU, TRUE, 4e-3 };
static const Mode gpu_half_mobilenet = { NDDR_FAMILY_GPU, TRUE, 1e-1 };

/* Mixtures at random cancel much of what they add. */
static const Mode gpu_half_mixed = { NDDR_FAMILY_GPU, TRUE, 8e-3 };

/* (transfer full): the model that a case of the goldens means. */
static NddrModel *
make_model (const char *name)
{
  g_autofree char *affine_key = g_strconcat (name, ".affine", NULL);
  TrunkAffine affine = trunk_affine_from_name (g_hash_table_lookup (goldens->metadata, affine_key));
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (g_hash_table_lookup (goldens->metadata, name), &error);
  NddrModel *model;

  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, affine, FALSE), &error);
  g_assert_no_error (error);
  return model;
}

/* [h][w][channels] of a golden [channels, h, w], which must be as large as @head. */
static double *
golden_of (const char *name, const NddrTask *task, const NddrBranches *head)
{
  g_autofree char *key = g_strconcat (name, "/", task->name, NULL);
  const NddrArray *array = nddr_arrays_find (goldens, key);
  double *dense;

  g_assert_nonnull (array);
  g_assert_cmpint (array->dims[0], ==, task->channels);
  g_assert_cmpint (array->dims[1], ==, head->tensor->height);
  g_assert_cmpint (array->dims[2], ==, head->tensor->width);
  dense = g_new (double, array->n_elements);
  for (gint64 c = 0; c < array->dims[0]; c++)
    for (gint64 p = 0; p < array->dims[1] * array->dims[2]; p++)
      dense[p * array->dims[0] + c] = array->data[c * array->dims[1] * array->dims[2] + p];
  return dense;
}

static double *
picture_of (const char *name, int height, int width)
{
  g_autofree float *pixels = generate_picture (name, 1, height, width, 3);
  double *dense = g_new (double, height * width * 3);

  for (int i = 0; i < height * width * 3; i++)
    dense[i] = pixels[i];
  return dense;
}

/* Runs the tasks in @requested (NULL: all) of case @name. */
static void
run_case (const char *name, const Mode *mode, const gboolean *requested)
{
  g_autoptr (NddrModel) model = make_model (name);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), requested, &error);
  g_autofree double *picture = picture_of (name, (int) config->input_height, (int) config->input_width);
  NddrCheck *check = check_begin (mode->family, mode->half);
  NddrTensor *input = check_map (check, "input", 1, 1, (int) config->input_height, (int) config->input_width, 3);
  NddrInference *inference;

  g_assert_no_error (error);
  if (mode->pairs)
    check_plan (check)->traits.cached = 0;
  inference = nddr_inference_append (check_plan (check), network, input, NULL);
  if (mode->pairs)
    g_assert_cmpint (check_count_steps (check, NDDR_KERNEL_CONV_DEPTHWISE), >, 0);
  check_ready (check);
  g_assert_true (nddr_inference_upload (inference, network, nddr_model_get_tensors (model), check_program (check), &error));
  g_assert_no_error (error);
  check_run (check, 1 << NDDR_PHASE_PACK);
  nddr_program_release (check_program (check), NDDR_SPACE_PARAMS);
  check_fill (check, input, picture);
  check_run (check, 1 << NDDR_PHASE_NETWORK);
  for (guint t = 0; t < config->n_tasks; t++) {
    g_autofree double *want = NULL;

    g_assert_true ((inference->heads[t].tensor != NULL) == (requested == NULL || requested[t]));
    if (inference->heads[t].tensor == NULL)
      continue;
    want = golden_of (name, &config->tasks[t], &inference->heads[t]);
    g_assert_cmpint (inference->heads[t].tensor->branches, ==, 1);
    check_compare (check, inference->heads[t].tensor, want, mode->bound, "%s %s", name, config->tasks[t].name);
  }
  nddr_inference_free (inference);
  check_end (check);
}

typedef struct
{
  char *name;
  const Mode *mode;
} Case;

static void
test_case (gconstpointer data)
{
  const Case *row = data;

  run_case (row->name, row->mode, NULL);
}

/* One task alone gives what it gives beside the others. */
static void
test_alone (gconstpointer data)
{
  const Case *row = data;
  g_autoptr (NddrModel) model = make_model (row->name);
  guint n_tasks = nddr_model_get_n_tasks (model);

  for (guint t = 0; t < n_tasks; t++) {
    g_autofree gboolean *requested = g_new0 (gboolean, n_tasks);

    requested[t] = TRUE;
    run_case (row->name, row->mode, requested);
  }
}

/* Unevenly spaced tasks need more than one layer a step. */
static void
test_uneven (gconstpointer data)
{
  const Case *row = data;
  static const gboolean requested[] = { TRUE, TRUE, FALSE, TRUE };

  run_case (row->name, row->mode, requested);
}

static void
free_case (gpointer data)
{
  Case *row = data;

  g_free (row->name);
  g_free (row);
}

static void
add (const char *what, const char *name, const char *mode_name, const Mode *mode, void (*test) (gconstpointer))
{
  g_autofree char *path = g_strconcat ("/network/", what, "/", mode_name, "/", name, NULL);
  Case *row = g_new (Case, 1);

  *row = (Case){ g_strdup (name), mode };
  g_test_add_data_func_full (path, row, test, free_case);
}

static const Mode *
half_mode (const char *name)
{
  if (g_str_has_prefix (name, "mobilenet"))
    return &gpu_half_mobilenet;
  return g_str_has_prefix (name, "vgg16-cross-stitch") || g_str_has_prefix (name, "vgg16-sluice") ? &gpu_half_mixed : &gpu_half_plain;
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree const char **names = NULL;
  guint n = 0;
  int status;

  check_init (&argc, &argv);
  goldens = nddr_safetensors_read (argc > 1 ? argv[argc - 1] : "golden/inference.safetensors", FALSE, &error);
  g_assert_no_error (error);
  names = (const char **) g_hash_table_get_keys_as_array (goldens->metadata, &n);
  qsort (names, n, sizeof *names, compare_strings);
  for (guint i = 0; i < n; i++) {
    if (g_str_has_suffix (names[i], ".affine"))
      continue;
    if (check_can (NDDR_FAMILY_SOFTWARE, FALSE))
      add ("inference", names[i], "software", &software, test_case);
    if (check_can (NDDR_FAMILY_SOFTWARE, FALSE) && g_str_has_prefix (names[i], "mobilenet"))
      add ("inference", names[i], "software-pairs", &software_pairs, test_case);
    add ("inference", names[i], "gpu", &gpu, test_case);
    /* random residual blocks double what they read: 33 of them leave fp16's range */
    if (check_can (NDDR_FAMILY_GPU, TRUE) && !g_str_has_prefix (names[i], "resnet101"))
      add ("inference", names[i], "gpu-fp16", half_mode (names[i]), test_case);
  }
  add ("alone", "vgg16-8-nddr-shortcut", "gpu", &gpu, test_alone);
  add ("alone", "mobilenet_v2-16-none-shortcut", "gpu", &gpu, test_alone);
  add ("alone", "vgg16-8-shared", "gpu", &gpu, test_alone);
  add ("alone", "vgg16-cross-stitch", "gpu", &gpu, test_alone);
  add ("alone", "vgg16-sluice", "gpu", &gpu, test_alone);
  add ("alone", "mobilenet_v2-sluice-shortcut", "gpu", &gpu, test_alone);
  add ("uneven", "mobilenet_v2-four", "gpu", &gpu, test_uneven);
  add ("uneven", "mobilenet_v2-cross-stitch-four", "gpu", &gpu, test_uneven);
  add ("uneven", "mobilenet_v2-sluice-four", "gpu", &gpu, test_uneven);
  add ("uneven", "resnet18-four", "gpu", &gpu, test_uneven);
  add ("alone", "resnet50-16-aspp-nddr", "gpu", &gpu, test_alone);
  status = g_test_run ();
  nddr_arrays_free (goldens);
  return check_finish (status);
}
