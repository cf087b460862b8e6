/* Heads: `largefov`, a 3x3 convolution that looks far and two 1x1; `aspp`, four 3x3 that look ever farther, added up.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/builder.h>

#define HIDDEN 1024
#define RATES 4

static NddrLayer *
append_convolution (NddrBuilder *builder, const NddrConvolutionShape *shape, NddrBranchTasks branches, int value, NddrAffine affine, const char *name)
{
  g_autofree char *norm = g_strconcat (name, ".bn", NULL);
  NddrLayer *layer = nddr_builder_convolution (builder, shape, branches, g_strdup (name));

  nddr_builder_read (layer, nddr_builder_pick (builder, layer, value));
  nddr_builder_name_all (builder, layer, affine, name, norm);
  return layer;
}

static void
append_largefov (NddrBuilder *builder, NddrBranchTasks branches, int value)
{
  int hidden = (int) nddr_config_scale (HIDDEN, builder->config->head_width);
  NddrConvolutionShape fc6 = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_HEAD, hidden, 3, 1, builder->config->output_stride == 16 ? 6 : 12, NDDR_ACTIVATION_RELU };
  NddrConvolutionShape fc7 = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_HEAD, hidden, 1, 1, 1, NDDR_ACTIVATION_RELU };
  NddrLayer *layer;

  layer = append_convolution (builder, &fc6, branches, value, NDDR_AFFINE_AS_FILE, "fc6");
  layer->dropout = TRUE;
  layer = append_convolution (builder, &fc7, branches, layer->output, NDDR_AFFINE_AS_FILE, "fc7");
  layer->dropout = TRUE;
  value = layer->output;

  /* tasks differ in their channels */
  for (int b = 0; b < branches.n; b++) {
    int task = branches.tasks[b];
    NddrConvolutionShape fc8 = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_HEAD_LAST, (int) builder->config->tasks[task].channels, 1, 1, 1, NDDR_ACTIVATION_NONE };

    layer = append_convolution (builder, &fc8, (NddrBranchTasks){ 1, &task }, value, NDDR_AFFINE_BIAS, "fc8");
    builder->network->heads[task] = (NddrInput){ layer->output, 0, 1 };
  }
}

static void
append_aspp (NddrBuilder *builder, NddrBranchTasks branches, int value)
{
  int step = builder->config->output_stride == 16 ? 3 : 6;

  for (int b = 0; b < branches.n; b++) {
    int task = branches.tasks[b], sum = -1;

    for (int i = 0; i < RATES; i++) {
      NddrConvolutionShape shape = { NDDR_LAYER_CONVOLUTION, NDDR_ROLE_HEAD_LAST, (int) builder->config->tasks[task].channels, 3, 1, (i + 1) * step,
        NDDR_ACTIVATION_NONE };
      g_autofree char *name = g_strdup_printf ("aspp.%d", i);
      NddrLayer *layer = append_convolution (builder, &shape, (NddrBranchTasks){ 1, &task }, value, NDDR_AFFINE_BIAS, name);

      if (sum >= 0)
        layer->residual = (NddrInput){ sum, 0, 1 };
      sum = layer->output;
    }
    builder->network->heads[task] = (NddrInput){ sum, 0, 1 };
  }
}

void
nddr_append_head (NddrBuilder *builder, NddrBranchTasks branches, int value)
{
  if (builder->config->head == NDDR_HEAD_ASPP)
    append_aspp (builder, branches, value);
  else
    append_largefov (builder, branches, value);
}
