/* See fusion-norm.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/fusion-norm.h>
#include <train/loader.h>
#include <train/training.h>

#include <math.h>
#include <nddr/allocate.h>
#include <nddr/gpu/device.h>
#include <string.h>

/* Sums over what one fusion layer gives: [branches][channels]. */
typedef struct
{
  int layer;
  double *sums, *squares;
  gsize n; /* of each sum */
} Statistics;

static void
statistics_clear (gpointer data)
{
  g_free (((Statistics *) data)->sums);
  g_free (((Statistics *) data)->squares);
}

/* Adds a copy of @values as BASE + SUFFIX. */
static gboolean
add_folded (NddrArrays *folded, const char *base, const char *suffix, guint n_dims, const gint64 *dims, const float *values, GError **error)
{
  g_autofree char *name = g_strconcat (base, suffix, NULL);
  NddrArray *array = nddr_array_try_new (name, n_dims, dims, error);
  if (!array)
    return FALSE;
  memcpy (array->data, values, array->n_elements * sizeof (float));
  nddr_arrays_take (folded, array);
  return TRUE;
}

/* A copy of the network whose layers have their normalisation folded into weight and bias, which go to @folded by name. */
static NddrNetwork *
fold_network (const NddrStart *start, NddrArrays *folded, GError **error)
{
  g_autoptr (NddrNetwork) network = nddr_network_new (start->config, start->tensors, NULL, error);
  for (guint i = 0; network && i < network->layers->len; i++) {
    NddrLayer *layer = nddr_network_layer (network, i);
    if (layer->kind != NDDR_LAYER_CONVOLUTION && layer->kind != NDDR_LAYER_DEPTHWISE)
      continue;
    gint64 out = nddr_network_value (network, layer->output)->channels;
    gint64 in = layer->kind == NDDR_LAYER_DEPTHWISE ? 1 : nddr_network_in_channels (network, layer);
    const gint64 dims[4] = { out, in, layer->kernel, layer->kernel };
    gsize n = out * in * layer->kernel * layer->kernel;
    g_autofree float *weight = nddr_try_alloc (n * layer->branches, sizeof *weight, "a layer's weights", error), *bias = NULL;
    if (!weight || !(bias = nddr_try_alloc (out * layer->branches, sizeof *bias, "a layer's biases", error)))
      return NULL;
    nddr_network_fold (network, layer, start->tensors, weight, bias);
    for (int b = 0; b < layer->branches; b++) {
      if (!add_folded (folded, layer->names[b], ".weight", 4, dims, weight + b * n, error)
          || !add_folded (folded, layer->names[b], ".bias", 1, dims, bias + b * out, error))
        return NULL;
      layer->has_bias[b] = TRUE;
      layer->has_norm[b] = FALSE;
    }
    layer->bias = TRUE;
    layer->norm = FALSE;
  }
  return g_steal_pointer (&network);
}

/* Adds what the layer's map holds of the first @n_samples pictures. */
static gboolean
add_map (Statistics *s, NddrProgram *program, const NddrTensor *map, guint n_samples, GError **error)
{
  g_autofree float *data = nddr_try_alloc (map->bytes, 1, "a layer's map", error);
  if (!data || !nddr_program_read (program, map, 0, data, map->bytes, error))
    return FALSE;
  gsize pixels = (gsize) map->batch * map->height * map->width, counted = (gsize) n_samples * map->height * map->width;
  for (int b = 0; b < map->branches; b++)
    for (gsize p = 0; p < counted; p++) {
      const float *x = data + (b * pixels + p) * map->stride;
      for (int c = 0; c < map->channels; c++) {
        s->sums[b * map->channels + c] += x[c];
        s->squares[b * map->channels + c] += (double) x[c] * x[c];
      }
    }
  s->n += counted;
  return TRUE;
}

/* Of the branches that started anew: the others' normalisations are what they were trained to be. */
static void
set_norm (const Statistics *s, NddrStart *start)
{
  const NddrLayer *layer = nddr_network_layer (start->network, s->layer);
  int channels = nddr_network_value (start->network, layer->output)->channels;
  for (int b = 0; b < layer->branches; b++) {
    if (!(start->fresh[s->layer] & nddr_start_bit (b)))
      continue;
    g_autofree char *scale_name = g_strconcat (layer->norms[b], ".weight", NULL), *shift_name = g_strconcat (layer->norms[b], ".bias", NULL);
    g_autofree char *mean_name = g_strconcat (layer->norms[b], ".running_mean", NULL);
    g_autofree char *var_name = g_strconcat (layer->norms[b], ".running_var", NULL);
    NddrArray *scale = nddr_arrays_find (start->tensors, scale_name), *shift = nddr_arrays_find (start->tensors, shift_name);
    NddrArray *means = nddr_arrays_find (start->tensors, mean_name), *vars = nddr_arrays_find (start->tensors, var_name);
    for (int c = 0; c < channels; c++) {
      double mean = s->sums[b * channels + c] / s->n;
      double var = MAX (s->squares[b * channels + c] / s->n - mean * mean, 0) * s->n / MAX (s->n - 1, 1);
      scale->data[c] = sqrt (var + start->network->norm_eps);
      shift->data[c] = means->data[c] = mean;
      vars->data[c] = var;
    }
  }
}

/* @limit pictures through the program, batch by batch. */
static gboolean
run (NddrProgram *program, const NddrTraining *training, NddrLoader *loader, guint64 limit, GArray *statistics, GError **error)
{
  guint64 done = 0;
  while (done < limit) {
    g_autoptr (GError) problem = NULL;
    NddrBatch *batch = nddr_loader_next (loader, &problem);
    if (!batch && problem) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    if (!batch)
      return TRUE;
    guint n_samples = batch->n_samples; /* what fills up a last batch is no picture */
    memcpy (nddr_program_map (program, training->image, 0), batch->image, training->image->bytes);
    nddr_loader_return (loader, batch);
    gboolean fine = nddr_program_run (program, 1 << NDDR_TRAINING_PACK | 1 << NDDR_TRAINING_FORWARD, error);
    for (guint i = 0; fine && i < statistics->len; i++) {
      Statistics *s = &g_array_index (statistics, Statistics, i);
      fine = add_map (s, program, training->raw[s->layer], n_samples, error);
    }
    if (!fine)
      return FALSE;
    done += n_samples;
  }
  return TRUE;
}

/* The program that runs *batch pictures; fewer, and still a divisor, where so many do not fit the device. */
static NddrProgram *
make_program (NddrDevice *device, const NddrNetwork *network, const NddrConfig *config, const NddrRecipe *recipe, guint *batch, NddrTraining **training,
    GError **error)
{
  for (guint n = *batch; n > 0; n--) {
    if (*batch % n != 0)
      continue;
    g_autoptr (GError) problem = NULL;
    NddrTrainingOptions options = { .batch = n, .width = recipe->input.width, .height = recipe->input.height };
    g_autoptr (NddrPlan) plan = nddr_plan_new (nddr_device_get_traits (device));
    g_autoptr (NddrTraining) made = nddr_training_append (plan, network, config, &options, &problem);
    gboolean fine = made && nddr_plan_finish (plan, &problem);
    NddrProgram *program = fine ? nddr_program_new (device, g_steal_pointer (&plan), 1, &problem) : NULL;
    if (program) {
      *batch = n;
      *training = g_steal_pointer (&made);
      return program;
    }
    if (n == 1 || !(g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_UNSUPPORTED) || g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_NO_MEMORY))) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  }
  g_assert_not_reached ();
}

gboolean
nddr_fusion_norm_measure (NddrDevice *device, NddrStart *start, const NddrRecipe *recipe, guint batch, NddrDataset *dataset, GError **error)
{
  g_autoptr (GArray) statistics = g_array_new (FALSE, FALSE, sizeof (Statistics));
  g_array_set_clear_func (statistics, statistics_clear);
  for (guint i = 0; i < start->network->layers->len; i++) {
    const NddrLayer *layer = nddr_network_layer (start->network, i);
    gsize n = (gsize) layer->branches * nddr_network_value (start->network, layer->output)->channels;
    if (layer->role == NDDR_ROLE_FUSION && layer->norm && start->fresh[i])
      g_array_append_vals (statistics, &(Statistics){ i, g_new0 (double, n), g_new0 (double, n), 0 }, 1);
  }
  if (statistics->len == 0)
    return TRUE;

  g_autoptr (NddrArrays) folded = nddr_arrays_new ();
  g_autoptr (NddrNetwork) network = fold_network (start, folded, error);
  if (!network)
    return FALSE;
  g_autoptr (NddrTraining) training = NULL;
  g_autoptr (NddrProgram) program = make_program (device, network, start->config, recipe, &batch, &training, error);
  if (!program || !nddr_parameters_write (training->parameters, program, NDDR_PARAMETERS_VALUES, folded, "", error))
    return FALSE;

  NddrLoaderOptions loading = { .batch = batch };
  nddr_augment_plain (&loading.augment, recipe->input.width, recipe->input.height, start->config->mean, start->config->std);
  g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &loading);
  guint64 size = nddr_dataset_size (dataset), limit = size < recipe->batch ? size : size / recipe->batch * recipe->batch; /* whole batches of the recipe's */
  if (!run (program, training, loader, limit, statistics, error))
    return FALSE;
  for (guint i = 0; i < statistics->len; i++)
    set_norm (&g_array_index (statistics, Statistics, i), start);
  return TRUE;
}
