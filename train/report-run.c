/* A run's report: its best model is scored for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/report.h>

#include <train/checkpoint.h>
#include <train/dataset.h>
#include <train/evaluate.h>

/* The run's best model, or where there is none that of its last checkpoint; *@name says which. */
static NddrModel *
load_model (const NddrRun *run, char **name, GError **error)
{
  g_autofree char *best = g_build_filename (run->folder, "best.safetensors", NULL), *last = g_build_filename (run->folder, "model.safetensors", NULL);
  const NddrValidation *validation = nddr_run_best (run);
  if (!g_file_test (best, G_FILE_TEST_EXISTS)) {
    g_autofree char *path = g_build_filename (run->folder, "checkpoint.safetensors", NULL);
    g_autoptr (NddrCheckpoint) checkpoint = nddr_checkpoint_load (path, NULL);
    *name = checkpoint ? g_strdup_printf ("model.safetensors, of the last checkpoint, step %" G_GINT64_FORMAT, checkpoint->step)
        : g_strdup ("model.safetensors, of the last checkpoint");
    return nddr_model_load (last, error);
  }
  g_autofree char *by = nddr_run_get (run, "train", "best");
  *name = validation ? g_strdup_printf ("best.safetensors, of step %" G_GINT64_FORMAT ", by %s", validation->step,
                           g_str_equal (by, "loss") ? "the validation loss" : by)
      : g_strdup ("best.safetensors");
  return nddr_model_load (best, error);
}

static gboolean
score (NddrDevice *device, NddrReport *report, NddrModel *model, NddrDataset *dataset, const char *path, const NddrReportOptions *options,
    GError **error)
{
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (nddr_model_get_config (model), dataset, NDDR_REPORT_PICTURES, NDDR_REPORT_PICTURE_SIZE);
  NddrEvaluateOptions evaluation = { .precision = NDDR_PRECISION_FP32, .gallery = gallery, .progress = options->progress,
      .user_data = options->user_data };
  g_autoptr (NddrMetrics) metrics = nddr_evaluate (device, model, dataset, &evaluation, NULL, error);
  if (!metrics)
    return FALSE;
  report->metrics = metrics;
  report->gallery = gallery;
  report->n_pictures = nddr_dataset_size (dataset) - nddr_dataset_count_broken (dataset, NULL);
  report->device = nddr_device_get_info (device)->name;
  return nddr_report_write (path, report, error);
}

gboolean
nddr_report_run (NddrDevice *device, const char *folder, const char *path, const NddrReportOptions *options, GError **error)
{
  g_autoptr (NddrRun) run = nddr_run_read (folder, error);
  if (!run)
    return FALSE;
  g_autofree char *absolute = g_canonicalize_filename (folder, NULL), *title = g_path_get_basename (absolute), *name = NULL;
  g_autofree char *data = options->data ? g_strdup (options->data) : nddr_run_get (run, "data", "val");
  g_autoptr (NddrModel) model = load_model (run, &name, error);
  if (!model)
    return FALSE;
  NddrReport report = { .title = title, .run = run, .model = model, .model_name = name, .data = data };
  g_autofree char *own = nddr_run_get (run, "data", "val");
  report.is_other_data = !g_str_equal (data, own);
  if (options->dataset)
    return score (device, &report, model, options->dataset, path, options, error);
  if (*data == '\0')
    return nddr_report_write (path, &report, error);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (data, "val", error);
  if (!dataset)
    return FALSE;
  g_autofree char *broken = nddr_run_get (run, "data", "broken"), *news = NULL;
  nddr_dataset_set_skip (dataset, !g_str_equal (broken, "stop")); /* as the run's validations did */
  gboolean fine = score (device, &report, model, dataset, path, options, error);
  guint n = nddr_dataset_count_broken (dataset, &news);
  if (news)
    g_printerr ("%sskipped %u of %u samples\n", news, n, nddr_dataset_size (dataset));
  return fine;
}
