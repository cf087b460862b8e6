/* See difference.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/difference.h>

#include <json-glib/json-glib.h>
#include <nddr/json.h>
#include <string.h>

static char *
print (JsonNode *node)
{
  return node ? json_to_string (node, FALSE) : g_strdup ("not there");
}

static char *compare (const char *name, JsonNode *first, JsonNode *second);

static char *
compare_members (const char *name, JsonNode *first, JsonNode *second)
{
  JsonObject *a = json_node_get_object (first), *b = json_node_get_object (second);
  g_autoptr (GList) names = g_list_concat (json_object_get_members (a), json_object_get_members (b));
  for (GList *n = names; n; n = n->next) {
    g_autofree char *full = g_strconcat (name, *name ? "." : "", n->data, NULL);
    char *difference = compare (full, json_object_get_member (a, n->data), json_object_get_member (b, n->data));
    if (difference)
      return difference;
  }
  return NULL;
}

static char *
compare_elements (const char *name, JsonNode *first, JsonNode *second)
{
  JsonArray *a = json_node_get_array (first), *b = json_node_get_array (second);
  guint n_a = json_array_get_length (a), n_b = json_array_get_length (b);
  for (guint i = 0; i < MIN (n_a, n_b); i++) {
    g_autofree char *full = g_strdup_printf ("%s[%u]", name, i);
    char *difference = compare (full, json_array_get_element (a, i), json_array_get_element (b, i));
    if (difference)
      return difference;
  }
  return n_a == n_b ? NULL : g_strdup_printf ("%s has %u elements in the first and %u in the second", name, n_a, n_b);
}

static char *
compare (const char *name, JsonNode *first, JsonNode *second)
{
  if (first && second && json_node_get_node_type (first) == json_node_get_node_type (second)) {
    if (JSON_NODE_HOLDS_OBJECT (first))
      return compare_members (name, first, second);
    if (JSON_NODE_HOLDS_ARRAY (first))
      return compare_elements (name, first, second);
  }
  g_autofree char *a = print (first), *b = print (second);
  return g_str_equal (a, b) ? NULL : g_strdup_printf ("%s is %s in the first and %s in the second", name, a, b);
}

char *
nddr_config_difference (const NddrConfig *first, const NddrConfig *second)
{
  g_autofree char *a = nddr_config_to_json (first), *b = nddr_config_to_json (second);
  g_autoptr (JsonNode) one = nddr_json_parse_object (a, strlen (a), "config", NULL);
  g_autoptr (JsonNode) other = nddr_json_parse_object (b, strlen (b), "config", NULL);
  return compare ("", one, other);
}
