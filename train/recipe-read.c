/* Reading a recipe: a key file's keys, then those of --set, and last what single keys cannot say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe-private.h>
#include <nddr/error.h>

#include <string.h>

static gboolean
apply_file (NddrRecipe *recipe, const char *const *weighted, GKeyFile *file, GError **error)
{
  g_auto (GStrv) sections = g_key_file_get_groups (file, NULL);
  for (int s = 0; sections[s]; s++) {
    if (!nddr_recipe_has_section (sections[s]))
      return nddr_recipe_fail_section (sections[s], error);
    g_auto (GStrv) names = g_key_file_get_keys (file, sections[s], NULL, NULL);
    for (int k = 0; names && names[k]; k++) {
      g_autofree char *value = g_key_file_get_string (file, sections[s], names[k], error);
      if (!value)
        return FALSE;
      if (!nddr_recipe_set_by_name (recipe, weighted, sections[s], names[k], g_strstrip (value), error))
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
  return nddr_recipe_set_by_name (recipe, weighted, section, name, equals + 1, error);
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
  return nddr_recipe_names_of (tasks->str);
}

/* What single keys cannot say. */
static gboolean
check (const NddrRecipe *recipe, GError **error)
{
  double alpha, beta;
  if (!g_str_equal (recipe->fusion_init, "xavier") && !nddr_recipe_get_fusion_init (recipe, &alpha, &beta))
    return nddr_recipe_fail (error, "model", "fusion_init", recipe->fusion_init, "two numbers, as in 0.9;0.1, or xavier");
  if (recipe->warmup > recipe->steps) {
    g_autofree char *warmup = g_strdup_printf ("%" G_GINT64_FORMAT, recipe->warmup);
    return nddr_recipe_fail (error, "train", "warmup", warmup, "no more than the %" G_GINT64_FORMAT " steps", recipe->steps);
  }
  if (recipe->patience > 0 && (recipe->val_every == 0 || recipe->val[0] == '\0')) {
    g_autofree char *patience = g_strdup_printf ("%" G_GINT64_FORMAT, recipe->patience);
    return nddr_recipe_fail (error, "train", "patience", patience, "0 where nothing is validated: give val_every and [data] val too");
  }
  if (recipe->lr <= 0)
    return nddr_recipe_fail (error, "train", "lr", "0", "a rate above 0");
  g_auto (GStrv) tasks = nddr_recipe_task_names (recipe);
  for (int t = 0; tasks[t]; t++)
    if (nddr_recipe_find_key ("loss", tasks[t]))
      return nddr_recipe_fail (error, "model", "tasks", recipe->tasks,
          "tasks of other names than the keys of [loss], of which \"%s\" is one: a task's weight is a key there, too", tasks[t]);
  return TRUE;
}

/* What @file says about its model is about its own data. */
static void
leave_out_about (NddrRecipe *recipe, GKeyFile *file, const char *const *sets)
{
  struct { const char *name; char **value; } texts[] = { { "description", &recipe->description }, { "trained_on", &recipe->trained_on },
    { "license", &recipe->license } };
  g_autofree char *train = g_key_file_get_string (file, "data", "train", NULL);
  if (!train || g_str_equal (g_strstrip (train), recipe->train))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree char *prefix = g_strconcat ("about.", texts[i].name, "=", NULL);
    gboolean set = FALSE;
    for (int k = 0; sets && sets[k]; k++)
      set |= g_str_has_prefix (sets[k], prefix);
    if (set || (*texts[i].value)[0] == '\0')
      continue;
    g_free (*texts[i].value);
    *texts[i].value = g_strdup ("");
    recipe->about_left_out = TRUE;
  }
}

/* What automatic choices are, where they follow from nothing. */
static void
resolve (NddrRecipe *recipe)
{
  if (recipe->precision == NDDR_LEARN_AUTO)
    recipe->precision = NDDR_LEARN_FP32;
}

NddrRecipe *
nddr_recipe_load (const char *path, const char *const *sets, GError **error)
{
  g_autoptr (NddrRecipe) recipe = nddr_recipe_new ();
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
  g_auto (GStrv) tasks = nddr_recipe_task_names (recipe);
  for (int i = 0; sets && sets[i]; i++)
    if (!tasks_set (sets[i]) && !apply_set (recipe, (const char *const *) tasks, sets[i], error))
      return NULL;
  if (!check (recipe, error))
    return NULL;
  leave_out_about (recipe, file, sets);
  resolve (recipe);
  return g_steal_pointer (&recipe);
}

NddrRecipe *
nddr_recipe_parse (const char *text, GError **error)
{
  g_autoptr (NddrRecipe) recipe = nddr_recipe_new ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, error))
    return NULL;
  g_auto (GStrv) weighted = all_task_names (recipe, file, NULL);
  if (!apply_file (recipe, (const char *const *) weighted, file, error) || !check (recipe, error))
    return NULL;
  resolve (recipe);
  return g_steal_pointer (&recipe);
}
