/* The config of a model, as JSON: in and out (docs/model-format.md).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/config-private.h>
#include <nddr/json.h>

#include <string.h>

/* ---- reading: each get_* leaves *value alone where the key is absent */

static gboolean
check_keys (JsonObject *object, const char *where, const char *const *known, GError **error)
{
  JsonObjectIter iter;
  const char *key;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &key, NULL))
    if (!g_strv_contains (known, key)) {
      g_autofree char *list = g_strjoinv (", ", (char **) known);
      return bad (error, "%sunknown key \"%s\"; known are %s", where, key, list);
    }
  return TRUE;
}

static gboolean
is_value (JsonNode *node, GType type)
{
  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

static gboolean
is_number (JsonNode *node)
{
  return is_value (node, G_TYPE_DOUBLE) || is_value (node, G_TYPE_INT64);
}

static gboolean
get_string (JsonObject *object, const char *where, const char *key, const char **value, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL)
    return TRUE;
  if (!is_value (node, G_TYPE_STRING))
    return bad (error, "%s\"%s\" must be a string", where, key);
  *value = json_node_get_string (node);
  return TRUE;
}

static gboolean
get_choice (JsonObject *object, const char *where, const char *key, const char *const *names, int *value, GError **error)
{
  const char *name = NULL;

  if (!get_string (object, where, key, &name, error))
    return FALSE;
  if (name == NULL)
    return TRUE;
  *value = from_name (names, name);
  if (*value < 0) {
    g_autofree char *list = g_strjoinv (", ", (char **) names);
    return bad (error, "%s\"%s\": unknown value \"%s\"; known are %s", where, key, name, list);
  }
  return TRUE;
}

static gboolean
get_double (JsonObject *object, const char *key, double *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL)
    return TRUE;
  if (!is_number (node))
    return bad (error, "\"%s\" must be a number", key);
  *value = json_node_get_double (node);
  return TRUE;
}

static gboolean
get_size (JsonObject *object, const char *where, const char *key, guint *value, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL)
    return TRUE;
  if (!is_value (node, G_TYPE_INT64) || json_node_get_int (node) < 0)
    return bad (error, "%s\"%s\" must be a whole number that is not negative", where, key);
  *value = (guint) MIN (json_node_get_int (node), G_MAXINT); /* whoever asked knows a smaller limit */
  return TRUE;
}

static gboolean
get_triple (JsonObject *object, const char *key, double value[3], GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node) || json_array_get_length (json_node_get_array (node)) != 3)
    return bad (error, "\"input\": \"%s\" must be an array of three numbers", key);
  for (guint i = 0; i < 3; i++) {
    JsonNode *number = json_array_get_element (json_node_get_array (node), i);

    if (!is_number (number))
      return bad (error, "\"input\": \"%s\" must be an array of three numbers", key);
    value[i] = json_node_get_double (number);
  }
  return TRUE;
}

static gboolean
parse_input (NddrConfig *config, JsonNode *node, GError **error)
{
  static const char *const keys[] = { "width", "height", "mean", "std", NULL };
  JsonObject *object;

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return bad (error, "\"input\" must be an object with width, height, mean and std");
  object = json_node_get_object (node);
  return check_keys (object, "\"input\": ", keys, error) && get_size (object, "\"input\": ", "width", &config->input_width, error)
      && get_size (object, "\"input\": ", "height", &config->input_height, error) && get_triple (object, "mean", config->mean, error)
      && get_triple (object, "std", config->std, error);
}

static gboolean
parse_color (const char *text, guint32 *color)
{
  if (text == NULL || text[0] != '#' || strlen (text) != 7 || strspn (text + 1, "0123456789abcdefABCDEF") != 6)
    return FALSE;
  *color = (guint32) g_ascii_strtoull (text + 1, NULL, 16);
  return TRUE;
}

static gboolean
parse_classes (NddrTask *task, const char *where, JsonNode *node, GError **error)
{
  static const char *const keys[] = { "name", "color", NULL };
  JsonArray *array;
  guint n;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return bad (error, "%s\"classes\" must be an array of objects with name and color", where);
  array = json_node_get_array (node);
  n = json_array_get_length (array);
  if (n > MAX_CLASSES)
    return bad (error, "%shas %u classes; there can be %d", where, n, MAX_CLASSES);
  task->classes = g_new0 (NddrClass, n);
  task->n_classes = n;
  for (guint c = 0; c < n; c++) {
    g_autofree char *inside = g_strdup_printf ("%sclass %u: ", where, c);
    JsonNode *element = json_array_get_element (array, c);
    const char *name = NULL, *color = NULL;

    if (!JSON_NODE_HOLDS_OBJECT (element))
      return bad (error, "%smust be an object with name and color", inside);
    if (!check_keys (json_node_get_object (element), inside, keys, error)
        || !get_string (json_node_get_object (element), inside, "name", &name, error)
        || !get_string (json_node_get_object (element), inside, "color", &color, error))
      return FALSE;
    if (name == NULL)
      return bad (error, "%s\"name\" is missing", inside);
    if (!parse_color (color, &task->classes[c].color))
      return bad (error, "%s\"color\" must be \"#rrggbb\", six hexadecimal digits", inside);
    task->classes[c].name = g_strdup (name);
  }
  return TRUE;
}

static gboolean
parse_task (NddrTask *task, guint index, JsonNode *node, GError **error)
{
  static const char *const keys[] = { "name", "kind", "classes", NULL };
  g_autofree char *where = g_strdup_printf ("task %u: ", index);
  const char *name = NULL;
  JsonObject *object;
  int kind = -1;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return bad (error, "%smust be an object with name and kind", where);
  object = json_node_get_object (node);
  if (!check_keys (object, where, keys, error) || !get_string (object, where, "name", &name, error)
      || !get_choice (object, where, "kind", task_kind_names, &kind, error))
    return FALSE;
  if (name == NULL || kind < 0)
    return bad (error, "%s\"%s\" is missing", where, name == NULL ? "name" : "kind");
  task->name = g_strdup (name);
  task->kind = (NddrTaskKind) kind;
  if (json_object_has_member (object, "classes") && !parse_classes (task, where, json_object_get_member (object, "classes"), error))
    return FALSE;
  task->channels = task->kind == NDDR_TASK_SEGMENTATION ? task->n_classes : task->kind == NDDR_TASK_NORMAL ? 3 : 1;
  return TRUE;
}

static gboolean
parse_tasks (NddrConfig *config, JsonNode *node, GError **error)
{
  JsonArray *array;
  guint n;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return bad (error, "\"tasks\" must be an array of objects with name and kind");
  array = json_node_get_array (node);
  n = json_array_get_length (array);
  if (n > MAX_TASKS)
    return bad (error, "\"tasks\": has %u entries; a model has 1 to %d tasks", n, MAX_TASKS);
  config->tasks = g_new0 (NddrTask, n);
  config->n_tasks = n;
  for (guint t = 0; t < n; t++)
    if (!parse_task (&config->tasks[t], t, json_array_get_element (array, t), error))
      return FALSE;
  return TRUE;
}

static gboolean
parse_object (NddrConfig *config, JsonObject *object, GError **error)
{
  static const char *const keys[] = { "backbone", "width", "head_width", "fusion", "shortcut", "head", "tasks", "input", "output_stride", "norm_eps",
    "pool_padding", "resize", NULL };
  int backbone = -1, fusion = NDDR_FUSION_NDDR, head, pool_padding = NDDR_POOL_BOTH, resize = NDDR_RESIZE_HALF_PIXEL;
  JsonNode *shortcut = json_object_get_member (object, "shortcut");

  if (!check_keys (object, "", keys, error) || !get_choice (object, "", "backbone", backbone_names, &backbone, error))
    return FALSE;
  if (backbone < 0)
    return bad (error, "\"backbone\" is missing");
  config->backbone = (NddrBackbone) backbone;
  head = config->backbone >= NDDR_BACKBONE_RESNET18 ? NDDR_HEAD_ASPP : NDDR_HEAD_LARGEFOV;
  if (!get_choice (object, "", "fusion", fusion_names, &fusion, error) || !get_choice (object, "", "head", head_names, &head, error)
      || !get_choice (object, "", "pool_padding", pool_padding_names, &pool_padding, error)
      || !get_choice (object, "", "resize", resize_mode_names, &resize, error))
    return FALSE;
  config->fusion = (NddrFusion) fusion;
  config->head = (NddrHead) head;
  config->pool_padding = (NddrPoolPadding) pool_padding;
  config->resize = (NddrResizeMode) resize;

  if (shortcut != NULL && !is_value (shortcut, G_TYPE_BOOLEAN))
    return bad (error, "\"shortcut\" must be true or false");
  config->shortcut = shortcut != NULL && json_node_get_boolean (shortcut);
  config->width = 1;
  config->output_stride = 8;
  config->norm_eps = 1e-5;
  if (!get_double (object, "width", &config->width, error))
    return FALSE;
  config->head_width = config->width;
  return get_double (object, "head_width", &config->head_width, error) && get_size (object, "", "output_stride", &config->output_stride, error)
      && get_double (object, "norm_eps", &config->norm_eps, error) && parse_tasks (config, json_object_get_member (object, "tasks"), error)
      && parse_input (config, json_object_get_member (object, "input"), error);
}

NddrConfig *
nddr_config_parse (const char *json, GError **error)
{
  g_autoptr (NddrConfig) config = g_new0 (NddrConfig, 1);
  g_autoptr (JsonNode) root = nddr_json_parse_object (json, strlen (json), "config", error);

  if (root == NULL || !parse_object (config, json_node_get_object (root), error) || !nddr_config_validate (config, error))
    return NULL;
  return g_steal_pointer (&config);
}

/* ---- writing */

static void
add_string (JsonBuilder *builder, const char *key, const char *value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, value);
}

static void
add_double (JsonBuilder *builder, const char *key, double value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_double_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *key, gint64 value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_int_value (builder, value);
}

static void
add_triple (JsonBuilder *builder, const char *key, const double value[3])
{
  json_builder_set_member_name (builder, key);
  json_builder_begin_array (builder);
  for (int i = 0; i < 3; i++)
    json_builder_add_double_value (builder, value[i]);
  json_builder_end_array (builder);
}

static void
add_task (JsonBuilder *builder, const NddrTask *task)
{
  json_builder_begin_object (builder);
  add_string (builder, "name", task->name);
  add_string (builder, "kind", nddr_task_kind_name (task->kind));
  if (task->kind == NDDR_TASK_SEGMENTATION) {
    json_builder_set_member_name (builder, "classes");
    json_builder_begin_array (builder);
    for (guint c = 0; c < task->n_classes; c++) {
      char color[16];

      g_snprintf (color, sizeof color, "#%06x", task->classes[c].color);
      json_builder_begin_object (builder);
      add_string (builder, "name", task->classes[c].name);
      add_string (builder, "color", color);
      json_builder_end_object (builder);
    }
    json_builder_end_array (builder);
  }
  json_builder_end_object (builder);
}

char *
nddr_config_to_json (const NddrConfig *config)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_string (builder, "backbone", nddr_backbone_name (config->backbone));
  add_double (builder, "width", config->width);
  add_double (builder, "head_width", config->head_width);
  add_string (builder, "fusion", nddr_fusion_name (config->fusion));
  json_builder_set_member_name (builder, "shortcut");
  json_builder_add_boolean_value (builder, config->shortcut);
  add_string (builder, "head", nddr_head_name (config->head));
  json_builder_set_member_name (builder, "tasks");
  json_builder_begin_array (builder);
  for (guint t = 0; t < config->n_tasks; t++)
    add_task (builder, &config->tasks[t]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "input");
  json_builder_begin_object (builder);
  add_int (builder, "width", config->input_width);
  add_int (builder, "height", config->input_height);
  add_triple (builder, "mean", config->mean);
  add_triple (builder, "std", config->std);
  json_builder_end_object (builder);
  add_int (builder, "output_stride", config->output_stride);
  add_double (builder, "norm_eps", config->norm_eps);
  add_string (builder, "pool_padding", nddr_pool_padding_name (config->pool_padding));
  add_string (builder, "resize", nddr_resize_mode_name (config->resize));
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}
