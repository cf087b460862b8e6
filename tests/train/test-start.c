/* Where training starts: new layers' numbers, weights from files, and fusion layers measured so that they change nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../session/faults.h"
#include "fixture.h"

#include <train/fusion-norm.h>
#include <train/learner.h>
#include <train/start.h>

#include <math.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>
#include <string.h>

static char *folder;

static const NddrClass classes[] = { { (char *) "a", 1 }, { (char *) "b", 2 }, { (char *) "c", 3 } };
static const NddrClass other_classes[] = { { (char *) "a", 1 }, { (char *) "x", 2 }, { (char *) "y", 3 } };

#define SMALL "model.width=0.125", "model.head_width=0.0625", "model.input=64x48", "train.batch=2"
#define MOBILENET "model.backbone=mobilenet_v2", "model.output_stride=16", SMALL
#define VGG "model.backbone=vgg16", SMALL

static NddrRecipe *
make_recipe (const char *const *sets)
{
  g_autoptr (GError) error = NULL;
  NddrRecipe *recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  return recipe;
}

static NddrStart *
try_start (const NddrRecipe *recipe, guint n_classes, const char *const *inits, GError **error)
{
  g_autoptr (GError) problem = NULL;
  NddrConfig *config = nddr_recipe_make_config (recipe, classes, n_classes, &problem);
  g_assert_no_error (problem);
  return nddr_start_new (config, recipe, inits, error);
}

static NddrStart *
start (const NddrRecipe *recipe, guint n_classes, const char *const *inits)
{
  g_autoptr (GError) error = NULL;
  NddrStart *made = try_start (recipe, n_classes, inits, &error);
  g_assert_no_error (error);
  return made;
}

static const NddrArray *
find (const NddrStart *made, const char *name)
{
  const NddrArray *array = nddr_arrays_find (made->tensors, name);
  if (!array)
    g_error ("there is no %s", name);
  return array;
}

static void
expect_same (const NddrArray *a, const NddrArray *b)
{
  g_assert_cmpmem (a->data, a->n_elements * sizeof (float), b->data, b->n_elements * sizeof (float));
}

/* All of @a's tensors are @b's, to the last bit. */
static void
expect_all_same (const NddrStart *a, const NddrStart *b)
{
  for (guint i = 0; i < a->tensors->arrays->len; i++) {
    const NddrArray *array = a->tensors->arrays->pdata[i];
    expect_same (array, find (b, array->name));
  }
}

static void
expect_refused (const NddrRecipe *recipe, const char *const *inits, const char *why)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrStart) none = try_start (recipe, 3, inits, &error);
  g_assert_null (none);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, why));
}

static gboolean
differ (const NddrArray *a, const NddrArray *b)
{
  return memcmp (a->data, b->data, MIN (a->n_elements, b->n_elements) * sizeof (float)) != 0;
}

/* Whether torchvision's MobileNet V2 or ResNets call a tensor so. */
static gboolean
is_backbones (const char *name)
{
  return g_str_has_prefix (name, "features.") || g_str_has_prefix (name, "conv1.") || g_str_has_prefix (name, "bn1.") || g_str_has_prefix (name, "layer");
}

/* A start's tensors as a file: a model's, or with @trunk a backbone's: that trunk's tensors without its name. */
static char *
save (const NddrStart *made, const char *name, const char *trunk)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  g_autofree char *prefix = g_strconcat (trunk ? trunk : "", trunk ? "." : "", NULL);
  char *path = fixture_path (folder, "%s", name);
  for (guint i = 0; i < made->tensors->arrays->len; i++) {
    const NddrArray *from = made->tensors->arrays->pdata[i];
    const char *rest = from->name + strlen (prefix);
    if (!g_str_has_prefix (from->name, prefix) || (trunk && !is_backbones (rest)))
      continue;
    nddr_arrays_take (tensors, nddr_array_copy (from, rest, NULL));
  }
  if (trunk)
    nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error);
  else {
    g_autoptr (NddrModel) model = nddr_model_new (nddr_config_copy (made->config), g_steal_pointer (&tensors), &error);
    g_assert_no_error (error);
    nddr_model_save (model, path, NDDR_STORE_F32, &error);
  }
  g_assert_no_error (error);
  return path;
}

static void
test_new (void)
{
  const char *const sets[] = { MOBILENET, NULL }, *const other_seed[] = { MOBILENET, "data.seed=5", NULL };
  const char *const xavier[] = { MOBILENET, "model.fusion_init=xavier", NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrRecipe) second = make_recipe (other_seed);
  g_autoptr (NddrRecipe) third = make_recipe (xavier);
  g_autoptr (NddrStart) a = start (recipe, 3, NULL);
  g_autoptr (NddrStart) b = start (recipe, 3, NULL);
  g_autoptr (NddrStart) c = start (second, 3, NULL);
  g_autoptr (NddrStart) d = start (third, 3, NULL);
  g_autoptr (GError) error = NULL;
  g_assert_false (a->from_files);
  g_assert_null (a->warnings);
  for (guint i = 0; i < a->tensors->arrays->len; i++)
    expect_same (a->tensors->arrays->pdata[i], b->tensors->arrays->pdata[i]);
  const char *conv = "normal.fc6.weight", *last = "segmentation.fc8.weight", *fusion = "nddr.2.normal.weight";
  g_assert_true (differ (find (a, conv), find (c, conv)));
  g_assert_true (differ (find (a, conv), find (a, "segmentation.fc6.weight")));

  /* He: variance 2 / fan-in */
  const NddrArray *w = find (a, conv);
  double sum = 0, bound = 0;
  for (gsize i = 0; i < w->n_elements; i++)
    sum += w->data[i] * w->data[i];
  g_assert_cmpfloat_with_epsilon (sum / w->n_elements * w->dims[1] * 9 / 2, 1, 0.05);
  w = find (a, last);
  for (gsize i = 0; i < w->n_elements; i++)
    bound = MAX (bound, fabsf (w->data[i]));
  g_assert_cmpfloat (bound, <=, 1 / sqrt (w->dims[1]));
  g_assert_cmpfloat (bound, >, 0.8 / sqrt (w->dims[1]));

  /* [C][2 C]: 0.1 I for segmentation, 0.9 I for its own */
  w = find (a, fusion);
  for (gint64 o = 0; o < w->dims[0]; o++)
    for (gint64 i = 0; i < w->dims[1]; i++)
      g_assert_cmpfloat (w->data[o * w->dims[1] + i], ==, i == o ? 0.1f : i == o + w->dims[0] ? 0.9f : 0);
  g_assert_cmpfloat (find (d, fusion)->data[1], !=, 0);

  /* what a model needs, no more and no less */
  g_autofree char *path = save (a, "new.safetensors", NULL);
  g_autoptr (NddrModel) model = nddr_model_load (path, &error);
  g_assert_no_error (error);
}

/* Blanks around its numbers are none of them. */
static void
test_fusion_init (void)
{
  static const char *const written[] = { "model.fusion_init=0.8 ; 0.3", "model.fusion_init= 0.8;0.3", "model.fusion_init=0.8 0.3 " };
  for (guint k = 0; k < G_N_ELEMENTS (written); k++) {
    const char *const sets[] = { MOBILENET, written[k], NULL };
    g_autoptr (NddrRecipe) recipe = make_recipe (sets);
    g_autoptr (NddrStart) made = start (recipe, 3, NULL);
    const NddrArray *w = find (made, "nddr.1.segmentation.weight");
    for (gint64 o = 0; o < w->dims[0]; o++)
      for (gint64 i = 0; i < w->dims[1]; i++)
        g_assert_cmpfloat (w->data[o * w->dims[1] + i], ==, i == o ? 0.8f : i == o + w->dims[0] ? 0.3f : 0);
  }
}

/* Mixtures start as what they would be without, nearly. */
static void
test_mixtures (void)
{
  const char *const stitch[] = { MOBILENET, "model.tasks=segmentation;normal;depth", "model.fusion=cross-stitch", "model.fusion_init=0.8;0.3", NULL };
  const char *const sluice[] = { MOBILENET, "model.fusion=sluice", "model.shortcut=false", NULL };
  const char *const xavier[] = { MOBILENET, "model.fusion=sluice", "model.shortcut=false", "model.fusion_init=xavier", NULL };
  const char *const alone_s[] = { MOBILENET, "model.tasks=segmentation", NULL }, *const alone_n[] = { MOBILENET, "model.tasks=normal", NULL };
  g_autoptr (NddrRecipe) stitch_recipe = make_recipe (stitch);
  g_autoptr (NddrRecipe) sluice_recipe = make_recipe (sluice);
  g_autoptr (NddrRecipe) xavier_recipe = make_recipe (xavier);
  g_autoptr (NddrRecipe) recipe_s = make_recipe (alone_s);
  g_autoptr (NddrRecipe) recipe_n = make_recipe (alone_n);
  g_autoptr (NddrStart) a = start (stitch_recipe, 3, NULL);
  const NddrArray *w = find (a, "stitch.2.weight");
  g_assert_cmpint (w->n_dims, ==, 3);
  for (gsize i = 0; i < w->n_elements; i++)
    g_assert_cmpfloat (w->data[i], ==, i % 9 % 4 == 0 ? 0.8f : 0.15f);

  g_autoptr (NddrStart) b = start (sluice_recipe, 3, NULL);
  w = find (b, "sluice.5.weight");
  for (gsize i = 0; i < 16; i++)
    g_assert_cmpfloat (w->data[i], ==, i % 5 == 0 ? 0.95f : (float) (0.05 / 3));
  w = find (b, "sluice.beta.normal");
  for (gsize i = 0; i < 5; i++)
    g_assert_cmpfloat (w->data[i], ==, i == 4 ? 0.9f : 0.025f);
  /* He: variance 2 / fan-in */
  double sum = 0;
  w = find (b, "sluice.skip.4.normal.weight");
  for (gsize i = 0; i < w->n_elements; i++)
    sum += w->data[i] * w->data[i];
  g_assert_cmpfloat_with_epsilon (sum / w->n_elements * w->dims[1] / 2, 1, 0.2);

  g_autoptr (NddrStart) c = start (xavier_recipe, 3, NULL);
  g_assert_true (differ (find (b, "sluice.1.weight"), find (c, "sluice.1.weight")));
  g_assert_cmpfloat (find (c, "sluice.beta.normal")->data[4], ==, 0.9f);

  /* one model for each task: what mixes them is nobody's; a whole model goes on as it is */
  g_autoptr (NddrStart) s = start (recipe_s, 3, NULL);
  g_autoptr (NddrStart) n = start (recipe_n, 3, NULL);
  g_autofree char *path_s = save (s, "alone-s.safetensors", NULL), *path_n = save (n, "alone-n.safetensors", NULL);
  const char *const inits[] = { path_s, path_n, NULL };
  g_autoptr (NddrStart) made = start (xavier_recipe, 3, inits);
  expect_same (find (made, "sluice.2.weight"), find (c, "sluice.2.weight"));
  expect_same (find (made, "normal.features.4.conv.2.weight"), find (n, "normal.features.4.conv.2.weight"));
  g_autofree char *path = save (made, "sluice.safetensors", NULL);
  const char *const whole[] = { path, NULL };
  g_autoptr (NddrStart) again = start (sluice_recipe, 3, whole);
  expect_all_same (made, again);
}

static void
test_backbone (void)
{
  const char *const sets[] = { MOBILENET, NULL }, *const other[] = { MOBILENET, "data.seed=7", NULL };
  const char *const wide[] = { "model.backbone=mobilenet_v2", "model.width=0.5", NULL }, *const vgg[] = { VGG, NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrRecipe) second = make_recipe (other);
  g_autoptr (NddrStart) source = start (second, 3, NULL);
  g_autofree char *path = save (source, "backbone.safetensors", "normal");
  const char *const inits[] = { path, NULL };
  g_autoptr (NddrStart) made = start (recipe, 3, inits);
  g_assert_true (made->from_files);
  g_assert_null (made->warnings);
  const char *const names[] = { "features.0.0.weight", "features.0.1.running_var", "features.3.conv.1.0.weight", "features.17.conv.3.bias" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *seg = g_strconcat ("segmentation.", names[i], NULL), *normal = g_strconcat ("normal.", names[i], NULL);
    expect_same (find (made, seg), find (source, normal));
    expect_same (find (made, normal), find (source, normal));
  }
  g_assert_true (differ (find (made, "normal.fc6.weight"), find (source, "normal.fc6.weight")));
  for (guint i = 0; i < made->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (made->network, i);
    if (layer->names)
      g_assert_cmpuint (made->fresh[i], ==, layer->role != NDDR_ROLE_TRUNK ? (1u << layer->branches) - 1 : 0);
  }

  g_autoptr (GError) error = NULL;
  g_autoptr (NddrRecipe) wider = make_recipe (wide);
  g_autoptr (NddrStart) none = try_start (wider, 3, inits, &error);
  g_assert_null (none);
  g_assert_nonnull (strstr (error->message, "features.0.0.weight is [8, 3, 3, 3], but the network's is"));
  g_clear_error (&error);
  g_autoptr (NddrRecipe) another = make_recipe (vgg);
  g_autoptr (NddrStart) wrong = try_start (another, 3, inits, &error);
  g_assert_null (wrong);
  g_assert_nonnull (error);
}

/* A ResNet's trunks start from torchvision's file; its heads' last layers anew, as a last layer does. */
static void
test_resnet (gconstpointer backbone)
{
  g_autofree char *set = g_strconcat ("model.backbone=", backbone, NULL), *file = g_strconcat (backbone, ".safetensors", NULL);
  const char *const sets[] = { set, SMALL, "model.tasks=segmentation;normal;depth", NULL }, *const other[] = { set, SMALL, "data.seed=7", NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrRecipe) second = make_recipe (other);
  g_autoptr (NddrStart) source = start (second, 3, NULL);
  g_autofree char *path = save (source, file, "normal");
  const char *const inits[] = { path, NULL }, *const tasks[] = { "segmentation", "normal", "depth" };
  const char *const names[] = { "conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias",
    "layer4.1.bn2.running_mean" };
  g_autoptr (NddrStart) made = start (recipe, 3, inits);
  g_assert_true (made->from_files);
  g_assert_null (made->warnings);
  for (guint t = 0; t < G_N_ELEMENTS (tasks); t++)
    for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
      g_autofree char *name = g_strconcat (tasks[t], ".", names[i], NULL), *from = g_strconcat ("normal.", names[i], NULL);
      expect_same (find (made, name), find (source, from));
    }
  for (guint i = 0; i < made->network->layers->len; i++)
    if (nddr_network_layer (made->network, i)->names)
      g_assert_cmpint (made->fresh[i] != 0, ==, nddr_network_layer (made->network, i)->role != NDDR_ROLE_TRUNK);
  const NddrArray *w = find (made, "depth.aspp.2.weight"), *b = find (made, "depth.aspp.2.bias");
  g_assert_true (differ (w, find (made, "depth.aspp.3.weight")));
  for (gsize i = 0; i < w->n_elements; i++)
    g_assert_cmpfloat (fabsf (w->data[i]), <=, 1 / sqrt (9 * w->dims[1]));
  g_assert_cmpfloat (b->data[0], !=, 0);
}

/* A ResNet whose file lacks a normalisation, or has a bias that no ResNet has, says which tensor it is. */
static void
test_resnet_not_whole (void)
{
  static const char *const set = "model.backbone=resnet18";
  static const gint64 dims[] = { 8 };
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { set, SMALL, NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrStart) source = start (recipe, 3, NULL);
  g_autofree char *path = save (source, "whole.safetensors", "normal"), *spoilt = fixture_path (folder, "not-whole.safetensors");
  g_autoptr (NddrArrays) whole = nddr_safetensors_read (path, FALSE, &error);
  g_assert_no_error (error);
  const char *const inits[] = { spoilt, NULL };
  for (guint i = 0; i < 2; i++) {
    g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
    for (guint t = 0; t < whole->arrays->len; t++) {
      const NddrArray *from = whole->arrays->pdata[t];
      if (i == 0 && g_str_has_prefix (from->name, "bn1."))
        continue;
      nddr_arrays_take (tensors, nddr_array_copy (from, from->name, NULL));
    }
    if (i == 1)
      nddr_arrays_take (tensors, nddr_array_new ("conv1.bias", 1, dims));
    nddr_safetensors_write (tensors, spoilt, NDDR_STORE_F32, &error);
    g_assert_no_error (error);
    expect_refused (recipe, inits, i ? "conv1.bias\": expected no such tensor" : "bn1.weight\": expected shape");
  }
}

/* torchvision's VGG-16: biases, no normalisation; the layers that the file lacks start anew. */
static void
test_vgg (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { VGG, NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  static const struct { const char *name; guint n; gint64 dims[4]; } rows[] = {
    { "features.0.weight", 4, { 8, 3, 3, 3 } }, { "features.0.bias", 1, { 8 } }, { "features.5.weight", 4, { 16, 8, 3, 3 } }, { "features.5.bias", 1, { 16 } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    NddrArray *array = nddr_array_new (rows[i].name, rows[i].n, rows[i].dims);
    array->data[1] = 1 + i;
    nddr_arrays_take (tensors, array);
  }
  g_autofree char *path = fixture_path (folder, "vgg.safetensors");
  nddr_safetensors_write (tensors, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
  const char *const inits[] = { path, NULL };
  g_autoptr (NddrStart) made = start (recipe, 3, inits);
  g_assert_cmpfloat (find (made, "normal.conv1_1.weight")->data[1], ==, 1);
  g_assert_cmpfloat (find (made, "normal.conv1_1.bias")->data[1], ==, 2);
  g_assert_cmpfloat (find (made, "segmentation.conv2_1.weight")->data[1], ==, 3);
  g_assert_null (nddr_arrays_find (made->tensors, "normal.conv1_1.bn.weight"));
  g_assert_nonnull (nddr_arrays_find (made->tensors, "normal.conv1_2.bn.weight"));
  g_assert_nonnull (strstr (made->warnings, "no weights for segmentation.conv1_2"));
}

static void
test_models (void)
{
  const char *const alone_s[] = { MOBILENET, "model.tasks=segmentation", "data.seed=11", NULL };
  const char *const alone_n[] = { MOBILENET, "model.tasks=normal", "data.seed=12", NULL };
  const char *const both[] = { MOBILENET, NULL };
  g_autoptr (NddrRecipe) recipe_s = make_recipe (alone_s);
  g_autoptr (NddrRecipe) recipe_n = make_recipe (alone_n);
  g_autoptr (NddrRecipe) recipe = make_recipe (both);
  g_autoptr (NddrStart) s = start (recipe_s, 3, NULL);
  g_autoptr (NddrStart) n = start (recipe_n, 3, NULL);
  g_autofree char *path_s = save (s, "s.safetensors", NULL), *path_n = save (n, "n.safetensors", NULL);

  /* one for each task */
  const char *const inits[] = { path_s, path_n, NULL }, *const three[] = { path_s, path_n, path_n, NULL };
  g_autoptr (NddrStart) made = start (recipe, 3, inits);
  expect_same (find (made, "segmentation.features.4.conv.2.weight"), find (s, "segmentation.features.4.conv.2.weight"));
  expect_same (find (made, "normal.features.4.conv.2.weight"), find (n, "normal.features.4.conv.2.weight"));
  expect_same (find (made, "normal.fc8.weight"), find (n, "normal.fc8.weight"));
  g_assert_null (made->warnings);

  /* other classes: the last layer starts anew */
  g_autoptr (NddrStart) fewer = start (recipe, 2, inits);
  g_assert_nonnull (strstr (fewer->warnings, "segmentation.fc8.weight is [3, 64, 1, 1], but the network's is [2, 64, 1, 1]"));
  expect_same (find (fewer, "segmentation.fc7.weight"), find (s, "segmentation.fc7.weight"));

  /* as many, but others: it starts from theirs, and that is said */
  NddrConfig *renamed = nddr_recipe_make_config (recipe, other_classes, 3, NULL);
  g_autoptr (NddrStart) others = nddr_start_new (renamed, recipe, inits, NULL);
  g_assert_nonnull (others);
  g_assert_nonnull (strstr (others->warnings, "class 1 of its task segmentation is \"b\", and of segmentation here \"x\""));
  g_assert_null (strstr (others->warnings, "normal"));
  expect_same (find (others, "segmentation.fc8.weight"), find (s, "segmentation.fc8.weight"));

  /* one for all: the whole model goes on as it is */
  g_autofree char *path = save (made, "both.safetensors", NULL);
  const char *const whole[] = { path, NULL };
  g_autoptr (NddrStart) again = start (recipe, 3, whole);
  expect_all_same (made, again);

  /* with wider heads: an error, but for heads that start anew by intention; all else is the file's */
  const char *const wider[] = { MOBILENET, "model.head_width=0.125", NULL };
  const char *const anew[] = { MOBILENET, "model.head_width=0.125", "model.head_init=new", NULL };
  g_autoptr (NddrRecipe) recipe_wider = make_recipe (wider);
  g_autoptr (NddrRecipe) recipe_anew = make_recipe (anew);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrStart) refused = try_start (recipe_wider, 3, whole, &error);
  g_assert_null (refused);
  g_assert_nonnull (strstr (error->message, "fc6.weight is [64, "));
  g_clear_error (&error);
  g_autoptr (NddrStart) heads = start (recipe_anew, 3, whole);
  g_assert_null (heads->warnings);
  for (guint i = 0; i < heads->tensors->arrays->len; i++) {
    const NddrArray *array = heads->tensors->arrays->pdata[i];
    if (!strstr (array->name, ".fc"))
      expect_same (array, find (made, array->name));
  }
  g_assert_cmpint (find (heads, "normal.fc6.weight")->dims[0], ==, 128);
  g_autoptr (NddrStart) none = try_start (recipe, 3, three, &error);
  g_assert_null (none);
  g_assert_nonnull (strstr (error->message, "3 times for 2 tasks"));
}

static char *
save_alone (const char *task, const char *set, const char *name)
{
  g_autofree char *tasks = g_strconcat ("model.tasks=", task, NULL);
  const char *const sets[] = { MOBILENET, tasks, set, NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrStart) made = start (recipe, 3, NULL);
  return save (made, name, NULL);
}

/* Files that are not what they are given for, and networks that see their input otherwise than the file's. */
static void
test_mismatches (void)
{
  const char *const both[] = { MOBILENET, NULL }, *const renamed[] = { MOBILENET, "model.tasks=seg:segmentation;normal", NULL };
  const char *const two[] = { MOBILENET, "model.tasks=a:segmentation;b:segmentation", NULL };
  const char *const deep[] = { SMALL, "model.backbone=resnet101", NULL }, *const shallow[] = { SMALL, "model.backbone=resnet50", NULL };
  g_autoptr (NddrRecipe) recipe = make_recipe (both);
  g_autoptr (NddrRecipe) other_names = make_recipe (renamed);
  g_autoptr (NddrRecipe) twins = make_recipe (two);
  g_autoptr (NddrRecipe) resnet101 = make_recipe (deep);
  g_autoptr (NddrRecipe) resnet50 = make_recipe (shallow);
  g_autofree char *s = save_alone ("segmentation", NULL, "mismatch-s.safetensors"), *n = save_alone ("normal", NULL, "mismatch-n.safetensors");

  /* in the wrong order */
  const char *const swapped[] = { n, s, NULL };
  expect_refused (recipe, swapped, "is a model of normal (normal), given with --init for the task segmentation (segmentation)");

  /* one trunk for all tasks, which is neither's */
  const char *const shared[] = { MOBILENET, "model.fusion=shared", NULL }, *const each[] = { s, n, NULL };
  g_autoptr (NddrRecipe) multi = make_recipe (shared);
  expect_refused (multi, each, "--init was given 2 times for one trunk, which all tasks share");

  /* another name for the task: its head is still the only one of that kind; where there are two, neither is it */
  const char *const inits[] = { s, n, NULL }, *const one[] = { s, NULL };
  g_autoptr (NddrStart) made = start (other_names, 3, inits);
  g_autoptr (NddrStart) same = start (recipe, 3, inits);
  g_assert_null (made->warnings);
  expect_same (find (made, "seg.features.3.conv.2.weight"), find (same, "segmentation.features.3.conv.2.weight"));
  expect_same (find (made, "seg.fc6.weight"), find (same, "segmentation.fc6.weight"));
  expect_same (find (made, "seg.fc8.bias"), find (same, "segmentation.fc8.bias"));
  g_autofree char *of_two = NULL;
  {
    g_autoptr (NddrStart) pair = start (twins, 3, NULL);
    of_two = save (pair, "twins.safetensors", NULL);
  }
  const char *const ambiguous[] = { s, of_two, NULL };
  expect_refused (recipe, ambiguous, "has no weights for normal.features.0.0");

  /* a head that is not there starts anew, and that is said */
  g_autoptr (NddrStart) half = start (recipe, 3, one);
  g_assert_nonnull (strstr (half->warnings, "has no head that normal.fc6 could start from"));
  g_assert_null (strstr (half->warnings, "segmentation.fc6"));

  /* of a deeper network of the same family, as a model and with torchvision's names */
  g_autoptr (NddrStart) big = start (resnet101, 3, NULL);
  g_autofree char *model = save (big, "deep.safetensors", NULL), *trunk = save (big, "deep-trunk.safetensors", "normal");
  const char *const models[] = { model, NULL }, *const trunks[] = { trunk, NULL };
  expect_refused (resnet50, models, "is of a resnet101: expected a resnet50");
  expect_refused (resnet50, trunks, "is of a resnet101: expected a resnet50");

  /* what else its weights depend on */
  static const char *const seen[] = { "model.std=0.1;0.2;0.3", "model.mean=0.1;0.2;0.3", "model.norm_eps=0.001", "model.resize=align-corners" };
  for (guint i = 0; i < G_N_ELEMENTS (seen); i++) {
    g_autofree char *path = save_alone ("segmentation;normal", seen[i], "seen.safetensors");
    const char *const given[] = { path, NULL }, *const sets[] = { MOBILENET, seen[i], NULL };
    g_autoptr (NddrRecipe) agreeing = make_recipe (sets);
    g_autoptr (NddrStart) differs = start (recipe, 3, given);
    g_autoptr (NddrStart) agrees = start (agreeing, 3, given);
    g_assert_nonnull (strstr (differs->warnings, seen[i] + strlen ("model.")));
    g_assert_null (agrees->warnings);
  }
}

/* ---- fusion norms */

/* A head's output for one picture, (transfer full). */
static float *
run_head (NddrDevice *device, const NddrStart *made, const NddrSample *sample, gsize *n)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = save (made, "measured.safetensors", NULL);
  g_autoptr (NddrModel) model = nddr_model_load (path, &error);
  g_assert_no_error (error);
  NddrSessionOptions options = { .precision = NDDR_PRECISION_FP32 };
  g_autoptr (NddrSession) session = nddr_session_new (device, model, &options, &error);
  g_assert_no_error (error);
  NddrFrameFormat format = { .format = NDDR_PIXEL_RGB, .width = sample->width, .height = sample->height, .full_range = TRUE };
  NddrOutput output = { "normal", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
  guint width, height, channels;
  nddr_session_set_frames (session, &format, &output, 1, &error);
  g_assert_no_error (error);
  nddr_session_get_head_size (session, "normal", &width, &height, &channels);
  *n = (gsize) width * height * channels;
  float *data = g_new (float, *n);
  NddrFrame frame = { { sample->rgb }, { (gint) sample->width * 3 } }, result = { { (guint8 *) data }, { (gint) (width * channels * sizeof (float)) } };
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, &error);
  nddr_session_wait (session, ticket, &result, NULL, &error);
  g_assert_no_error (error);
  return data;
}

/* The norm of the difference over the norm. */
static double
distance (const float *got, const float *expected, gsize n)
{
  double difference = 0, norm = 0;
  for (gsize i = 0; i < n; i++) {
    difference += pow (got[i] - expected[i], 2);
    norm += pow (expected[i], 2);
  }
  g_assert_cmpfloat (norm, >, 0);
  return sqrt (difference / norm);
}

/* Wider heads give what the narrower gave, whether the new width is a multiple of the old or not, and copies of a channel differ. */
static void
test_widen (gconstpointer backbone)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *set = g_strconcat ("model.backbone=", backbone, NULL);
  const char *const sets[] = { set, SMALL, NULL };
  const char *const widths[] = { "model.head_width=0.25", "model.head_width=0.15625" };
  const char *const back[] = { set, SMALL, "model.head_init=widen", NULL };
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrRecipe) recipe_back = make_recipe (back);
  g_autoptr (NddrStart) made = start (recipe, 3, NULL);
  g_autoptr (NddrSample) sample = fixture_sample (64, 48, 2);
  g_autofree char *path = save (made, "narrow.safetensors", NULL);
  const char *const inits[] = { path, NULL };
  gsize n;
  g_autofree float *before = run_head (device, made, sample, &n);
  for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
    const char *const wider[] = { set, SMALL, widths[i], "model.head_init=widen", NULL };
    g_autoptr (NddrRecipe) recipe_wide = make_recipe (wider);
    g_autoptr (NddrStart) wide = start (recipe_wide, 3, inits);
    g_assert_null (wide->warnings);
    g_autofree float *after = run_head (device, wide, sample, &n);
    g_assert_cmpfloat (distance (after, before, n), <, 1e-5);
    const NddrArray *last = find (wide, "segmentation.fc8.weight"), *first = find (wide, "segmentation.fc6.weight");
    g_assert_cmpint (last->dims[1], ==, i == 0 ? 256 : 160);
    g_assert_cmpfloat (last->data[0], !=, last->data[64]);
    g_assert_cmpfloat (first->data[0], ==, first->data[64 * first->n_elements / first->dims[0]]);
    g_assert_cmpfloat_with_epsilon (find (made, "segmentation.fc8.weight")->data[40],
        last->data[40] + last->data[104] + (i == 0 ? last->data[168] + last->data[232] : 0), 1e-6);

    /* heads that are to be narrower have no such start */
    g_autofree char *name = g_strdup_printf ("wide-%u.safetensors", i), *path_wide = save (wide, name, NULL);
    const char *const from_wide[] = { path_wide, NULL };
    g_autoptr (NddrStart) none = try_start (recipe_back, 3, from_wide, &error);
    g_assert_null (none);
    g_assert_nonnull (strstr (error->message, "but the network's is [64, "));
    g_clear_error (&error);
  }
}

/* @n pictures of 64x48 in a folder of that name. */
static NddrDataset *
make_pictures (const char *name, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *data = fixture_path (folder, "data-%s", name), *spec = g_strconcat ("folder:", data, NULL);
  for (guint i = 0; i < n; i++) {
    g_autoptr (NddrSample) sample = fixture_sample (64, 48, i);
    g_autofree char *number = g_strdup_printf ("%u", i);
    fixture_write_sample (data, "train", number, sample, FALSE);
  }
  NddrDataset *dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  return dataset;
}

static void
test_fusion_norm (gconstpointer backbone)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *set = g_strconcat ("model.backbone=", backbone, NULL);
  const char *const sets[] = { set, SMALL, NULL };
  g_autoptr (NddrDataset) dataset = make_pictures (backbone, 5);
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrStart) made = start (recipe, 3, NULL);
  g_autoptr (NddrSample) sample = fixture_sample (64, 48, 2);
  gsize n;
  g_autofree float *before = run_head (device, made, sample, &n);
  nddr_fusion_norm_measure (device, made, recipe, recipe->batch, dataset, &error);
  g_assert_no_error (error);
  g_autofree float *after = run_head (device, made, sample, &n);
  const NddrArray *scale = find (made, "nddr.3.normal.bn.weight"), *var = find (made, "nddr.3.normal.bn.running_var");
  g_assert_cmpfloat (scale->data[0], !=, 1);
  g_assert_cmpfloat_with_epsilon (scale->data[0] * scale->data[0], var->data[0] + 1e-5, 1e-4 * var->data[0] + 1e-6);
  g_assert_cmpfloat (find (made, "shortcut.normal.bn.weight")->data[0], ==, 1);
  g_assert_cmpfloat (distance (after, before, n), <, 1e-3);

  /* what comes from a model stays what it was trained to be */
  g_autofree char *path = save (made, "trained.safetensors", NULL);
  const char *const inits[] = { path, NULL };
  g_autoptr (NddrStart) again = start (recipe, 3, inits);
  nddr_fusion_norm_measure (device, again, recipe, recipe->batch, dataset, &error);
  g_assert_no_error (error);
  expect_all_same (made, again);
}

/* Of a layer that is new for one task alone, the other's normalisation stays what it was trained to be. */
static void
test_fusion_norm_part (void)
{
  static const char *const parts[] = { "weight", "bias", "running_mean", "running_var" };
  g_autoptr (GError) error = NULL;
  const char *const first_sets[] = { MOBILENET, NULL }, *const sets[] = { MOBILENET, "model.tasks=segmentation;depth", "data.seed=17", NULL };
  g_autoptr (NddrDataset) dataset = make_pictures ("part", 5);
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) first_recipe = make_recipe (first_sets);
  g_autoptr (NddrStart) first = start (first_recipe, 3, NULL);
  nddr_fusion_norm_measure (device, first, first_recipe, first_recipe->batch, dataset, &error);
  g_assert_no_error (error);
  g_autofree char *path = save (first, "part-both.safetensors", NULL), *path_depth = save_alone ("depth", "data.seed=13", "part-depth.safetensors");
  const char *const inits[] = { path, path_depth, NULL };

  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrStart) made = start (recipe, 3, inits);
  nddr_fusion_norm_measure (device, made, recipe, recipe->batch, dataset, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_autofree char *trained = g_strconcat ("nddr.3.segmentation.bn.", parts[i], NULL);
    expect_same (find (made, trained), find (first, trained));
  }
  const NddrArray *scale = find (made, "nddr.3.depth.bn.weight"), *var = find (made, "nddr.3.depth.bn.running_var");
  g_assert_cmpfloat_with_epsilon (scale->data[0] * scale->data[0], var->data[0] + 1e-5, 1e-4 * var->data[0] + 1e-6);
  g_assert_cmpfloat (scale->data[0], !=, 1);
}

/* The statistics of each channel are those that a step of training finds, whose running ones are wholly the batch's: of all pictures, and of trunks that
 * run as they infer.  A step divides by the deviation of the batch, not by the estimate that is kept, so what deeper layers see is a little larger. */
static void
test_fusion_norm_step (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { VGG, "model.tasks=normal;depth", "data.crop=64x48", "train.batch=4", "train.bn_momentum=1", "train.bn_mode=eval",
    "train.bn_scope=trunk", "train.lr=1e-30", NULL };
  g_autoptr (NddrDataset) dataset = make_pictures ("step", 4);
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrStart) made = start (recipe, 3, NULL);
  nddr_fusion_norm_measure (device, made, recipe, recipe->batch, dataset, &error);
  g_assert_no_error (error);

  g_autoptr (NddrLearner) learner = nddr_learner_new (device, NULL, NULL, made, recipe, &error);
  g_assert_no_error (error);
  NddrLoaderOptions loading = { .batch = recipe->batch, .labels = nddr_learner_get_labels (learner) };
  nddr_augment_plain (&loading.augment, 64, 48, made->config->mean, made->config->std);
  nddr_learner_get_label_size (learner, &loading.augment.label_width, &loading.augment.label_height);
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &loading);
  g_autoptr (NddrArrays) after = nddr_arrays_new ();
  double losses[2];
  NddrBatch *batch = nddr_loader_next (loader, &error);
  g_assert_no_error (error);
  nddr_learner_step (learner, batch, 0, NDDR_TRAINING_STEP, losses, &error);
  g_assert_no_error (error);
  nddr_loader_return (loader, batch);
  nddr_learner_read (learner, FALSE, after, &error);
  g_assert_no_error (error);
  guint compared = 0;
  for (guint i = 0; i < after->arrays->len; i++) {
    const NddrArray *means = after->arrays->pdata[i];
    if (!g_str_has_prefix (means->name, "nddr.") || !g_str_has_suffix (means->name, ".running_mean"))
      continue;
    g_autofree char *layer = g_strndup (means->name, strlen (means->name) - strlen ("running_mean")), *var_name = g_strconcat (layer, "running_var", NULL);
    const NddrArray *vars = nddr_arrays_find (after, var_name), *got_means = find (made, means->name), *got_vars = find (made, var_name);
    double relative = g_str_has_prefix (layer, "nddr.1.") ? 1e-4 : 0.2; /* most in channels that are hardly ever above 0 */
    for (gsize c = 0; c < means->n_elements; c++) {
      g_assert_cmpfloat_with_epsilon (got_means->data[c], means->data[c], relative * sqrt (vars->data[c]) + 1e-7);
      g_assert_cmpfloat_with_epsilon (got_vars->data[c], vars->data[c], relative * vars->data[c] + 1e-9);
    }
    compared++;
  }
  g_assert_cmpuint (compared, ==, 10); /* five fusion layers of two tasks */
}

/* Pictures that are no whole batch are left out, as if they were not there. */
static void
test_fusion_norm_rest (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { MOBILENET, "train.batch=4", NULL };
  NddrStart *made[2];
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (NddrDataset) dataset = make_pictures (i ? "nine" : "eight", 8 + i);
    made[i] = start (recipe, 3, NULL);
    nddr_fusion_norm_measure (device, made[i], recipe, recipe->batch, dataset, &error);
    g_assert_no_error (error);
  }
  expect_all_same (made[0], made[1]);
  nddr_start_free (made[0]);
  nddr_start_free (made[1]);
}

/* What fills up a batch that is larger than the data set is no picture. */
static void
test_fusion_norm_few (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { MOBILENET, NULL };
  NddrStart *made[2];
  g_autoptr (NddrDataset) dataset = make_pictures ("few", 3);
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  for (guint i = 0; i < 2; i++) {
    recipe->batch = i ? 5 : 3;
    made[i] = start (recipe, 3, NULL);
    nddr_fusion_norm_measure (device, made[i], recipe, recipe->batch, dataset, &error);
    g_assert_no_error (error);
  }
  const NddrArray *a = find (made[0], "nddr.3.normal.bn.running_var"), *b = find (made[1], "nddr.3.normal.bn.running_var");
  for (gsize k = 0; k < a->n_elements; k++)
    g_assert_cmpfloat_with_epsilon (a->data[k], b->data[k], 1e-4 * a->data[k]);
  nddr_start_free (made[0]);
  nddr_start_free (made[1]);
}

/* A device without room for a batch gives the same statistics by smaller ones; one without room for a picture says so. */
static void
test_fusion_norm_refused (void)
{
  static const guint sizes[] = { 9, 3 }; /* two whole batches and one picture; less than a batch, of which all count */
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { MOBILENET, NULL };
  NddrStart *made[2];
  g_autoptr (NddrDevice) device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = make_recipe (sets);
  g_autoptr (NddrDataset) dataset = NULL;
  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    g_autofree char *name = g_strdup_printf ("refused-%u", sizes[s]);
    g_clear_pointer (&dataset, nddr_dataset_free);
    dataset = make_pictures (name, sizes[s]);
    recipe->batch = 4;
    for (guint i = 0; i < 2; i++) {
      made[i] = start (recipe, 3, NULL);
      faults_set (i ? "vkAllocateMemory" : NULL, 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
      nddr_fusion_norm_measure (device, made[i], recipe, recipe->batch, dataset, &error);
      g_assert_no_error (error);
    }
    const NddrArray *a = find (made[0], "nddr.3.normal.bn.running_var"), *b = find (made[1], "nddr.3.normal.bn.running_var");
    for (gsize k = 0; k < a->n_elements; k++)
      g_assert_cmpfloat_with_epsilon (a->data[k], b->data[k], 1e-4 * a->data[k]);
    nddr_start_free (made[0]);
    nddr_start_free (made[1]);
  }
  recipe->batch = 1;
  made[0] = start (recipe, 3, NULL);
  faults_set ("vkAllocateMemory", 1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  g_assert_false (nddr_fusion_norm_measure (device, made[0], recipe, recipe->batch, dataset, &error));
  faults_set (NULL, 0, VK_SUCCESS);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  nddr_start_free (made[0]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = fixture_folder ();
  g_test_add_func ("/start/new", test_new);
  g_test_add_func ("/start/fusion-init", test_fusion_init);
  g_test_add_func ("/start/mixtures", test_mixtures);
  g_test_add_func ("/start/backbone", test_backbone);
  g_test_add_data_func ("/start/resnet/18", "resnet18", test_resnet);
  g_test_add_data_func ("/start/resnet/50", "resnet50", test_resnet);
  g_test_add_func ("/start/resnet/not-whole", test_resnet_not_whole);
  g_test_add_func ("/start/vgg", test_vgg);
  g_test_add_func ("/start/models", test_models);
  g_test_add_func ("/start/mismatches", test_mismatches);
  g_test_add_data_func ("/start/widen/mobilenet_v2", "mobilenet_v2", test_widen);
  g_test_add_data_func ("/start/widen/vgg16", "vgg16", test_widen);
  g_test_add_data_func ("/start/fusion-norm/mobilenet_v2", "mobilenet_v2", test_fusion_norm);
  g_test_add_data_func ("/start/fusion-norm/vgg16", "vgg16", test_fusion_norm);
  g_test_add_func ("/start/fusion-norm/step", test_fusion_norm_step);
  g_test_add_func ("/start/fusion-norm/part", test_fusion_norm_part);
  g_test_add_func ("/start/fusion-norm/rest", test_fusion_norm_rest);
  g_test_add_func ("/start/fusion-norm/few", test_fusion_norm_few);
  g_test_add_func ("/start/fusion-norm/refused", test_fusion_norm_refused);
  g_test_add_data_func ("/start/fusion-norm/resnet18", "resnet18", test_fusion_norm);
  int status = g_test_run ();
  fixture_remove (folder);
  return status;
}
