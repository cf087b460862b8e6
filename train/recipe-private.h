/* A recipe's inside: what its parts share.  recipe.c has the table of its keys and all that walks it, recipe-values.c keys' values as text,
 * recipe-read.c files and --set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/recipe.h>

G_BEGIN_DECLS

/** Of a key; its field is a char *, gint64, double, gboolean, int, NddrSize, double[2]. */
typedef enum { NDDR_KEY_TEXT, NDDR_KEY_INTEGER, NDDR_KEY_REAL, NDDR_KEY_FLAG, NDDR_KEY_CHOICE, NDDR_KEY_SIZE, NDDR_KEY_RANGE } NddrRecipeKeyKind;

/** A row of the table. */
typedef struct
{
  const char *section, *name;
  NddrRecipeKeyKind kind;
  gsize offset;
  const char *initial;
  double min, max;     /* INTEGER, REAL, RANGE */
  const char *choices; /* CHOICE: by comma; the value is the index */
  gboolean free;       /* may differ between a run and its resumption */
} NddrRecipeKey;

/* ---- recipe.c */

/** (transfer full): every key has its initial value. */
NddrRecipe *nddr_recipe_new (void);
gboolean nddr_recipe_has_section (const char *section);
/** Sets @error: there is no such section. Returns FALSE. */
gboolean nddr_recipe_fail_section (const char *section, GError **error);
/** NULL: there is none. */
const NddrRecipeKey *nddr_recipe_find_key (const char *section, const char *name);
/** (transfer full): names of [model] @tasks, each once, without their kinds. */
char **nddr_recipe_names_of (const char *tasks);
/** (transfer full): the names of @recipe's tasks. */
char **nddr_recipe_task_names (const NddrRecipe *recipe);
/** Sets a key or a task's weight. Unknown names are errors that say the nearest.
 * @weighted: names of tasks that [loss] may have weights of: in a file its own and those that replace them */
gboolean nddr_recipe_set_by_name (NddrRecipe *recipe, const char *const *weighted, const char *section, const char *name, const char *text, GError **error);

/* ---- recipe-values.c */

/** Where @recipe has @key's value. */
gpointer nddr_recipe_field (const NddrRecipe *recipe, const NddrRecipeKey *key);
/** Sets @error: a key's value is not what is expected there. Returns FALSE. */
gboolean nddr_recipe_fail (GError **error, const char *section, const char *name, const char *value, const char *format, ...) G_GNUC_PRINTF (5, 6);
/** A number that is all of @text. */
gboolean nddr_recipe_parse_number (const char *text, double *number);
/** "a;b;…", blanks allowed too: exactly @n numbers. */
gboolean nddr_recipe_parse_numbers (const char *text, int n, double *numbers);
/** Text to value. What @key does not allow is an error, and changes nothing. */
gboolean nddr_recipe_set_value (NddrRecipe *recipe, const NddrRecipeKey *key, const char *text, GError **error);
/** (transfer full): the shortest text that reads back as the same number. */
char *nddr_recipe_print_number (double number);
/** (transfer full): a value as text, which nddr_recipe_set_value() reads back. */
char *nddr_recipe_print_value (const NddrRecipe *recipe, const NddrRecipeKey *key);

G_END_DECLS
