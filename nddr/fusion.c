/* What joins tasks and stages: the NDDR layer and the shortcut, both 1x1 convolutions over several sources.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

int
nddr_append_nddr (NddrBuilder *builder, int i, NddrBranchTasks branches, int value, NddrActivation activation)
{
  NddrValue from = *nddr_network_value (builder->network, value);
  NddrConvolutionShape shape = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_FUSION, from.channels, 1, 1, 1, activation };
  NddrLayer *layer = nddr_builder_convolution (builder, &shape, branches, g_strdup_printf ("nddr.%d", i));

  layer->fusion_stage = i;
  for (int k = 0; k < from.branches; k++)
    nddr_builder_read (layer, (NddrInput){ value, k, 0 });
  for (int b = 0; b < branches.n; b++) {
    char *name = g_strdup_printf ("nddr.%d.%s", i, builder->config->tasks[branches.tasks[b]].name);

    nddr_builder_name (builder, layer, b, NDDR_AFFINE_AS_FILE, name, g_strconcat (name, ".bn", NULL));
  }
  return layer->output;
}

void
nddr_append_shortcut_resizes (NddrBuilder *builder, const int *stages, int n_stages, int *resized)
{
  for (int i = 0; i < n_stages - 1; i++)
    resized[i] = nddr_builder_resize (builder, NDDR_ROLE_SHORTCUT, stages[i], stages[n_stages - 1], g_strdup_printf ("shortcut.resize%d", i + 1));
  resized[n_stages - 1] = stages[n_stages - 1];
}

int
nddr_append_shortcut (NddrBuilder *builder, const int *resized, int n_stages, NddrBranchTasks branches)
{
  NddrConvolutionShape shape = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_SHORTCUT, nddr_network_value (builder->network, resized[n_stages - 1])->channels,
    1, 1, 1, NDDR_ACTIVATION_RELU };
  NddrLayer *layer = nddr_builder_convolution (builder, &shape, branches, g_strdup ("shortcut"));

  for (int i = 0; i < n_stages; i++)
    nddr_builder_read (layer, nddr_builder_pick (builder, layer, resized[i]));
  for (int b = 0; b < branches.n; b++) {
    char *name = g_strconcat ("shortcut.", nddr_builder_prefix (builder, branches.tasks[b]), NULL);

    nddr_builder_name (builder, layer, b, NDDR_AFFINE_AS_FILE, name, g_strconcat (name, ".bn", NULL));
  }
  return layer->output;
}
