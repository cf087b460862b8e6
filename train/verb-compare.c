/* nddr compare: runs side by side.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/compare.h>
#include <train/verb.h>

#include <stdio.h>

int
nddr_verb_compare (int argc, char **argv)
{
  g_auto (GStrv) baselines = NULL;
  gboolean json = FALSE, markdown = FALSE, last = FALSE;
  const GOptionEntry entries[] = {
    { "baseline", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &baselines,
        "What gains are relative to; default: the first run.  May be repeated: single-task runs make one baseline together", "RUN" },
    { "last", 0, 0, G_OPTION_ARG_NONE, &last, "Take each run's last validation, not its best one", NULL },
    { "markdown", 0, 0, G_OPTION_ARG_NONE, &markdown, "Print a Markdown table", NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "RUN...",
      "Compares the scores of runs: folders given to nddr train with -o, or files with what nddr eval --json printed.",
          entries, 1, -1))
    return NDDR_EXIT_USAGE;
  if (json && markdown)
    return nddr_verb_misuse ("compare", "--json and --markdown exclude each other");
  g_autoptr (NddrComparison) comparison = nddr_comparison_new ((const char *const *) argv + 1, (const char *const *) baselines, last, &error);
  if (!comparison)
    return nddr_verb_fail ("compare", error);
  g_autoptr (JsonNode) node = json ? nddr_comparison_to_json (comparison) : NULL;
  g_autofree char *text = json ? json_to_string (node, TRUE)
      : markdown               ? nddr_comparison_to_markdown (comparison)
                               : nddr_comparison_to_text (comparison);
  printf (json ? "%s\n" : "%s", text);
  return NDDR_EXIT_DONE;
}
