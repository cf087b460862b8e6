/* See import.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/import.h>
#include <train/import-torchvision.h>
#include <train/port.h>
#include <train/torchvision.h>

#include <nddr/error.h>
#include <nddr/safetensors.h>

NddrModel *
nddr_import (const char *path, const NddrImportOptions *options, char **about, GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_safetensors_read (path, TRUE, error);
  NddrModel *model = NULL;
  if (!tensors)
    return NULL;
  if (g_strcmp0 (g_hash_table_lookup (tensors->metadata, "format"), "nddr") == 0)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "is a model of nddr already: use it as it is");
  else if (nddr_port_recognise (tensors))
    model = nddr_port_import (tensors, options, about, error);
  else if (nddr_torchvision_find (tensors))
    model = nddr_torchvision_import (path, tensors, options, about, error);
  else
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT,
        "has neither torchvision's names (%s) nor those of the PyTorch port of NDDR-CNN (net1.*, net2.*, nddrs.*; or stages.*, head.*)%s%s%s",
        nddr_torchvision_names (), tensors->arrays->len ? "; its first tensor is \"" : "; it has no tensors",
        tensors->arrays->len ? ((const NddrArray *) tensors->arrays->pdata[0])->name : "", tensors->arrays->len ? "\"" : "");
  if (!model)
    g_prefix_error (error, "%s: ", path);
  return model;
}
