/* See golden.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include "../network/generator.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <nddr/gpu/device.h>
#include <nddr/model.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static NddrArrays *file;
static NddrDevice *device;
static const char *const *wanted; /* cases; none: all */
static NddrRanks *ranks; /* NULL: one */

void
golden_init (int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  ranks = nddr_ranks_join (&error);
  g_assert_no_error (error);
  if (!nddr_ranks_is_first (ranks) && !freopen ("/dev/null", "w", stdout))
    g_error ("rank %d cannot be silent", ranks->index);
  g_test_init (argc, argv, NULL);
  g_assert_cmpint (*argc, >=, 2);
  wanted = (const char *const *) *argv + 2;
  file = nddr_safetensors_read ((*argv)[1], FALSE, &error);
  g_assert_no_error (error);
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
}

int
golden_run (void)
{
  int status = g_test_run ();
  g_clear_pointer (&device, nddr_device_unref);
  g_clear_pointer (&file, nddr_arrays_free);
  nddr_ranks_leave (ranks, FALSE); /* a test that failed did so on all of them, or mpirun sees the status */
  return status;
}

gboolean
golden_has (const char *name)
{
  g_autofree char *key = g_strconcat (name, ".training", NULL);
  return g_hash_table_contains (file->metadata, key);
}

void
golden_add_tests (const char *prefix, GTestDataFunc func)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (file->metadata), (GCompareFunc) strcmp);
  for (GList *k = keys; k; k = k->next) {
    g_autofree char *training = g_strconcat (k->data, ".training", NULL), *path = g_strconcat ("/", prefix, "/", k->data, NULL);
    if (g_hash_table_lookup (file->metadata, training) && (!wanted[0] || g_strv_contains (wanted, k->data)))
      g_test_add_data_func (path, k->data, func);
  }
}

/* ---- a case */

static const char *
metadata (const char *name, const char *suffix)
{
  g_autofree char *key = g_strconcat (name, suffix, NULL);
  const char *value = g_hash_table_lookup (file->metadata, key);
  g_assert_nonnull (value);
  return value;
}

static void
add_set (GPtrArray *sets, JsonObject *training, const char *member, const char *key)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_ptr_array_add (sets, g_strdup_printf ("%s=%s", key, g_ascii_dtostr (number, sizeof number, json_object_get_double_member (training, member))));
}

/* (transfer full) (nullable): a file with the case's teacher. */
static char *
write_teacher (const char *name)
{
  g_autofree char *key = g_strconcat (name, ".teacher", NULL), *path = NULL;
  const char *json = g_hash_table_lookup (file->metadata, key);
  g_autoptr (GError) error = NULL;
  if (!json)
    return NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  g_assert_no_error (error);
  g_autoptr (NddrModel) model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  int fd = g_file_open_tmp ("nddr-teacher-XXXXXX.safetensors", &path, &error);
  g_assert_no_error (error);
  close (fd);
  nddr_model_save (model, path, NDDR_STORE_F32, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

/* What trained in PyTorch, as a recipe. */
static NddrRecipe *
make_recipe (const NddrConfig *config, JsonObject *training, const char *teacher, const char *const *last_sets)
{
  static const char *const same[] = { "batch", "steps", "lr", "momentum", "bn_momentum", "weight_decay", "lr_fusion", "lr_head_weight",
    "lr_head_bias" };
  g_autoptr (GPtrArray) sets = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) tasks = g_string_new ("model.tasks=");
  g_autoptr (GError) error = NULL;
  JsonArray *weights = json_object_get_array_member (training, "weights");
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  for (guint t = 0; t < config->n_tasks; t++)
    g_string_append_printf (tasks, "%s%s:%s", t ? ";" : "", config->tasks[t].name, nddr_task_kind_name (config->tasks[t].kind));
  g_ptr_array_add (sets, g_strdup (tasks->str));
  for (guint t = 0; t < config->n_tasks; t++)
    g_ptr_array_add (sets, g_strdup_printf ("loss.%s=%s", config->tasks[t].name,
        g_ascii_dtostr (number, sizeof number, json_array_get_double_element (weights, t))));
  for (guint i = 0; i < G_N_ELEMENTS (same); i++) {
    g_autofree char *key = g_strconcat ("train.", same[i], NULL);
    add_set (sets, training, same[i], key);
  }
  if (json_object_has_member (training, "sluice_penalty"))
    add_set (sets, training, "sluice_penalty", "loss.sluice_penalty");
  g_ptr_array_add (sets, g_strdup_printf ("data.crop=%ux%u", config->input_width, config->input_height));
  g_ptr_array_add (sets, g_strdup_printf ("loss.resolution=%s", json_object_get_string_member (training, "resolution")));
  g_ptr_array_add (sets, g_strdup ("train.schedule=constant"));
  g_ptr_array_add (sets, g_strdup ("train.dropout=0"));
  JsonArray *more = json_object_has_member (training, "sets") ? json_object_get_array_member (training, "sets") : NULL;
  for (guint i = 0; more && i < json_array_get_length (more); i++)
    g_ptr_array_add (sets, g_strdup (json_array_get_string_element (more, i)));
  if (teacher)
    g_ptr_array_add (sets, g_strconcat ("distillation.teacher=", teacher, NULL));
  for (int i = 0; last_sets && last_sets[i]; i++)
    g_ptr_array_add (sets, g_strdup (last_sets[i]));
  if (nddr_ranks_are_several (ranks))
    g_ptr_array_add (sets, g_strdup ("train.sync_bn=true"));
  g_ptr_array_add (sets, NULL);
  NddrRecipe *recipe = nddr_recipe_load (NULL, (const char *const *) sets->pdata, &error);
  g_assert_no_error (error);
  return recipe;
}

static void
set_class_weights (NddrLearner *learner, JsonArray *weights)
{
  guint n;
  double *to = nddr_learner_get_class_weights (learner, &n);
  g_assert_cmpuint (n, ==, json_array_get_length (weights));
  for (guint c = 0; c < n; c++)
    to[c] = json_array_get_double_element (weights, c);
}

Golden *
golden_load (const char *name, NddrFamily family)
{
  return golden_load_with (name, family, NULL, 0);
}

Golden *
golden_load_with (const char *name, NddrFamily family, const char *const *sets, guint64 memory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (metadata (name, ".training"), &error);
  g_assert_no_error (error);
  JsonObject *training = json_node_get_object (node);
  Golden *golden = g_new0 (Golden, 1);
  golden->name = name;
  golden->gradient_exponent = json_object_get_int_member (training, "gradient_exponent");
  golden->movement_exponent = json_object_get_int_member (training, "movement_exponent");
  NddrConfig *config = nddr_config_parse (metadata (name, ""), &error);
  g_assert_no_error (error);
  NddrArrays *tensors = generate_model (config, trunk_affine_from_name (metadata (name, ".affine")), TRUE);
  golden->start = nddr_start_new_from_tensors (config, tensors, &error);
  g_assert_no_error (error);
  g_autofree char *teacher = write_teacher (name);
  golden->recipe = make_recipe (config, training, teacher, sets);
  NddrTraits traits = *nddr_device_get_traits (device);
  if (family == NDDR_FAMILY_GPU)
    traits.family = family;
  traits.memory = memory ? memory : traits.memory;
  golden->learner = nddr_learner_new (device, &traits, ranks, golden->start, golden->recipe, &error);
  g_assert_no_error (error);
  if (teacher)
    g_unlink (teacher);
  nddr_learner_broadcast (golden->learner, &error);
  g_assert_no_error (error);
  if (json_object_has_member (training, "epoch"))
    nddr_task_weighting_set_epoch (nddr_learner_get_task_weighting (golden->learner), json_object_get_int_member (training, "epoch"));
  if (json_object_has_member (training, "class_weights"))
    set_class_weights (golden->learner, json_object_get_array_member (training, "class_weights"));
  return golden;
}

void
golden_free (Golden *golden)
{
  nddr_learner_free (golden->learner);
  nddr_start_free (golden->start);
  nddr_recipe_free (golden->recipe);
  g_free (golden);
}

/* ---- ranks */

void
golden_check_alike (const Golden *golden)
{
  const NddrParameters *p = nddr_learner_get_training (golden->learner)->parameters;
  const NddrTensor *wholes[] = { p->params, p->running, p->moment1, p->moment2 };
  for (guint i = 0; nddr_ranks_are_several (ranks) && i < G_N_ELEMENTS (wholes); i++) {
    g_autoptr (GError) error = NULL;
    gsize bytes = wholes[i] ? wholes[i]->bytes : 0;
    g_autofree guint8 *mine = g_malloc0 (bytes), *all = g_malloc0 (bytes * ranks->count);
    if (bytes == 0)
      continue;
    nddr_program_read (nddr_learner_get_program (golden->learner), wholes[i], 0, mine, bytes, &error);
    g_assert_no_error (error);
    nddr_ranks_allgather (ranks, mine, all, bytes);
    for (int r = 0; r < ranks->count; r++)
      if (memcmp (all + r * bytes, mine, bytes) != 0)
        g_error ("%s: ranks %d and %d have different %s", golden->name, r, ranks->index, wholes[i]->name);
  }
}

/* Of @rows samples of @bytes each, @parts of equal size one after the other, those of this rank's share of each, in @data's place. */
static gpointer
take_share (gpointer data, guint rows, guint parts, gsize bytes)
{
  guint share = rows / parts / ranks->count;
  guint8 *to = data;
  for (guint p = 0; p < parts; p++)
    memmove (to + p * share * bytes, to + (p * rows / parts + ranks->index * share) * bytes, share * bytes);
  return data;
}

/* ---- batches */

static guint64
count_valid (const NddrTask *task, gconstpointer label, gsize n)
{
  guint64 valid = 0;
  for (gsize i = 0; i < n; i++)
    switch (task->kind) {
      case NDDR_TASK_SEGMENTATION:
        valid += ((const guint8 *) label)[i] != 255;
        break;
      case NDDR_TASK_NORMAL:
        valid += ((const float *) label)[4 * i + 3] > 0;
        break;
      case NDDR_TASK_DEPTH:
        valid += ((const float *) label)[i] > 0;
        break;
    }
  return valid;
}

/* What has the colour of the mean is not what is padding: see make_option_goldens.py. */
static void
blank_columns (float *pictures, guint n, int width, int height)
{
  for (gsize row = 0; row < (gsize) n * height; row++)
    memset (pictures + row * width * 4, 0, 24 * 4 * sizeof *pictures);
}

NddrBatch *
golden_batch (const Golden *golden, int t)
{
  const NddrConfig *config = golden->start->config;
  const NddrRecipe *recipe = golden->recipe;
  g_autofree char *name = g_strdup_printf ("%s.%d", golden->name, t);
  NddrBatch *batch = g_new0 (NddrBatch, 1);
  guint width, height, n = recipe->batch * recipe->accumulate, kinds = 0;
  nddr_learner_get_label_size (golden->learner, &width, &height);
  guint share = n / ranks->count;
  batch->n_samples = share;
  gint32 (*shown)[2] = g_malloc (n * sizeof *shown);
  for (guint i = 0; i < n; i++) {
    shown[i][0] = width - i % 3;
    shown[i][1] = height - i % 2;
  }
  batch->shown = take_share (shown, n, recipe->accumulate, sizeof *shown);
  float *pictures = generate_picture (name, n, recipe->crop.height, recipe->crop.width, 4);
  if (recipe->teacher[0] != '\0')
    blank_columns (pictures, n, recipe->crop.width, recipe->crop.height);
  batch->image = take_share (pictures, n, recipe->accumulate,
      (gsize) recipe->crop.height * recipe->crop.width * 16);
  for (guint k = 0; k < config->n_tasks; k++) {
    const NddrTask *task = &config->tasks[k];
    if (kinds & 1 << task->kind)
      continue; /* several tasks of one kind learn from one label */
    kinds |= 1 << task->kind;
    g_autofree char *label_name = g_strconcat (name, ".", task->name, NULL);
    gsize each = task->kind == NDDR_TASK_SEGMENTATION ? 1 : task->kind == NDDR_TASK_NORMAL ? 16 : 4;
    gpointer label = take_share (generate_label (label_name, task, n, height, width), n, recipe->accumulate, (gsize) height * width * each);
    batch->valid[task->kind] = count_valid (task, label, (gsize) share * height * width);
    if (task->kind == NDDR_TASK_SEGMENTATION)
      batch->segmentation = label;
    else if (task->kind == NDDR_TASK_NORMAL)
      batch->normal = label;
    else
      batch->depth = label;
  }
  return batch;
}

void
golden_batch_free (NddrBatch *batch)
{
  g_free (batch->image);
  g_free (batch->segmentation);
  g_free (batch->normal);
  g_free (batch->depth);
  g_free (batch->shown);
  g_free (batch);
}

/* ---- comparing */

const NddrArray *
golden_tensor (const Golden *golden, const char *what, const char *name)
{
  g_autofree char *key = g_strconcat (golden->name, "/", what, name ? "/" : "", name ? name : "", NULL);
  return nddr_arrays_find (file, key);
}

void
golden_distance (const NddrArray *got, const NddrArray *want, double scale, double *distance, double *norm)
{
  double d = 0, n = 0;
  g_assert_cmpuint (got->n_elements, ==, want->n_elements);
  for (gsize i = 0; i < got->n_elements; i++) {
    double w = want->data[i] * scale;
    d += (got->data[i] - w) * (got->data[i] - w);
    n += w * w;
  }
  *distance = sqrt (d);
  *norm = sqrt (n);
}
