/* See recipe.h.  The keys are rows of one table: reading, checking, writing and comparing walk it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

typedef enum { TEXT, INTEGER, REAL, FLAG, CHOICE, SIZE, RANGE } Kind;

typedef struct
{
  const char *section, *name;
  Kind kind;
  gsize offset;
  const char *initial;
  double min, max;     /* INTEGER, REAL, RANGE */
  const char *choices; /* CHOICE: by comma; the value is the index */
  gboolean free;       /* may differ between a run and its resumption */
} Key;

#define AT(field) G_STRUCT_OFFSET (NddrRecipe, field)
#define HUGE_STEPS 1e9

static const Key keys[] = {
  { "model", "backbone", TEXT, AT (backbone), "vgg16" },
  { "model", "width", TEXT, AT (width), "1.0" },
  { "model", "head_width", TEXT, AT (head_width), "" },
  { "model", "fusion", TEXT, AT (fusion), "nddr" },
  { "model", "shortcut", TEXT, AT (shortcut), "true" },
  { "model", "head", TEXT, AT (head), "" },
  { "model", "tasks", TEXT, AT (tasks), "segmentation;normal" },
  { "model", "input", SIZE, AT (input), "640x480", 32, 16384 },
  { "model", "output_stride", TEXT, AT (output_stride), "8" },
  { "model", "norm_eps", TEXT, AT (norm_eps), "1e-5" },
  { "model", "pool_padding", TEXT, AT (pool_padding), "both" },
  { "model", "resize", TEXT, AT (resize), "half-pixel" },
  { "model", "mean", TEXT, AT (mean), "0.485;0.456;0.406" },
  { "model", "std", TEXT, AT (std), "0.229;0.224;0.225" },
  { "model", "fusion_init", TEXT, AT (fusion_init), "0.9;0.1" },
  { "model", "fusion_norm_init", CHOICE, AT (fusion_norm_init), "auto", 0, 0, "auto,one,data" },
  { "model", "head_init", CHOICE, AT (head_init), "file", 0, 0, "file,new,widen" },
  { "data", "train", TEXT, AT (train), "nddr:datasets/nyu_v2,training" },
  { "data", "val", TEXT, AT (val), "nddr:datasets/nyu_v2,testing" },
  { "data", "scale", RANGE, AT (scale), "0.5;1.5", 0.01, 100 },
  { "data", "mirror", FLAG, AT (mirror), "true" },
  { "data", "crop", SIZE, AT (crop), "321x321", 32, 16384 },
  { "data", "brightness", REAL, AT (brightness), "0", 0, 1 },
  { "data", "contrast", REAL, AT (contrast), "0", 0, 1 },
  { "data", "saturation", REAL, AT (saturation), "0", 0, 1 },
  { "data", "cutmix", REAL, AT (cutmix), "0", 0, 1 },
  { "data", "shuffle", FLAG, AT (shuffle), "true" },
  { "data", "seed", INTEGER, AT (seed), "1234", 0, 9e15 },
  { "data", "broken", CHOICE, AT (broken), "skip", 0, 0, "skip,stop", TRUE },
  { "data", "threads", INTEGER, AT (threads), "0", 0, 256, NULL, TRUE },
  { "data", "prefetch", INTEGER, AT (prefetch), "0", 0, 256, NULL, TRUE },
  { "data", "cache", INTEGER, AT (cache), "2048", 0, 1 << 30, NULL, TRUE },
  { "train", "steps", INTEGER, AT (steps), "20001", 1, HUGE_STEPS },
  { "train", "batch", INTEGER, AT (batch), "10", 1, 4096 },
  { "train", "accumulate", INTEGER, AT (accumulate), "1", 1, 4096 },
  { "train", "optimizer", CHOICE, AT (optimizer), "sgd", 0, 0, "sgd,adamw" },
  { "train", "lr", REAL, AT (lr), "0.001", 0, 1000 },
  { "train", "momentum", REAL, AT (momentum), "0.9", 0, 0.999999 },
  { "train", "beta1", REAL, AT (beta1), "0.9", 0, 0.999999 },
  { "train", "beta2", REAL, AT (beta2), "0.999", 0, 0.999999 },
  { "train", "adam_eps", REAL, AT (adam_eps), "1e-8", 1e-30, 1 }, /* 0: 0 / 0 where a gradient is 0 */
  { "train", "schedule", CHOICE, AT (schedule), "poly", 0, 0, "poly,cosine,constant" },
  { "train", "power", REAL, AT (power), "0.9", 0, 100 },
  { "train", "warmup", INTEGER, AT (warmup), "0", 0, HUGE_STEPS },
  { "train", "weight_decay", REAL, AT (weight_decay), "0.00025", 0, 1000 },
  { "train", "clip_norm", REAL, AT (clip_norm), "0", 0, 1e18 },
  { "train", "dropout", REAL, AT (dropout), "0.5", 0, 0.999 },
  { "train", "bn_momentum", REAL, AT (bn_momentum), "0.05", 0, 1 },
  { "train", "bn_mode", CHOICE, AT (bn_mode), "train", 0, 0, "train,eval,frozen" },
  { "train", "bn_scope", CHOICE, AT (bn_scope), "all", 0, 0, "all,trunk" },
  { "train", "sync_bn", FLAG, AT (sync_bn), "false" },
  { "train", "activation_checkpointing", CHOICE, AT (activation_checkpointing), "auto", 0, 0, "auto,on,off", TRUE },
  { "train", "lr_fusion", REAL, AT (lr_fusion), "100", 0, 1e6 },
  { "train", "lr_head", REAL, AT (lr_head), "1", 0, 1e6 },
  { "train", "lr_head_weight", REAL, AT (lr_head_weight), "10", 0, 1e6 },
  { "train", "lr_head_bias", REAL, AT (lr_head_bias), "20", 0, 1e6 },
  { "train", "lr_weighting", REAL, AT (lr_weighting), "1", 0, 1e6 },
  { "train", "precision", CHOICE, AT (precision), "auto", 0, 0, "auto,fp32,mixed" },
  { "train", "val_every", INTEGER, AT (val_every), "1000", 0, HUGE_STEPS, NULL, TRUE },
  { "train", "checkpoint_every", INTEGER, AT (checkpoint_every), "500", 1, HUGE_STEPS, NULL, TRUE },
  { "train", "best", TEXT, AT (best), "loss", 0, 0, NULL, TRUE },
  { "train", "patience", INTEGER, AT (patience), "0", 0, HUGE_STEPS, NULL, TRUE },
  { "train", "half", FLAG, AT (half), "false", 0, 0, NULL, TRUE },
  { "loss", "weighting", CHOICE, AT (weighting), "fixed", 0, 0, "fixed,uncertainty,dwa" },
  { "loss", "dwa_temperature", REAL, AT (dwa_temperature), "2", 1e-3, 1e6 },
  { "loss", "class_balance", REAL, AT (class_balance), "0", 0, 1 },
  { "loss", "sluice_penalty", REAL, AT (sluice_penalty), "0.1", 0, 1e6 },
  { "loss", "resolution", CHOICE, AT (resolution), "head", 0, 0, "head,input" },
  { "distillation", "teacher", TEXT, AT (teacher), "" },
  { "distillation", "weight", REAL, AT (teacher_weight), "0.5", 0, 1 },
  { "distillation", "temperature", REAL, AT (temperature), "1", 0.01, 1000 },
  { "about", "license", TEXT, AT (license), "", 0, 0, NULL, TRUE },
  { "about", "description", TEXT, AT (description), "", 0, 0, NULL, TRUE },
  { "about", "trained_on", TEXT, AT (trained_on), "", 0, 0, NULL, TRUE },
};

/* The loss weights of tasks are keys of [loss] too, under the tasks' names; these have other starts than 1. */
static const struct { const char *task; double weight; } usual_weights[] = { { "segmentation", 1 }, { "normal", 20 } };

/* ---- values */

static gpointer
field (const NddrRecipe *recipe, const Key *key)
{
  return (char *) recipe + key->offset;
}

G_GNUC_PRINTF (5, 6)
static gboolean
fail (GError **error, const char *section, const char *name, const char *value, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *expected = g_strdup_vprintf (format, args);
  va_end (args);
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[%s] %s is \"%s\": expected %s", section, name, value, expected);
}

/* A number that is all of @text. */
static gboolean
parse_number (const char *text, double *number)
{
  char *end = NULL;
  *number = g_ascii_strtod (text, &end);
  return end != text && *end == '\0' && isfinite (*number);
}

/* "a;b;…", blanks allowed too: exactly @n numbers. */
static gboolean
parse_numbers (const char *text, int n, double *numbers)
{
  g_auto (GStrv) words = g_strsplit_set (text, "; ", -1);
  int found = 0;
  for (int i = 0; words[i]; i++) {
    if (words[i][0] == '\0')
      continue;
    if (found == n || !parse_number (words[i], &numbers[found++]))
      return FALSE;
  }
  return found == n;
}

static gboolean
parse_size (const char *text, NddrSize *size)
{
  char *end = NULL;
  guint64 width = g_ascii_strtoull (text, &end, 10);
  if (!g_ascii_isdigit (text[0]) || *end != 'x' || !g_ascii_isdigit (end[1]) || width > G_MAXINT)
    return FALSE;
  guint64 height = g_ascii_strtoull (end + 1, &end, 10);
  *size = (NddrSize){ width, MIN (height, G_MAXINT) };
  return *end == '\0';
}

static int
find_choice (const char *choices, const char *text)
{
  g_auto (GStrv) names = g_strsplit (choices, ",", -1);
  for (int i = 0; names[i]; i++)
    if (g_str_equal (names[i], text))
      return i;
  return -1;
}

static gboolean
set_value (NddrRecipe *recipe, const Key *key, const char *text, GError **error)
{
  gpointer at = field (recipe, key);
  double number = 0, pair[2];
  NddrSize size;
  int choice;
  switch (key->kind) {
    case TEXT:
      g_free (*(char **) at);
      *(char **) at = g_strdup (text);
      return TRUE;
    case INTEGER:
      if (!parse_number (text, &number) || number != floor (number) || number < key->min || number > key->max)
        return fail (error, key->section, key->name, text, "a whole number from %.0f to %.0f", key->min, key->max);
      *(gint64 *) at = number;
      return TRUE;
    case REAL:
      if (!parse_number (text, &number) || number < key->min || number > key->max)
        return fail (error, key->section, key->name, text, "a number from %g to %g", key->min, key->max);
      *(double *) at = number;
      return TRUE;
    case FLAG:
      if (!g_str_equal (text, "true") && !g_str_equal (text, "false"))
        return fail (error, key->section, key->name, text, "true or false");
      *(gboolean *) at = text[0] == 't';
      return TRUE;
    case CHOICE:
      if ((choice = find_choice (key->choices, text)) < 0)
        return fail (error, key->section, key->name, text, "one of %s", key->choices);
      *(int *) at = choice;
      return TRUE;
    case SIZE:
      if (!parse_size (text, &size) || MIN (size.width, size.height) < key->min || MAX (size.width, size.height) > key->max)
        return fail (error, key->section, key->name, text, "WIDTHxHEIGHT, each from %.0f to %.0f", key->min, key->max);
      *(NddrSize *) at = size;
      return TRUE;
    case RANGE:
      if (!parse_numbers (text, 2, pair) || pair[0] < key->min || pair[1] > key->max || pair[0] > pair[1])
        return fail (error, key->section, key->name, text, "two numbers from %g to %g, the smaller first, as in %s", key->min, key->max, key->initial);
      memcpy (at, pair, sizeof pair);
      return TRUE;
  }
  return FALSE;
}

/* (transfer full): the shortest text that reads back as the same number. */
static char *
print_number (double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  for (int digits = 6; digits <= 17; digits++) {
    char format[8];
    g_snprintf (format, sizeof format, "%%.%dg", digits);
    g_ascii_formatd (buffer, sizeof buffer, format, number);
    if (g_ascii_strtod (buffer, NULL) == number)
      break;
  }
  return g_strdup (buffer);
}

/* (transfer full): a value as text. */
static char *
print_value (const NddrRecipe *recipe, const Key *key)
{
  gpointer at = field (recipe, key);
  switch (key->kind) {
    case TEXT:
      return g_strdup (*(char **) at);
    case INTEGER:
      return g_strdup_printf ("%" G_GINT64_FORMAT, *(gint64 *) at);
    case REAL:
      return print_number (*(double *) at);
    case FLAG:
      return g_strdup (*(gboolean *) at ? "true" : "false");
    case CHOICE: {
      g_auto (GStrv) names = g_strsplit (key->choices, ",", -1);
      return g_strdup (names[*(int *) at]);
    }
    case SIZE:
      return g_strdup_printf ("%dx%d", ((NddrSize *) at)->width, ((NddrSize *) at)->height);
    case RANGE:
    default: {
      g_autofree char *low = print_number (((double *) at)[0]), *high = print_number (((double *) at)[1]);
      return g_strconcat (low, ";", high, NULL);
    }
  }
}

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

static const Key *
find_key (const char *section, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].section, section) && g_str_equal (keys[i].name, name))
      return &keys[i];
  return NULL;
}

static gboolean
has_section (const char *section)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].section, section))
      return TRUE;
  return FALSE;
}

/* Names of [model] @tasks, each once, without their kinds. */
static char **
names_of (const char *tasks)
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

static char **
task_names (const NddrRecipe *recipe)
{
  return names_of (recipe->tasks);
}

/* Keeps the nearer to @name of *@nearest (NULL: none) and @candidate; what has little in common with it is not near. */
static void
keep_nearest (const char *name, const char *candidate, const char **nearest)
{
  guint distance = edit_distance (name, candidate);
  if (distance < (*nearest ? edit_distance (name, *nearest) : strlen (name)))
    *nearest = candidate;
}

/* Of a section that there is not. */
static gboolean
fail_section (const char *section, GError **error)
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

/* @weighted: names of tasks that [loss] may have weights of: in a file its own and those that replace them */
static gboolean
set_by_name (NddrRecipe *recipe, const char *const *weighted, const char *section, const char *name, const char *text, GError **error)
{
  const Key *key = find_key (section, name);
  if (key)
    return set_value (recipe, key, text, error);
  gboolean usual = g_str_equal (name, "segmentation") || g_str_equal (name, "normal");
  if (!has_section (section))
    return fail_section (section, error);
  if (!g_str_equal (section, "loss") || !(usual || g_strv_contains (weighted, name)))
    return fail_key (weighted, section, name, error);
  double weight;
  if (!parse_number (text, &weight) || weight < 0)
    return fail (error, section, name, text, "the weight of that task's loss, 0 or more");
  put_weight (recipe, name, weight);
  return TRUE;
}

/* ---- reading */

static gboolean
apply_file (NddrRecipe *recipe, const char *const *weighted, GKeyFile *file, GError **error)
{
  g_auto (GStrv) sections = g_key_file_get_groups (file, NULL);
  for (int s = 0; sections[s]; s++) {
    if (!has_section (sections[s]))
      return fail_section (sections[s], error);
    g_auto (GStrv) names = g_key_file_get_keys (file, sections[s], NULL, NULL);
    for (int k = 0; names && names[k]; k++) {
      g_autofree char *value = g_key_file_get_string (file, sections[s], names[k], error);
      if (!value)
        return FALSE;
      if (!set_by_name (recipe, weighted, sections[s], names[k], g_strstrip (value), error))
        return FALSE;
    }
  }
  return TRUE;
}

/* GLib quotes a line that is none of a key file's, which of a file of another kind may be all of it. */
static gboolean
read_file (GKeyFile *file, const char *path, GError **error)
{
  const int most = 160;
  g_autoptr (GError) problem = NULL;
  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &problem))
    return TRUE;
  if (problem->domain == G_KEY_FILE_ERROR) {
    g_autofree char *valid = g_utf8_make_valid (problem->message, -1);
    gboolean is_long = g_utf8_strlen (valid, -1) > most;
    g_autofree char *start = g_utf8_substring (valid, 0, is_long ? most : g_utf8_strlen (valid, -1));
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "is no configuration, lines of key = value in [sections]: %s%s", start, is_long ? "…" : "");
  } else
    g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* The value where @set gives model.tasks; NULL. */
static const char *
tasks_set (const char *set)
{
  static const char prefix[] = "model.tasks=";
  return g_str_has_prefix (set, prefix) ? set + strlen (prefix) : NULL;
}

static gboolean
apply_set (NddrRecipe *recipe, const char *const *weighted, const char *set, GError **error)
{
  const char *dot = strchr (set, '.'), *equals = strchr (set, '=');
  if (!dot || !equals || dot > equals || dot == set || equals == dot + 1)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "--set %s: expected section.key=value, as in train.lr=0.01", set);
  g_autofree char *section = g_strndup (set, dot - set), *name = g_strndup (dot + 1, equals - dot - 1);
  return set_by_name (recipe, weighted, section, name, equals + 1, error);
}

/* (transfer full): the names of all tasks that @file, else @recipe, or one of @sets has. */
static char **
all_task_names (const NddrRecipe *recipe, GKeyFile *file, const char *const *sets)
{
  g_autofree char *of_file = g_key_file_get_string (file, "model", "tasks", NULL);
  g_autoptr (GString) tasks = g_string_new (of_file ? of_file : recipe->tasks);
  for (int i = 0; sets && sets[i]; i++)
    if (tasks_set (sets[i]))
      g_string_append_printf (tasks, ";%s", tasks_set (sets[i]));
  return names_of (tasks->str);
}

gboolean
nddr_recipe_get_fusion_init (const NddrRecipe *recipe, double *alpha, double *beta)
{
  double pair[2];
  if (!parse_numbers (recipe->fusion_init, 2, pair))
    return FALSE;
  *alpha = pair[0];
  *beta = pair[1];
  return TRUE;
}

/* What single keys cannot say. */
static gboolean
check (const NddrRecipe *recipe, GError **error)
{
  double alpha, beta;
  if (!g_str_equal (recipe->fusion_init, "xavier") && !nddr_recipe_get_fusion_init (recipe, &alpha, &beta))
    return fail (error, "model", "fusion_init", recipe->fusion_init, "two numbers, as in 0.9;0.1, or xavier");
  if (recipe->warmup > recipe->steps) {
    g_autofree char *warmup = g_strdup_printf ("%" G_GINT64_FORMAT, recipe->warmup);
    return fail (error, "train", "warmup", warmup, "no more than the %" G_GINT64_FORMAT " steps", recipe->steps);
  }
  if (recipe->patience > 0 && (recipe->val_every == 0 || recipe->val[0] == '\0')) {
    g_autofree char *patience = g_strdup_printf ("%" G_GINT64_FORMAT, recipe->patience);
    return fail (error, "train", "patience", patience, "0 where nothing is validated: give val_every and [data] val too");
  }
  if (recipe->lr <= 0)
    return fail (error, "train", "lr", "0", "a rate above 0");
  g_auto (GStrv) tasks = task_names (recipe);
  for (int t = 0; tasks[t]; t++)
    if (find_key ("loss", tasks[t]))
      return fail (error, "model", "tasks", recipe->tasks, "tasks of other names than the keys of [loss], of which \"%s\" is one: a task's weight is a key there, too", tasks[t]);
  return TRUE;
}

/* What automatic choices are, where they follow from nothing. */
static void
resolve (NddrRecipe *recipe)
{
  if (recipe->precision == NDDR_LEARN_AUTO)
    recipe->precision = NDDR_LEARN_FP32;
}

static NddrRecipe *
new_recipe (void)
{
  NddrRecipe *recipe = g_new0 (NddrRecipe, 1);
  recipe->weights = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    gboolean fine = set_value (recipe, &keys[i], keys[i].initial, NULL);
    g_assert (fine);
  }
  for (guint i = 0; i < G_N_ELEMENTS (usual_weights); i++)
    put_weight (recipe, usual_weights[i].task, usual_weights[i].weight);
  return recipe;
}

NddrRecipe *
nddr_recipe_load (const char *path, const char *const *sets, GError **error)
{
  g_autoptr (NddrRecipe) recipe = new_recipe ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  if (path && !read_file (file, path, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  g_auto (GStrv) weighted = all_task_names (recipe, file, sets);
  if (!apply_file (recipe, (const char *const *) weighted, file, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  /* tasks first: the weights of others are a mistake here */
  for (int i = 0; sets && sets[i]; i++)
    if (tasks_set (sets[i]) && !apply_set (recipe, NULL, sets[i], error))
      return NULL;
  g_auto (GStrv) tasks = task_names (recipe);
  for (int i = 0; sets && sets[i]; i++)
    if (!tasks_set (sets[i]) && !apply_set (recipe, (const char *const *) tasks, sets[i], error))
      return NULL;
  if (!check (recipe, error))
    return NULL;
  resolve (recipe);
  return g_steal_pointer (&recipe);
}

NddrRecipe *
nddr_recipe_parse (const char *text, GError **error)
{
  g_autoptr (NddrRecipe) recipe = new_recipe ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, error))
    return NULL;
  g_auto (GStrv) weighted = all_task_names (recipe, file, NULL);
  if (!apply_file (recipe, (const char *const *) weighted, file, error) || !check (recipe, error))
    return NULL;
  resolve (recipe);
  return g_steal_pointer (&recipe);
}

void
nddr_recipe_free (NddrRecipe *recipe)
{
  if (!recipe)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i].kind == TEXT)
      g_free (*(char **) field (recipe, &keys[i]));
  g_hash_table_unref (recipe->weights);
  g_free (recipe);
}

/* ---- writing and comparing */

char *
nddr_recipe_unused_weight (const NddrRecipe *recipe)
{
  g_auto (GStrv) tasks = task_names (recipe);
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
    g_autofree char *value = print_value (recipe, &keys[i]);
    g_key_file_set_string (file, keys[i].section, keys[i].name, value);
  }
  g_auto (GStrv) tasks = task_names (recipe);
  for (int t = 0; tasks[t]; t++) {
    g_autofree char *weight = print_number (nddr_recipe_task_weight (recipe, tasks[t]));
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
    if (parse_numbers (a, n, x) && parse_numbers (b, n, y))
      return memcmp (x, y, n * sizeof *x) == 0;
  return FALSE;
}

gboolean
nddr_recipe_same_training (const NddrRecipe *a, const NddrRecipe *b, char **what)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *one = print_value (a, &keys[i]), *other = print_value (b, &keys[i]);
    if (keys[i].free || g_str_equal (one, other) || (g_str_equal (keys[i].section, "model") && same_numbers (one, other)))
      continue;
    *what = g_strdup_printf ("[%s] %s was %s and is %s", keys[i].section, keys[i].name, one, other);
    return FALSE;
  }
  g_auto (GStrv) tasks = task_names (a);
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
