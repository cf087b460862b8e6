/* MobileNet V2: inverted residual blocks, in five stages, with the last ones dilated instead of strided.  Tensors have
 * torchvision's names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

#define EXPANSION 6
#define STEM 32

/* Each block's output, and its depthwise convolution's stride and dilation at output strides 8 and 16. */
static const struct
{
  int stage, channels, stride8, dilation8, stride16, dilation16;
  gboolean residual;
} blocks[] = {
  [1] = { 1, 16, 1, 1, 1, 1, FALSE },
  [2] = { 1, 24, 2, 1, 2, 1, FALSE },
  [3] = { 1, 24, 1, 1, 1, 1, TRUE },
  [4] = { 2, 32, 2, 1, 2, 1, FALSE },
  [5] = { 2, 32, 1, 1, 1, 1, TRUE },
  [6] = { 2, 32, 1, 1, 1, 1, TRUE },
  [7] = { 3, 64, 1, 1, 2, 1, FALSE },
  [8] = { 3, 64, 1, 2, 1, 1, TRUE },
  [9] = { 3, 64, 1, 2, 1, 1, TRUE },
  [10] = { 3, 64, 1, 2, 1, 1, TRUE },
  [11] = { 4, 96, 1, 2, 1, 1, FALSE },
  [12] = { 4, 96, 1, 2, 1, 1, TRUE },
  [13] = { 4, 96, 1, 2, 1, 1, TRUE },
  [14] = { 5, 160, 1, 2, 1, 1, FALSE },
  [15] = { 5, 160, 1, 4, 1, 2, TRUE },
  [16] = { 5, 160, 1, 4, 1, 2, TRUE },
  [17] = { 5, 320, 1, 4, 1, 2, FALSE },
};

static NddrLayer *
append_convolution (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, int value, char *name, const char *norm)
{
  NddrLayer *layer = nddr_builder_convolution (builder, shape, branches, name);

  nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
  nddr_builder_name_all (builder, layer, NDDR_AFFINE_NORM, name, norm);
  return layer;
}

/* One of a block's normalised convolutions with ReLU6: features.k.conv.part. */
static int
append_part (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, int value, int k, int part)
{
  g_autofree char *norm = g_strdup_printf ("features.%d.conv.%d.1", k, part);

  return append_convolution (builder, shape, branches, value, g_strdup_printf ("features.%d.conv.%d.0", k, part), norm)->output;
}

static int
append_block (NddrBuilder *builder, int k, NddrBranchTasks branches, int value)
{
  int input = value, channels = nddr_network_value (builder->network, value)->channels, part = 0;
  gboolean fine = builder->config->output_stride == 8, expanded = k > 1;
  NddrConvolutionShape expand = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, EXPANSION * channels, 1, 1, 1, NDDR_ACTIVATION_RELU6 };
  NddrConvolutionShape depthwise = { NDDR_LAYER_DEPTHWISE, NDDR_ROLE_TRUNK, expanded ? EXPANSION * channels : channels, 3,
    fine ? blocks[k].stride8 : blocks[k].stride16, fine ? blocks[k].dilation8 : blocks[k].dilation16, NDDR_ACTIVATION_RELU6 };
  NddrConvolutionShape project = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, (int) nddr_config_scale (blocks[k].channels, builder->config->width),
    1, 1, 1, NDDR_ACTIVATION_NONE };
  g_autofree char *norm = NULL;
  NddrLayer *layer;

  if (expanded)
    value = append_part (builder, &expand, branches, value, k, part++);
  value = append_part (builder, &depthwise, branches, value, k, part++);
  norm = g_strdup_printf ("features.%d.conv.%d", k, part + 1);
  layer = append_convolution (builder, &project, branches, value, g_strdup_printf ("features.%d.conv.%d", k, part), norm);
  if (blocks[k].residual)
    layer->residual = nddr_builder_pick (builder, layer, input);
  return layer->output;
}

static int
append_stage (NddrBuilder *builder, int i, NddrBranchTasks branches, int value)
{
  if (i == 1) {
    NddrConvolutionShape stem = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, (int) nddr_config_scale (STEM, builder->config->width), 3, 2, 1,
      NDDR_ACTIVATION_RELU6 };

    value = append_convolution (builder, &stem, branches, value, g_strdup ("features.0.0"), "features.0.1")->output;
  }
  for (guint k = 1; k < G_N_ELEMENTS (blocks); k++)
    if (blocks[k].stage == i)
      value = append_block (builder, (int) k, branches, value);
  return value;
}

/* a stage ends in a linear projection, and so does what mixes it */
const NddrBackboneLayers nddr_mobilenet_v2 = { 5, NDDR_ACTIVATION_NONE, append_stage };
