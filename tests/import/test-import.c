/* Models from weights as PyTorch programs write them, against what those networks give there (make_import_goldens.py).
 *
 *   test-import GOLDENS.safetensors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "generator.h"

#include <nddr/inference.h>
#include <nddr/json.h>
#include <nddr/network.h>
#include <nddr/safetensors.h>
#include <train/import.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define BOUND 1e-4

static NddrArrays *goldens;
static char *path; /* of the file to import */

/* ---- files */

/* (transfer full): what the goldens say of a case. */
static JsonNode *
describe (const char *name)
{
  const char *text = g_hash_table_lookup (goldens->metadata, name);
  g_autoptr (GError) error = NULL;
  JsonNode *node = nddr_json_parse_object (text, strlen (text), name, &error);
  g_assert_no_error (error);
  return node;
}

/* (transfer full): the case's state dict. */
static NddrArrays *
make_state_dict (const char *name)
{
  g_autoptr (JsonNode) node = describe (name);
  JsonArray *rows = json_object_get_array_member (json_node_get_object (node), "tensors");
  NddrArrays *tensors = nddr_arrays_new ();
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonArray *row = json_array_get_array_element (rows, i);
    gint64 dims[NDDR_ARRAY_MAX_DIMS];
    guint n_dims = json_array_get_length (row) - 2;
    for (guint d = 0; d < n_dims; d++)
      dims[d] = json_array_get_int_element (row, d + 2);
    NddrArray *array = generate_parameter (json_array_get_string_element (row, 1), n_dims, dims, FALSE);
    g_free (array->name);
    array->name = g_strdup (json_array_get_string_element (row, 0));
    nddr_arrays_take (tensors, array);
  }
  g_hash_table_insert (tensors->metadata, g_strdup ("format"), g_strdup ("pt")); /* as safetensors' own library for PyTorch does */
  return tensors;
}

static NddrModel *
try_import (const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error)
{
  static const NddrImportOptions none;
  g_autoptr (GError) problem = NULL;
  nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &problem);
  g_assert_no_error (problem);
  return nddr_import (path, options ? options : &none, about, error);
}

static NddrModel *
import (const NddrArrays *tensors, const NddrImportOptions *options, char **about)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *said = NULL;
  NddrModel *model = try_import (tensors, options, &said, &error);
  g_assert_no_error (error);
  g_assert_nonnull (said);
  if (about)
    *about = g_steal_pointer (&said);
  return model;
}

/* Importing must fail and say all of @says, parts separated by |. */
static void
expect_error (const NddrArrays *tensors, const NddrImportOptions *options, const char *says)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *about = NULL;
  g_auto (GStrv) parts = g_strsplit (says, "|", -1);
  g_assert_null (try_import (tensors, options, &about, &error));
  g_assert_nonnull (error);
  g_assert_null (about);
  g_assert_true (g_str_has_prefix (error->message, path));
  for (guint i = 0; parts[i]; i++)
    if (!strstr (error->message, parts[i]))
      g_error ("expected \"%s\" in: %s", parts[i], error->message);
}

/* ---- the port */

/* The picture of a case as the port's program brings it to a network, here by the model's own mean and deviation. */
static double *
make_input (const char *name, const NddrConfig *config, int height, int width)
{
  g_autofree float *pixels = generate_picture (name, 1, height, width, 3);
  double *input = g_new (double, height * width * 3);
  for (int i = 0; i < height * width * 3; i++)
    input[i] = ((pixels[i] + 2.0) / 4 - config->mean[i % 3]) / config->std[i % 3];
  return input;
}

static double *
golden_of (const char *name, guint head, const NddrTensor *like)
{
  g_autofree char *key = g_strdup_printf ("%s/%u", name, head);
  const NddrArray *array = nddr_arrays_find (goldens, key);
  g_assert_nonnull (array);
  g_assert_cmpint (array->dims[0], ==, like->channels);
  g_assert_cmpint (array->dims[1], ==, like->height);
  g_assert_cmpint (array->dims[2], ==, like->width);
  double *dense = g_new (double, array->n_elements);
  gsize plane = array->dims[1] * array->dims[2];
  for (gsize i = 0; i < array->n_elements; i++)
    dense[i % plane * array->dims[0] + i / plane] = array->data[i];
  return dense;
}

static void
compare_outputs (const char *name, const NddrModel *model)
{
  g_autoptr (JsonNode) node = describe (name);
  JsonArray *size = json_object_get_array_member (json_node_get_object (node), "size");
  int width = json_array_get_int_element (size, 0), height = json_array_get_int_element (size, 1);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), NULL, &error);
  g_assert_no_error (error);
  g_autofree double *input = make_input (name, config, height, width);
  NddrCheck *check = check_begin (NDDR_FAMILY_GPU, FALSE);
  NddrTensor *image = check_map (check, "input", 1, 1, height, width, 3);
  NddrInference *inference = nddr_inference_append (check_plan (check), network, image, NULL);
  check_ready (check);
  nddr_inference_upload (inference, network, nddr_model_get_tensors (model), check_program (check), &error);
  g_assert_no_error (error);
  check_run (check, 1 << NDDR_PHASE_PACK);
  check_fill (check, image, input);
  check_run (check, 1 << NDDR_PHASE_NETWORK);
  for (guint t = 0; t < config->n_tasks; t++) {
    g_autofree double *want = golden_of (name, t, inference->heads[t].tensor);
    check_compare (check, inference->heads[t].tensor, want, BOUND, "%s %s", name, config->tasks[t].name);
  }
  nddr_inference_free (inference);
  check_end (check);
}

static void
test_port_shortcut (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("port-shortcut");
  g_autofree char *about = NULL;
  g_autoptr (NddrModel) model = import (tensors, NULL, &about);
  const NddrConfig *config = nddr_model_get_config (model);
  g_assert_cmpuint (config->n_tasks, ==, 2);
  g_assert_cmpstr (config->tasks[0].name, ==, "segmentation");
  g_assert_cmpuint (config->tasks[0].n_classes, ==, 40);
  g_assert_cmpstr (config->tasks[0].classes[1].name, ==, "floor");
  g_assert_cmpstr (config->tasks[1].name, ==, "normal");
  g_assert_true (config->shortcut);
  g_assert_cmpfloat (config->width, ==, 0.125);
  g_assert_cmpfloat (config->head_width, ==, 0.0625);
  g_assert_cmpfloat (config->norm_eps, ==, 1e-3);
  g_assert_cmpint (config->pool_padding, ==, NDDR_POOL_END);
  g_assert_cmpint (config->resize, ==, NDDR_RESIZE_ALIGN_CORNERS);
  g_assert_cmpstr (about, ==, "the PyTorch port of NDDR-CNN, with shortcut: segmentation (40 channels), normal (3 channels)");
  compare_outputs ("port-shortcut", model);
}

/* Normals first; classes that nobody named. */
static void
test_port (void)
{
  static const NddrClass classes[] = { { (char *) "a", 1 }, { (char *) "b", 2 }, { (char *) "c", 3 }, { (char *) "d", 4 }, { (char *) "e", 5 } };
  g_autoptr (NddrArrays) tensors = make_state_dict ("port");
  g_autofree char *about = NULL;
  g_autoptr (NddrModel) model = import (tensors, NULL, &about);
  NddrImportOptions options = { "up;what:segmentation", classes, 5, 96, 64, NULL };
  g_autoptr (NddrModel) named = import (tensors, &options, NULL);
  const NddrConfig *config = nddr_model_get_config (model);
  g_assert_cmpstr (config->tasks[0].name, ==, "normal");
  g_assert_cmpstr (config->tasks[1].name, ==, "segmentation");
  g_assert_cmpstr (config->tasks[1].classes[4].name, ==, "class4");
  g_assert_false (config->shortcut);
  g_assert_nonnull (strstr (about, "made up"));
  compare_outputs ("port", model);

  config = nddr_model_get_config (named);
  g_assert_cmpstr (config->tasks[0].name, ==, "up");
  g_assert_cmpint (config->tasks[0].kind, ==, NDDR_TASK_NORMAL);
  g_assert_cmpstr (config->tasks[1].name, ==, "what");
  g_assert_cmpstr (config->tasks[1].classes[4].name, ==, "e");
  g_assert_cmpuint (config->input_width, ==, 96);
  g_assert_nonnull (nddr_arrays_find (nddr_model_get_tensors (named), "nddr.3.up.weight"));
}

static void
test_port_alone (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("port-alone");
  g_autoptr (NddrModel) model = import (tensors, NULL, NULL);
  g_assert_cmpstr (nddr_model_get_config (model)->tasks[0].name, ==, "depth");
  g_assert_cmpint (nddr_model_get_config (model)->fusion, ==, NDDR_FUSION_NONE);
  compare_outputs ("port-alone", model);
}

/* The tensors but those whose names hold @part. */
static NddrArrays *
without (const NddrArrays *tensors, const char *part)
{
  NddrArrays *rest = nddr_arrays_new ();
  for (guint i = 0; i < tensors->arrays->len; i++) {
    const NddrArray *from = tensors->arrays->pdata[i];
    if (strstr (from->name, part))
      continue;
    nddr_arrays_take (rest, nddr_array_copy (from, from->name, NULL));
  }
  return rest;
}

static void
expect_same (const NddrModel *a, const NddrModel *b)
{
  const NddrArrays *x = nddr_model_get_tensors (a), *y = nddr_model_get_tensors (b);
  g_assert_cmpuint (x->arrays->len, ==, y->arrays->len);
  for (guint i = 0; i < x->arrays->len; i++) {
    const NddrArray *p = x->arrays->pdata[i], *q = nddr_arrays_find (y, p->name);
    g_assert_nonnull (q);
    g_assert_cmpmem (p->data, p->n_elements * sizeof (float), q->data, q->n_elements * sizeof (float));
  }
}

/* What is stored once, under either name, is the same model. */
static void
test_port_twins (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("port"), stages = without (tensors, "features."), features = without (tensors, "stages.");
  g_autoptr (NddrModel) model = import (tensors, NULL, NULL), by_stages = import (stages, NULL, NULL), by_features = import (features, NULL, NULL);
  expect_same (model, by_stages);
  expect_same (model, by_features);
}

static void
replace (NddrArrays *tensors, const char *name, guint n_dims, gint64 first)
{
  const gint64 dims[] = { first, 1, 1, 1, 1 };
  nddr_arrays_take (tensors, nddr_array_new (name, n_dims, dims));
}

/* What importing says without the tensors whose names hold @part. */
static void
expect_missing (const NddrArrays *tensors, const char *part, const char *says)
{
  g_autoptr (NddrArrays) less = without (tensors, part);
  expect_error (less, NULL, says);
}

static void
test_port_errors (void)
{
  static const char *const sets[] = { "model.fusion=none", NULL };
  static const NddrClass classes[] = { { (char *) "a", 1 } };
  g_autoptr (NddrArrays) tensors = make_state_dict ("port"), other = make_state_dict ("port");
  NddrArray *twin = nddr_arrays_find (tensors, "net2.features.19.weight");
  expect_missing (tensors, "bn2", "nddrs.nddrs.0.bn2.weight\" is missing|cannot be imported");
  expect_missing (tensors, "net1.head.8.bias", "net1.head.8.bias\" is missing");
  expect_missing (tensors, "net2.", "net2.head.8.weight\" is missing");
  float was = twin->data[0];
  twin->data[0] += 1;
  expect_error (tensors, NULL, "net2.stages.2.feature.3.weight|net2.features.19.weight|differ");
  twin->data[0] = was;

  expect_error (tensors, &(NddrImportOptions){ .tasks = "normal" }, "has 2 tasks|names 1");
  expect_error (tensors, &(NddrImportOptions){ .tasks = "segmentation;normal" }, "network 2 has 5 channels|normal has 3");
  expect_error (tensors, &(NddrImportOptions){ .tasks = "a:b;c" }, "a:b|KIND");
  expect_error (tensors, &(NddrImportOptions){ .tasks = "A;c" }, "cannot be called \"A\"");
  expect_error (tensors, &(NddrImportOptions){ .tasks = ";" }, "cannot be called \"\"");
  expect_error (tensors, &(NddrImportOptions){ .classes = classes, .n_classes = 1 }, "5 channels|1 class was given");
  expect_error (tensors, &(NddrImportOptions){ .sets = sets }, "model.fusion=none");

  replace (tensors, "net1.head.9.weight", 1, 3);
  expect_error (tensors, NULL, "net1.head.9.weight|has no such tensor");
  replace (other, "nddrs.nddrs.2.conv1.weight", 4, 32);
  expect_error (other, NULL, "nddrs.nddrs.2.conv1.weight|expected shape [32, 64, 1, 1], found [32, 1, 1, 1]");
  replace (other, "net1.stages.4.feature.0.weight", 5, 64);
  expect_error (other, NULL, "net1.stages.4.feature.0.weight|differ");
  replace (other, "net1.features.37.weight", 5, 64);
  expect_error (other, NULL, "net1.stages.4.feature.0.weight\" is missing, or not a convolution's");
  replace (other, "net1.stages.4.feature.0.weight", 4, 72);
  replace (other, "net1.features.37.weight", 4, 72);
  expect_error (other, NULL, "8, 16, 32, 64 and 72 channels");
  replace (other, "net1.stages.4.feature.0.weight", 4, 0);
  replace (other, "net1.features.37.weight", 4, 0);
  expect_error (other, NULL, "not a convolution's");

  /* a file of no bytes that calls for gigabytes */
  const gint64 dims[] = { G_MAXINT, 0, 1, 1 };
  g_autoptr (NddrArrays) hollow = make_state_dict ("port"), many = make_state_dict ("port");
  nddr_arrays_take (hollow, nddr_array_new ("net1.head.8.weight", 4, dims));
  expect_error (hollow, NULL, "net1.head.8.weight|not a convolution's");
  replace (many, "net1.head.8.weight", 4, 256);
  expect_error (many, NULL, "256 channels|at most 255 classes");
}

static void
test_port_numbers (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("port");
  nddr_arrays_find (tensors, "nddrs.nddrs.1.bn1.running_var")->data[3] = -1;
  expect_error (tensors, NULL, "nddr.2.normal.bn.running_var|expected variances");
}

/* ---- torchvision */

static void
test_backbone (gconstpointer data)
{
  const char *name = data;
  g_autoptr (JsonNode) node = describe (name);
  JsonObject *object = json_node_get_object (node);
  JsonObject *names = json_object_get_null_member (object, "names") ? NULL : json_object_get_object_member (object, "names");
  g_autoptr (NddrArrays) tensors = make_state_dict (name);
  g_hash_table_insert (tensors->metadata, g_strdup ("license"), g_strdup ("BSD-3-Clause"));
  g_autofree char *about = NULL;
  g_autoptr (NddrModel) model = import (tensors, NULL, &about);
  const NddrConfig *config = nddr_model_get_config (model);
  const NddrArrays *made = nddr_model_get_tensors (model);
  guint n_trunk = 0;
  g_assert_cmpstr (nddr_backbone_name (config->backbone), ==, json_object_get_string_member (object, "backbone"));
  g_assert_cmpint (config->fusion, ==, NDDR_FUSION_SHARED);
  g_assert_cmpuint (config->n_tasks, ==, 2);
  g_assert_cmpstr (nddr_model_get_metadata (model, "license"), ==, "BSD-3-Clause");
  g_assert_nonnull (strstr (about, "heads are new"));
  for (guint i = 0; i < made->arrays->len; i++) {
    const NddrArray *array = made->arrays->pdata[i];
    if (!g_str_has_prefix (array->name, "shared."))
      continue;
    const char *ours = array->name + strlen ("shared.");
    const NddrArray *from = nddr_arrays_find (tensors, names ? json_object_get_string_member (names, ours) : ours);
    g_assert_nonnull (from);
    g_assert_cmpmem (array->data, array->n_elements * sizeof (float), from->data, from->n_elements * sizeof (float));
    n_trunk++;
  }
  g_assert_cmpuint (n_trunk, ==, json_object_get_int_member (object, "kept"));
}

static void
test_backbone_options (void)
{
  static const NddrClass classes[] = { { (char *) "a", 1 }, { (char *) "b", 2 } };
  static const char *const sets[] = { "model.fusion=nddr", "model.head_width=0.0625", "model.output_stride=16", NULL };
  static const char *const wrong_backbone[] = { "model.backbone=vgg16", NULL }, *const wrong_key[] = { "model.colour=red", NULL };
  g_autoptr (NddrArrays) tensors = make_state_dict ("mobilenet_v2");
  NddrImportOptions options = { "normal;where:segmentation;depth", classes, 2, 320, 240, sets };
  g_autoptr (NddrModel) model = import (tensors, &options, NULL);
  const NddrConfig *config = nddr_model_get_config (model);
  g_assert_cmpuint (config->n_tasks, ==, 3);
  g_assert_cmpuint (config->tasks[1].n_classes, ==, 2);
  g_assert_cmpuint (config->input_height, ==, 240);
  g_assert_cmpuint (config->output_stride, ==, 16);
  g_assert_nonnull (nddr_arrays_find (nddr_model_get_tensors (model), "depth.features.17.conv.3.running_var"));
  g_assert_nonnull (nddr_arrays_find (nddr_model_get_tensors (model), "nddr.5.where.weight"));

  expect_error (tensors, &(NddrImportOptions){ .sets = wrong_backbone }, "MobileNet V2|vgg16");
  expect_error (tensors, &(NddrImportOptions){ .sets = wrong_key }, "colour");
  expect_error (tensors, &(NddrImportOptions){ .tasks = "taste" }, "taste");
  expect_missing (tensors, "features.9.conv.1.0", "features.9.conv.1.0.weight|absent");
  replace (tensors, "features.19.weight", 1, 3);
  expect_error (tensors, NULL, "features.19.weight|has no such tensor");
}

static void
test_backbone_errors (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("vgg16"), empty = nddr_arrays_new (), other = nddr_arrays_new ();
  replace (tensors, "features.10.weight", 4, 40);
  expect_error (tensors, NULL, "8, 16, 40, 64, 64 channels|VGG-16");
  replace (tensors, "features.10.weight", 4, 32);
  expect_error (tensors, NULL, "features.10.weight|[32, 16, 3, 3]|another shape");
  replace (tensors, "features.0.weight", 1, 8);
  expect_error (tensors, NULL, "features.0.weight|of another shape");
  expect_error (empty, NULL, "torchvision|it has no tensors");
  replace (other, "encoder.0.weight", 1, 8);
  expect_error (other, NULL, "MobileNet V2|net1.*|encoder.0.weight");
}

/* A model is no such file; neither is what is not there, or not whole. */
static void
test_not_weights (void)
{
  g_autoptr (NddrArrays) tensors = make_state_dict ("port-alone");
  g_autoptr (NddrModel) model = import (tensors, NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *about = NULL;
  NddrImportOptions options = { 0 };
  nddr_model_save (model, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
  g_assert_null (nddr_import (path, &options, &about, &error));
  g_assert_nonnull (strstr (error->message, "already"));
  g_clear_error (&error);
  g_assert_cmpint (truncate (path, 5000), ==, 0);
  g_assert_null (nddr_import (path, &options, &about, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (nddr_import ("no-such.safetensors", &options, &about, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
}

/* Widths as nddr_config_scale() makes them of any factor are found again. */
static void
test_width (void)
{
  static const guint full[] = { 32, 16, 24, 64, 96, 160, 320, 512 };
  guint found[G_N_ELEMENTS (full)];
  double width;
  for (int i = 1; i <= 400; i++) {
    for (guint j = 0; j < G_N_ELEMENTS (full); j++)
      found[j] = nddr_config_scale (full[j], i / 200.0);
    g_assert_true (nddr_import_find_width (G_N_ELEMENTS (full), full, found, &width));
    for (guint j = 0; j < G_N_ELEMENTS (full); j++)
      g_assert_cmpuint (nddr_config_scale (full[j], width), ==, found[j]);
  }
  found[3] += 8;
  g_assert_false (nddr_import_find_width (G_N_ELEMENTS (full), full, found, &width));
}

/* A tensor of another shape, name or number of dimensions, one that is gone or one from another network: a model or an error, whatever it is. */
static void
test_changed (gconstpointer data)
{
  static const gint64 sizes[] = { 0, 1, 3, 7, 8, 64, G_MAXINT32 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (NddrArrays) other = make_state_dict (g_str_equal (data, "port") ? "vgg16" : "port");
  g_autoptr (NddrArrays) whole = make_state_dict (data);
  int made = 0;

  for (int i = 0; i < 60; i++) {
    g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
    g_autoptr (GError) error = NULL;
    g_autofree char *about = NULL;
    int changed = g_rand_int_range (rand, 0, whole->arrays->len), way = g_rand_int_range (rand, 0, 4);

    for (int k = 0; k < (int) whole->arrays->len; k++) {
      const NddrArray *array = whole->arrays->pdata[k];
      const NddrArray *from = k == changed && way == 0 ? other->arrays->pdata[g_rand_int_range (rand, 0, other->arrays->len)] : array;
      g_autofree char *name = k == changed && way == 1 ? g_strdup_printf ("%s.%d", array->name, i) : g_strdup (from->name);
      guint n_dims = from->n_dims;
      gint64 dims[NDDR_ARRAY_MAX_DIMS];
      NddrArray *copy;

      if ((k == changed && way == 2) || nddr_arrays_find (tensors, name))
        continue;
      memcpy (dims, from->dims, sizeof dims);
      if (k == changed && way == 3) {
        if (n_dims > 0)
          dims[g_rand_int_range (rand, 0, n_dims)] = sizes[g_rand_int_range (rand, 0, G_N_ELEMENTS (sizes))];
        else
          dims[n_dims++] = 1;
        for (guint d = 0; d < n_dims; d++) /* what is huge in one dimension has nothing in another */
          if (dims[d] == G_MAXINT32)
            dims[(d + 1) % n_dims] = n_dims > 1 ? 0 : 9;
      }
      copy = nddr_array_new (name, n_dims, dims);
      memcpy (copy->data, from->data, MIN (copy->n_elements, from->n_elements) * sizeof (float));
      nddr_arrays_take (tensors, copy);
    }
    g_autoptr (NddrModel) model = try_import (tensors, NULL, &about, &error);
    g_assert_true ((model == NULL) == (error != NULL));
    made += model != NULL;
  }
  g_assert_cmpint (made, <, 60);
}

int
main (int argc, char **argv)
{
  static const char *const backbones[] = { "vgg16", "vgg16_bn", "mobilenet_v2", "resnet18", "resnet50", "resnet101" };
  g_autoptr (GError) error = NULL;
  check_init (&argc, &argv);
  g_assert_cmpint (argc, ==, 2);
  goldens = nddr_safetensors_read (argv[1], FALSE, &error);
  g_assert_no_error (error);
  g_autofree char *folder = g_dir_make_tmp ("nddr-import-XXXXXX", NULL);
  path = g_build_filename (folder, "weights.safetensors", NULL);
  g_test_add_func ("/import/port/shortcut", test_port_shortcut);
  g_test_add_func ("/import/port/plain", test_port);
  g_test_add_func ("/import/port/alone", test_port_alone);
  g_test_add_func ("/import/port/twins", test_port_twins);
  g_test_add_func ("/import/port/errors", test_port_errors);
  g_test_add_func ("/import/port/numbers", test_port_numbers);
  for (guint i = 0; i < G_N_ELEMENTS (backbones); i++) {
    g_autofree char *name = g_strconcat ("/import/backbone/", backbones[i], NULL);
    g_test_add_data_func (name, backbones[i], test_backbone);
  }
  g_test_add_func ("/import/backbone/options", test_backbone_options);
  g_test_add_func ("/import/backbone/errors", test_backbone_errors);
  g_test_add_func ("/import/not-weights", test_not_weights);
  g_test_add_func ("/import/width", test_width);
  g_test_add_data_func ("/import/changed/port", "port", test_changed);
  g_test_add_data_func ("/import/changed/resnet50", "resnet50", test_changed);
  int status = g_test_run ();
  nddr_arrays_free (goldens);
  g_unlink (path);
  g_rmdir (folder);
  g_free (path);
  return check_finish (status);
}
