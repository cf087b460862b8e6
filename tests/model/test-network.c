/* What networks configs mean: sizes, counts, names and what is left out where a task is not wanted.
 *
 * Counts are those of the paper's networks, and of torchvision's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/network.h>

#include <string.h>

static const char *const segmentation40 =
    "{\"name\": \"segmentation\", \"kind\": \"segmentation\", \"classes\": [%s]}";

/* (transfer full): a config of @backbone; @tasks: a letter each: s (40 classes), n, d; @more: further members, each followed
 * by a comma */
static NddrConfig *
make_config (const char *backbone, const char *tasks, const char *more)
{
  g_autoptr (GString) classes = g_string_new (NULL), list = g_string_new (NULL);
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;
  NddrConfig *config;

  for (int i = 0; i < 40; i++)
    g_string_append_printf (classes, "%s{\"name\": \"c%d\", \"color\": \"#%06x\"}", i > 0 ? "," : "", i, i);
  for (int i = 0; tasks[i] != '\0'; i++) {
    if (i > 0)
      g_string_append (list, ",");
    if (tasks[i] == 's')
      g_string_append_printf (list, segmentation40, classes->str);
    else
      g_string_append_printf (list, "{\"name\": \"%c%d\", \"kind\": \"%s\"}", tasks[i], i, tasks[i] == 'n' ? "normal" : "depth");
  }
  json = g_strdup_printf ("{%s \"backbone\": \"%s\", \"tasks\": [%s], \"input\": {\"width\": 320, \"height\": 240, "
      "\"mean\": [0, 0, 0], \"std\": [1, 1, 1]}}", more, backbone, list->str);
  config = nddr_config_parse (json, &error);
  g_assert_no_error (error);
  return config;
}

static NddrNetwork *
make_network (const char *backbone, const char *tasks, const char *more, const gboolean *requested)
{
  g_autoptr (NddrConfig) config = make_config (backbone, tasks, more);
  g_autoptr (GError) error = NULL;
  NddrNetwork *network = nddr_network_new (config, NULL, requested, &error);

  g_assert_no_error (error);
  return network;
}

static void
append_name (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data)
{
  GString *all = user_data;

  g_string_append_printf (all, "%s [", name);
  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (all, "%s%d", i > 0 ? "," : "", (int) dims[i]);
  g_string_append (all, "]\n");
}

static char *
print_tensors (const NddrNetwork *network)
{
  GString *all = g_string_new ("\n");

  nddr_network_foreach_tensor (network, append_name, all);
  return g_string_free (all, FALSE);
}

static void
assert_has (const char *tensors, const char *line)
{
  g_autofree char *whole = g_strdup_printf ("\n%s\n", line);

  if (strstr (tensors, whole) == NULL)
    g_error ("no tensor %s in%s", line, tensors);
}

static void
assert_head_size (const NddrNetwork *network, int width, int height, int expected_width, int expected_height)
{
  g_autofree int *widths = NULL, *heights = NULL;

  nddr_network_sizes (network, width, height, &widths, &heights);
  for (int t = 0; t < network->n_tasks; t++) {
    g_assert_cmpint (widths[network->heads[t].value], ==, expected_width);
    g_assert_cmpint (heights[network->heads[t].value], ==, expected_height);
  }
}

/* ---- counts */

static void
assert_cost (const char *backbone, const char *tasks, const char *more, int width, int height, guint64 parameters, guint64 macs)
{
  g_autoptr (NddrNetwork) network = make_network (backbone, tasks, more, NULL);
  NddrNetworkCost cost;

  nddr_network_cost (network, width, height, &cost);
  g_test_message ("%s %s %s: %" G_GUINT64_FORMAT " parameters, %" G_GUINT64_FORMAT " MAC, %" G_GUINT64_FORMAT " bytes", backbone, tasks, more,
      cost.parameters, cost.macs, cost.activation_bytes);
  if (parameters > 0)
    g_assert_cmpuint (cost.parameters, ==, parameters);
  if (macs > 0) /* given in units of 10^6 */
    g_assert_cmpuint ((cost.macs + 500000) / 1000000, ==, macs);
}

static void
test_vgg_cost (void)
{
  assert_cost ("vgg16", "s", "\"fusion\": \"none\",", 321, 321, 20531176, 50961);
  assert_cost ("vgg16", "n", "\"fusion\": \"none\",", 321, 321, 20493251, 50897);
  assert_cost ("vgg16", "sn", "\"fusion\": \"none\",", 321, 321, 20531176 + 20493251, 101858);
  assert_cost ("vgg16", "sn", "\"fusion\": \"shared\",", 321, 321, 0, 60661);
  assert_cost ("vgg16", "sn", "", 321, 321, 43471531, 106679);
  assert_cost ("vgg16", "sn", "\"shortcut\": true,", 321, 321, 43471531 + 2 * (753664 + 1024), 109212);
  assert_cost ("vgg16", "s", "\"fusion\": \"none\",", 640, 480, 0, 147318);
  assert_cost ("vgg16", "sn", "", 640, 480, 0, 308296);
  assert_cost ("vgg16", "sn", "\"shortcut\": true,", 640, 480, 0, 315531);
}

/* Torchvision's mobilenet_v2 has 2 223 872 parameters before its classifier, 1280 * (320 + 2) of them in features.18. */
static void
test_mobilenet_cost (void)
{
  guint64 trunk = 2223872 - 1280 * (320 + 2), head = 320 * 64 * 9 + 2 * 64 + 64 * 64 + 2 * 64;

  assert_cost ("mobilenet_v2", "n", "\"fusion\": \"none\", \"head_width\": 0.0625,", 256, 192, trunk + head + 3 * 65, 0);
  assert_cost ("mobilenet_v2", "nd", "\"fusion\": \"shared\", \"head_width\": 0.0625,", 256, 192, trunk + 2 * head + 4 * 65, 0);
}

/* Torchvision's resnet18, 50 and 101 have 11 689 512, 25 557 032 and 44 549 160 parameters, the classifier's (512 or 2048) * 1000 + 1000 among
 * them.  The multiply-adds are those of DeepLab-v2's ResNet-101 to 40 classes, 72.533 + 4.957 G, and of the paper's two tasks, 189.239 G, and what
 * torchvision's stride behind layer2.0's first 1x1 convolution, not in it, adds to each trunk: 256 * 128 * (81 * 81 - 41 * 41) = 0.160 G. */
static void
test_resnet_cost (void)
{
  guint64 trunk18 = 11689512 - 513 * 1000, trunk50 = 25557032 - 2049 * 1000, trunk101 = 44549160 - 2049 * 1000;

  assert_cost ("resnet18", "d", "\"fusion\": \"none\",", 321, 321, trunk18 + 4 * (512 * 9 + 1), 0);
  assert_cost ("resnet50", "n", "\"fusion\": \"none\",", 321, 321, trunk50 + 4 * (2048 * 27 + 3), 0);
  assert_cost ("resnet101", "s", "\"fusion\": \"none\",", 321, 321, trunk101 + 2949280, 77651);
  assert_cost ("resnet101", "sn", "", 321, 321, 0, 189559);
}

/* The largest sum of values that are alive at once, by hand: conv1_1's and conv1_2's outputs. */
static void
test_activations (void)
{
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "n", "\"fusion\": \"none\",", NULL);
  NddrNetworkCost cost;

  nddr_network_cost (network, 64, 32, &cost);
  g_assert_cmpuint (cost.activation_bytes, ==, 64 * 32 * (64 + 64) * 4);
}

/* The same of any network, value by value: from the layer that makes it to the last one that reads it, as input or residual, or to the end where it
 * is a head's. */
static void
test_activations_live (void)
{
  static const char *const backbones[] = { "resnet18", "mobilenet_v2" };

  for (guint b = 0; b < G_N_ELEMENTS (backbones); b++) {
    g_autoptr (NddrNetwork) network = make_network (backbones[b], "n", "\"fusion\": \"none\",", NULL);
    g_autofree int *widths = NULL, *heights = NULL;
    NddrNetworkCost cost;
    guint64 most = 0;
    int n = network->layers->len;

    nddr_network_sizes (network, 96, 64, &widths, &heights);
    for (int i = 0; i < n; i++) {
      guint64 alive = 0;

      for (int v = 0; v < (int) network->values->len; v++) {
        const NddrValue *value = nddr_network_value (network, v);
        int made = 0, read = -1;

        for (int l = 0; l < n; l++) {
          const NddrLayer *layer = nddr_network_layer (network, l);

          if (layer->output == v)
            made = l;
          for (int s = 0; s < layer->n_inputs; s++)
            read = layer->inputs[s].value == v ? l : read;
          read = layer->residual.value == v ? l : read;
        }
        read = network->heads[0].value == v ? n : read;
        if (made <= i && read >= i)
          alive += (guint64) widths[v] * heights[v] * value->branches * value->channels * 4;
      }
      most = MAX (most, alive);
    }
    nddr_network_cost (network, 96, 64, &cost);
    g_assert_cmpuint (cost.activation_bytes, ==, most);
  }
}

/* ---- sizes */

static void
test_sizes (void)
{
  static const struct
  {
    const char *backbone, *more;
    int width, height, head_width, head_height;
  } rows[] = {
    { "vgg16", "", 321, 321, 41, 41 },
    { "vgg16", "\"pool_padding\": \"same\",", 321, 321, 41, 41 },
    { "vgg16", "\"pool_padding\": \"end\",", 321, 321, 40, 40 },
    { "vgg16", "", 640, 480, 80, 60 },
    { "vgg16", "\"pool_padding\": \"end\",", 45, 37, 5, 4 },
    { "vgg16", "", 45, 37, 6, 5 },
    { "mobilenet_v2", "", 256, 192, 32, 24 },
    { "mobilenet_v2", "\"output_stride\": 16,", 256, 192, 16, 12 },
    { "mobilenet_v2", "\"output_stride\": 16,", 45, 37, 3, 3 },
    { "mobilenet_v2", "\"shortcut\": true,", 33, 35, 5, 5 },
    { "resnet18", "", 321, 321, 41, 41 },
    { "resnet50", "\"output_stride\": 16,", 321, 321, 21, 21 },
    { "resnet101", "\"pool_padding\": \"end\",", 45, 37, 6, 5 },
    { "resnet101", "\"pool_padding\": \"end\", \"output_stride\": 16,", 49, 37, 3, 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (NddrNetwork) network = make_network (rows[i].backbone, "sn", rows[i].more, NULL);

    assert_head_size (network, rows[i].width, rows[i].height, rows[i].head_width, rows[i].head_height);
  }
}

/* ---- names and shapes */

static void
test_vgg_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "sn", "\"shortcut\": true, \"width\": 0.25, \"head_width\": 0.125,", NULL);
  g_autofree char *tensors = print_tensors (network);

  assert_has (tensors, "segmentation.conv1_1.weight [16,3,3,3]");
  assert_has (tensors, "n1.conv4_1.weight [128,64,3,3]");
  assert_has (tensors, "n1.conv5_3.bn.running_var [128]");
  assert_has (tensors, "nddr.1.segmentation.weight [16,32,1,1]");
  assert_has (tensors, "nddr.5.n1.bn.weight [128]");
  assert_has (tensors, "shortcut.n1.weight [128,368,1,1]");
  assert_has (tensors, "shortcut.n1.bn.bias [128]");
  assert_has (tensors, "segmentation.fc6.weight [128,128,3,3]");
  assert_has (tensors, "segmentation.fc7.bn.running_mean [128]");
  assert_has (tensors, "segmentation.fc8.weight [40,128,1,1]");
  assert_has (tensors, "n1.fc8.bias [3]");
  g_assert_null (strstr (tensors, "fc8.bn"));
  g_assert_null (strstr (tensors, "conv1_1.bias"));
}

static void
test_mobilenet_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("mobilenet_v2", "nd", "\"width\": 0.5, \"shortcut\": true,", NULL);
  g_autofree char *tensors = print_tensors (network);

  assert_has (tensors, "n0.features.0.0.weight [16,3,3,3]");
  assert_has (tensors, "n0.features.0.1.running_mean [16]");
  assert_has (tensors, "n0.features.1.conv.0.0.weight [16,1,3,3]");
  assert_has (tensors, "n0.features.1.conv.1.weight [8,16,1,1]");
  assert_has (tensors, "n0.features.1.conv.2.weight [8]");
  assert_has (tensors, "n0.features.2.conv.0.0.weight [48,8,1,1]");
  assert_has (tensors, "n0.features.2.conv.1.0.weight [48,1,3,3]");
  assert_has (tensors, "n0.features.2.conv.1.1.bias [48]");
  assert_has (tensors, "n0.features.2.conv.2.weight [16,48,1,1]");
  assert_has (tensors, "n0.features.2.conv.3.running_var [16]");
  assert_has (tensors, "d1.features.17.conv.2.weight [160,480,1,1]");
  assert_has (tensors, "nddr.1.n0.weight [16,32,1,1]");
  assert_has (tensors, "nddr.5.d1.weight [160,320,1,1]");
  assert_has (tensors, "shortcut.d1.weight [160,272,1,1]");
  assert_has (tensors, "d1.fc8.weight [1,512,1,1]");
  g_assert_null (strstr (tensors, "features.18"));
}

static void
test_resnet_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("resnet50", "sd", "\"width\": 0.25, \"shortcut\": true,", NULL);
  g_autoptr (NddrNetwork) basic = make_network ("resnet18", "n", "\"head\": \"largefov\",", NULL);
  g_autofree char *tensors = print_tensors (network), *of_basic = print_tensors (basic);

  assert_has (tensors, "segmentation.conv1.weight [16,3,7,7]");
  assert_has (tensors, "d1.bn1.running_var [16]");
  assert_has (tensors, "d1.layer1.0.conv1.weight [16,16,1,1]");
  assert_has (tensors, "d1.layer1.0.downsample.0.weight [64,16,1,1]");
  assert_has (tensors, "d1.layer1.0.downsample.1.bias [64]");
  assert_has (tensors, "d1.layer3.5.conv2.weight [64,64,3,3]");
  assert_has (tensors, "d1.layer4.2.bn3.weight [512]");
  assert_has (tensors, "nddr.1.segmentation.weight [16,32,1,1]");
  assert_has (tensors, "nddr.5.segmentation.weight [512,1024,1,1]");
  assert_has (tensors, "shortcut.d1.weight [512,976,1,1]");
  assert_has (tensors, "segmentation.aspp.3.weight [40,512,3,3]");
  assert_has (tensors, "d1.aspp.0.bias [1]");
  g_assert_null (strstr (tensors, "fc"));
  g_assert_null (strstr (tensors, "layer1.1.downsample"));
  g_assert_null (strstr (tensors, "layer4.3"));
  assert_has (of_basic, "n0.layer4.1.conv2.weight [512,512,3,3]");
  assert_has (of_basic, "n0.layer2.0.downsample.0.weight [128,64,1,1]");
  assert_has (of_basic, "n0.fc6.weight [1024,512,3,3]");
  g_assert_null (strstr (of_basic, "layer1.0.downsample"));
  g_assert_null (strstr (of_basic, "conv3"));
}

/* torchvision 0.13: resnet50 (replace_stride_with_dilation = [False, True, True] and [False, False, True]): the stride and dilation of every 3x3. */
static void
test_resnet_dilation (void)
{
  static const struct { const char *more, *spacing; } rows[] = {
    { "", "1/1 1/1 1/1 2/1 1/1 1/1 1/1 1/1 1/2 1/2 1/2 1/2 1/2 1/2 1/4 1/4 " },
    { "\"output_stride\": 16,", "1/1 1/1 1/1 2/1 1/1 1/1 1/1 2/1 1/1 1/1 1/1 1/1 1/1 1/1 1/2 1/2 " },
  };

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    g_autoptr (NddrNetwork) network = make_network ("resnet50", "n", rows[r].more, NULL);
    g_autoptr (GString) spacing = g_string_new (NULL);

    for (guint i = 0; i < network->layers->len; i++) {
      const NddrLayer *layer = nddr_network_layer (network, (int) i);

      if (g_str_has_prefix (layer->label, "layer") && layer->kernel == 3)
        g_string_append_printf (spacing, "%d/%d ", layer->stride, layer->dilation);
    }
    g_assert_cmpstr (spacing->str, ==, rows[r].spacing);
  }
}

static void
test_shared_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "sn", "\"fusion\": \"shared\", \"shortcut\": true,", NULL);
  g_autofree char *tensors = print_tensors (network);

  assert_has (tensors, "shared.conv1_1.weight [64,3,3,3]");
  assert_has (tensors, "shortcut.shared.weight [512,1472,1,1]");
  assert_has (tensors, "n1.fc6.weight [1024,512,3,3]");
  g_assert_null (strstr (tensors, "nddr."));
  g_assert_null (strstr (tensors, "n1.conv"));
}

static void
test_stitch_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "snd", "\"fusion\": \"cross-stitch\",", NULL);
  g_autofree char *tensors = print_tensors (network);

  assert_has (tensors, "stitch.1.weight [64,3,3]");
  assert_has (tensors, "stitch.5.weight [512,3,3]");
  g_assert_null (strstr (tensors, "stitch.6"));
  g_assert_null (strstr (tensors, "nddr."));
  g_assert_null (strstr (tensors, "penal"));
  for (guint i = 0; i < network->layers->len; i++)
    g_assert_false (nddr_network_layer (network, (int) i)->penalised);
}

/* The penalty looks at each stage's last convolution. */
static void
test_sluice_tensors (void)
{
  g_autoptr (NddrNetwork) network = make_network ("mobilenet_v2", "sn", "\"fusion\": \"sluice\",", NULL);
  g_autoptr (NddrNetwork) joined = make_network ("vgg16", "sn", "\"fusion\": \"sluice\", \"shortcut\": true,", NULL);
  g_autoptr (NddrNetwork) alone = make_network ("vgg16", "n", "\"fusion\": \"sluice\",", NULL);
  g_autofree char *tensors = print_tensors (network), *shortcut = print_tensors (joined), *single = print_tensors (alone);
  g_autoptr (GString) penalised = g_string_new (NULL);

  assert_has (tensors, "sluice.1.weight [4,4]");
  assert_has (tensors, "sluice.5.weight [4,4]");
  assert_has (tensors, "sluice.beta.n1 [5]");
  assert_has (tensors, "sluice.skip.1.segmentation.weight [320,24,1,1]");
  assert_has (tensors, "sluice.skip.4.n1.weight [320,96,1,1]");
  g_assert_null (strstr (tensors, "sluice.skip.5"));
  g_assert_null (strstr (tensors, "sluice.skip.1.segmentation.b"));
  for (guint i = 0; i < network->layers->len; i++)
    if (nddr_network_layer (network, (int) i)->penalised)
      g_string_append_printf (penalised, "%s ", nddr_network_layer (network, (int) i)->label);
  g_assert_cmpstr (penalised->str, ==, "features.3.conv.2 features.6.conv.2 features.10.conv.2 features.13.conv.2 features.17.conv.2 ");
  assert_has (shortcut, "sluice.3.weight [4,4]");
  assert_has (shortcut, "shortcut.n1.weight [512,1472,1,1]");
  g_assert_null (strstr (shortcut, "sluice.beta"));
  g_assert_null (strstr (shortcut, "sluice.skip"));
  g_assert_null (strstr (single, "sluice"));
}

/* Tasks that nobody asked for are mixed in, but nothing is made for them behind the last stage. */
static void
test_pruned_mixtures (void)
{
  static const gboolean requested[] = { TRUE, FALSE, TRUE };
  static const char *const more[] = { "\"fusion\": \"cross-stitch\",", "\"fusion\": \"sluice\"," };

  for (guint i = 0; i < G_N_ELEMENTS (more); i++) {
    g_autoptr (NddrNetwork) network = make_network ("vgg16", "snd", more[i], requested);

    for (guint l = 0; l < network->layers->len; l++) {
      const NddrLayer *layer = nddr_network_layer (network, (int) l);

      if (layer->kind == NDDR_LAYER_MIX)
        g_assert_cmpint (layer->branches, ==, layer->fusion_stage < 5 ? 3 : 2);
      if (layer->kind == NDDR_LAYER_BLEND)
        g_assert_cmpint (layer->branches, ==, 2);
    }
  }
}

static void
find_activation (const NddrLayer *layer, int branch, const char *name, guint n_dims, const gint64 *dims, gpointer user_data)
{
  if (layer->role == NDDR_ROLE_FUSION)
    *(NddrActivation *) user_data = layer->activation;
}

/* Stages that end in linear projections are mixed without a ReLU; one task is mixed with nobody. */
static void
test_fusion_activation (void)
{
  g_autoptr (NddrNetwork) vgg = make_network ("vgg16", "sn", "", NULL);
  g_autoptr (NddrNetwork) mobilenet = make_network ("mobilenet_v2", "sn", "", NULL);
  g_autoptr (NddrNetwork) alone = make_network ("vgg16", "s", "", NULL);
  NddrActivation activation = NDDR_ACTIVATION_RELU6;

  nddr_network_foreach_tensor (alone, find_activation, &activation);
  g_assert_cmpint (activation, ==, NDDR_ACTIVATION_RELU6);
  nddr_network_foreach_tensor (vgg, find_activation, &activation);
  g_assert_cmpint (activation, ==, NDDR_ACTIVATION_RELU);
  nddr_network_foreach_tensor (mobilenet, find_activation, &activation);
  g_assert_cmpint (activation, ==, NDDR_ACTIVATION_NONE);
}

/* ---- what is left out */

static void
test_pruned_nddr (void)
{
  static const gboolean normal_only[] = { FALSE, TRUE };
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "sn", "\"shortcut\": true,", normal_only);
  g_autofree char *tensors = print_tensors (network);

  g_assert_cmpint (network->heads[0].value, ==, -1);
  g_assert_cmpint (network->heads[1].value, >, 0);
  assert_has (tensors, "segmentation.conv5_3.weight [512,512,3,3]"); /* feeds the last fusion */
  assert_has (tensors, "nddr.4.segmentation.weight [512,1024,1,1]");
  g_assert_null (strstr (tensors, "nddr.5.segmentation"));
  g_assert_null (strstr (tensors, "shortcut.segmentation"));
  g_assert_null (strstr (tensors, "segmentation.fc"));
  assert_has (tensors, "shortcut.n1.weight [512,1472,1,1]");
}

static void
test_pruned_none (void)
{
  static const gboolean first_only[] = { TRUE, FALSE, FALSE };
  g_autoptr (NddrNetwork) network = make_network ("mobilenet_v2", "nds", "\"fusion\": \"none\", \"shortcut\": true,", first_only);
  g_autofree char *tensors = print_tensors (network);

  assert_has (tensors, "n0.features.0.0.weight [32,3,3,3]");
  g_assert_null (strstr (tensors, "d1."));
  g_assert_null (strstr (tensors, "segmentation"));
}

static void
test_nothing_requested (void)
{
  static const gboolean none[] = { FALSE, FALSE };
  g_autoptr (NddrNetwork) network = make_network ("vgg16", "sn", "", none);

  g_assert_cmpuint (network->layers->len, ==, 0);
  g_assert_cmpint (network->heads[0].value, ==, -1);
}

/* Every input of every layer must lie within the value that it reads. */
static void
assert_consistent (const NddrNetwork *network)
{
  for (guint i = 0; i < network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (network, (int) i);

    g_assert_cmpint (nddr_network_value (network, layer->output)->producer, ==, (int) i);
    g_assert_cmpint (nddr_network_value (network, layer->output)->branches, ==, layer->branches);
    for (int s = 0; s <= layer->n_inputs; s++) {
      NddrInput input = s < layer->n_inputs ? layer->inputs[s] : layer->residual;

      if (input.value < 0)
        continue;
      g_assert_cmpint (nddr_network_value (network, input.value)->producer, <, (int) i);
      g_assert_cmpint (input.first, >=, 0);
      g_assert_cmpint (input.first + input.step * (layer->branches - 1), <, nddr_network_value (network, input.value)->branches);
    }
  }
}

/* Any subset of any number of tasks, evenly spaced or not, reads its own branches. */
static void
test_subsets (void)
{
  static const char *const fusions[] = { "none", "shared", "nddr" };

  for (guint f = 0; f < G_N_ELEMENTS (fusions); f++)
    for (int shortcut = 0; shortcut < 2; shortcut++)
      for (int subset = 1; subset < 32; subset++) {
        g_autofree char *more = g_strdup_printf ("\"fusion\": \"%s\", \"shortcut\": %s,", fusions[f], shortcut ? "true" : "false");
        gboolean requested[5];
        g_autoptr (NddrNetwork) network = NULL;

        for (int t = 0; t < 5; t++)
          requested[t] = subset >> t & 1;
        network = make_network ("vgg16", "ndndn", more, requested);
        assert_consistent (network);
        for (guint i = 0; i < network->layers->len; i++) {
          const NddrLayer *layer = nddr_network_layer (network, (int) i);

          /* what a shortcut or head reads was made for the same task, branch by branch */
          for (int b = 0; layer->role >= NDDR_ROLE_SHORTCUT && layer->kind == NDDR_LAYER_CONVOLUTION && b < layer->branches; b++) {
            const NddrValue *value = nddr_network_value (network, layer->inputs[0].value);
            const NddrLayer *producer = nddr_network_layer (network, value->producer);

            if (producer->tasks[0] != -1)
              g_assert_cmpint (producer->tasks[layer->inputs[0].first + layer->inputs[0].step * b], ==, layer->tasks[b]);
          }
        }
        for (int t = 0; t < 5; t++)
          g_assert_cmpint (network->heads[t].value >= 0, ==, requested[t]);
      }
}

/* ---- what a file shows */

static void
take (NddrArrays *tensors, const char *name, gint64 n)
{
  nddr_arrays_take (tensors, nddr_array_new (name, 1, &n));
}

/* One trunk with biases, the other with norms: each has what its file has. */
static void
test_file_decides (void)
{
  g_autoptr (NddrConfig) config = make_config ("vgg16", "sn", "");
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  g_autoptr (NddrNetwork) network = NULL;
  g_autofree char *all = NULL;

  take (tensors, "segmentation.conv1_1.bias", 64);
  take (tensors, "n1.conv1_1.bn.running_mean", 64);
  network = nddr_network_new (config, tensors, NULL, NULL);
  all = print_tensors (network);
  assert_has (all, "segmentation.conv1_1.bias [64]");
  assert_has (all, "n1.conv1_1.bn.weight [64]");
  g_assert_null (strstr (all, "segmentation.conv1_1.bn"));
  g_assert_null (strstr (all, "n1.conv1_1.bias"));
  g_assert_null (strstr (all, "nddr.1.n1.bn"));
  assert_has (all, "n1.fc8.bias [3]"); /* in any file */
}

/* Folding, against the formula on one channel worked out by hand: gain 3 / sqrt (3.75 + 0.25) = 1.5. */
static void
test_fold (void)
{
  g_autoptr (NddrConfig) config = make_config ("vgg16", "n", "\"norm_eps\": 0.25,");
  g_autoptr (NddrNetwork) network = nddr_network_new (config, NULL, NULL, NULL);
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  const NddrLayer *layer = nddr_network_layer (network, 0);
  static const struct { const char *part; float value; } parts[] = {
    { "weight", 3 }, { "bias", 7 }, { "running_mean", 2 }, { "running_var", 3.75f },
  };
  gint64 dims[] = { 64, 3, 3, 3 };
  float weight[64 * 27], bias[64];

  nddr_arrays_take (tensors, nddr_array_new ("n0.conv1_1.weight", 4, dims));
  nddr_arrays_find (tensors, "n0.conv1_1.weight")->data[27 * 5 + 1] = 10;
  for (guint p = 0; p < G_N_ELEMENTS (parts); p++) {
    g_autofree char *name = g_strconcat ("n0.conv1_1.bn.", parts[p].part, NULL);

    take (tensors, name, 64);
    for (int c = 0; c < 64; c++)
      nddr_arrays_find (tensors, name)->data[c] = parts[p].value;
  }
  nddr_network_fold (network, layer, tensors, weight, bias);
  g_assert_cmpfloat (weight[27 * 5 + 1], ==, 15);
  g_assert_cmpfloat (weight[0], ==, 0);
  g_assert_cmpfloat (bias[5], ==, 4); /* 7 - 2 * 1.5 */
}

/* Parts that do not go together are an error here too. */
static void
test_impossible (void)
{
  g_autoptr (NddrConfig) config = make_config ("vgg16", "s", "");
  GError *error = NULL;

  config->head = NDDR_HEAD_ASPP;
  g_assert_null (nddr_network_new (config, NULL, NULL, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "aspp"));
  g_clear_error (&error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/network/cost/vgg16", test_vgg_cost);
  g_test_add_func ("/network/cost/mobilenet", test_mobilenet_cost);
  g_test_add_func ("/network/cost/resnet", test_resnet_cost);
  g_test_add_func ("/network/cost/activations", test_activations);
  g_test_add_func ("/network/cost/activations-live", test_activations_live);
  g_test_add_func ("/network/sizes", test_sizes);
  g_test_add_func ("/network/tensors/vgg16", test_vgg_tensors);
  g_test_add_func ("/network/tensors/mobilenet", test_mobilenet_tensors);
  g_test_add_func ("/network/tensors/resnet", test_resnet_tensors);
  g_test_add_func ("/network/dilation", test_resnet_dilation);
  g_test_add_func ("/network/tensors/shared", test_shared_tensors);
  g_test_add_func ("/network/tensors/cross-stitch", test_stitch_tensors);
  g_test_add_func ("/network/tensors/sluice", test_sluice_tensors);
  g_test_add_func ("/network/pruned/mixtures", test_pruned_mixtures);
  g_test_add_func ("/network/fusion-activation", test_fusion_activation);
  g_test_add_func ("/network/pruned/nddr", test_pruned_nddr);
  g_test_add_func ("/network/pruned/none", test_pruned_none);
  g_test_add_func ("/network/pruned/nothing", test_nothing_requested);
  g_test_add_func ("/network/pruned/subsets", test_subsets);
  g_test_add_func ("/network/file-decides", test_file_decides);
  g_test_add_func ("/network/fold", test_fold);
  g_test_add_func ("/network/impossible", test_impossible);
  return g_test_run ();
}
