/* Configs: defaults, the way there and back, and every rule of docs/model-format.md.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/config.h>

#include <string.h>

#define INPUT "\"input\":{\"width\":320,\"height\":240,\"mean\":[0.5,0.4,0.3],\"std\":[0.2,0.25,1]}"
#define TASKS "\"tasks\":[{\"name\":\"normal\",\"kind\":\"normal\"}]"
#define WALL "{\"name\":\"wall\",\"color\":\"#B22d2d\"}"

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrConfig) config = nddr_config_parse ("{\"backbone\":\"vgg16\",\"width\":0.5," TASKS "," INPUT "}", &error);

  g_assert_no_error (error);
  g_assert_cmpint (config->backbone, ==, NDDR_BACKBONE_VGG16);
  g_assert_cmpfloat (config->head_width, ==, 0.5);
  g_assert_cmpint (config->fusion, ==, NDDR_FUSION_NDDR);
  g_assert_false (config->shortcut);
  g_assert_cmpint (config->head, ==, NDDR_HEAD_LARGEFOV);
  g_assert_cmpuint (config->output_stride, ==, 8);
  g_assert_cmpfloat (config->norm_eps, ==, 1e-5);
  g_assert_cmpint (config->pool_padding, ==, NDDR_POOL_BOTH);
  g_assert_cmpint (config->resize, ==, NDDR_RESIZE_HALF_PIXEL);
  g_assert_cmpuint (config->tasks[0].channels, ==, 3);
  g_assert_cmpfloat (config->mean[1], ==, 0.4);
  g_assert_cmpfloat (config->std[2], ==, 1);
}

static void
test_resnet_head (void)
{
  g_autoptr (NddrConfig) config = nddr_config_parse ("{\"backbone\":\"resnet50\"," TASKS "," INPUT "}", NULL);

  g_assert_nonnull (config);
  g_assert_cmpint (config->head, ==, NDDR_HEAD_ASPP);
}

/* Every key away from its default comes back. */
static void
test_round_trip (void)
{
  static const char json[] = "{\"backbone\":\"mobilenet_v2\",\"width\":0.35,\"head_width\":0.0625,\"fusion\":\"shared\",\"shortcut\":true,"
      "\"head\":\"largefov\",\"tasks\":[{\"name\":\"s_2\",\"kind\":\"segmentation\","
      "\"classes\":[" WALL ",{\"color\":\"#000001\",\"name\":\"\xc3\xa4 \\\"b\\\"\"}]},"
      "{\"kind\":\"depth\",\"name\":\"far\"}]," INPUT ",\"output_stride\":16,\"norm_eps\":0.001,\"pool_padding\":\"end\",\"resize\":\"asymmetric\"}";
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrConfig) first = nddr_config_parse (json, &error);
  g_autoptr (NddrConfig) copy = NULL, second = NULL;
  g_autofree char *written = NULL, *again = NULL;

  g_assert_no_error (error);
  copy = nddr_config_copy (first);
  written = nddr_config_to_json (copy);
  second = nddr_config_parse (written, &error);
  g_assert_no_error (error);
  again = nddr_config_to_json (second);
  g_assert_cmpstr (written, ==, again);
  g_assert_cmpfloat (second->width, ==, 0.35);
  g_assert_cmpfloat (second->head_width, ==, 0.0625);
  g_assert_cmpfloat (second->norm_eps, ==, 0.001);
  g_assert_cmpint (second->fusion, ==, NDDR_FUSION_SHARED);
  g_assert_true (second->shortcut);
  g_assert_cmpuint (second->output_stride, ==, 16);
  g_assert_cmpint (second->pool_padding, ==, NDDR_POOL_END);
  g_assert_cmpint (second->resize, ==, NDDR_RESIZE_ASYMMETRIC);
  g_assert_cmpuint (second->n_tasks, ==, 2);
  g_assert_cmpstr (second->tasks[0].name, ==, "s_2");
  g_assert_cmpuint (second->tasks[0].channels, ==, 2);
  g_assert_cmphex (second->tasks[0].classes[0].color, ==, 0xb22d2d);
  g_assert_cmpstr (second->tasks[0].classes[1].name, ==, "\xc3\xa4 \"b\"");
  g_assert_cmpuint (second->tasks[1].channels, ==, 1);
}

static void
test_scale (void)
{
  g_assert_cmpuint (nddr_config_scale (64, 1), ==, 64);
  g_assert_cmpuint (nddr_config_scale (64, 0.01), ==, 8);
  g_assert_cmpuint (nddr_config_scale (24, 0.5), ==, 16); /* 12 lies midway: up */
  g_assert_cmpuint (nddr_config_scale (24, 0.45), ==, 8);
  g_assert_cmpuint (nddr_config_scale (1024, 0.0625), ==, 64);
}

static const struct
{
  const char *json, *says;
} wrong[] = {
  { "{" TASKS "," INPUT "}", "\"backbone\" is missing" },
  { "{\"backbone\":\"vgg16\"," INPUT "}", "\"tasks\"" },
  { "{\"backbone\":\"vgg16\"," TASKS "}", "\"input\"" },
  { "{\"backbone\":\"vgg19\"," TASKS "," INPUT "}", "vgg19" },
  { "{\"backbone\":16," TASKS "," INPUT "}", "must be a string" },
  { "{\"backbone\":\"vgg16\",\"colour\":1," TASKS "," INPUT "}", "unknown key \"colour\"" },
  { "{\"backbone\":\"vgg16\",\"backbone\":\"vgg16\"," TASKS "," INPUT "}", "twice" },
  { "{\"backbone\":\"vgg16\",\"width\":0," TASKS "," INPUT "}", "\"width\"" },
  { "{\"backbone\":\"vgg16\",\"width\":-1," TASKS "," INPUT "}", "\"width\"" },
  { "{\"backbone\":\"vgg16\",\"width\":1e9," TASKS "," INPUT "}", "\"width\"" },
  { "{\"backbone\":\"vgg16\",\"width\":1e999," TASKS "," INPUT "}", "\"width\"" },
  { "{\"backbone\":\"vgg16\",\"width\":\"1\"," TASKS "," INPUT "}", "must be a number" },
  { "{\"backbone\":\"vgg16\",\"head_width\":0," TASKS "," INPUT "}", "\"head_width\"" },
  { "{\"backbone\":\"vgg16\",\"fusion\":\"none \"," TASKS "," INPUT "}", "\"fusion\"" },
  { "{\"backbone\":\"vgg16\",\"shortcut\":1," TASKS "," INPUT "}", "\"shortcut\"" },
  { "{\"backbone\":\"vgg16\",\"head\":\"aspp\"," TASKS "," INPUT "}", "aspp" },
  { "{\"backbone\":\"mobilenet_v2\",\"head\":\"aspp\"," TASKS "," INPUT "}", "aspp" },
  { "{\"backbone\":\"vgg16\",\"output_stride\":16," TASKS "," INPUT "}", "vgg16 has 8" },
  { "{\"backbone\":\"mobilenet_v2\",\"output_stride\":32," TASKS "," INPUT "}", "32" },
  { "{\"backbone\":\"mobilenet_v2\",\"output_stride\":8.0," TASKS "," INPUT "}", "whole number" },
  { "{\"backbone\":\"mobilenet_v2\",\"output_stride\":3000000000," TASKS "," INPUT "}", "\"output_stride\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":16385,\"height\":240,\"mean\":[0.5,0.4,0.3],\"std\":[0.2,0.25,1]}}", "to 16384 x 16384" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":3000000000,\"height\":240,\"mean\":[0.5,0.4,0.3],\"std\":[0.2,0.25,1]}}", "to 16384 x 16384" },
  { "{\"backbone\":\"vgg16\",\"norm_eps\":0," TASKS "," INPUT "}", "\"norm_eps\"" },
  { "{\"backbone\":\"vgg16\",\"norm_eps\":1e-300," TASKS "," INPUT "}", "\"norm_eps\"" },
  { "{\"backbone\":\"vgg16\",\"norm_eps\":2," TASKS "," INPUT "}", "\"norm_eps\"" },
  { "{\"backbone\":\"vgg16\",\"pool_padding\":\"valid\"," TASKS "," INPUT "}", "valid" },
  { "{\"backbone\":\"vgg16\",\"resize\":\"nearest\"," TASKS "," INPUT "}", "nearest" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[]," INPUT "}", "1 to" },
  { "{\"backbone\":\"vgg16\",\"tasks\":{}," INPUT "}", "array" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[1]," INPUT "}", "task 0" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\"}]," INPUT "}", "\"kind\" is missing" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"kind\":\"depth\"}]," INPUT "}", "\"name\" is missing" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"edges\"}]," INPUT "}", "edges" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"depth\",\"x\":1}]," INPUT "}", "\"x\"" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"depth\"},{\"name\":\"a\",\"kind\":\"normal\"}]," INPUT "}", "two are called" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"A\",\"kind\":\"depth\"}]," INPUT "}", "\"A\"" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"1a\",\"kind\":\"depth\"}]," INPUT "}", "\"1a\"" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a.b\",\"kind\":\"depth\"}]," INPUT "}", "\"a.b\"" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"\",\"kind\":\"depth\"}]," INPUT "}", "called" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"shared\",\"kind\":\"depth\"}]," INPUT "}", "use that word" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"nddr\",\"kind\":\"depth\"}]," INPUT "}", "use that word" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"shortcut\",\"kind\":\"depth\"}]," INPUT "}", "use that word" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\"}]," INPUT "}", "has 0 classes" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[]}]," INPUT "}", "has 0 classes" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"depth\",\"classes\":[" WALL "]}]," INPUT "}", "belong to a segmentation" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[\"wall\"]}]," INPUT "}", "class 0" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[{\"name\":\"wall\"}]}]," INPUT "}", "color" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[{\"color\":\"#000000\"}]}]," INPUT "}", "\"name\" is missing" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[{\"name\":\"w\",\"color\":\"red\"}]}]," INPUT "}", "#rrggbb" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[{\"name\":\"w\",\"color\":\"#12345g\"}]}]," INPUT "}",
    "#rrggbb" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\","
    "\"classes\":[{\"name\":\"w\",\"color\":\"#000000\",\"id\":0}]}]," INPUT "}", "\"id\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":31,\"height\":240,\"mean\":[0,0,0],\"std\":[1,1,1]}}", "31 x 240" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":99999,\"mean\":[0,0,0],\"std\":[1,1,1]}}", "99999" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":-320,\"height\":240,\"mean\":[0,0,0],\"std\":[1,1,1]}}", "\"width\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"std\":[1,1,1]}}", "\"mean\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0],\"std\":[1,1,1]}}", "\"mean\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0,\"0\"],\"std\":[1,1,1]}}", "\"mean\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0,0],\"std\":[1,0,1]}}", "\"std\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0,0],\"std\":[1,1e-300,1]}}", "1e-300" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,1e300,0],\"std\":[1,1,1]}}", "1e+300" },
  { "{\"backbone\":\"vgg16\",\"tasks\":[{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"kind\":\"normal\"}]," INPUT "}",
    "at most 64 letters" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0,1e999],\"std\":[1,1,1]}}", "\"mean\"" },
  { "{\"backbone\":\"vgg16\"," TASKS ",\"input\":{\"width\":320,\"height\":240,\"mean\":[0,0,0],\"std\":[1,1,1],\"depth\":3}}", "\"depth\"" },
  { "null", "expected a JSON object" },
  { "", "expected a JSON object" },
};

static void
test_wrong (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    if (nddr_config_parse (wrong[i].json, &error) != NULL)
      g_error ("accepted: %s", wrong[i].json);
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
    if (strstr (error->message, wrong[i].says) == NULL)
      g_error ("%s: expected %s, found: %s", wrong[i].json, wrong[i].says, error->message);
  }
}

/* 255 classes are the most: 255 is what labels and raw pictures say for none. */
static void
test_classes (void)
{
  for (int n = 255; n <= 256; n++) {
    g_autoptr (GString) json = g_string_new ("{\"backbone\":\"vgg16\"," INPUT ",\"tasks\":[{\"name\":\"a\",\"kind\":\"segmentation\",\"classes\":[" WALL);
    g_autoptr (NddrConfig) config = NULL;

    for (int i = 1; i < n; i++)
      g_string_append (json, "," WALL);
    g_string_append (json, "]}]}");
    config = nddr_config_parse (json->str, NULL);
    g_assert_true ((config != NULL) == (n == 255));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/defaults", test_defaults);
  g_test_add_func ("/config/resnet-head", test_resnet_head);
  g_test_add_func ("/config/round-trip", test_round_trip);
  g_test_add_func ("/config/scale", test_scale);
  g_test_add_func ("/config/wrong", test_wrong);
  g_test_add_func ("/config/classes", test_classes);
  return g_test_run ();
}
