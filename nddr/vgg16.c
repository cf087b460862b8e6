/* VGG-16 as DeepLab-LargeFOV has it: five stages of 3x3 convolutions, the last two at the third one's size.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

static const struct
{
  int convolutions, channels, dilation, pool_stride;
} stages[] = {
  { 2, 64, 1, 2 }, { 2, 128, 1, 2 }, { 3, 256, 1, 2 }, { 3, 512, 1, 1 }, { 3, 512, 2, 1 },
};

static int
append_stage (NddrBuilder *builder, int i, NddrBranchTasks branches, int value)
{
  NddrConvolutionShape shape = {
    NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, (int) nddr_config_scale (stages[i - 1].channels, builder->config->width), 3, 1,
    stages[i - 1].dilation, NDDR_ACTIVATION_RELU,
  };

  for (int j = 1; j <= stages[i - 1].convolutions; j++) {
    char *name = g_strdup_printf ("conv%d_%d", i, j);
    g_autofree char *norm = g_strconcat (name, ".bn", NULL);
    NddrLayer *layer = nddr_builder_convolution (builder, &shape, branches, name);

    nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
    nddr_builder_name_all (builder, layer, NDDR_AFFINE_AS_FILE, name, norm);
    value = layer->output;
  }
  value = nddr_builder_pool (builder, NDDR_LAYER_MAX_POOL, stages[i - 1].pool_stride, value, g_strdup_printf ("pool%d", i));
  if (i == G_N_ELEMENTS (stages))
    value = nddr_builder_pool (builder, NDDR_LAYER_AVERAGE_POOL, 1, value, g_strdup_printf ("pool%da", i));
  return value;
}

const NddrBackboneLayers nddr_vgg16 = { G_N_ELEMENTS (stages), NDDR_ACTIVATION_RELU, append_stage };
