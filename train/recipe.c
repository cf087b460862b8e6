/* See recipe.h.  The keys are rows of one table: what finds, writes and compares them walks it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe-private.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

#define AT(field) G_STRUCT_OFFSET (NddrRecipe, field)
#define HUGE_STEPS 1e9

static const NddrRecipeKey keys[] = {
  { "model", "backbone", NDDR_KEY_TEXT, AT (backbone), "vgg16" },
  { "model", "width", NDDR_KEY_TEXT, AT (width), "1.0" },
  { "model", "head_width", NDDR_KEY_TEXT, AT (head_width), "" },
  { "model", "fusion", NDDR_KEY_TEXT, AT (fusion), "nddr" },
  { "model", "shortcut", NDDR_KEY_TEXT, AT (shortcut), "true" },
  { "model", "head", NDDR_KEY_TEXT, AT (head), "" },
  { "model", "tasks", NDDR_KEY_TEXT, AT (tasks), "segmentation;normal" },
  { "model", "input", NDDR_KEY_SIZE, AT (input), "640x480", 32, 16384 },
  { "model", "output_stride", NDDR_KEY_TEXT, AT (output_stride), "8" },
  { "model", "norm_eps", NDDR_KEY_TEXT, AT (norm_eps), "1e-5" },
  { "model", "pool_padding", NDDR_KEY_TEXT, AT (pool_padding), "both" },
  { "model", "resize", NDDR_KEY_TEXT, AT (resize), "half-pixel" },
  { "model", "mean", NDDR_KEY_TEXT, AT (mean), "0.485;0.456;0.406" },
  { "model", "std", NDDR_KEY_TEXT, AT (std), "0.229;0.224;0.225" },
  { "model", "fusion_init", NDDR_KEY_TEXT, AT (fusion_init), "0.9;0.1" },
  { "model", "fusion_norm_init", NDDR_KEY_CHOICE, AT (fusion_norm_init), "auto", 0, 0, "auto,one,data" },
  { "model", "head_init", NDDR_KEY_CHOICE, AT (head_init), "file", 0, 0, "file,new,widen" },
  { "data", "train", NDDR_KEY_TEXT, AT (train), "nddr:datasets/nyu_v2,training" },
  { "data", "val", NDDR_KEY_TEXT, AT (val), "nddr:datasets/nyu_v2,testing" },
  { "data", "scale", NDDR_KEY_RANGE, AT (scale), "0.5;1.5", 0.01, 100 },
  { "data", "mirror", NDDR_KEY_FLAG, AT (mirror), "true" },
  { "data", "crop", NDDR_KEY_SIZE, AT (crop), "321x321", 32, 16384 },
  { "data", "brightness", NDDR_KEY_REAL, AT (brightness), "0", 0, 1 },
  { "data", "contrast", NDDR_KEY_REAL, AT (contrast), "0", 0, 1 },
  { "data", "saturation", NDDR_KEY_REAL, AT (saturation), "0", 0, 1 },
  { "data", "cutmix", NDDR_KEY_REAL, AT (cutmix), "0", 0, 1 },
  { "data", "shuffle", NDDR_KEY_FLAG, AT (shuffle), "true" },
  { "data", "seed", NDDR_KEY_INTEGER, AT (seed), "1234", 0, 9e15 },
  { "data", "broken", NDDR_KEY_CHOICE, AT (broken), "skip", 0, 0, "skip,stop", TRUE },
  { "data", "threads", NDDR_KEY_INTEGER, AT (threads), "0", 0, 256, NULL, TRUE },
  { "data", "prefetch", NDDR_KEY_INTEGER, AT (prefetch), "0", 0, 256, NULL, TRUE },
  { "data", "cache", NDDR_KEY_INTEGER, AT (cache), "2048", 0, 1 << 30, NULL, TRUE },
  { "train", "steps", NDDR_KEY_INTEGER, AT (steps), "20001", 1, HUGE_STEPS },
  { "train", "batch", NDDR_KEY_INTEGER, AT (batch), "10", 1, 4096 },
  { "train", "accumulate", NDDR_KEY_INTEGER, AT (accumulate), "1", 1, 4096 },
  { "train", "optimizer", NDDR_KEY_CHOICE, AT (optimizer), "sgd", 0, 0, "sgd,adamw" },
  { "train", "lr", NDDR_KEY_REAL, AT (lr), "0.001", 0, 1000 },
  { "train", "momentum", NDDR_KEY_REAL, AT (momentum), "0.9", 0, 0.999999 },
  { "train", "beta1", NDDR_KEY_REAL, AT (beta1), "0.9", 0, 0.999999 },
  { "train", "beta2", NDDR_KEY_REAL, AT (beta2), "0.999", 0, 0.999999 },
  { "train", "adam_eps", NDDR_KEY_REAL, AT (adam_eps), "1e-8", 1e-30, 1 }, /* 0: 0 / 0 where a gradient is 0 */
  { "train", "schedule", NDDR_KEY_CHOICE, AT (schedule), "poly", 0, 0, "poly,cosine,constant" },
  { "train", "power", NDDR_KEY_REAL, AT (power), "0.9", 0, 100 },
  { "train", "warmup", NDDR_KEY_INTEGER, AT (warmup), "0", 0, HUGE_STEPS },
  { "train", "weight_decay", NDDR_KEY_REAL, AT (weight_decay), "0.00025", 0, 1000 },
  { "train", "clip_norm", NDDR_KEY_REAL, AT (clip_norm), "0", 0, 1e18 },
  { "train", "dropout", NDDR_KEY_REAL, AT (dropout), "0.5", 0, 0.999 },
  { "train", "bn_momentum", NDDR_KEY_REAL, AT (bn_momentum), "0.05", 0, 1 },
  { "train", "bn_mode", NDDR_KEY_CHOICE, AT (bn_mode), "train", 0, 0, "train,eval,frozen" },
  { "train", "bn_scope", NDDR_KEY_CHOICE, AT (bn_scope), "all", 0, 0, "all,trunk" },
  { "train", "sync_bn", NDDR_KEY_FLAG, AT (sync_bn), "false" },
  { "train", "activation_checkpointing", NDDR_KEY_CHOICE, AT (activation_checkpointing), "auto", 0, 0, "auto,on,off", TRUE },
  { "train", "lr_fusion", NDDR_KEY_REAL, AT (lr_fusion), "100", 0, 1e6 },
  { "train", "lr_head", NDDR_KEY_REAL, AT (lr_head), "1", 0, 1e6 },
  { "train", "lr_head_weight", NDDR_KEY_REAL, AT (lr_head_weight), "10", 0, 1e6 },
  { "train", "lr_head_bias", NDDR_KEY_REAL, AT (lr_head_bias), "20", 0, 1e6 },
  { "train", "lr_weighting", NDDR_KEY_REAL, AT (lr_weighting), "1", 0, 1e6 },
  { "train", "precision", NDDR_KEY_CHOICE, AT (precision), "auto", 0, 0, "auto,fp32,mixed" },
  { "train", "val_every", NDDR_KEY_INTEGER, AT (val_every), "1000", 0, HUGE_STEPS, NULL, TRUE },
  { "train", "checkpoint_every", NDDR_KEY_INTEGER, AT (checkpoint_every), "500", 1, HUGE_STEPS, NULL, TRUE },
  { "train", "best", NDDR_KEY_TEXT, AT (best), "loss", 0, 0, NULL, TRUE },
  { "train", "patience", NDDR_KEY_INTEGER, AT (patience), "0", 0, HUGE_STEPS, NULL, TRUE },
  { "train", "half", NDDR_KEY_FLAG, AT (half), "false", 0, 0, NULL, TRUE },
  { "loss", "weighting", NDDR_KEY_CHOICE, AT (weighting), "fixed", 0, 0, "fixed,uncertainty,dwa" },
  { "loss", "dwa_temperature", NDDR_KEY_REAL, AT (dwa_temperature), "2", 1e-3, 1e6 },
  { "loss", "class_balance", NDDR_KEY_REAL, AT (class_balance), "0", 0, 1 },
  { "loss", "normal_loss", NDDR_KEY_CHOICE, AT (normal_loss), "cosine", 0, 0, "cosine,angle" },
  { "loss", "sluice_penalty", NDDR_KEY_REAL, AT (sluice_penalty), "0.1", 0, 1e6 },
  { "loss", "resolution", NDDR_KEY_CHOICE, AT (resolution), "head", 0, 0, "head,input" },
  { "distillation", "teacher", NDDR_KEY_TEXT, AT (teacher), "" },
  { "distillation", "weight", NDDR_KEY_REAL, AT (teacher_weight), "0.5", 0, 1 },
  { "distillation", "temperature", NDDR_KEY_REAL, AT (temperature), "1", 0.01, 1000 },
  { "about", "license", NDDR_KEY_TEXT, AT (license), "", 0, 0, NULL, TRUE },
  { "about", "description", NDDR_KEY_TEXT, AT (description), "", 0, 0, NULL, TRUE },
  { "about", "trained_on", NDDR_KEY_TEXT, AT (trained_on), "", 0, 0, NULL, TRUE },
};

/* The loss weights of tasks are keys of [loss] too, under the tasks' names; these have other starts than 1. */
static const struct { const char *task; double weight; } usual_weights[] = { { "segmentation", 1 }, { "normal", 20 } };

/* ---- names */

/* Letters to change, insert or drop to make one word of the other. */
static guint
edit_distance (const char *a, const char *b)
{
  gsize n = strlen (b);
  g_autofree guint *row = g_new (guint, n + 1);
  for (gsize j = 0; j <= n; j++)
    row[j] = j;
  for (gsize i = 0; a[i]; i++) {
    guint diagonal = row[0]++;
    for (gsize j = 0; j < n; j++) {
      guint change = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = MIN (change, MIN (row[j], row[j + 1]) + 1);
    }
  }
  return row[n];
}

const NddrRecipeKey *
nddr_recipe_find_key (const char *section, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].section, section) && g_str_equal (keys[i].name, name))
      return &keys[i];
  return NULL;
}

gboolean
nddr_recipe_has_section (const char *section)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].section, section))
      return TRUE;
  return FALSE;
}

char **
nddr_recipe_names_of (const char *tasks)
{
  char **names = g_strsplit (tasks, ";", -1);
  int n = 0;
  for (int i = 0; names[i]; i++) {
    g_autofree char *name = g_steal_pointer (&names[i]);
    char *colon = strchr (name, ':');
    if (colon)
      *colon = '\0';
    g_strstrip (name);
    if (name[0] != '\0' && !g_strv_contains ((const char *const *) names, name)) /* "a;b;" has no third */
      names[n++] = g_steal_pointer (&name);
  }
  return names;
}

char **
nddr_recipe_task_names (const NddrRecipe *recipe)
{
  return nddr_recipe_names_of (recipe->tasks);
}

/* Keeps the nearer to @name of *@nearest (NULL: none) and @candidate; what has little in common with it is not near. */
static void
keep_nearest (const char *name, const char *candidate, const char **nearest)
{
  guint distance = edit_distance (name, candidate);
  if (distance < (*nearest ? edit_distance (name, *nearest) : strlen (name)))
    *nearest = candidate;
}

gboolean
nddr_recipe_fail_section (const char *section, GError **error)
{
  const char *nearest = keys[0].section;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (edit_distance (section, keys[i].section) < edit_distance (section, nearest))
      nearest = keys[i].section;
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "there is no section [%s]; the nearest is [%s]", section, nearest);
}

/* Of a key that its section lacks: where another has it, or what it may be meant for. */
static gboolean
fail_key (const char *const *tasks, const char *section, const char *name, GError **error)
{
  gboolean is_loss = g_str_equal (section, "loss");
  const char *nearest = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_append_printf (text, "there is no key %s in section [%s]", name, section);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (g_str_equal (keys[i].section, section))
      keep_nearest (name, keys[i].name, &nearest);
    else if (g_str_equal (keys[i].name, name))
      g_string_append_printf (text, "; [%s] has one", keys[i].section);
  }
  for (int t = 0; is_loss && tasks[t]; t++)
    keep_nearest (name, tasks[t], &nearest);
  if (nearest)
    g_string_append_printf (text, "; the nearest is %s", nearest);
  if (is_loss) {
    g_autofree char *all = g_strjoinv (", ", (char **) tasks);
    g_string_append_printf (text, "; a task's weight is a key of the task's name, and the tasks are %s", all);
  }
  g_set_error_literal (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, text->str);
  return FALSE;
}

static void
put_weight (NddrRecipe *recipe, const char *task, double weight)
{
  g_hash_table_replace (recipe->weights, g_strdup (task), g_memdup2 (&weight, sizeof weight));
}

gboolean
nddr_recipe_set_by_name (NddrRecipe *recipe, const char *const *weighted, const char *section, const char *name, const char *text, GError **error)
{
  const NddrRecipeKey *key = nddr_recipe_find_key (section, name);
  if (key)
    return nddr_recipe_set_value (recipe, key, text, error);
  gboolean usual = g_str_equal (name, "segmentation") || g_str_equal (name, "normal");
  if (!nddr_recipe_has_section (section))
    return nddr_recipe_fail_section (section, error);
  if (!g_str_equal (section, "loss") || !(usual || g_strv_contains (weighted, name)))
    return fail_key (weighted, section, name, error);
  double weight;
  if (!nddr_recipe_parse_number (text, &weight) || weight < 0)
    return nddr_recipe_fail (error, section, name, text, "the weight of that task's loss, 0 or more");
  put_weight (recipe, name, weight);
  return TRUE;
}

/* ---- a recipe */

NddrRecipe *
nddr_recipe_new (void)
{
  NddrRecipe *recipe = g_new0 (NddrRecipe, 1);
  recipe->weights = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    gboolean fine = nddr_recipe_set_value (recipe, &keys[i], keys[i].initial, NULL);
    g_assert (fine);
  }
  for (guint i = 0; i < G_N_ELEMENTS (usual_weights); i++)
    put_weight (recipe, usual_weights[i].task, usual_weights[i].weight);
  return recipe;
}

void
nddr_recipe_free (NddrRecipe *recipe)
{
  if (!recipe)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i].kind == NDDR_KEY_TEXT)
      g_free (*(char **) nddr_recipe_field (recipe, &keys[i]));
  g_hash_table_unref (recipe->weights);
  g_free (recipe);
}

gboolean
nddr_recipe_get_fusion_init (const NddrRecipe *recipe, double *alpha, double *beta)
{
  double pair[2];
  if (!nddr_recipe_parse_numbers (recipe->fusion_init, 2, pair))
    return FALSE;
  *alpha = pair[0];
  *beta = pair[1];
  return TRUE;
}

/* ---- writing and comparing */

char *
nddr_recipe_unused_weight (const NddrRecipe *recipe)
{
  g_auto (GStrv) tasks = nddr_recipe_task_names (recipe);
  for (guint i = 0; i < G_N_ELEMENTS (usual_weights); i++)
    if (!g_strv_contains ((const char *const *) tasks, usual_weights[i].task)
        && nddr_recipe_task_weight (recipe, usual_weights[i].task) != usual_weights[i].weight)
      return g_strdup (usual_weights[i].task);
  return NULL;
}

double
nddr_recipe_task_weight (const NddrRecipe *recipe, const char *task)
{
  const double *weight = g_hash_table_lookup (recipe->weights, task);
  return weight ? *weight : 1;
}

char *
nddr_recipe_to_text (const NddrRecipe *recipe)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *value = nddr_recipe_print_value (recipe, &keys[i]);
    g_key_file_set_string (file, keys[i].section, keys[i].name, value);
  }
  g_auto (GStrv) tasks = nddr_recipe_task_names (recipe);
  for (int t = 0; tasks[t]; t++) {
    g_autofree char *weight = nddr_recipe_print_number (nddr_recipe_task_weight (recipe, tasks[t]));
    g_key_file_set_string (file, "loss", tasks[t], weight);
  }
  return g_key_file_to_data (file, NULL, NULL);
}

/* Up to three, which may be written in several ways: 0.5 and 0.50. */
static gboolean
same_numbers (const char *a, const char *b)
{
  double x[3], y[3];
  for (int n = 1; n <= 3; n++)
    if (nddr_recipe_parse_numbers (a, n, x) && nddr_recipe_parse_numbers (b, n, y))
      return memcmp (x, y, n * sizeof *x) == 0;
  return FALSE;
}

gboolean
nddr_recipe_same_training (const NddrRecipe *a, const NddrRecipe *b, char **what)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *one = nddr_recipe_print_value (a, &keys[i]), *other = nddr_recipe_print_value (b, &keys[i]);
    if (keys[i].free || g_str_equal (one, other) || (g_str_equal (keys[i].section, "model") && same_numbers (one, other)))
      continue;
    *what = g_strdup_printf ("[%s] %s was %s and is %s", keys[i].section, keys[i].name, one, other);
    return FALSE;
  }
  g_auto (GStrv) tasks = nddr_recipe_task_names (a);
  for (int t = 0; tasks[t]; t++) {
    double one = nddr_recipe_task_weight (a, tasks[t]), other = nddr_recipe_task_weight (b, tasks[t]);
    if (one == other)
      continue;
    *what = g_strdup_printf ("[loss] %s was %g and is %g", tasks[t], one, other);
    return FALSE;
  }
  return TRUE;
}

/* Without warm-up. */
static double
scheduled_rate (const NddrRecipe *recipe, gint64 t)
{
  double done = CLAMP ((double) t / recipe->steps, 0, 1);
  switch (recipe->schedule) {
    case NDDR_SCHEDULE_POLY:
      return recipe->lr * pow (1 - done, recipe->power);
    case NDDR_SCHEDULE_COSINE:
      return recipe->lr * 0.5 * (1 + cos (G_PI * done));
    case NDDR_SCHEDULE_CONSTANT:
    default:
      return recipe->lr;
  }
}

double
nddr_recipe_rate (const NddrRecipe *recipe, gint64 t)
{
  double rate = scheduled_rate (recipe, t);
  return t + 1 < recipe->warmup ? rate * (t + 1) / recipe->warmup : rate;
}
