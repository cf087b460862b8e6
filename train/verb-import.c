/* nddr import: a model from other people's weights.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/import.h>
#include <train/classes.h>
#include <train/verb.h>

#include <string.h>

int
nddr_verb_import (int argc, char **argv)
{
  g_autofree char *output = NULL, *tasks = NULL, *classes_path = NULL, *input = NULL, *about = NULL;
  g_auto (GStrv) sets = NULL;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The model to write (required)", "MODEL" },
    { "tasks", 0, 0, G_OPTION_ARG_STRING, &tasks, "What its heads answer, in order; default: by their channels, or segmentation;normal", "NAME[:KIND];..." },
    { "classes", 0, 0, G_OPTION_ARG_FILENAME, &classes_path, "Classes of a segmentation, lines `name #rrggbb'; default: NYU Depth v2's 40", "FILE" },
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "The size that the model runs at by default; 640x480", "WxH" },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &sets, "For a backbone: a key of [model] in a training configuration; may be repeated", "model.KEY=VALUE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  guint width = 0, height = 0, n_classes = 0;
  NddrClass *classes = NULL;
  if (!nddr_verb_parse (&argc, &argv, "FILE",
          "Makes a model of PyTorch weights in a safetensors file.\n\n"
          "FILE: the PyTorch port of NDDR-CNN (net1.*, net2.*, nddrs.*; or one of its networks alone), or a backbone with torchvision's names "
          "(VGG-16 with or without batch normalisation, MobileNet V2, ResNet-18, -50 and -101).  A backbone becomes one trunk with new heads, to be "
          "trained.",
          entries, 1, 1)
      || !nddr_verb_check_output ("import", output, "MODEL", argv[1])
      || (classes_path && !nddr_verb_check_distinct ("import", "-o", output, classes_path)) || !nddr_verb_parse_size ("import", input, &width, &height))
    return NDDR_EXIT_USAGE;
  for (guint i = 0; sets && sets[i]; i++) {
    if (!g_str_has_prefix (sets[i], "model."))
      return nddr_verb_misuse ("import", "--set %s: expected model.KEY=VALUE", sets[i]);
    if ((tasks && g_str_has_prefix (sets[i], "model.tasks=")) || (input && g_str_has_prefix (sets[i], "model.input=")))
      return nddr_verb_misuse ("import", "--set %s: an option says that already", sets[i]);
  }
  if (classes_path) {
    classes = nddr_classes_read (classes_path, &n_classes, &error);
    if (!classes)
      return nddr_verb_fail ("import", error);
  }
  NddrImportOptions options = { tasks, classes, n_classes, width, height, (const char *const *) sets };
  g_autoptr (NddrModel) model = nddr_import (argv[1], &options, &about, &error);
  if (classes)
    nddr_classes_free (classes, n_classes);
  if (model && classes_path && !nddr_config_has_kind (nddr_model_get_config (model), NDDR_TASK_SEGMENTATION))
    return nddr_verb_misuse ("import", "--classes %s: no task of the model is a segmentation", classes_path);
  if (!model || !nddr_model_save (model, output, NDDR_STORE_F32, &error))
    return nddr_verb_fail ("import", error);
  g_auto (GStrv) lines = g_strsplit (about, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    g_printerr ("nddr import: %s\n", lines[i]);
  return NDDR_EXIT_DONE;
}
