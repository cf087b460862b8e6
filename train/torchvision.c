/* See torchvision.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/torchvision.h>

#include <string.h>

#define RESNET_WIDTHS { { "conv1", 64 }, { "layer2.0.conv1", 128 }, { "layer3.0.conv1", 256 }, { "layer4.0.conv1", 512 } }

static const NddrTorchvision rows[] = {
  { NDDR_BACKBONE_MOBILENET_V2, "MobileNet V2", "features.0.0.weight", { "classifier.", "features.18." },
    { { "features.0.0", 32 }, { "features.1.conv.1", 16 }, { "features.2.conv.2", 24 }, { "features.4.conv.2", 32 }, { "features.7.conv.2", 64 },
      { "features.11.conv.2", 96 }, { "features.14.conv.2", 160 }, { "features.17.conv.2", 320 } } },
  { NDDR_BACKBONE_VGG16, "VGG-16", "features.0.weight", { "classifier." },
    { { "conv1_1", 64 }, { "conv2_1", 128 }, { "conv3_1", 256 }, { "conv4_1", 512 }, { "conv5_1", 512 } } },
  { NDDR_BACKBONE_RESNET101, "ResNet-101", "layer3.22.conv1.weight", { "fc." }, RESNET_WIDTHS },
  { NDDR_BACKBONE_RESNET50, "ResNet-50", "layer1.0.conv3.weight", { "fc." }, RESNET_WIDTHS },
  { NDDR_BACKBONE_RESNET18, "ResNet-18", "layer1.0.conv1.weight", { "fc." }, RESNET_WIDTHS },
};

/* torchvision numbers VGG-16's convolutions among the activations and pools between them, and with batch norm otherwise. */
static char *
vgg_name (const char *ours, const NddrArrays *tensors)
{
  static const char *const names[] = { "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3",
    "conv5_1", "conv5_2", "conv5_3" };
  static const int plain[] = { 0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28 };
  static const int normed[] = { 0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40 };
  gboolean has_norm = nddr_arrays_find (tensors, "features.1.running_mean") != NULL;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gsize n = strlen (names[i]);
    if (!g_str_has_prefix (ours, names[i]) || (ours[n] != '\0' && ours[n] != '.'))
      continue;
    gboolean norm = g_str_equal (ours + n, ".bn");
    return g_strdup_printf ("features.%d", (has_norm ? normed[i] : plain[i]) + (norm ? 1 : 0));
  }
  return g_strdup (ours);
}

char *
nddr_torchvision_name (NddrBackbone backbone, const char *ours, const NddrArrays *tensors)
{
  return backbone == NDDR_BACKBONE_VGG16 ? vgg_name (ours, tensors) : g_strdup (ours);
}

const NddrTorchvision *
nddr_torchvision_find (const NddrArrays *tensors)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (nddr_arrays_find (tensors, rows[i].has))
      return &rows[i];
  return NULL;
}

const char *
nddr_torchvision_names (void)
{
  return "VGG-16, VGG-16-BN, MobileNet V2, ResNet-18, -50 and -101";
}
