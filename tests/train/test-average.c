/* The mean of models: element by element, of one network alone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"
#include "train/average.h"

#include <math.h>
#include <string.h>

#define CONFIG(classes) "{\"backbone\":\"vgg16\",\"fusion\":\"nddr\",\"width\":0.03125,\"head_width\":0.015625," \
  "\"input\":{\"width\":48,\"height\":40,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}," \
  "\"tasks\":[{\"name\":\"segmentation\",\"kind\":\"segmentation\",\"classes\":[" classes "]},{\"name\":\"normal\",\"kind\":\"normal\"}]}"
#define TWO "{\"name\":\"a\",\"color\":\"#000001\"},{\"name\":\"b\",\"color\":\"#000002\"}"
#define THREE TWO ",{\"name\":\"c\",\"color\":\"#000003\"}"

/* Weights that differ by @shift from those of 0, as far as they may. */
static NddrModel *
make_model (const char *json, float shift)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  g_assert_no_error (error);
  NddrArrays *tensors = generate_model (config, trunk_affine_from_name ("norm"), TRUE);
  for (guint i = 0; i < tensors->arrays->len; i++) {
    NddrArray *array = tensors->arrays->pdata[i];
    for (gsize k = 0; k < array->n_elements; k++)
      array->data[k] += shift;
  }
  g_hash_table_replace (tensors->metadata, g_strdup ("license"), g_strdup_printf ("%g", shift));
  NddrModel *model = nddr_model_new (config, tensors, &error);
  g_assert_no_error (error);
  return model;
}

static void
test_mean (void)
{
  static const char *const names[] = { "one", "two", "three" };
  g_autoptr (GError) error = NULL;
  NddrModel *models[] = { make_model (CONFIG (TWO), 0), make_model (CONFIG (TWO), 0.5f), make_model (CONFIG (TWO), 4) };
  g_autoptr (NddrModel) mean = nddr_average_models (models, names, 3, &error);
  g_assert_no_error (error);
  const NddrArrays *got = nddr_model_get_tensors (mean), *first = nddr_model_get_tensors (models[0]);
  g_assert_cmpuint (got->arrays->len, ==, first->arrays->len);
  for (guint i = 0; i < got->arrays->len; i++) {
    const NddrArray *x = got->arrays->pdata[i], *y = nddr_arrays_find (first, x->name);
    for (gsize k = 0; k < x->n_elements; k++)
      g_assert_cmpfloat_with_epsilon (x->data[k], y->data[k] + 1.5, 1e-5);
  }
  g_assert_cmpstr (nddr_model_get_metadata (mean, "license"), ==, "0");
  for (guint i = 0; i < 3; i++)
    nddr_model_unref (models[i]);
}

static void
test_different (void)
{
  static const char *const names[] = { "one", "two" };
  g_autoptr (GError) error = NULL;
  NddrModel *models[] = { make_model (CONFIG (TWO), 0), make_model (CONFIG (THREE), 0) };
  g_assert_null (nddr_average_models (models, names, 2, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "one and two are models of different networks: tasks[0].classes has 2 elements in the first and 3 in the second"));
  nddr_model_unref (models[0]);
  nddr_model_unref (models[1]);
}

/* A bias that only one of both has is one that the mean would lose, or not know. */
static void
test_more_tensors (void)
{
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (CONFIG (TWO), &error);
  g_assert_no_error (error);
  NddrArrays *tensors = generate_model (config, trunk_affine_from_name ("norm"), TRUE);
  const gint64 dims[] = { nddr_arrays_find (tensors, "normal.conv1_1.weight")->dims[0] };
  g_assert_null (nddr_arrays_find (tensors, "normal.conv1_1.bias"));
  nddr_arrays_take (tensors, nddr_array_new ("normal.conv1_1.bias", 1, dims));
  NddrModel *plain = make_model (CONFIG (TWO), 0), *more = nddr_model_new (config, tensors, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 2; i++) {
    static const char *const names[] = { "one", "two" };
    NddrModel *models[] = { i ? more : plain, i ? plain : more };
    g_assert_null (nddr_average_models (models, names, 2, &error));
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT);
    g_clear_error (&error);
  }
  nddr_model_unref (plain);
  nddr_model_unref (more);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/average/mean", test_mean);
  g_test_add_func ("/average/different", test_different);
  g_test_add_func ("/average/more-tensors", test_more_tensors);
  return g_test_run ();
}
