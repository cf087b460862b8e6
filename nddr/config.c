/* The config of a model, and its rules (docs/model-format.md).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/config-private.h>

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_WIDTH 16.0
#define MAX_TASK_NAME 64
#define SMALLEST_INPUT 32
#define LARGEST_INPUT 16384

const char *nddr_backbone_name (NddrBackbone b) { return backbone_names[b]; }
int nddr_backbone_from_name (const char *name) { return from_name (backbone_names, name); }
const char *nddr_fusion_name (NddrFusion f) { return fusion_names[f]; }
int nddr_fusion_from_name (const char *name) { return from_name (fusion_names, name); }
const char *nddr_head_name (NddrHead h) { return head_names[h]; }
int nddr_head_from_name (const char *name) { return from_name (head_names, name); }
const char *nddr_task_kind_name (NddrTaskKind k) { return task_kind_names[k]; }
int nddr_task_kind_from_name (const char *name) { return from_name (task_kind_names, name); }
const char *nddr_pool_padding_name (NddrPoolPadding p) { return pool_padding_names[p]; }
int nddr_pool_padding_from_name (const char *name) { return from_name (pool_padding_names, name); }
const char *nddr_resize_mode_name (NddrResizeMode r) { return resize_mode_names[r]; }
int nddr_resize_mode_from_name (const char *name) { return from_name (resize_mode_names, name); }

guint
nddr_config_scale (guint c, double width)
{
  return MAX (8, 8 * (guint) floor (c * width / 8 + 0.5));
}

static void
free_tasks (NddrTask *tasks, guint n_tasks)
{
  for (guint t = 0; t < n_tasks; t++) {
    for (guint c = 0; c < tasks[t].n_classes; c++)
      g_free (tasks[t].classes[c].name);
    g_free (tasks[t].classes);
    g_free (tasks[t].name);
  }
  g_free (tasks);
}

void
nddr_config_free (NddrConfig *config)
{
  if (config == NULL)
    return;
  free_tasks (config->tasks, config->n_tasks);
  g_free (config);
}

gboolean
nddr_config_has_kind (const NddrConfig *config, NddrTaskKind kind)
{
  for (guint t = 0; t < config->n_tasks; t++)
    if (config->tasks[t].kind == kind)
      return TRUE;
  return FALSE;
}

NddrConfig *
nddr_config_copy (const NddrConfig *config)
{
  NddrConfig *copy = g_memdup2 (config, sizeof *config);

  copy->tasks = g_memdup2 (config->tasks, config->n_tasks * sizeof *config->tasks);
  for (guint t = 0; t < copy->n_tasks; t++) {
    NddrTask *task = &copy->tasks[t];

    task->name = g_strdup (task->name);
    task->classes = g_memdup2 (task->classes, task->n_classes * sizeof *task->classes);
    for (guint c = 0; c < task->n_classes; c++)
      task->classes[c].name = g_strdup (task->classes[c].name);
  }
  return copy;
}

/* ---- rules */

static gboolean
check_task_name (const char *name, GError **error)
{
  /* what tensors' names begin with, or hold where a task's name may stand */
  static const char *const taken[] = { "shared", "nddr", "stitch", "sluice", "shortcut", "features", "fc6", "fc7", "fc8", "aspp", "beta", "skip", "bn", NULL };

  if (name == NULL || !g_ascii_islower (name[0]) || strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen (name))
    return bad (error, "a task cannot be called \"%s\": a name is a lower-case letter, then lower-case letters, digits and _", name ? name : "");
  if (strlen (name) > MAX_TASK_NAME)
    return bad (error, "a task's name, \"%.*s…\", is too long: expected at most %d letters", MAX_TASK_NAME, name, MAX_TASK_NAME);
  if (g_strv_contains (taken, name))
    return bad (error, "a task cannot be called \"%s\": tensors' names use that word", name);
  return TRUE;
}

static gboolean
check_task (const NddrTask *task, GError **error)
{
  if (!check_task_name (task->name, error))
    return FALSE;
  if ((guint) task->kind > NDDR_TASK_DEPTH)
    return bad (error, "task \"%s\": unknown kind %d", task->name, task->kind);
  if (task->kind == NDDR_TASK_SEGMENTATION && (task->n_classes < 1 || task->n_classes > MAX_CLASSES))
    return bad (error, "task \"%s\": has %u classes; a segmentation has 1 to %d", task->name, task->n_classes, MAX_CLASSES);
  if (task->kind != NDDR_TASK_SEGMENTATION && task->n_classes > 0)
    return bad (error, "task \"%s\": classes belong to a segmentation, not to kind \"%s\"", task->name, nddr_task_kind_name (task->kind));
  for (guint c = 0; c < task->n_classes; c++) {
    if (task->classes[c].name == NULL || !g_utf8_validate (task->classes[c].name, -1, NULL))
      return bad (error, "task \"%s\": class %u has no name", task->name, c);
    if (task->classes[c].color > 0xffffff)
      return bad (error, "task \"%s\": class \"%s\": a color has 24 bits", task->name, task->classes[c].name);
  }
  return TRUE;
}

static gboolean
check_width (const char *key, double width, GError **error)
{
  if (width > 0 && width <= MAX_WIDTH)
    return TRUE;
  return bad (error, "\"%s\": %g is out of range: more than 0, at most %g", key, width, MAX_WIDTH);
}

static gboolean
check_input (const NddrConfig *config, GError **error)
{
  if (config->input_width < SMALLEST_INPUT || config->input_width > LARGEST_INPUT || config->input_height < SMALLEST_INPUT
      || config->input_height > LARGEST_INPUT)
    return bad (error, "\"input\": %u x %u is out of range: %d x %d to %d x %d", config->input_width, config->input_height, SMALLEST_INPUT, SMALLEST_INPUT,
        LARGEST_INPUT, LARGEST_INPUT);
  for (int i = 0; i < 3; i++) {
    if (!isfinite (config->mean[i]))
      return bad (error, "\"input\": \"mean\" must be three finite numbers");
    if (!isfinite ((float) config->mean[i]) || !(config->std[i] > 0) || !isfinite ((float) config->std[i]) || !isfinite ((float) (1 / config->std[i])))
      return bad (error, "\"input\": \"mean\" and \"std\": %g and %g are out of the range of 32-bit floats, or \"std\" is not above 0", config->mean[i],
          config->std[i]);
  }
  return TRUE;
}

gboolean
nddr_config_validate (const NddrConfig *config, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean resnet;

  if ((guint) config->backbone > NDDR_BACKBONE_RESNET101 || (guint) config->fusion > NDDR_FUSION_NDDR || (guint) config->head > NDDR_HEAD_ASPP
      || (guint) config->pool_padding > NDDR_POOL_END || (guint) config->resize > NDDR_RESIZE_ASYMMETRIC)
    return bad (error, "a choice is out of range");
  if (!check_width ("width", config->width, error) || !check_width ("head_width", config->head_width, error))
    return FALSE;
  resnet = config->backbone >= NDDR_BACKBONE_RESNET18;
  if (config->head == NDDR_HEAD_ASPP && !resnet)
    return bad (error, "\"head\": \"aspp\" goes with the ResNets; %s has \"largefov\"", nddr_backbone_name (config->backbone));
  if (config->output_stride != 8 && config->output_stride != 16)
    return bad (error, "\"output_stride\": %u is neither 8 nor 16", config->output_stride);
  if (config->output_stride != 8 && config->backbone == NDDR_BACKBONE_VGG16)
    return bad (error, "\"output_stride\": vgg16 has 8 alone, not %u", config->output_stride);
  if (!(config->norm_eps >= FLT_MIN) || config->norm_eps > 1) /* a variance may be 0, and devices count in float32 */
    return bad (error, "\"norm_eps\": %g is out of range: at least 1.2e-38, at most 1", config->norm_eps);
  if (!check_input (config, error))
    return FALSE;
  if (config->n_tasks < 1 || config->n_tasks > MAX_TASKS)
    return bad (error, "\"tasks\": has %u entries; a model has 1 to %d tasks", config->n_tasks, MAX_TASKS);
  for (guint t = 0; t < config->n_tasks; t++) {
    if (!check_task (&config->tasks[t], error))
      return FALSE;
    if (!g_hash_table_add (names, config->tasks[t].name))
      return bad (error, "\"tasks\": two are called \"%s\"", config->tasks[t].name);
  }
  return TRUE;
}
