/* The [model] section of a recipe as a model's config.  It goes through the JSON that model files carry, so that every
 * value is checked by the one reader of configs there is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe.h>
#include <nddr/error.h>

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* Numbers and booleans as themselves, everything else as a string: the config's reader says what is wrong. */
static void
add_value (JsonBuilder *json, const char *name, const char *text)
{
  char *end = NULL;
  double number = g_ascii_strtod (text, &end);
  if (text[0] == '\0')
    return; /* not given */
  json_builder_set_member_name (json, name);
  if (g_str_equal (text, "true") || g_str_equal (text, "false"))
    json_builder_add_boolean_value (json, text[0] == 't');
  else if (*end != '\0' || !isfinite (number))
    json_builder_add_string_value (json, text); /* which says what it is where a number is expected */
  else if (fabs (number) < G_MAXINT32 && number == (gint64) number && !strpbrk (text, ".eE"))
    json_builder_add_int_value (json, (gint64) number);
  else
    json_builder_add_double_value (json, number);
}

static gboolean
add_triple (JsonBuilder *json, const char *name, const char *text, GError **error)
{
  g_auto (GStrv) words = g_strsplit_set (text, "; ", -1);
  int n = 0;
  json_builder_set_member_name (json, name);
  json_builder_begin_array (json);
  for (int i = 0; words[i]; i++) {
    char *end = NULL;
    double number = g_ascii_strtod (words[i], &end);
    if (words[i][0] == '\0')
      continue;
    gboolean fine = *end == '\0' && isfinite (number);
    n += fine ? 1 : 4;
    json_builder_add_double_value (json, fine ? number : 0);
  }
  json_builder_end_array (json);
  if (n == 3)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[model] %s is \"%s\": expected three numbers, for red, green and blue, as in 0.5;0.5;0.5",
      name, text);
}

static void
add_classes (JsonBuilder *json, const NddrClass *classes, guint n_classes)
{
  json_builder_set_member_name (json, "classes");
  json_builder_begin_array (json);
  for (guint i = 0; i < n_classes; i++) {
    g_autofree char *color = g_strdup_printf ("#%06x", classes[i].color & 0xffffff);
    json_builder_begin_object (json);
    json_builder_set_member_name (json, "name");
    json_builder_add_string_value (json, classes[i].name);
    json_builder_set_member_name (json, "color");
    json_builder_add_string_value (json, color);
    json_builder_end_object (json);
  }
  json_builder_end_array (json);
}

static void
add_tasks (JsonBuilder *json, const char *tasks, const NddrClass *classes, guint n_classes)
{
  g_auto (GStrv) words = g_strsplit (tasks, ";", -1);
  json_builder_set_member_name (json, "tasks");
  json_builder_begin_array (json);
  for (int i = 0; words[i]; i++) {
    char *name = g_strstrip (words[i]), *colon = strchr (name, ':');
    if (name[0] == '\0')
      continue;
    if (colon)
      *colon++ = '\0';
    const char *kind = colon ? colon : name;
    json_builder_begin_object (json);
    json_builder_set_member_name (json, "name");
    json_builder_add_string_value (json, name);
    json_builder_set_member_name (json, "kind");
    json_builder_add_string_value (json, kind);
    if (nddr_task_kind_from_name (kind) == NDDR_TASK_SEGMENTATION)
      add_classes (json, classes, n_classes);
    json_builder_end_object (json);
  }
  json_builder_end_array (json);
}

NddrConfig *
nddr_recipe_make_config (const NddrRecipe *recipe, const NddrClass *classes, guint n_classes, GError **error)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  json_builder_begin_object (json);
  add_value (json, "backbone", recipe->backbone);
  add_value (json, "width", recipe->width);
  add_value (json, "head_width", recipe->head_width);
  add_value (json, "fusion", recipe->fusion);
  add_value (json, "shortcut", recipe->shortcut);
  add_value (json, "head", recipe->head);
  add_tasks (json, recipe->tasks, classes, n_classes);
  json_builder_set_member_name (json, "input");
  json_builder_begin_object (json);
  json_builder_set_member_name (json, "width");
  json_builder_add_int_value (json, recipe->input.width);
  json_builder_set_member_name (json, "height");
  json_builder_add_int_value (json, recipe->input.height);
  if (!add_triple (json, "mean", recipe->mean, error) || !add_triple (json, "std", recipe->std, error))
    return NULL;
  json_builder_end_object (json);
  add_value (json, "output_stride", recipe->output_stride);
  add_value (json, "norm_eps", recipe->norm_eps);
  add_value (json, "pool_padding", recipe->pool_padding);
  add_value (json, "resize", recipe->resize);
  json_builder_end_object (json);

  g_autoptr (JsonNode) root = json_builder_get_root (json);
  g_autofree char *text = json_to_string (root, FALSE);
  NddrConfig *config = nddr_config_parse (text, error);
  if (!config)
    g_prefix_error (error, "[model]: ");
  return config;
}
