/* The tasks' losses: forward, and the gradients of the heads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/training-private.h>

static NddrTensor *
make_label (NddrWalk *walk, const NddrTask *task, int height, int width)
{
  g_autofree char *name = g_strconcat (task->name, ".label", NULL);
  gsize pixels = (gsize) walk->options->batch * height * width;
  switch (task->kind) {
    case NDDR_TASK_SEGMENTATION:
      return nddr_plan_flat (walk->plan, name, NDDR_SPACE_INPUT, NDDR_BYTES, pixels);
    case NDDR_TASK_NORMAL:
      return nddr_plan_flat (walk->plan, name, NDDR_SPACE_INPUT, NDDR_F32, pixels * 4);
    case NDDR_TASK_DEPTH:
    default:
      return nddr_plan_flat (walk->plan, name, NDDR_SPACE_INPUT, NDDR_F32, pixels);
  }
}

/* All tasks with segmentation have the same classes. */
static NddrTensor *
class_weights (NddrWalk *walk, const NddrTask *task)
{
  if (task->kind != NDDR_TASK_SEGMENTATION || !walk->options->class_weights)
    return NULL;
  if (!walk->training->class_weights)
    walk->training->class_weights = nddr_plan_flat (walk->plan, "class_weights", NDDR_SPACE_INPUT, NDDR_F32, task->n_classes);
  return walk->training->class_weights;
}

/* The labels' loss has written @gradient, which this adds to. */
static void
append_distillation (NddrWalk *walk, const NddrTask *task, int t, NddrBranches prediction, NddrBranches gradient)
{
  const NddrTrainingOptions *o = walk->options;
  const NddrTensor *x = prediction.tensor;
  NddrTrainingTask *out = &walk->training->tasks[t];
  g_autofree char *label = g_strconcat ("distillation.", task->name, NULL), *scale = g_strconcat (task->name, ".teacher_scale", NULL);
  if (!o->teacher || o->teacher[t].width == 0)
    return;
  walk->plan->label = g_intern_string (label);
  if (!walk->training->shown)
    walk->training->shown = nddr_plan_flat (walk->plan, "shown", NDDR_SPACE_INPUT, NDDR_F32, 2 * o->batch);
  out->teacher = nddr_plan_tensor (walk->plan, "teacher", NDDR_SPACE_INPUT, NDDR_F32, 1, o->batch, o->teacher[t].height, o->teacher[t].width, x->channels);
  out->teacher_scale = nddr_plan_flat (walk->plan, scale, NDDR_SPACE_INPUT, NDDR_F32, 2);
  out->teacher_loss = nddr_plan_flat (walk->plan, label, NDDR_SPACE_OUTPUT, NDDR_F32, 1);
  NddrTensor *resized = nddr_plan_map (walk->plan, "teacher.resized", 1, o->batch, x->height, x->width, x->channels);
  nddr_resize_forward (walk->plan, &(NddrResize){ .output = resized, .input = out->teacher, .mode = o->teacher[t].resize });
  nddr_distillation (walk->plan, &(NddrDistillation){
      .kind = task->kind, .prediction = prediction, .gradient = gradient, .teacher = resized, .shown = walk->training->shown, .scale = out->teacher_scale,
      .loss = out->teacher_loss, .temperature = o->temperature, .angle = o->normal_angle });
}

void
nddr_walk_append_loss (NddrWalk *walk, const NddrConfig *config, int t)
{
  const NddrTask *task = &config->tasks[t];
  const NddrInput *head = &walk->network->heads[t];
  NddrTrainingTask *out = &walk->training->tasks[t];
  NddrTensor *value = walk->values[walk->root[head->value]];
  g_autofree char *label = g_strconcat ("loss.", task->name, NULL);
  g_autofree char *scale_name = g_strconcat (task->name, ".scale", NULL);
  walk->plan->label = g_intern_string (label);
  walk->plan->phase = NDDR_TRAINING_FORWARD;

  gboolean upsample = walk->options->input_resolution;
  out->width = upsample ? walk->options->width : value->width;
  out->height = upsample ? walk->options->height : value->height;
  out->label = make_label (walk, task, out->height, out->width);
  out->scale = nddr_plan_flat (walk->plan, scale_name, NDDR_SPACE_INPUT, NDDR_F32, 2);
  out->loss = nddr_plan_flat (walk->plan, label, NDDR_SPACE_OUTPUT, NDDR_F32, 1);

  gboolean accumulate;
  NddrLoss loss = { .kind = task->kind, .label = out->label, .scale = out->scale, .loss = out->loss, .class_weights = class_weights (walk, task),
    .angle = walk->options->normal_angle };
  if (!upsample) {
    NddrTensor *gradient = nddr_walk_gradient_of (walk, head->value, head->first, 1, NULL);
    loss.prediction = (NddrBranches){ value, head->first, 1 };
    loss.gradient = (NddrBranches){ gradient, head->first, 1 };
    nddr_loss (walk->plan, &loss);
    append_distillation (walk, task, t, loss.prediction, loss.gradient);
    return;
  }
  NddrTensor *large = nddr_plan_map (walk->plan, "upsampled", value->branches, value->batch, out->height, out->width, value->channels);
  NddrTensor *dlarge = nddr_plan_map (walk->plan, "d upsampled", value->branches, value->batch, out->height, out->width, value->channels);
  NddrResize resize = { .output = large, .input = value, .mode = walk->network->resize };
  nddr_resize_forward (walk->plan, &resize);
  loss.prediction = NDDR_BRANCHES (large);
  loss.gradient = NDDR_BRANCHES (dlarge);
  nddr_loss (walk->plan, &loss);
  append_distillation (walk, task, t, loss.prediction, loss.gradient);
  walk->plan->label = g_intern_string (label);
  walk->plan->phase = NDDR_TRAINING_BACKWARD;
  NddrTensor *gradient = nddr_walk_gradient_of (walk, head->value, 0, value->branches, &accumulate);
  nddr_resize_backward (walk->plan, &resize, gradient, dlarge, accumulate);
}
