/* Values of a recipe's keys: read from text, within what their keys allow, and printed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/recipe-private.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

gpointer
nddr_recipe_field (const NddrRecipe *recipe, const NddrRecipeKey *key)
{
  return (char *) recipe + key->offset;
}

gboolean
nddr_recipe_fail (GError **error, const char *section, const char *name, const char *value, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *expected = g_strdup_vprintf (format, args);
  va_end (args);
  return nddr_fail (error, NDDR_ERROR_ARGUMENT, "[%s] %s is \"%s\": expected %s", section, name, value, expected);
}

gboolean
nddr_recipe_parse_number (const char *text, double *number)
{
  char *end = NULL;
  *number = g_ascii_strtod (text, &end);
  return end != text && *end == '\0' && isfinite (*number);
}

gboolean
nddr_recipe_parse_numbers (const char *text, int n, double *numbers)
{
  g_auto (GStrv) words = g_strsplit_set (text, "; ", -1);
  int found = 0;
  for (int i = 0; words[i]; i++) {
    if (words[i][0] == '\0')
      continue;
    if (found == n || !nddr_recipe_parse_number (words[i], &numbers[found++]))
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

gboolean
nddr_recipe_set_value (NddrRecipe *recipe, const NddrRecipeKey *key, const char *text, GError **error)
{
  gpointer at = nddr_recipe_field (recipe, key);
  double number = 0, pair[2];
  NddrSize size;
  int choice;
  switch (key->kind) {
    case NDDR_KEY_TEXT:
      g_free (*(char **) at);
      *(char **) at = g_strdup (text);
      return TRUE;
    case NDDR_KEY_INTEGER:
      if (!nddr_recipe_parse_number (text, &number) || number != floor (number) || number < key->min || number > key->max)
        return nddr_recipe_fail (error, key->section, key->name, text, "a whole number from %.0f to %.0f", key->min, key->max);
      *(gint64 *) at = number;
      return TRUE;
    case NDDR_KEY_REAL:
      if (!nddr_recipe_parse_number (text, &number) || number < key->min || number > key->max)
        return nddr_recipe_fail (error, key->section, key->name, text, "a number from %g to %g", key->min, key->max);
      *(double *) at = number;
      return TRUE;
    case NDDR_KEY_FLAG:
      if (!g_str_equal (text, "true") && !g_str_equal (text, "false"))
        return nddr_recipe_fail (error, key->section, key->name, text, "true or false");
      *(gboolean *) at = text[0] == 't';
      return TRUE;
    case NDDR_KEY_CHOICE:
      if ((choice = find_choice (key->choices, text)) < 0)
        return nddr_recipe_fail (error, key->section, key->name, text, "one of %s", key->choices);
      *(int *) at = choice;
      return TRUE;
    case NDDR_KEY_SIZE:
      if (!parse_size (text, &size) || MIN (size.width, size.height) < key->min || MAX (size.width, size.height) > key->max)
        return nddr_recipe_fail (error, key->section, key->name, text, "WIDTHxHEIGHT, each from %.0f to %.0f", key->min, key->max);
      *(NddrSize *) at = size;
      return TRUE;
    case NDDR_KEY_RANGE:
      if (!nddr_recipe_parse_numbers (text, 2, pair) || pair[0] < key->min || pair[1] > key->max || pair[0] > pair[1])
        return nddr_recipe_fail (error, key->section, key->name, text, "two numbers from %g to %g, the smaller first, as in %s",
            key->min, key->max, key->initial);
      memcpy (at, pair, sizeof pair);
      return TRUE;
  }
  return FALSE;
}

char *
nddr_recipe_print_number (double number)
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

char *
nddr_recipe_print_value (const NddrRecipe *recipe, const NddrRecipeKey *key)
{
  gpointer at = nddr_recipe_field (recipe, key);
  switch (key->kind) {
    case NDDR_KEY_TEXT:
      return g_strdup (*(char **) at);
    case NDDR_KEY_INTEGER:
      return g_strdup_printf ("%" G_GINT64_FORMAT, *(gint64 *) at);
    case NDDR_KEY_REAL:
      return nddr_recipe_print_number (*(double *) at);
    case NDDR_KEY_FLAG:
      return g_strdup (*(gboolean *) at ? "true" : "false");
    case NDDR_KEY_CHOICE: {
      g_auto (GStrv) names = g_strsplit (key->choices, ",", -1);
      return g_strdup (names[*(int *) at]);
    }
    case NDDR_KEY_SIZE:
      return g_strdup_printf ("%dx%d", ((NddrSize *) at)->width, ((NddrSize *) at)->height);
    case NDDR_KEY_RANGE:
    default: {
      g_autofree char *low = nddr_recipe_print_number (((double *) at)[0]), *high = nddr_recipe_print_number (((double *) at)[1]);
      return g_strconcat (low, ";", high, NULL);
    }
  }
}
