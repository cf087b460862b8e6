/* See import-torchvision.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/import-torchvision.h>

#include <nddr/error.h>
#include <nddr/network.h>
#include <string.h>
#include <train/classes.h>
#include <train/start.h>
#include <train/torchvision.h>

/* ---- checking */

static gboolean
find_width (const NddrTorchvision *row, const NddrArrays *tensors, double *width, GError **error)
{
  guint full[NDDR_TORCHVISION_WIDTHS], found[NDDR_TORCHVISION_WIDTHS], n = 0;
  g_autoptr (GString) list = g_string_new (NULL);
  for (; n < NDDR_TORCHVISION_WIDTHS && row->widths[n].layer; n++) {
    g_autofree char *base = nddr_torchvision_name (row->backbone, row->widths[n].layer, tensors), *name = g_strconcat (base, ".weight", NULL);
    const NddrArray *weight = nddr_arrays_find (tensors, name);
    if (!weight || weight->n_dims != 4 || weight->dims[0] > G_MAXINT)
      return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s\": a %s has it with four dimensions, and here it is %s; is the file whole, and F32, "
          "F16 or BF16?", name, row->what, weight ? "of another shape" : "absent");
    full[n] = row->widths[n].full;
    found[n] = weight->dims[0];
    g_string_append_printf (list, "%s%u", n ? ", " : "", found[n]);
  }
  if (nddr_import_find_width (n, full, found, width))
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "its layers have %s channels, which are not those of a %s times one factor, in steps of 8", list->str,
      row->what);
}

static gboolean
check_weight (const NddrTorchvision *row, const NddrArrays *tensors, const NddrNetwork *network, const NddrLayer *layer, const char *name, GError **error)
{
  const NddrArray *weight = nddr_arrays_find (tensors, name);
  gint64 dims[4];
  nddr_network_weight_dims (network, layer, 0, dims);
  if (weight && weight->n_dims == 4 && memcmp (weight->dims, dims, sizeof dims) == 0)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "tensor \"%s\": a %s of this width has it with shape [%d, %d, %d, %d], and here it is %s; is the file whole, "
      "and F32, F16 or BF16?", name, row->what, (int) dims[0], (int) dims[1], (int) dims[2], (int) dims[3], weight ? "of another shape" : "absent");
}

/* Marks what a trunk takes from the file as used; a convolution that is not there is an error. */
static gboolean
use_layer (const NddrTorchvision *row, const NddrArrays *tensors, const NddrNetwork *network, const NddrLayer *layer, GHashTable *used, GError **error)
{
  static const char *const norm_parts[] = { ".weight", ".bias", ".running_mean", ".running_var" };
  g_autofree char *base = nddr_torchvision_name (row->backbone, strchr (layer->names[0], '.') + 1, tensors);
  g_autofree char *norm = nddr_torchvision_name (row->backbone, strchr (layer->norms[0], '.') + 1, tensors);
  g_autofree char *weight = g_strconcat (base, ".weight", NULL), *bias = g_strconcat (base, ".bias", NULL);
  nddr_import_use (used, weight);
  nddr_import_use (used, bias);
  for (guint p = 0; p < G_N_ELEMENTS (norm_parts); p++) {
    g_autofree char *name = g_strconcat (norm, norm_parts[p], NULL);
    nddr_import_use (used, name);
  }
  return check_weight (row, tensors, network, layer, weight, error);
}

static gboolean
check_trunk (const NddrTorchvision *row, const NddrArrays *tensors, const NddrConfig *config, GError **error)
{
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, error);
  g_autoptr (GHashTable) used = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (!network)
    return FALSE;
  for (guint i = 0; i < network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, i);
    if (layer->role == NDDR_ROLE_TRUNK && layer->names && !use_layer (row, tensors, network, layer, used, error))
      return FALSE;
  }
  g_autofree char *what = g_strconcat ("the trunk of a ", row->what, NULL);
  return nddr_import_check_used (tensors, used, row->ignored, what, error);
}

/* ---- importing */

/* One trunk for all tasks, unless the options say otherwise: what --init starts every trunk of another network from. */
static NddrRecipe *
make_recipe (const NddrTorchvision *row, double width, const NddrImportOptions *options, GError **error)
{
  g_autoptr (GPtrArray) sets = g_ptr_array_new_with_free_func (g_free);
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_ptr_array_add (sets, g_strdup_printf ("model.backbone=%s", nddr_backbone_name (row->backbone)));
  g_ptr_array_add (sets, g_strdup_printf ("model.width=%s", g_ascii_dtostr (number, sizeof number, width)));
  g_ptr_array_add (sets, g_strdup ("model.fusion=shared"));
  g_ptr_array_add (sets, g_strdup ("model.shortcut=false"));
  if (options->tasks)
    g_ptr_array_add (sets, g_strdup_printf ("model.tasks=%s", options->tasks));
  if (options->width)
    g_ptr_array_add (sets, g_strdup_printf ("model.input=%ux%u", options->width, options->height));
  for (guint i = 0; options->sets && options->sets[i]; i++)
    g_ptr_array_add (sets, g_strdup (options->sets[i]));
  g_ptr_array_add (sets, NULL);
  return nddr_recipe_load (NULL, (const char *const *) sets->pdata, error);
}

static NddrStart *
start (const char *path, const NddrTorchvision *row, const NddrArrays *tensors, const NddrRecipe *recipe, const NddrImportOptions *options, GError **error)
{
  const char *const inits[] = { path, NULL };
  guint n_usual = 0;
  NddrClass *usual = nddr_classes_nyu40 (&n_usual);
  g_autoptr (NddrConfig) config = nddr_recipe_make_config (recipe, options->classes ? options->classes : usual,
      options->classes ? options->n_classes : n_usual, error);
  nddr_classes_free (usual, n_usual);
  if (!config)
    return NULL;
  if (config->backbone != row->backbone) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "is a %s, and model.backbone is to be %s", row->what, nddr_backbone_name (config->backbone));
    return NULL;
  }
  return check_trunk (row, tensors, config, error) ? nddr_start_new (g_steal_pointer (&config), recipe, inits, error) : NULL;
}

NddrModel *
nddr_torchvision_import (const char *path, const NddrArrays *tensors, const NddrImportOptions *options, char **about, GError **error)
{
  const NddrTorchvision *row = nddr_torchvision_find (tensors);
  double width;
  if (!find_width (row, tensors, &width, error))
    return NULL;
  g_autoptr (NddrRecipe) recipe = make_recipe (row, width, options, error);
  if (!recipe)
    return NULL;
  g_autoptr (NddrStart) made = start (path, row, tensors, recipe, options, error);
  if (!made)
    return NULL;
  g_autofree char *description = g_strdup_printf ("%s with torchvision's weights; its heads are not trained", row->what);
  nddr_import_copy_metadata (tensors, description, made->tensors);
  NddrModel *model = nddr_model_new (g_steal_pointer (&made->config), g_steal_pointer (&made->tensors), error);
  if (model)
    *about = g_strdup_printf ("%s with torchvision's names, a trunk alone: the model's heads are new and answer nothing yet; train it, with nddr "
        "train --init and, for heads of other tasks or widths, --set model.head_init=new", row->what);
  return model;
}
