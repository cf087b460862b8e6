/* Where training starts: a network and a tensor for each of its names, from files or anew.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/network.h>
#include <train/recipe.h>

G_BEGIN_DECLS

typedef struct
{
  NddrConfig *config;
  NddrNetwork *network;
  NddrArrays *tensors;  /* exactly what the network has */
  guint64 *fresh;        /* for each layer the bits, nddr_start_bit (), of the branches that started anew, not from a file */
  gboolean from_files;   /* the trunks' weights were given */
  char *warnings;        /* (nullable): lines to be shown: layers that started anew though a file was given */
} NddrStart;

/** The bit of NddrStart.fresh that is @branch's; networks that train have 64 at most. */
static inline guint64
nddr_start_bit (int branch)
{
  return G_GUINT64_CONSTANT (1) << MIN (branch, 63);
}

/**
 * New layers: convolutions as He et al. (normal, variance 2 / fan-in), a head's last layer, its bias too, uniform within 1 / sqrt (fan-in), fusion
 * layers as the recipe's fusion_init says (a sluice's numbers without xavier 0.95 and 0.05, those of its stages 0.9 for the last and 0.1 for the
 * others); all from the recipe's seed and the tensor's name, so that a layer starts the same whatever else there is.
 *
 * @config: taken
 * @inits: (nullable): NULL-terminated: none; one model or backbone for all tasks; or one for each task, where each has a trunk
 */
NddrStart *nddr_start_new (NddrConfig *config, const NddrRecipe *recipe, const char *const *inits, GError **error);
/** The state that @tensors are, for a run that goes on.  Takes @config and @tensors, also on error. */
NddrStart *nddr_start_new_from_tensors (NddrConfig *config, NddrArrays *tensors, GError **error);
void nddr_start_free (NddrStart *start);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrStart, nddr_start_free)

G_END_DECLS
