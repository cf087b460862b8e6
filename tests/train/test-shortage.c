/* Where memory is short, what takes as much as files and settings say ends with an error, whenever that is: in each place that asks for such a piece.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"
#include "fixture.h"
#include "shortage.h"

#include <errno.h>
#include <nddr/model.h>
#include <string.h>
#include <train/average.h>
#include <train/evaluate.h>
#include <train/fusion-norm.h>
#include <train/learner.h>
#include <train/onnx.h>
#include <train/synth/synth.h>

#define CONFIG "{\"backbone\":\"mobilenet_v2\",\"fusion\":\"nddr\",\"width\":0.125,\"head_width\":0.03125,\"output_stride\":16," \
  "\"input\":{\"width\":64,\"height\":48,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}," \
  "\"tasks\":[{\"name\":\"normal\",\"kind\":\"normal\"},{\"name\":\"depth\",\"kind\":\"depth\"}]}"
#define BATCH 2
#define PLACES 10 /* that are tried of many, about */

static char *folder;
static NddrModel *model;
static NddrDevice *device;
static NddrRecipe *recipe;
static NddrDataset *dataset;
static NddrStart *begun;
static NddrLearner *learner;

static gboolean
make_picture (GError **error)
{
  g_autoptr (NddrSample) sample = nddr_synth_picture (1, 0, 64, 48, error);
  return sample != NULL;
}

static gboolean
open_dataset (GError **error)
{
  g_autoptr (NddrDataset) opened = nddr_dataset_open ("synth:1,1000,64x48", "train", error);
  return opened != NULL;
}

static NddrLoader *
new_loader (NddrLoaderOptions options)
{
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  options.batch = BATCH;
  options.labels = NDDR_LABELS_ALL;
  options.threads = 1;
  nddr_augment_plain (&options.augment, 64, 48, mean, std);
  return nddr_loader_new (dataset, &options);
}

static gboolean
make_batch (GError **error)
{
  g_autoptr (NddrLoader) loader = new_loader ((NddrLoaderOptions) { .cutmix = 1, .prefetch = 1 });
  return nddr_loader_next (loader, error) != NULL;
}

/* Of three batches that were to be made ahead there is memory for one: that is enough to go on. */
static void
test_fewer_ahead (void)
{
  g_autoptr (GError) error = NULL;
  shortage_set_here (5);
  g_autoptr (NddrLoader) loader = new_loader ((NddrLoaderOptions) { .repeat = TRUE, .prefetch = 3 });
  for (guint i = 0; i < 5; i++) {
    NddrBatch *batch = nddr_loader_next (loader, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (batch->number, ==, i);
    nddr_loader_return (loader, batch);
  }
  g_assert_cmpuint (shortage_count (), >, 5);
  shortage_set (G_MAXUINT);
}

static gboolean
make_metrics (GError **error)
{
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, error);
  return metrics && nddr_metrics_score_as_published (metrics, error);
}

static gboolean
average (GError **error)
{
  NddrModel *models[] = { model, model };
  static const char *const names[] = { "one", "two" };
  g_autoptr (NddrModel) mean = nddr_average_models (models, names, 2, error);
  return mean != NULL;
}

static gboolean
start (GError **error)
{
  g_autoptr (NddrStart) made = nddr_start_new (nddr_config_copy (nddr_model_get_config (model)), recipe, NULL, error);
  return made != NULL;
}

static gboolean
measure (GError **error)
{
  return nddr_fusion_norm_measure (device, begun, recipe, recipe->batch, dataset, error);
}

static gboolean
keep_and_go_on (GError **error)
{
  g_autoptr (NddrArrays) tensors = nddr_arrays_new ();
  return nddr_learner_read (learner, TRUE, tensors, error) && nddr_learner_restore (learner, tensors, error);
}

static gboolean
learn (GError **error)
{
  g_autoptr (NddrLearner) made = nddr_learner_new (device, NULL, NULL, begun, recipe, error);
  return made != NULL;
}

static gboolean
evaluate (GError **error)
{
  NddrEvaluateOptions options = { .precision = NDDR_PRECISION_FP32, .paper = TRUE };
  g_autoptr (NddrMetrics) metrics = nddr_evaluate (device, model, dataset, &options, NULL, error);
  return metrics != NULL;
}

/* Errors of writing are of the file. */
static gboolean
write_onnx (GError **error)
{
  g_autofree char *path = g_build_filename (folder, "a.onnx", NULL);
  g_autoptr (GError) problem = NULL;
  if (nddr_onnx_write (model, path, &problem))
    return TRUE;
  g_assert_error (problem, NDDR_ERROR, NDDR_ERROR_FILE);
  g_assert_nonnull (strstr (problem->message, g_strerror (ENOMEM)));
  g_set_error_literal (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY, problem->message);
  return FALSE;
}

typedef struct
{
  const char *name;
  gboolean (*work) (GError **error);
  guint least;    /* pieces that it asks for */
  gboolean yields; /* it may go on with less */
} Case;

static const Case cases[] = {
  { "/shortage/synthetic-picture", make_picture, 9 },
  { "/shortage/dataset", open_dataset, 1 },
  { "/shortage/batch", make_batch, 45 }, /* one for the order, four for the batch, four for each box, and eight for each picture and its labels */
  { "/shortage/metrics", make_metrics, 3 },
  { "/shortage/average", average, 100 },
  { "/shortage/start", start, 50 },
  { "/shortage/fusion-norm", measure, 100 },
  { "/shortage/learner", learn, 2 },
  { "/shortage/checkpoint", keep_and_go_on, 100 },
  { "/shortage/evaluate", evaluate, 50, TRUE },
  { "/shortage/onnx", write_onnx, 50 },
};

static void
test_shortage (gconstpointer data)
{
  const Case *this = data;
  g_autoptr (GError) problem = NULL;
  shortage_set (G_MAXUINT);
  this->work (&problem);
  guint n = shortage_count ();
  g_assert_no_error (problem);
  g_test_message ("%s asks for %u pieces", this->name, n);
  g_assert_cmpuint (n, >=, this->least);
  for (guint i = 0, step = MAX (n / PLACES, 1); i < n + step; i += step) {
    g_autoptr (GError) error = NULL;
    shortage_set (MIN (i, n - 1));
    gboolean fine = this->work (&error);
    shortage_set (G_MAXUINT);
    if (fine && this->yields && i > 0)
      continue;
    g_assert_false (fine);
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_NO_MEMORY);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autoptr (GError) error = NULL;
  const char *const sets[] = { "model.tasks=normal;depth", "model.input=64x48", "data.crop=64x48", "train.batch=2", "train.optimizer=adamw", NULL };
  NddrConfig *config = nddr_config_parse (CONFIG, &error);
  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, trunk_affine_from_name ("norm"), TRUE), &error);
  g_assert_no_error (error);
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  recipe = nddr_recipe_load (NULL, sets, &error);
  g_assert_no_error (error);
  folder = fixture_folder ();
  fixture_write_splits (folder, BATCH, 0);
  g_autofree char *spec = g_strdup_printf ("folder:%s", folder);
  dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  begun = nddr_start_new (nddr_config_copy (nddr_model_get_config (model)), recipe, NULL, &error);
  g_assert_no_error (error);
  learner = nddr_learner_new (device, NULL, NULL, begun, recipe, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].name, &cases[i], test_shortage);
  g_test_add_func ("/shortage/fewer-ahead", test_fewer_ahead);
  int status = g_test_run ();
  nddr_learner_free (learner);
  nddr_start_free (begun);
  nddr_dataset_free (dataset);
  nddr_recipe_free (recipe);
  nddr_model_unref (model);
  nddr_device_unref (device);
  fixture_remove (folder);
  return status;
}
