/* Training configurations: defaults, checks, messages, writing and reading back, schedules.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe.h>

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static const NddrClass classes[] = { { (char *) "floor", 0x102030 }, { (char *) "wall", 0xfefdfc } };

/* The error of `--set @set` must hold @part. */
static void
expect_error (const char *set, const char *part)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { set, NULL };
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (NULL, sets, &error);
  g_autoptr (NddrConfig) config = recipe ? nddr_recipe_make_config (recipe, classes, G_N_ELEMENTS (classes), &error) : NULL;
  g_assert_null (config);
  g_assert_nonnull (error);
  if (!strstr (error->message, part))
    g_error ("--set %s: \"%s\" does not say \"%s\"", set, error->message, part);
}

static NddrRecipe *
load (const char *const *sets)
{
  g_autoptr (GError) error = NULL;
  NddrRecipe *recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  return recipe;
}

static void
test_defaults (void)
{
  g_autoptr (NddrRecipe) recipe = load (NULL);
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (recipe->steps, ==, 20001);
  g_assert_cmpint (recipe->batch, ==, 10);
  g_assert_cmpint (recipe->crop.width, ==, 321);
  g_assert_cmpint (recipe->input.height, ==, 480);
  g_assert_cmpfloat (recipe->lr_fusion, ==, 100);
  g_assert_cmpfloat (recipe->weight_decay, ==, 0.00025);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "normal"), ==, 20);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "depth"), ==, 1);
  g_autoptr (NddrConfig) config = nddr_recipe_make_config (recipe, classes, G_N_ELEMENTS (classes), &error);
  g_assert_no_error (error);
  g_assert_cmpint (config->backbone, ==, NDDR_BACKBONE_VGG16);
  g_assert_cmpuint (config->n_tasks, ==, 2);
  g_assert_cmpuint (config->tasks[0].n_classes, ==, 2);
  g_assert_cmpstr (config->tasks[0].classes[1].name, ==, "wall");
  g_assert_cmphex (config->tasks[0].classes[1].color, ==, 0xfefdfc);
  g_assert_cmpfloat (config->mean[2], ==, 0.406);
  g_assert_true (config->shortcut);
}

/* Every key, what docs/training.md says that it is where nothing is said, and another value that it may have. */
static const struct { const char *section, *name, *initial, *other; } keys[] = {
  { "model", "backbone", "vgg16", "resnet18" },
  { "model", "width", "1.0", "0.5" },
  { "model", "head_width", "", "0.5" },
  { "model", "fusion", "nddr", "none" },
  { "model", "shortcut", "true", "false" },
  { "model", "head", "", "aspp" },
  { "model", "tasks", "segmentation;normal", "segmentation" },
  { "model", "input", "640x480", "640x352" },
  { "model", "output_stride", "8", "16" },
  { "model", "norm_eps", "1e-5", "1e-3" },
  { "model", "pool_padding", "both", "end" },
  { "model", "resize", "half-pixel", "asymmetric" },
  { "model", "mean", "0.485;0.456;0.406", "0.485;0.456;0.5" },
  { "model", "std", "0.229;0.224;0.225", "0.229;0.224;0.5" },
  { "model", "fusion_init", "0.9;0.1", "0.9;0.2" },
  { "model", "fusion_norm_init", "auto", "one" },
  { "model", "head_init", "file", "new" },
  { "data", "train", "nddr:datasets/nyu_v2,training", "synth:1,2,64x48" },
  { "data", "val", "nddr:datasets/nyu_v2,testing", "synth:1,2,64x48" },
  { "data", "scale", "0.5;1.5", "0.5;1.25" },
  { "data", "mirror", "true", "false" },
  { "data", "crop", "321x321", "320x321" },
  { "data", "brightness", "0", "0.5" },
  { "data", "contrast", "0", "0.5" },
  { "data", "saturation", "0", "0.5" },
  { "data", "cutmix", "0", "0.5" },
  { "data", "shuffle", "true", "false" },
  { "data", "seed", "1234", "1235" },
  { "data", "broken", "skip", "stop" },
  { "data", "threads", "0", "1" },
  { "data", "prefetch", "0", "1" },
  { "data", "cache", "2048", "0" },
  { "train", "steps", "20001", "20000" },
  { "train", "batch", "10", "8" },
  { "train", "accumulate", "1", "2" },
  { "train", "optimizer", "sgd", "adamw" },
  { "train", "lr", "0.001", "0.002" },
  { "train", "momentum", "0.9", "0.8" },
  { "train", "beta1", "0.9", "0.8" },
  { "train", "beta2", "0.999", "0.99" },
  { "train", "adam_eps", "1e-08", "1e-06" },
  { "train", "schedule", "poly", "cosine" },
  { "train", "power", "0.9", "1" },
  { "train", "warmup", "0", "1" },
  { "train", "weight_decay", "0.00025", "0" },
  { "train", "clip_norm", "0", "1" },
  { "train", "dropout", "0.5", "0" },
  { "train", "bn_momentum", "0.05", "0.1" },
  { "train", "bn_mode", "train", "eval" },
  { "train", "bn_scope", "all", "trunk" },
  { "train", "sync_bn", "false", "true" },
  { "train", "activation_checkpointing", "auto", "on" },
  { "train", "lr_fusion", "100", "10" },
  { "train", "lr_head", "1", "2" },
  { "train", "lr_head_weight", "10", "1" },
  { "train", "lr_head_bias", "20", "2" },
  { "train", "lr_weighting", "1", "2" },
  { "train", "precision", "fp32", "mixed" }, /* what "auto" means */
  { "train", "val_every", "1000", "100" },
  { "train", "checkpoint_every", "500", "100" },
  { "train", "best", "loss", "normal.mean" },
  { "train", "patience", "0", "1" },
  { "train", "half", "false", "true" },
  { "loss", "weighting", "fixed", "dwa" },
  { "loss", "dwa_temperature", "2", "1" },
  { "loss", "class_balance", "0", "0.5" },
  { "loss", "normal_loss", "cosine", "angle" },
  { "loss", "sluice_penalty", "0.1", "0" },
  { "loss", "resolution", "head", "input" },
  { "loss", "segmentation", "1", "2" },
  { "loss", "normal", "20", "10" },
  { "distillation", "teacher", "", "teacher.safetensors" },
  { "distillation", "weight", "0.5", "1" },
  { "distillation", "temperature", "1", "4" },
  { "about", "license", "", "none" },
  { "about", "description", "", "none" },
  { "about", "trained_on", "", "none" },
};

static void
test_keys (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrRecipe) recipe = load (NULL);
  g_autofree char *text = nddr_recipe_to_text (recipe);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, &error);
  g_assert_no_error (error);
  gsize n = 0;
  g_auto (GStrv) sections = g_key_file_get_groups (file, NULL);
  for (guint s = 0; sections[s]; s++) {
    gsize more;
    g_strfreev (g_key_file_get_keys (file, sections[s], &more, NULL));
    n += more;
  }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (keys));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *value = g_key_file_get_string (file, keys[i].section, keys[i].name, NULL);
    g_test_message ("[%s] %s", keys[i].section, keys[i].name);
    g_assert_cmpstr (value, ==, keys[i].initial);
  }
}

/* A run goes on with another value of these keys alone; of any other it says which and how it differs. */
static void
test_same_training (void)
{
  static const char *const may_change[] = { "val_every", "checkpoint_every", "best", "half", "broken", "threads", "prefetch", "cache", "license",
    "description", "trained_on", "patience", "activation_checkpointing", NULL };
  g_autoptr (NddrRecipe) recipe = load (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *set = g_strdup_printf ("%s.%s=%s", keys[i].section, keys[i].name, keys[i].other), *what = NULL;
    g_autofree char *difference = g_strdup_printf ("[%s] %s was %s and is %s", keys[i].section, keys[i].name, keys[i].initial, keys[i].other);
    const char *const sets[] = { set, NULL };
    g_autoptr (NddrRecipe) other = load (sets);
    gboolean same = nddr_recipe_same_training (recipe, other, &what);
    if (same != g_strv_contains (may_change, keys[i].name))
      g_error ("a run %s go on with %s", same ? "may" : "may not", set);
    g_assert_cmpstr (what, ==, same ? NULL : difference);
  }
}

static void
test_errors (void)
{
  expect_error ("trian.lr=1", "the nearest is [train]");
  expect_error ("train.lrate=1", "no key lrate in section [train]; the nearest is");
  expect_error ("train.weight_deacy=1", "the nearest is weight_decay");
  expect_error ("data.lr=1", "no key lr in section [data]; [train] has one");
  expect_error ("loss.segmentatoin=1", "the nearest is segmentation; a task's weight is a key of the task's name, and the tasks are segmentation, normal");
  expect_error ("loss.foo=1", "no key foo in section [loss]; a task's weight");
  expect_error ("train.lr", "section.key=value");
  expect_error ("train.lr=fast", "expected a number");
  expect_error ("train.lr=0", "above 0");
  expect_error ("train.adam_eps=0", "1e-30");
  expect_error ("train.batch=2.5", "a whole number from 1");
  expect_error ("train.accumulate=0", "a whole number from 1");
  expect_error ("train.clip_norm=-1", "from 0");
  expect_error ("train.steps=0", "a whole number from 1");
  expect_error ("train.warmup=20002", "no more than the 20001 steps");
  expect_error ("train.activation_checkpointing=yes", "one of auto,on,off");
  expect_error ("train.patience=-1", "a whole number from 0");
  expect_error ("train.optimizer=adam", "one of sgd,adamw");
  expect_error ("train.precision=fp16", "mixed");
  expect_error ("train.dropout=1", "from 0 to 0.999");
  expect_error ("data.mirror=yes", "true or false");
  expect_error ("data.crop=321", "WIDTHxHEIGHT");
  expect_error ("data.crop=16x16", "from 32");
  expect_error ("data.scale=1.5;0.5", "the smaller first");
  expect_error ("data.scale=1", "two numbers");
  expect_error ("loss.depth=1", "no key depth in section [loss]");
  expect_error ("loss.weighting=gradnorm", "one of fixed,uncertainty,dwa");
  expect_error ("loss.dwa_temperature=0", "from 0.001");
  expect_error ("loss.class_balance=1.5", "from 0 to 1");
  expect_error ("distillation.weight=1.1", "from 0 to 1");
  expect_error ("distillation.temperature=0", "from 0.01");
  expect_error ("model.fusion_init=1", "xavier");
  expect_error ("model.mean=0.5", "three numbers");
  expect_error ("model.backbone=vgg19", "backbone");
  expect_error ("model.tasks=segmentation;segmentation", "segmentation");
  expect_error ("model.tasks=Edges:segmentation", "Edges");
  expect_error ("model.tasks=edges", "kind");
  expect_error ("model.tasks=segmentation;resolution:depth", "keys of [loss]");
  expect_error ("model.width=inf", "width");
  expect_error ("model.width=nan", "width");
  expect_error ("model.mean=nan;0;0", "three numbers");
  expect_error ("model.output_stride=12", "output_stride");
}

/* "a;b;" has two tasks, and what is written reads back. */
static void
test_tasks (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { "model.tasks=segmentation; ;normal;", "loss.normal=3", NULL };
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  g_autofree char *text = nddr_recipe_to_text (recipe);
  g_autoptr (NddrRecipe) again = nddr_recipe_parse (text, &error);
  g_assert_no_error (error);
  g_autofree char *same = nddr_recipe_to_text (again);
  g_assert_cmpstr (text, ==, same);
  g_assert_cmpfloat (nddr_recipe_task_weight (again, "normal"), ==, 3);
}

static void
test_patience (void)
{
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { "train.patience=3", "train.val_every=0", NULL };
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_null (recipe);
  g_assert_nonnull (strstr (error->message, "[train] patience is \"3\": expected 0 where nothing is validated"));
}

static void
test_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "nddr-test-recipe.ini", NULL), *text = NULL, *again = NULL, *what = NULL;
  const char *const sets[] = { "train.batch=3", NULL }, *const more[] = { "train.val_every=5", NULL }, *const other[] = { "train.lr=0.25", NULL };
  g_file_set_contents (path, "# a comment\n[model]\ntasks = seg:segmentation; depth\nfusion = none\nmean = 0.5 0.5 0.5\n[loss]\ndepth = 0.125\nseg = 3\n"
      "[train]\nlr = 0.0003\nbatch = 7\n[data]\nscale = 0.7;1.6\n", -1, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (path, sets, &error);
  g_assert_no_error (error);
  g_assert_cmpint (recipe->batch, ==, 3);
  g_assert_cmpfloat (recipe->lr, ==, 0.0003);
  g_assert_cmpfloat (recipe->scale[1], ==, 1.6);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "seg"), ==, 3);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "depth"), ==, 0.125);

  text = nddr_recipe_to_text (recipe);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  g_autoptr (NddrRecipe) back = nddr_recipe_load (path, NULL, &error);
  g_assert_no_error (error);
  again = nddr_recipe_to_text (back);
  g_assert_cmpstr (text, ==, again);
  g_assert_true (nddr_recipe_same_training (recipe, back, &what));

  g_autoptr (NddrRecipe) later = nddr_recipe_load (path, more, &error);
  g_assert_true (nddr_recipe_same_training (recipe, later, &what));
  /* the same in other words */
  const char *const spelt[] = { "model.width=1", "model.fusion_init=0.90 ; 0.1", "model.mean=0.50;0.5;0.5", "train.precision=fp32", NULL };
  g_autoptr (NddrRecipe) words = nddr_recipe_load (path, spelt, &error);
  g_assert_no_error (error);
  g_assert_true (nddr_recipe_same_training (recipe, words, &what));
  g_autoptr (NddrRecipe) faster = nddr_recipe_load (path, other, &error);
  g_assert_false (nddr_recipe_same_training (recipe, faster, &what));
  g_assert_cmpstr (what, ==, "[train] lr was 0.0003 and is 0.25");
}

/* A file that is only right with what is set, and one with a weight of a task that what is set takes away. */
static void
test_file_with_sets (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "nddr-test-recipe-sets.ini", NULL);
  const char *const sets[] = { "train.steps=1000", "model.tasks=segmentation;depth", NULL };
  g_assert_true (g_file_set_contents (path, "[train]\nsteps = 100\nwarmup = 500\n[model]\ntasks = segmentation;edges:normal\n"
      "[loss]\ndepth = 2\nedges = 3\n", -1, NULL));
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load (path, sets, &error);
  g_assert_no_error (error);
  g_assert_cmpint (recipe->steps, ==, 1000);
  g_assert_cmpint (recipe->warmup, ==, 500);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "depth"), ==, 2);
  g_autofree char *text = nddr_recipe_to_text (recipe);
  g_assert_null (strstr (text, "edges"));
  /* what is set has no such excuse */
  const char *const idle[] = { "model.tasks=segmentation;depth", "loss.edges=3", "train.steps=1000", NULL };
  g_assert_null (nddr_recipe_load (path, idle, &error));
  g_assert_nonnull (strstr (error->message, "no key edges in section [loss]"));
  g_assert_nonnull (strstr (error->message, "the tasks are segmentation, depth"));
}

/* A weight of a task that is called otherwise does nothing, and that can be told; one that is what it always is was not set. */
static void
test_unused_weight (void)
{
  static const struct { const char *sets[3], *unused; } rows[] = {
    { { "model.tasks=seg:segmentation", "loss.segmentation=3" }, "segmentation" },
    { { "model.tasks=seg:segmentation", "loss.segmentation=1" }, NULL },
    { { "model.tasks=segmentation", "loss.segmentation=3" }, NULL },
    { { "model.tasks=segmentation", "loss.normal=10" }, "normal" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (NddrRecipe) recipe = nddr_recipe_load (NULL, rows[i].sets, &error);
    g_assert_no_error (error);
    g_autofree char *unused = nddr_recipe_unused_weight (recipe);
    g_assert_cmpstr (unused, ==, rows[i].unused);
  }
}

/* What a file says about its model is not said of one of other data, but for what is set. */
static void
test_about (void)
{
  static const char text[] = "[data]\ntrain = folder:theirs\n[about]\ntrained_on = theirs\nlicense = free\n";
  static const struct { const char *sets[3], *trained_on, *license; gboolean left_out; } rows[] = {
    { { NULL }, "theirs", "free", FALSE },
    { { "train.lr=0.1" }, "theirs", "free", FALSE },
    { { "data.train=folder:theirs" }, "theirs", "free", FALSE },
    { { "data.train=folder:ours" }, "", "", TRUE },
    { { "data.train=folder:ours", "about.license=none" }, "", "none", TRUE },
    { { "data.train=folder:ours", "about.trained_on=ours" }, "ours", "", TRUE },
  };
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "nddr-test-recipe-about.ini", NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (NddrRecipe) recipe = nddr_recipe_load (path, rows[i].sets, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (recipe->trained_on, ==, rows[i].trained_on);
    g_assert_cmpstr (recipe->license, ==, rows[i].license);
    g_assert_cmpint (recipe->about_left_out, ==, rows[i].left_out);
  }
  g_remove (path);
}

/* A key may come before the tasks that it follows from. */
static void
test_order (void)
{
  const char *const sets[] = { "loss.depth=3", "model.tasks=segmentation;depth", NULL };
  g_autoptr (NddrRecipe) recipe = load (sets);
  g_assert_cmpfloat (nddr_recipe_task_weight (recipe, "depth"), ==, 3);
}

static void
test_file_errors (void)
{
  static const struct { const char *text, *part; } rows[] = {
    { "[model\n", "" },
    { "lr = 1\n", "" },
    { "[optimizer]\nlr = 1\n", "no section [optimizer]" },
    { "[train]\nlr = 1\nbatchsize = 2\n", "the nearest is batch" },
    { "[loss]\nedges = 2\n", "no key edges in section [loss]" },
  };
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "nddr-test-recipe-errors.ini", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_true (g_file_set_contents (path, rows[i].text, -1, NULL));
    g_autoptr (NddrRecipe) recipe = nddr_recipe_load (path, NULL, &error);
    g_assert_null (recipe);
    g_assert_true (g_str_has_prefix (error->message, path));
    g_assert_nonnull (strstr (error->message, rows[i].part));
  }
  /* a file of another kind, which is one long line */
  g_autofree char *line = g_strnfill (60000, 'a');
  g_autoptr (GError) error = NULL;
  memcpy (line + 100, "\xe2\x82\xac\xff\x01", 5);
  g_assert_true (g_file_set_contents (path, line, -1, NULL));
  g_assert_null (nddr_recipe_load (path, NULL, &error));
  g_assert_nonnull (strstr (error->message, "is no configuration"));
  g_assert_cmpuint (strlen (error->message), <, 500);
  g_clear_error (&error);
  g_autoptr (NddrRecipe) recipe = nddr_recipe_load ("no-such-folder/recipe.ini", NULL, &error);
  g_assert_null (recipe);
  g_assert_nonnull (strstr (error->message, "no-such-folder/recipe.ini"));
}

/* interface: step t = 0, 1, … uses lr * (1 - t / steps)^power */
static void
test_schedules (void)
{
  const char *const poly[] = { "train.lr=0.5", "train.steps=10", "train.power=0.9", NULL };
  const char *const cosine[] = { "train.lr=0.5", "train.steps=10", "train.schedule=cosine", NULL };
  const char *const constant[] = { "train.lr=0.5", "train.steps=10", "train.schedule=constant", NULL };
  g_autoptr (NddrRecipe) a = load (poly);
  g_autoptr (NddrRecipe) b = load (cosine);
  g_autoptr (NddrRecipe) c = load (constant);
  for (int t = 0; t < 10; t++) {
    g_assert_cmpfloat_with_epsilon (nddr_recipe_rate (a, t), 0.5 * pow (1 - t / 10.0, 0.9), 1e-12);
    g_assert_cmpfloat_with_epsilon (nddr_recipe_rate (b, t), 0.25 * (1 + cos (M_PI * t / 10)), 1e-12);
    g_assert_cmpfloat (nddr_recipe_rate (c, t), ==, 0.5);
  }
}

/* every schedule, times (t + 1) / warmup in the first steps */
static void
test_warmup (void)
{
  static const char *const schedules[] = { "train.schedule=poly", "train.schedule=cosine", "train.schedule=constant" };
  for (guint i = 0; i < G_N_ELEMENTS (schedules); i++) {
    const char *const cold[] = { "train.steps=10", schedules[i], NULL }, *const warm[] = { "train.steps=10", "train.warmup=4", schedules[i], NULL };
    g_autoptr (NddrRecipe) a = load (cold);
    g_autoptr (NddrRecipe) b = load (warm);
    for (int t = 0; t < 10; t++)
      g_assert_cmpfloat_with_epsilon (nddr_recipe_rate (b, t), nddr_recipe_rate (a, t) * MIN (t + 1, 4) / 4, 1e-15);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/defaults", test_defaults);
  g_test_add_func ("/recipe/keys", test_keys);
  g_test_add_func ("/recipe/same-training", test_same_training);
  g_test_add_func ("/recipe/errors", test_errors);
  g_test_add_func ("/recipe/patience", test_patience);
  g_test_add_func ("/recipe/tasks", test_tasks);
  g_test_add_func ("/recipe/file", test_file);
  g_test_add_func ("/recipe/about", test_about);
  g_test_add_func ("/recipe/file-with-sets", test_file_with_sets);
  g_test_add_func ("/recipe/order", test_order);
  g_test_add_func ("/recipe/file-errors", test_file_errors);
  g_test_add_func ("/recipe/unused-weight", test_unused_weight);
  g_test_add_func ("/recipe/schedules", test_schedules);
  g_test_add_func ("/recipe/warmup", test_warmup);
  return g_test_run ();
}
