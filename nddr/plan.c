/* Plans: tensors, steps and what these bind.  See plan.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan-private.h>

#include <math.h>
#include <string.h>

const NddrTraits nddr_traits_software = {
  .family = NDDR_FAMILY_SOFTWARE,
  .fp16 = TRUE,
  .subgroup_size = 8,
  .max_storage_range = 128u << 20,
  .max_texel_elements = 128u << 20,
  .max_groups = { 65535, 65535, 65535 },
  .max_shared = 32 << 10,
  .max_invocations = 1024,
  .max_work = INFINITY,
  .cached = NDDR_CACHED,
};

const NddrTraits nddr_traits_gpu = {
  .family = NDDR_FAMILY_GPU,
  .fp16 = TRUE,
  .subgroup_size = 32,
  .max_storage_range = 128u << 20,
  .max_texel_elements = 64u << 20,
  .max_groups = { 65535, 65535, 65535 },
  .max_shared = 32 << 10,
  .max_invocations = 256,
  .max_work = NDDR_MAX_WORK,
  .cached = NDDR_CACHED,
};

static void
tensor_free (gpointer data)
{
  NddrTensor *tensor = data;

  g_free (tensor->name);
  g_clear_pointer (&tensor->init, g_bytes_unref);
  g_free (tensor);
}

static void
step_free (gpointer data)
{
  NddrStep *step = data;

  g_free (step->label);
  g_free (step->shape);
  g_free (step);
}

NddrPlan *
nddr_plan_new (const NddrTraits *traits)
{
  NddrPlan *plan = g_new0 (NddrPlan, 1);

  plan->traits = *traits;
  plan->activation_type = NDDR_F32;
  plan->tensors = g_ptr_array_new_with_free_func (tensor_free);
  plan->steps = g_ptr_array_new_with_free_func (step_free);
  return plan;
}

void
nddr_plan_free (NddrPlan *plan)
{
  if (!plan)
    return;
  g_ptr_array_unref (plan->tensors);
  g_ptr_array_unref (plan->steps);
  g_free (plan);
}

gsize
nddr_plan_align_up (gsize n, gsize to)
{
  return (n + to - 1) / to * to;
}

static NddrTensor *
add_tensor (NddrPlan *plan, const char *name, NddrSpace space, NddrType type)
{
  NddrTensor *tensor = g_new0 (NddrTensor, 1);

  g_assert (!plan->finished);
  tensor->name = g_strdup (name);
  tensor->space = space;
  tensor->type = type;
  tensor->first = tensor->last = -1;
  g_ptr_array_add (plan->tensors, tensor);
  return tensor;
}

NddrTensor *
nddr_plan_tensor (NddrPlan *plan, const char *name, NddrSpace space, NddrType type, int branches, int batch,
    int height, int width, int channels)
{
  NddrTensor *tensor = add_tensor (plan, name, space, type);
  gsize element = type == NDDR_F32 ? 4 : type == NDDR_F16 ? 2 : 1;

  tensor->branches = branches;
  tensor->batch = batch;
  tensor->height = height;
  tensor->width = width;
  tensor->channels = channels;
  tensor->stride = type == NDDR_BYTES ? channels : (int) nddr_plan_align_up (channels, type == NDDR_F16 ? 8 : 4);
  tensor->bytes = nddr_plan_align_up ((gsize) branches * batch * height * width * tensor->stride * element, 16);
  return tensor;
}

NddrTensor *
nddr_plan_map (NddrPlan *plan, const char *name, int branches, int batch, int height, int width, int channels)
{
  return nddr_plan_tensor (plan, name, NDDR_SPACE_ARENA, plan->activation_type, branches, batch, height, width, channels);
}

NddrTensor *
nddr_plan_spread_map (NddrPlan *plan, const char *name, const NddrTensor *like, int apart)
{
  NddrTensor *tensor = nddr_plan_map (plan, name, like->branches, like->batch, like->height, like->width, like->channels);

  g_assert (like->type == NDDR_F32 && tensor->type == NDDR_F32 && apart % 4 == 0);
  tensor->stride += apart;
  tensor->bytes += (gsize) like->branches * like->batch * like->height * like->width * apart * sizeof (float);
  return tensor;
}

NddrTensor *
nddr_plan_flat (NddrPlan *plan, const char *name, NddrSpace space, NddrType type, gsize n)
{
  NddrTensor *tensor = add_tensor (plan, name, space, type);
  gsize element = type == NDDR_F32 ? 4 : type == NDDR_F16 ? 2 : 1;

  tensor->branches = tensor->batch = tensor->height = tensor->width = 1;
  tensor->channels = tensor->stride = (int) n;
  tensor->bytes = nddr_plan_align_up (n * element, 16);
  return tensor;
}

NddrTensor *
nddr_plan_part (NddrPlan *plan, NddrTensor *whole, const char *name, gsize offset, gsize n)
{
  NddrTensor *tensor = nddr_plan_flat (plan, name, whole->space, whole->type, n);

  g_assert (offset % NDDR_PLAN_ALIGNMENT == 0 && offset + tensor->bytes <= nddr_plan_align_up (whole->bytes, NDDR_PLAN_ALIGNMENT));
  tensor->whole = whole;
  tensor->part_offset = offset;
  return tensor;
}

NddrTensor *
nddr_plan_table (NddrPlan *plan, const char *name, gconstpointer data, gsize bytes)
{
  NddrTensor *tensor = nddr_plan_flat (plan, name, NDDR_SPACE_TABLES, NDDR_BYTES, bytes);

  tensor->init = g_bytes_new (data, bytes);
  return tensor;
}

NddrStep *
nddr_plan_step (NddrPlan *plan, NddrKernelId kernel, guint32 gx, guint32 gy, guint32 gz)
{
  NddrMapPrecision maps = plan->activation_type == NDDR_F16 ? NDDR_MAPS_FP16 : plan->mixed ? NDDR_MAPS_MIXED : NDDR_MAPS_FP32;
  NddrStep *step = g_new0 (NddrStep, 1);

  g_assert (!plan->finished);
  step->kernel = nddr_kernel_find (kernel, plan->traits.family, maps);
  if (!step->kernel) /* one that touches no map has no variant for half */
    step->kernel = nddr_kernel_find (kernel, plan->traits.family, NDDR_MAPS_FP32);
  g_assert (step->kernel);
  step->label = g_strdup (plan->label ? plan->label : "");
  step->groups[0] = gx;
  step->groups[1] = gy;
  step->groups[2] = gz;
  step->phase = plan->phase;
  g_ptr_array_add (plan->steps, step);
  return step;
}

static void
bind (NddrStep *step, int binding, NddrTensor *tensor, gboolean read, gboolean write)
{
  g_assert (binding >= 0 && binding < (int) strlen (step->kernel->bindings));
  step->bindings[binding] = (NddrBinding){ .tensor = tensor, .read = read, .write = write };
}

void
nddr_step_read (NddrStep *step, int binding, NddrTensor *tensor)
{
  bind (step, binding, tensor, TRUE, FALSE);
}

void
nddr_step_read_ahead (NddrStep *step, int binding, NddrTensor *tensor)
{
  bind (step, binding, tensor, TRUE, FALSE);
  step->bindings[binding].ahead = TRUE;
}

void
nddr_step_write (NddrStep *step, int binding, NddrTensor *tensor)
{
  bind (step, binding, tensor, FALSE, TRUE);
}

void
nddr_step_update (NddrStep *step, int binding, NddrTensor *tensor)
{
  bind (step, binding, tensor, TRUE, TRUE);
}

void
nddr_step_write_part (NddrStep *step, int binding, NddrTensor *tensor)
{
  bind (step, binding, tensor, TRUE, TRUE);
  step->bindings[binding].partial = TRUE;
}

void
nddr_step_range (NddrStep *step, int binding, gsize offset, gsize range)
{
  step->bindings[binding].offset = offset;
  step->bindings[binding].range = range;
}

void
nddr_step_push_i (NddrStep *step, gint32 value)
{
  g_assert (step->n_push < NDDR_STEP_MAX_PUSH);
  step->push[step->n_push++].i = value;
}

void
nddr_step_push_f (NddrStep *step, float value)
{
  g_assert (step->n_push < NDDR_STEP_MAX_PUSH);
  step->push[step->n_push++].f = value;
}

void
nddr_step_push_base (NddrStep *step, NddrTensor *tensor, gint32 add)
{
  g_assert (step->n_bases < NDDR_STEP_MAX_BINDINGS);
  step->bases[step->n_bases].word = step->n_push;
  step->bases[step->n_bases].tensor = tensor;
  step->bases[step->n_bases++].add = add;
  nddr_step_push_i (step, add);
}

void
nddr_step_spec (NddrStep *step, guint32 value)
{
  g_assert (step->n_spec < NDDR_STEP_MAX_SPEC);
  step->spec[step->n_spec++] = value;
}

int
nddr_plan_mark (NddrPlan *plan, gboolean hold)
{
  NddrStep *step;

  g_assert (!plan->finished && plan->steps->len > 0);
  step = g_ptr_array_index (plan->steps, plan->steps->len - 1);
  g_assert (step->mark == 0);
  step->hold = hold;
  return step->mark = ++plan->n_marks;
}
