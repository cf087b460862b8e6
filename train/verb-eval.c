/* nddr eval: a model's scores on a data set.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/evaluate.h>
#include <train/progress.h>
#include <train/report.h>
#include <train/verb.h>

#include <stdio.h>

static void
show (guint done, guint total, gpointer user_data)
{
  nddr_progress_update (user_data, done, total, "pictures");
}

/* Numbers by name, indented under what they belong to. */
static void
print_scores (const char *name, JsonNode *node, int depth)
{
  if (JSON_NODE_HOLDS_VALUE (node)) {
    printf ("%*s%-18s %.4f\n", depth * 2, "", name, json_node_get_double (node));
    return;
  }
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    printf ("%*s%-18s no pixels\n", depth * 2, "", name);
    return;
  }
  JsonObjectIter iter;
  const char *member;
  JsonNode *value;
  if (name)
    printf ("%*s%s\n", depth * 2, "", name);
  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &member, &value))
    print_scores (member, value, depth + (name != NULL));
}

/* Of any task. */
static gboolean
has_labels (const NddrConfig *config, const NddrDataset *dataset)
{
  NddrLabels labels = nddr_dataset_labels (dataset);
  for (guint t = 0; t < config->n_tasks; t++)
    if (labels & NDDR_LABEL (config->tasks[t].kind))
      return TRUE;
  return FALSE;
}

int
nddr_verb_eval (int argc, char **argv)
{
  g_autofree char *input = NULL, *which = NULL, *precision = NULL, *page = NULL;
  gboolean json = FALSE, skip = FALSE;
  NddrEvaluateOptions options = { 0 };
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    { "paper", 0, 0, G_OPTION_ARG_NONE, &options.paper, "Score normals also as the published code does: TASK_paper, angles of 8-bit codes", NULL },
    { "skip-broken", 0, 0, G_OPTION_ARG_NONE, &skip, "Leave out samples whose files are broken, and say which; else they are an error", NULL },
    { "report", 0, 0, G_OPTION_ARG_FILENAME, &page, "Also write a report, one HTML file", "FILE" },
    { "input", 0, 0, G_OPTION_ARG_STRING, &input, "The network's input size; default: the model's", "WxH" },
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision, "auto, fp32 or fp16", "PRECISION" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &which, "Index or part of a name, as nddr devices lists them", "DEVICE" },
    { NULL },
  };
  g_autoptr (GError) error = NULL;
  if (!nddr_verb_parse (&argc, &argv, "MODEL DATASET",
          "Scores a model on a data set: folder:DIR[,SPLIT], nddr:DIR,LIST, nyuv2:FILE.mat[,SPLIT][,CLASSES] or\nsynth:SEED,COUNT,WxH, joined by +.",
          entries, 2, 2)
      || !nddr_verb_parse_size ("eval", input, &options.width, &options.height)
      || !nddr_verb_parse_precision ("eval", precision, &options.precision)
      || (page && !nddr_verb_check_distinct ("eval", "--report", page, argv[1])))
    return NDDR_EXIT_USAGE;
  g_autoptr (NddrModel) model = nddr_model_load (argv[1], &error);
  if (!model)
    return nddr_verb_fail ("eval", error);
  if (options.paper && !nddr_config_has_kind (nddr_model_get_config (model), NDDR_TASK_NORMAL))
    return nddr_verb_misuse ("eval", "--paper is about normals, and %s has no such task", argv[1]);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (argv[2], "val", &error);
  if (!dataset)
    return nddr_verb_fail ("eval", error);
  if (!has_labels (nddr_model_get_config (model), dataset)) {
    g_printerr ("nddr eval: %s has no labels of the tasks of %s: expected segmentation, normal or depth labels, to score it by\n", argv[2], argv[1]);
    return NDDR_EXIT_FAILED;
  }
  nddr_dataset_set_skip (dataset, skip);
  g_autoptr (NddrDevice) device = nddr_device_open (which, &error);
  if (!device)
    return nddr_verb_fail ("eval", error);

  NddrProgress progress;
  nddr_progress_start (&progress, 0);
  options.progress = show;
  options.user_data = &progress;
  g_autoptr (NddrGallery) gallery = page ? nddr_gallery_new (nddr_model_get_config (model), dataset, NDDR_REPORT_PICTURES, NDDR_REPORT_PICTURE_SIZE) : NULL;
  options.gallery = gallery;
  g_autoptr (NddrMetrics) metrics = nddr_evaluate (device, model, dataset, &options, NULL, &error);
  nddr_progress_clear (&progress);
  g_autofree char *broken = NULL;
  guint n_broken = nddr_dataset_count_broken (dataset, &broken);
  if (broken)
    g_printerr ("%snddr eval: skipped %u of %u samples\n", broken, n_broken, nddr_dataset_size (dataset));
  if (!metrics)
    return nddr_verb_fail ("eval", error);
  g_autofree char *title = g_path_get_basename (argv[1]);
  NddrReport report = { .title = title, .model = model, .model_name = argv[1], .data = argv[2], .n_pictures = nddr_dataset_size (dataset) - n_broken,
    .metrics = metrics, .gallery = gallery, .input_width = options.width, .input_height = options.height, .device = nddr_device_get_info (device)->name };
  g_autoptr (JsonNode) scores = nddr_metrics_to_json (metrics);
  g_autofree char *text = json ? json_to_string (scores, TRUE) : NULL;
  if (json)
    puts (text);
  else
    print_scores (NULL, scores, 0);
  return !page || nddr_report_write (page, &report, &error) ? NDDR_EXIT_DONE : nddr_verb_fail ("eval", error);
}
