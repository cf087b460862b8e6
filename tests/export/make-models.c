/* Writes the models that tests/network's golden file is about, with a mean to subtract and a deviation to divide by, and beside each its
 * picture in red, green and blue, from which those make what the golden outputs are of: what check-onnx.js exports and runs.
 *
 *   make-models GOLDENS.safetensors DIR     NAME.safetensors and NAME.picture for each case
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"

#include <nddr/model.h>

#include <string.h>

static gboolean
write_picture (const NddrConfig *config, const char *name, const char *path, GError **error)
{
  const gint64 dims[] = { 1, 3, config->input_height, config->input_width };
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  NddrArray *image = nddr_array_new ("image", 4, dims);
  gsize plane = dims[2] * dims[3];
  g_autofree float *pixels = generate_picture (name, 1, dims[2], dims[3], 3);
  for (gsize i = 0; i < image->n_elements; i++)
    image->data[i] = pixels[i % plane * 3 + i / plane] * config->std[i / plane] + config->mean[i / plane];
  nddr_arrays_take (tensors, image);
  return nddr_safetensors_write (tensors, path, NDDR_STORE_F32, error);
}

static gboolean
write_case (const char *name, const char *json, const char *affine, const char *folder, GError **error)
{
  g_autofree char *model_name = g_strconcat (name, ".safetensors", NULL), *model_path = g_build_filename (folder, model_name, NULL);
  g_autofree char *picture_name = g_strconcat (name, ".picture", NULL), *picture_path = g_build_filename (folder, picture_name, NULL);
  NddrConfig *config = nddr_config_parse (json, error);
  if (!config)
    return FALSE;
  memcpy (config->mean, (const double[]){ 0.485, 0.456, 0.406 }, sizeof config->mean);
  memcpy (config->std, (const double[]){ 0.229, 0.224, 0.225 }, sizeof config->std);
  g_autoptr (NddrModel) model = nddr_model_new (config, generate_model (config, trunk_affine_from_name (affine), FALSE), error);
  return model && nddr_model_save (model, model_path, NDDR_STORE_F32, error) && write_picture (config, name, picture_path, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (argc != 3) {
    g_printerr ("usage: %s GOLDENS.safetensors DIR\n", argv[0]);
    return 2;
  }
  g_autoptr (NddrArrays) goldens = nddr_safetensors_read (argv[1], FALSE, &error);
  GHashTableIter iter;
  gpointer name, json;
  if (goldens)
    g_hash_table_iter_init (&iter, goldens->metadata);
  while (goldens && !error && g_hash_table_iter_next (&iter, &name, &json)) {
    if (g_str_has_suffix (name, ".affine"))
      continue;
    g_autofree char *affine = g_strconcat (name, ".affine", NULL);
    write_case (name, json, g_hash_table_lookup (goldens->metadata, affine), argv[2], &error);
  }
  if (!error)
    return 0;
  g_printerr ("%s: %s\n", argv[0], error->message);
  return 1;
}
