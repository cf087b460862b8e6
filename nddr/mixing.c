/* What mixes tasks and stages by single numbers: cross-stitch units (Misra et al., CVPR 2016) and sluice networks (Ruder et al.,
 * AAAI 2019).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

/* A unit behind stage @i: one tensor of weights for all tasks. */
static int
append_unit (NddrBuilder *builder, const char *kind, int i, NddrBranchTasks branches, int value, int parts, gboolean each_channel)
{
  NddrValue from = *nddr_network_value (builder->network, value);
  g_autofree char *name = g_strdup_printf ("%s.%d", kind, i);
  NddrLayer *layer = nddr_builder_mixture (builder, NDDR_LAYER_MIX, NDDR_ROLE_FUSION, branches, from.channels, g_strdup (name));

  layer->fusion_stage = i;
  layer->parts = parts;
  layer->each_channel = each_channel;
  layer->names[0] = g_steal_pointer (&name);
  for (int k = 0; k < from.branches; k++)
    nddr_builder_read (layer, (NddrInput){ value, k, 0 });
  return layer->output;
}

int
nddr_append_stitch (NddrBuilder *builder, int i, NddrBranchTasks branches, int value)
{
  return append_unit (builder, "stitch", i, branches, value, 1, TRUE);
}

int
nddr_append_sluice (NddrBuilder *builder, int i, NddrBranchTasks branches, int value)
{
  return append_unit (builder, "sluice", i, branches, value, 2, FALSE);
}

/* Brings stage @i's map to the width of the last. */
static int
append_skip (NddrBuilder *builder, int i, int value, int channels, NddrBranchTasks branches)
{
  NddrConvolutionShape shape = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_SHORTCUT, channels, 1, 1, 1, NDDR_ACTIVATION_NONE };
  NddrLayer *layer = nddr_builder_convolution (builder, &shape, branches, g_strdup_printf ("sluice.skip.%d", i));

  nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
  for (int b = 0; b < branches.n; b++)
    nddr_builder_name (builder, layer, b, NDDR_AFFINE_BARE, g_strdup_printf ("sluice.skip.%d.%s", i, builder->config->tasks[branches.tasks[b]].name), NULL);
  return layer->output;
}

int
nddr_append_sluice_skips (NddrBuilder *builder, const int *resized, int n_stages, NddrBranchTasks branches)
{
  int last = resized[n_stages - 1], channels = nddr_network_value (builder->network, last)->channels;
  g_autofree int *values = g_new (int, n_stages);
  NddrLayer *layer;

  for (int i = 0; i < n_stages - 1; i++)
    values[i] = append_skip (builder, i + 1, resized[i], channels, branches);
  values[n_stages - 1] = last;
  layer = nddr_builder_mixture (builder, NDDR_LAYER_BLEND, NDDR_ROLE_SHORTCUT, branches, channels, g_strdup ("sluice.beta"));
  for (int i = 0; i < n_stages; i++)
    nddr_builder_read (layer, nddr_builder_pick (builder, layer, values[i]));
  for (int b = 0; b < branches.n; b++)
    layer->names[b] = g_strconcat ("sluice.beta.", builder->config->tasks[branches.tasks[b]].name, NULL);
  return layer->output;
}
