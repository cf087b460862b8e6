/* See teacher.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/teacher.h>

#include <nddr/allocate.h>
#include <nddr/half.h>
#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/whole-file.h>
#include <train/classes.h>

#include <errno.h>
#include <math.h>
#include <string.h>

struct _NddrTeacher
{
  NddrModel *model;
  NddrNetwork *network; /* what the tasks that it teaches need */
  const NddrConfig *config;
  NddrTensor *image;    /* INPUT */
  NddrInference *inference;
  NddrProgram *program;
  NddrTeacherOutput *outputs; /* [tasks of the config] */
  int *tasks;                 /* likewise: which of the model's it is; -1: none */
  guint64 bytes;
};

char *
nddr_teacher_checksum (const char *path, GError **error)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  FILE *file = nddr_open_file (path, error);
  guint8 part[65536];
  gsize n;
  if (!file)
    return NULL;
  while ((n = fread (part, 1, sizeof part, file)) > 0)
    g_checksum_update (sum, part, n);
  int number = ferror (file) ? errno : 0;
  fclose (file);
  if (!number)
    return g_strdup (g_checksum_get_string (sum));
  nddr_set_read_error (path, number, error);
  return NULL;
}

/* ---- what it can teach */

/* Of two tasks of one name. */
static gboolean
check_task (const NddrTask *own, const NddrTask *wanted, GError **error)
{
  if (own->kind != wanted->kind)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "its task %s is of kind %s, and this network's of kind %s", own->name, nddr_task_kind_name (own->kind),
        nddr_task_kind_name (wanted->kind));
  g_autofree char *owner = g_strdup_printf ("its task %s", own->name);
  g_autofree char *difference = nddr_classes_difference (own->classes, own->n_classes, owner, wanted->classes, wanted->n_classes, "this network's");
  if (difference)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: expected a model of the same classes", difference);
  return !difference;
}

/* (transfer full): the names of a config's tasks. */
static char *
list_tasks (const NddrConfig *config)
{
  g_autoptr (GString) names = g_string_new (NULL);
  for (guint t = 0; t < config->n_tasks; t++)
    g_string_append_printf (names, "%s%s", t ? ", " : "", config->tasks[t].name);
  return g_string_free (g_steal_pointer (&names), FALSE);
}

/* Finds the model's task for each of the network's. */
static gboolean
match_tasks (NddrTeacher *teacher, GError **error)
{
  const NddrConfig *own = nddr_model_get_config (teacher->model), *config = teacher->config;
  g_autofree gboolean *requested = g_new0 (gboolean, own->n_tasks);
  gboolean any = FALSE;
  teacher->tasks = g_new (int, config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++) {
    teacher->tasks[t] = -1;
    for (guint k = 0; k < own->n_tasks; k++) {
      if (!g_str_equal (own->tasks[k].name, config->tasks[t].name))
        continue;
      if (!check_task (&own->tasks[k], &config->tasks[t], error))
        return FALSE;
      teacher->tasks[t] = k;
      any = requested[k] = TRUE;
    }
  }
  if (!any) {
    g_autofree char *theirs = list_tasks (own), *ours = list_tasks (config);
    return nddr_fail (error, NDDR_ERROR_FORMAT, "it has none of this network's tasks: its are %s, and this network's %s", theirs, ours);
  }
  teacher->network = nddr_network_new (own, nddr_model_get_tensors (teacher->model), requested, error);
  return teacher->network != NULL;
}

/* ---- the program */

static gboolean
make_program (NddrTeacher *teacher, NddrDevice *device, const NddrTraits *traits, int batch, int width, int height, gboolean half, GError **error)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (traits);
  plan->activation_type = half ? NDDR_F16 : NDDR_F32;
  plan->phase = NDDR_PHASE_NETWORK;
  plan->label = g_intern_string ("teacher");
  teacher->image = nddr_plan_tensor (plan, "image", NDDR_SPACE_INPUT, NDDR_F32, 1, batch, height, width, 3);
  NddrTensor *input = nddr_plan_map (plan, "input", 1, batch, height, width, 3);
  if (half)
    nddr_cast (plan, input, teacher->image);
  else
    nddr_activate_forward (plan, &(NddrActivate){ .input = teacher->image, .output = input, .low = -INFINITY, .high = INFINITY });
  teacher->inference = nddr_inference_append (plan, teacher->network, input, error);
  if (!teacher->inference || !nddr_plan_finish (plan, error))
    return FALSE;
  for (int s = 0; s < NDDR_N_SPACES; s++)
    teacher->bytes += s == NDDR_SPACE_PARAMS ? 0 : plan->space_bytes[s];
  teacher->program = nddr_program_new (device, g_steal_pointer (&plan), 1, error);
  return teacher->program && nddr_inference_prepare (teacher->inference, teacher->network, nddr_model_get_tensors (teacher->model), teacher->program, error);
}

static const NddrTensor *
head_of (const NddrTeacher *teacher, guint t)
{
  return teacher->tasks[t] < 0 ? NULL : teacher->inference->heads[teacher->tasks[t]].tensor;
}

NddrTeacher *
nddr_teacher_new (NddrDevice *device, const NddrTraits *traits, const char *path, const NddrConfig *config, int batch, int width, int height, gboolean half,
    GError **error)
{
  g_autoptr (NddrTeacher) teacher = g_new0 (NddrTeacher, 1);
  teacher->config = config;
  teacher->model = nddr_model_load (path, error);
  if (!teacher->model)
    return NULL;
  if (!match_tasks (teacher, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  if (!make_program (teacher, device, traits, batch, width, height, half, error)) {
    g_prefix_error (error, "%s, for %d pictures of %dx%d: ", path, batch, width, height);
    return NULL;
  }
  teacher->outputs = g_new0 (NddrTeacherOutput, config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++) {
    const NddrTensor *head = head_of (teacher, t);
    if (head)
      teacher->outputs[t] = (NddrTeacherOutput){ head->width, head->height, nddr_model_get_config (teacher->model)->resize };
  }
  return g_steal_pointer (&teacher);
}

void
nddr_teacher_free (NddrTeacher *teacher)
{
  if (!teacher)
    return;
  g_clear_pointer (&teacher->program, nddr_program_free);
  g_clear_pointer (&teacher->inference, nddr_inference_free);
  g_clear_pointer (&teacher->network, nddr_network_free);
  g_clear_pointer (&teacher->model, nddr_model_unref);
  g_free (teacher->outputs);
  g_free (teacher->tasks);
  g_free (teacher);
}

const NddrTeacherOutput *
nddr_teacher_get_outputs (const NddrTeacher *teacher)
{
  return teacher->outputs;
}

guint64
nddr_teacher_get_bytes (const NddrTeacher *teacher)
{
  return teacher->bytes;
}

/* ---- running */

/* What the network sees, as the teacher was trained to see it.  Padding keeps its colour, the network's mean. */
static void
write_image (NddrTeacher *teacher, const float *image)
{
  const NddrConfig *own = nddr_model_get_config (teacher->model), *config = teacher->config;
  float *to = nddr_program_map (teacher->program, teacher->image, 0), factor[4] = { 0 }, add[4] = { 0 };
  gsize n = teacher->image->bytes / sizeof *to;
  if (memcmp (own->mean, config->mean, sizeof own->mean) == 0 && memcmp (own->std, config->std, sizeof own->std) == 0) {
    memcpy (to, image, n * sizeof *to);
    return;
  }
  for (int c = 0; c < 3; c++) {
    factor[c] = config->std[c] / own->std[c];
    add[c] = (config->mean[c] - own->mean[c]) / own->std[c];
  }
  for (gsize i = 0; i < n; i += 4)
    for (int c = 0; c < 4; c++)
      to[i + c] = image[i + c] * factor[c] + add[c];
}

gboolean
nddr_teacher_run (NddrTeacher *teacher, const float *image, GError **error)
{
  write_image (teacher, image);
  return nddr_program_run (teacher->program, 1u << NDDR_PHASE_NETWORK, error);
}

static gsize
branch_values (const NddrTensor *map)
{
  return (gsize) map->batch * map->height * map->width * map->stride;
}

/* A head's branch, whose pixels are padded to eight channels where they are halves. */
static gboolean
read_halves (NddrTeacher *teacher, const NddrTensor *map, int branch, float *output, GError **error)
{
  gsize n = branch_values (map), stride = (map->channels + 3) / 4 * 4;
  g_autofree guint16 *halves = nddr_try_alloc (n, sizeof *halves, "the teacher's outputs", error);
  if (!halves || !nddr_program_read (teacher->program, map, branch * n * sizeof *halves, halves, n * sizeof *halves, error))
    return FALSE;
  for (gsize p = 0; p < n / map->stride; p++)
    for (gsize c = 0; c < stride; c++)
      output[p * stride + c] = nddr_half_to_float (halves[p * map->stride + c]);
  return TRUE;
}

gboolean
nddr_teacher_read (NddrTeacher *teacher, guint t, float *output, GError **error)
{
  const NddrTensor *map = head_of (teacher, t);
  int branch = teacher->inference->heads[teacher->tasks[t]].first;
  gsize bytes = branch_values (map) * sizeof *output;
  if (map->type == NDDR_F16)
    return read_halves (teacher, map, branch, output, error);
  return nddr_program_read (teacher->program, map, branch * bytes, output, bytes, error);
}
