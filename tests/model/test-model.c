/* Models: a file is loaded when its tensors are its network's, and says what is wrong when they are not.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"

#include <nddr/model.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static char *path;

static const char json[] = "{\"backbone\":\"vgg16\",\"width\":0.03,\"fusion\":\"nddr\",\"tasks\":[{\"name\":\"segmentation\",\"kind\":\"segmentation\","
    "\"classes\":[{\"name\":\"wall\",\"color\":\"#b22d2d\"},{\"name\":\"floor\",\"color\":\"#2db22d\"}]},{\"name\":\"normal\",\"kind\":\"normal\"}],"
    "\"input\":{\"width\":64,\"height\":48,\"mean\":[0,0,0],\"std\":[1,1,1]}}";

/* (transfer full): the tensors of the config above, with the metadata that its file has. */
static NddrArrays *
make_tensors (void)
{
  g_autoptr (NddrConfig) config = nddr_config_parse (json, NULL);
  NddrArrays *tensors = generate_model (config, TRUNK_NORM, FALSE);

  g_hash_table_insert (tensors->metadata, g_strdup ("format"), g_strdup ("nddr"));
  g_hash_table_insert (tensors->metadata, g_strdup ("version"), g_strdup ("1"));
  g_hash_table_insert (tensors->metadata, g_strdup ("config"), g_strdup (json));
  g_hash_table_insert (tensors->metadata, g_strdup ("license"), g_strdup ("CC0-1.0"));
  return tensors;
}

static void
test_load (void)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_autoptr (NddrModel) model = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  guint width, height;

  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, NULL));
  model = nddr_model_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_model_get_n_tasks (model), ==, 2);
  g_assert_cmpstr (nddr_model_get_task (model, 0)->name, ==, "segmentation");
  g_assert_cmpstr (nddr_model_get_task (model, 0)->classes[1].name, ==, "floor");
  g_assert_cmpuint (nddr_model_find_task (model, "normal")->channels, ==, 3);
  g_assert_null (nddr_model_find_task (model, "depth"));
  nddr_model_get_input_size (model, &width, &height);
  g_assert_cmpuint (width, ==, 64);
  g_assert_cmpuint (height, ==, 48);
  g_assert_cmpstr (nddr_model_get_metadata (model, "license"), ==, "CC0-1.0");

  g_assert_true (nddr_model_save (model, path, NDDR_STORE_F16, &error));
  again = nddr_model_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (nddr_model_get_metadata (again, "license"), ==, "CC0-1.0");
  g_assert_cmpstr (nddr_model_get_metadata (again, "config"), ==, nddr_model_get_metadata (model, "config"));
}

/* Changes the model's tensors; the load must fail and say all of @says, parts separated by |. */
static void
assert_refused (void (*spoil) (NddrArrays *), const char *says)
{
  g_autoptr (NddrArrays) tensors = make_tensors ();
  g_auto (GStrv) parts = g_strsplit (says, "|", -1);
  g_autoptr (GError) error = NULL;

  spoil (tensors);
  g_assert_true (nddr_safetensors_write (tensors, path, NDDR_STORE_F32, NULL));
  g_assert_null (nddr_model_load (path, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  for (int i = 0; parts[i] != NULL; i++)
    if (strstr (error->message, parts[i]) == NULL)
      g_error ("expected \"%s\" in: %s", parts[i], error->message);
}

static void
drop (NddrArrays *tensors, const char *name)
{
  guint i;

  g_assert_true (g_ptr_array_find (tensors->arrays, nddr_arrays_find (tensors, name), &i));
  g_hash_table_remove (tensors->by_name, name);
  g_ptr_array_remove_index (tensors->arrays, i);
}

static void spoil_missing (NddrArrays *t) { drop (t, "normal.conv3_2.weight"); }
static void spoil_norm (NddrArrays *t) { drop (t, "nddr.2.normal.bn.running_var"); }
static void spoil_bias (NddrArrays *t) { drop (t, "segmentation.fc8.bias"); }
static void spoil_nan (NddrArrays *t) { nddr_arrays_find (t, "segmentation.fc6.weight")->data[7] = NAN; }
static void spoil_infinite (NddrArrays *t) { nddr_arrays_find (t, "nddr.1.segmentation.weight")->data[0] = -INFINITY; }
static void spoil_variance (NddrArrays *t) { nddr_arrays_find (t, "normal.fc7.bn.running_var")->data[1] = -1; }

/* finite, but not once batch normalisation is folded into the weights: 4 * 3e38 / sqrt (1e-5) */
static void
spoil_folded_weight (NddrArrays *t)
{
  NddrArray *weight = nddr_arrays_find (t, "normal.fc7.weight"), *scale = nddr_arrays_find (t, "normal.fc7.bn.weight");
  gsize last = scale->n_elements - 1;

  weight->data[weight->n_elements - 1] = -4;
  scale->data[last] = 3e38f;
  nddr_arrays_find (t, "normal.fc7.bn.running_mean")->data[last] = 0;
  nddr_arrays_find (t, "normal.fc7.bn.running_var")->data[last] = 0;
}

static void
spoil_folded_bias (NddrArrays *t)
{
  nddr_arrays_find (t, "nddr.2.normal.bn.running_mean")->data[3] = 2e38f;
  nddr_arrays_find (t, "nddr.2.normal.bn.weight")->data[3] = 2;
  nddr_arrays_find (t, "nddr.2.normal.bn.running_var")->data[3] = 0.25f;
}

static void spoil_format (NddrArrays *t) { g_hash_table_remove (t->metadata, "format"); }
static void spoil_other_format (NddrArrays *t) { g_hash_table_insert (t->metadata, g_strdup ("format"), g_strdup ("pt")); }
static void spoil_version (NddrArrays *t) { g_hash_table_insert (t->metadata, g_strdup ("version"), g_strdup ("2")); }
static void spoil_no_config (NddrArrays *t) { g_hash_table_remove (t->metadata, "config"); }
static void spoil_config (NddrArrays *t) { g_hash_table_insert (t->metadata, g_strdup ("config"), g_strdup ("{\"backbone\":\"vgg61\"}")); }

static void
spoil_surplus (NddrArrays *t)
{
  gint64 dims[] = { 2, 3 };

  nddr_arrays_take (t, nddr_array_new ("optimizer.momentum", 2, dims));
}

/* as many elements, in other dimensions */
static void
spoil_shape (NddrArrays *t)
{
  gint64 dims[] = { 16, 8 };

  nddr_arrays_take (t, nddr_array_new ("nddr.1.normal.weight", 2, dims));
}

static void
test_refused (void)
{
  assert_refused (spoil_missing, "\"normal.conv3_2.weight\"|[8, 8, 3, 3]|no such tensor");
  assert_refused (spoil_norm, "\"nddr.2.normal.bn.running_var\"|[8]|no such tensor");
  assert_refused (spoil_bias, "\"segmentation.fc8.bias\"|[2]");
  assert_refused (spoil_shape, "\"nddr.1.normal.weight\"|expected shape [8, 16, 1, 1]|found [16, 8]");
  assert_refused (spoil_surplus, "\"optimizer.momentum\"|[2, 3]|no place");
  assert_refused (spoil_nan, "\"segmentation.fc6.weight\"|finite|nan|element 7");
  assert_refused (spoil_infinite, "\"nddr.1.segmentation.weight\"|-inf");
  assert_refused (spoil_variance, "\"normal.fc7.bn.running_var\"|-1");
  assert_refused (spoil_folded_weight, "\"normal.fc7.weight\"|\"normal.fc7.bn\"|-inf");
  assert_refused (spoil_folded_bias, "\"nddr.2.normal.bn.bias\"|-inf|element 3");
  assert_refused (spoil_format, "\"format\": \"nddr\"");
  assert_refused (spoil_other_format, "\"pt\"");
  assert_refused (spoil_version, "\"version\"|\"2\"");
  assert_refused (spoil_no_config, "\"config\"");
  assert_refused (spoil_config, "vgg61");
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("nddr-model-XXXXXX", NULL);
  path = g_build_filename (folder, "model.safetensors", NULL);
  g_test_add_func ("/model/load", test_load);
  g_test_add_func ("/model/refused", test_refused);
  status = g_test_run ();
  g_remove (path);
  g_rmdir (folder);
  g_free (path);
  return status;
}
