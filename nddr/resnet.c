/* ResNet-18, -50 and -101: a stem and four groups of blocks, the last groups dilated instead of strided, as torchvision's
 * replace_stride_with_dilation does.  Tensors have torchvision's names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

#define GROUPS 4
#define STEM 64 /* planes of the stem and of the first group; they double from group to group */
#define EXPANSION 4

/* A variant's blocks in each group; a bottleneck has three convolutions, a basic block two. */
static const struct
{
  gboolean bottleneck;
  int blocks[GROUPS];
} variants[] = {
  [NDDR_BACKBONE_RESNET18] = { FALSE, { 2, 2, 2, 2 } },
  [NDDR_BACKBONE_RESNET50] = { TRUE, { 3, 4, 6, 3 } },
  [NDDR_BACKBONE_RESNET101] = { TRUE, { 3, 4, 23, 3 } },
};

/* A group's stride, its dilation, and that of its first block's strided convolution. */
typedef struct
{
  int stride, dilation, first_dilation;
} Spacing;

/* At output stride 8 and 16. */
static const Spacing spacings8[GROUPS] = { { 1, 1, 1 }, { 2, 1, 1 }, { 1, 2, 1 }, { 1, 4, 2 } };
static const Spacing spacings16[GROUPS] = { { 1, 1, 1 }, { 2, 1, 1 }, { 2, 1, 1 }, { 1, 2, 1 } };

/* PREFIX convN, normalised by PREFIX bnN. */
static NddrLayer *
append_convolution (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, int value, const char *prefix, int n)
{
  g_autofree char *norm = g_strdup_printf ("%sbn%d", prefix, n);
  char *name = g_strdup_printf ("%sconv%d", prefix, n);
  NddrLayer *layer = nddr_builder_convolution (builder, shape, branches, name);

  nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
  nddr_builder_name_all (builder, layer, NDDR_AFFINE_NORM, name, norm);
  return layer;
}

/* What a block adds to its output: what it reads, brought to its output's shape where that differs. */
static int
append_identity (NddrBuilder *builder, NddrBranchTasks branches, int value, const char *prefix, int channels, int stride)
{
  NddrConvolutionShape shape = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, channels, 1, stride, 1, NDDR_ACTIVATION_NONE };
  g_autofree char *norm = g_strconcat (prefix, "downsample.1", NULL);
  NddrLayer *layer;
  char *name;

  if (stride == 1 && nddr_network_value (builder->network, value)->channels == channels)
    return value;
  name = g_strconcat (prefix, "downsample.0", NULL);
  layer = nddr_builder_convolution (builder, &shape, branches, name);
  nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
  nddr_builder_name_all (builder, layer, NDDR_AFFINE_NORM, name, norm);
  return layer->output;
}

/* Block @b of group @g, both from 0. */
static int
append_block (NddrBuilder *builder, int g, int b, NddrBranchTasks branches, int value)
{
  gboolean bottleneck = variants[builder->config->backbone].bottleneck;
  const Spacing *spacing = &(builder->config->output_stride == 8 ? spacings8 : spacings16)[g];
  int planes = (int) nddr_config_scale (STEM << g, builder->config->width), channels = bottleneck ? EXPANSION * planes : planes;
  int stride = b == 0 ? spacing->stride : 1, dilation = b == 0 ? spacing->first_dilation : spacing->dilation;
  g_autofree char *prefix = g_strdup_printf ("layer%d.%d.", g + 1, b);
  int identity = append_identity (builder, branches, value, prefix, channels, stride), n = 1;
  NddrConvolutionShape narrow = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, planes, 1, 1, 1, NDDR_ACTIVATION_RELU };
  NddrConvolutionShape strided = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, planes, 3, stride, dilation, NDDR_ACTIVATION_RELU };
  NddrConvolutionShape last = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, channels, bottleneck ? 1 : 3, 1, bottleneck ? 1 : spacing->dilation,
    NDDR_ACTIVATION_RELU };
  NddrLayer *layer;

  if (bottleneck)
    value = append_convolution (builder, &narrow, branches, value, prefix, n++)->output;
  value = append_convolution (builder, &strided, branches, value, prefix, n++)->output;
  layer = append_convolution (builder, &last, branches, value, prefix, n);
  layer->residual = nddr_builder_pick (builder, layer, identity);
  return layer->output;
}

static int
append_stage (NddrBuilder *builder, int i, NddrBranchTasks branches, int value)
{
  NddrConvolutionShape stem = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_TRUNK, (int) nddr_config_scale (STEM, builder->config->width), 7, 2, 1,
    NDDR_ACTIVATION_RELU };

  if (i == 1) {
    value = append_convolution (builder, &stem, branches, value, "", 1)->output;
    return nddr_builder_pool (builder, NDDR_LAYER_MAX_POOL, 2, value, g_strdup ("maxpool"));
  }
  for (int b = 0; b < variants[builder->config->backbone].blocks[i - 2]; b++)
    value = append_block (builder, i - 2, b, branches, value);
  return value;
}

const NddrBackboneLayers nddr_resnet = { 1 + GROUPS, NDDR_ACTIVATION_RELU, append_stage };
