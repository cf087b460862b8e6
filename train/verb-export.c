/* nddr export: a model for other runtimes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/onnx.h>
#include <train/verb.h>

int
nddr_verb_export (int argc, char **argv)
{
  g_autofree char *output = NULL;
  const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The ONNX file to write (required)", "FILE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "MODEL",
          "Writes a model as ONNX, operator set " G_STRINGIFY (NDDR_ONNX_OPSET) ".\n\n"
          "Input \"image\": float32 [batch, 3, height, width], red, green and blue in [0, 1], of any size from 32 x 32; normalising is part of the "
          "graph.  Outputs: for each task, by its name, float32 [batch, channels, head_height, head_width]: what its head gives, before upsampling.",
          entries, 1, 1)
      || !nddr_verb_check_output ("export", output, "FILE", argv[1]))
    return NDDR_EXIT_USAGE;
  g_autoptr (NddrModel) model = nddr_model_load (argv[1], &error);
  if (!model || !nddr_onnx_write (model, output, &error))
    return nddr_verb_fail ("export", error);
  return NDDR_EXIT_DONE;
}
