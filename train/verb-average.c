/* nddr average: one model of several.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/average.h>
#include <train/verb.h>

int
nddr_verb_average (int argc, char **argv)
{
  g_autofree char *output = NULL;
  gboolean half = FALSE;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The model to write (required)", "MODEL" },
    { "half", 0, 0, G_OPTION_ARG_NONE, &half, "Store it as fp16", NULL },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "MODEL MODEL...",
          "Writes the mean of several models' weights.\n\n"
          "Models that went on from one, with other data, seeds or rates, are often better together than each alone, at no cost when they are used; see how "
          "it does with nddr eval.",
          entries, 2, -1)
      || !nddr_verb_check_output ("average", output, "MODEL", argv[1]))
    return NDDR_EXIT_USAGE;
  for (int i = 2; i < argc; i++)
    if (!nddr_verb_check_distinct ("average", "-o", output, argv[i]))
      return NDDR_EXIT_USAGE;
  g_autoptr (GPtrArray) models = g_ptr_array_new_with_free_func ((GDestroyNotify) nddr_model_unref);
  for (int i = 1; i < argc; i++) {
    NddrModel *model = nddr_model_load (argv[i], &error);
    if (!model)
      return nddr_verb_fail ("average", error);
    g_ptr_array_add (models, model);
  }
  g_autoptr (NddrModel) mean = nddr_average_models ((NddrModel *const *) models->pdata, (const char *const *) argv + 1, models->len, &error);
  if (!mean || !nddr_model_save (mean, output, half ? NDDR_STORE_F16 : NDDR_STORE_F32, &error))
    return nddr_verb_fail ("average", error);
  return NDDR_EXIT_DONE;
}
