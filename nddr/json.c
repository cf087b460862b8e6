/* JSON from files that nobody vouches for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/json.h>
#include <nddr/error.h>

#include <string.h>

/* Nothing that we read nests deeper than six; json-glib's parser uses the stack for each level. */
#define MAX_DEPTH 16
/* json-glib takes some hundred bytes for each, and the largest models' headers have some ten thousand. */
#define MAX_VALUES 500000

/* json-glib forgives comments, single quotes and what follows the first value.  What it skips we cannot count brackets in, so we do not forgive. */
static gboolean
check_structure (const char *text, gsize length, const char *what, GError **error)
{
  int depth = 0;
  gsize values = 0;
  gboolean in_string = FALSE, ended = FALSE;

  for (gsize i = 0; i < length; i++) {
    char c = text[i];

    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = FALSE;
      continue;
    }
    if (ended && !g_ascii_isspace (c))
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": something follows the object", what, i);
    if ((c == ',' || c == '{' || c == '[') && ++values > MAX_VALUES) {
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": more than %d values", what, i, MAX_VALUES);
    }
    if (c == '"') {
      in_string = TRUE;
    } else if (c == '{' || c == '[') {
      if (++depth > MAX_DEPTH)
        return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": nested deeper than %d levels", what, i, MAX_DEPTH);
    } else if (c == '}' || c == ']') {
      ended = --depth <= 0;
    } else if (c == '\0' || !strchr (" \t\r\n:,+-.0123456789Eaeflnrstu", c)) {
      return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": a character that JSON does not have there (0x%02x)", what, i, (guint8) c);
    }
  }
  return TRUE;
}

typedef struct
{
  GHashTable *members; /* JsonObject -> how many members were read into it */
  char *twice;
} Duplicates;

/* A second member of one name replaces the first: the object then has fewer members than were read. */
static void
count_member (JsonParser *parser, JsonObject *object, const char *name, gpointer user_data)
{
  Duplicates *duplicates = user_data;
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (duplicates->members, object)) + 1;

  g_hash_table_insert (duplicates->members, object, GUINT_TO_POINTER (n));
  if (n > json_object_get_size (object) && duplicates->twice == NULL)
    duplicates->twice = g_strdup (name);
}

JsonNode *
nddr_json_parse_object (const char *text, gsize length, const char *what, GError **error)
{
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) json_error = NULL;
  g_autofree char *twice = NULL;
  Duplicates duplicates = { NULL, NULL };
  JsonNode *root;
  gboolean ok;

  if (!g_utf8_validate_len (text, length, NULL)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: is not UTF-8", what);
    return NULL;
  }
  if (!check_structure (text, length, what, error))
    return NULL;

  parser = json_parser_new ();
  duplicates.members = g_hash_table_new (NULL, NULL);
  g_signal_connect (parser, "object-member", G_CALLBACK (count_member), &duplicates);
  ok = json_parser_load_from_data (parser, text, length, &json_error);
  g_hash_table_unref (duplicates.members);
  twice = duplicates.twice;
  if (!ok) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: is not JSON: %s", what, json_error->message);
    return NULL;
  }
  if (twice != NULL) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: names \"%s\" twice", what, twice);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: expected a JSON object { … }", what);
    return NULL;
  }
  return json_parser_steal_root (parser);
}
