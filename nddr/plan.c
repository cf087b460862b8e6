/* Plans: see plan.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan.h>
#include <nddr/error.h>

#include <math.h>
#include <string.h>

#define ALIGNMENT 256   /* no Vulkan device asks for more of a storage or texel binding's offset */
#define ZERO_PAGE 256   /* at the arena's start: what padding reads */
#define MAX_TRIES 64    /* to place the arena's tensors */
#define ENOUGH 100      /* so small a part more than what lives at once is close enough: a hundredth */

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

static gsize
align_up (gsize n, gsize to)
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
  tensor->stride = type == NDDR_BYTES ? channels : (int) align_up (channels, type == NDDR_F16 ? 8 : 4);
  tensor->bytes = align_up ((gsize) branches * batch * height * width * tensor->stride * element, 16);
  return tensor;
}

NddrTensor *
nddr_plan_map (NddrPlan *plan, const char *name, int branches, int batch, int height, int width, int channels)
{
  return nddr_plan_tensor (plan, name, NDDR_SPACE_ARENA, plan->activation_type, branches, batch, height, width, channels);
}

NddrTensor *
nddr_plan_flat (NddrPlan *plan, const char *name, NddrSpace space, NddrType type, gsize n)
{
  NddrTensor *tensor = add_tensor (plan, name, space, type);
  gsize element = type == NDDR_F32 ? 4 : type == NDDR_F16 ? 2 : 1;

  tensor->branches = tensor->batch = tensor->height = tensor->width = 1;
  tensor->channels = tensor->stride = (int) n;
  tensor->bytes = align_up (n * element, 16);
  return tensor;
}

NddrTensor *
nddr_plan_part (NddrPlan *plan, NddrTensor *whole, const char *name, gsize offset, gsize n)
{
  NddrTensor *tensor = nddr_plan_flat (plan, name, whole->space, whole->type, n);

  g_assert (offset % ALIGNMENT == 0 && offset + tensor->bytes <= align_up (whole->bytes, ALIGNMENT));
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
  NddrNumbers numbers = plan->activation_type == NDDR_F16 ? NDDR_NUMBERS_HALF : plan->mixed ? NDDR_NUMBERS_MIXED : NDDR_NUMBERS_FULL;
  NddrStep *step = g_new0 (NddrStep, 1);

  g_assert (!plan->finished);
  step->kernel = nddr_kernel_find (kernel, plan->traits.family, numbers);
  if (!step->kernel) /* one that touches no map has no variant for half */
    step->kernel = nddr_kernel_find (kernel, plan->traits.family, NDDR_NUMBERS_FULL);
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

/* ---- placing tensors */

static NddrTensor *
root (NddrTensor *tensor)
{
  while (tensor->whole)
    tensor = tensor->whole;
  return tensor;
}

/* from the first step that writes to the last that touches; see plan.h for what the host fills and reads */
static void
find_lifetimes (NddrPlan *plan)
{
  int end = plan->steps->len;
  g_autoptr (GHashTable) last_write = g_hash_table_new (NULL, NULL), last_read = g_hash_table_new (NULL, NULL);

  for (int i = 0; i < end; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    for (int pass = 0; pass < 2; pass++) /* what a step reads and writes, it reads first */
      for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
        const NddrBinding *binding = &step->bindings[b];
        NddrTensor *tensor;

        if (!binding->tensor || !(pass == 0 ? binding->read : binding->write))
          continue;
        tensor = root (binding->tensor);
        if (tensor->first < 0)
          tensor->first = pass == 0 ? 0 : i;
        tensor->last = i;
        g_hash_table_insert (pass == 0 ? last_read : last_write, tensor, GINT_TO_POINTER (i + 1));
      }
  }
  for (guint i = 0; i < plan->tensors->len; i++) {
    NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);
    int written = GPOINTER_TO_INT (g_hash_table_lookup (last_write, tensor));
    int read = GPOINTER_TO_INT (g_hash_table_lookup (last_read, tensor));

    if (tensor->keep || (tensor->first < 0 && !tensor->whole)) {
      tensor->first = 0;
      tensor->last = end;
    } else if (written > read || (written && written == read)) {
      tensor->last = end;
    }
  }
}

/* What lives at each step, in bytes: of the arena's tensors.  (transfer full): an element a step and one for the end. */
static gsize *
bytes_alive (const NddrPlan *plan)
{
  guint n = plan->steps->len + 1;
  gsize *alive = g_new0 (gsize, n + 1); /* first what changes, then its sum; what wraps comes back */

  for (guint i = 0; i < plan->tensors->len; i++) {
    const NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);

    if (tensor->space != NDDR_SPACE_ARENA || tensor->whole)
      continue;
    alive[tensor->first] += tensor->bytes;
    alive[tensor->last + 1] -= tensor->bytes;
  }
  for (guint i = 1; i < n; i++)
    alive[i] += alive[i - 1];
  return alive;
}

gsize
nddr_plan_live_bytes (const NddrPlan *plan)
{
  g_autofree gsize *alive = bytes_alive (plan);
  gsize most = 0;

  for (guint i = 0; i <= plan->steps->len; i++)
    most = MAX (most, alive[i]);
  return most + ZERO_PAGE;
}

static int
larger_first (gconstpointer a, gconstpointer b)
{
  const NddrTensor *x = *(NddrTensor *const *) a, *y = *(NddrTensor *const *) b;

  if (x->bytes != y->bytes)
    return x->bytes < y->bytes ? 1 : -1;
  return x->first - y->first;
}

/* Places @tensors in their order, each at the lowest place where nothing that lives with it lies.  Returns which ends last; NULL: there are none. */
static NddrTensor *
place_in_order (const GPtrArray *tensors)
{
  g_autoptr (GPtrArray) placed = g_ptr_array_sized_new (tensors->len); /* by offset */
  NddrTensor *top = NULL;

  for (guint i = 0; i < tensors->len; i++) {
    NddrTensor *tensor = g_ptr_array_index (tensors, i);
    gsize at = ZERO_PAGE;
    guint before = 0;

    for (guint j = 0; j < placed->len; j++) {
      const NddrTensor *other = g_ptr_array_index (placed, j);

      if (other->first > tensor->last || tensor->first > other->last)
        continue;
      if (at + tensor->bytes <= other->offset)
        break;
      at = MAX (at, align_up (other->offset + other->bytes, ALIGNMENT));
    }
    tensor->offset = at;
    if (!top || at + tensor->bytes > top->offset + top->bytes)
      top = tensor;
    while (before < placed->len && ((NddrTensor *) g_ptr_array_index (placed, before))->offset < at)
      before++;
    g_ptr_array_insert (placed, before, tensor);
  }
  return top;
}

/* The arena's tensors: larger ones first; then, while much more is taken than lives at once, again with the one that ended last in front of all
 * others.  The best of these counts. */
static gsize
place_by_liveness (NddrPlan *plan)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new ();
  g_autofree gsize *offsets = NULL;
  gsize least = nddr_plan_live_bytes (plan), best = G_MAXSIZE;

  for (guint i = 0; i < plan->tensors->len; i++) {
    NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);

    if (tensor->space == NDDR_SPACE_ARENA && !tensor->whole)
      g_ptr_array_add (tensors, tensor);
  }
  if (tensors->len == 0)
    return ZERO_PAGE;
  g_ptr_array_sort (tensors, larger_first);
  offsets = g_new (gsize, plan->tensors->len);
  for (int try = 0; try < MAX_TRIES && best > least + least / ENOUGH; try++) {
    NddrTensor *top = place_in_order (tensors);

    if (top->offset + top->bytes < best) {
      best = top->offset + top->bytes;
      for (guint i = 0; i < plan->tensors->len; i++)
        offsets[i] = ((NddrTensor *) g_ptr_array_index (plan->tensors, i))->offset;
    }
    g_ptr_array_remove (tensors, top);
    g_ptr_array_insert (tensors, 0, top);
  }
  for (guint i = 0; i < plan->tensors->len; i++) {
    NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);

    if (tensor->space == NDDR_SPACE_ARENA)
      tensor->offset = offsets[i];
  }
  return best;
}

/* What makes tensors of @space smaller. */
static const char *
way_out (NddrSpace space)
{
  switch (space) {
    case NDDR_SPACE_ARENA:
      return "a smaller input or batch";
    case NDDR_SPACE_INPUT:
    case NDDR_SPACE_OUTPUT:
      return "smaller frames, or a smaller input or batch";
    default:
      return "a narrower network, or one of fewer tasks, or another device";
  }
}

static gboolean
check_limits (NddrPlan *plan, GError **error)
{
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    for (int k = 0; k < 3; k++)
      if (step->groups[k] > plan->traits.max_groups[k])
        return nddr_fail (error, NDDR_ERROR_UNSUPPORTED,
            "%s (%s): %u workgroups along axis %d; the device takes %u: use a smaller input or batch",
            step->label, step->kernel->name, step->groups[k], k, plan->traits.max_groups[k]);
    for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
      const NddrBinding *binding = &step->bindings[b];
      gsize range;

      if (!binding->tensor || (plan->traits.family == NDDR_FAMILY_SOFTWARE && step->kernel->bindings[b] != 'S'))
        continue;
      range = binding->range ? binding->range : binding->tensor->bytes - binding->offset;
      if (range > plan->traits.max_storage_range)
        return nddr_fail (error, NDDR_ERROR_UNSUPPORTED,
            "%s: tensor \"%s\" has %" G_GSIZE_FORMAT " MiB; the device's storage buffers span %" G_GUINT64_FORMAT
            " MiB: use %s",
            step->label, binding->tensor->name, range >> 20, plan->traits.max_storage_range >> 20,
            way_out (binding->tensor->space));
    }
  }
  if (plan->traits.family == NDDR_FAMILY_SOFTWARE)
    for (int s = 0; s < NDDR_N_SPACES; s++)
      if (plan->space_bytes[s] / 16 >= MIN (plan->traits.max_texel_elements, (guint64) G_MAXINT32 / 16))
        return nddr_fail (error, NDDR_ERROR_UNSUPPORTED,
            "needs %" G_GSIZE_FORMAT " MiB in one buffer; this device's texel buffers span %" G_GUINT64_FORMAT
            " MiB: use %s",
            plan->space_bytes[s] >> 20, MIN (plan->traits.max_texel_elements * 16, (guint64) G_MAXINT32) >> 20, way_out (s));
  return TRUE;
}

gboolean
nddr_plan_finish (NddrPlan *plan, GError **error)
{
  g_assert (!plan->finished);
  find_lifetimes (plan);
  for (guint i = 0; i < plan->tensors->len; i++) {
    NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);

    if (tensor->whole || tensor->space == NDDR_SPACE_ARENA)
      continue;
    tensor->offset = plan->space_bytes[tensor->space];
    plan->space_bytes[tensor->space] += align_up (tensor->bytes, ALIGNMENT);
  }
  plan->space_bytes[NDDR_SPACE_ARENA] = align_up (place_by_liveness (plan), ALIGNMENT);
  for (guint i = 0; i < plan->tensors->len; i++) { /* wholes come before their parts */
    NddrTensor *tensor = g_ptr_array_index (plan->tensors, i);

    if (tensor->whole)
      tensor->offset = tensor->whole->offset + tensor->part_offset;
  }
  for (guint i = 0; i < plan->steps->len; i++) {
    NddrStep *step = g_ptr_array_index (plan->steps, i);

    for (int b = 0; b < step->n_bases; b++) {
      gint32 base = plan->traits.family == NDDR_FAMILY_SOFTWARE ? step->bases[b].tensor->offset / 16 : 0;

      step->push[step->bases[b].word].i = base + step->bases[b].add;
    }
  }
  plan->finished = TRUE;
  return check_limits (plan, error);
}

/* ---- barriers */

typedef struct
{
  NddrSpace space;
  gsize start, end;
  gboolean write;
} Access;

static gboolean
access_of (const NddrPlan *plan, const NddrStep *step, int b, Access *access)
{
  const NddrBinding *binding = &step->bindings[b];

  if (!binding->tensor || !(binding->read || binding->write))
    return FALSE;
  access->space = binding->tensor->space;
  access->start = binding->tensor->offset + binding->offset;
  access->end = binding->range ? access->start + binding->range : binding->tensor->offset + binding->tensor->bytes;
  access->write = binding->write;
  /* a texel view spans its space: to the device, and to validation, all of it is read */
  if (plan->traits.family == NDDR_FAMILY_SOFTWARE && step->kernel->bindings[b] != 'S') {
    access->start = 0;
    access->end = plan->space_bytes[access->space];
  }
  return TRUE;
}

static gboolean
conflicts (const NddrPlan *plan, const NddrStep *step, const GArray *since)
{
  Access access;

  for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
    if (access_of (plan, step, b, &access))
      for (guint i = 0; i < since->len; i++) {
        const Access *other = &g_array_index (since, Access, i);

        if ((access.write || other->write) && access.space == other->space && access.start < other->end &&
            other->start < access.end)
          return TRUE;
      }
  return FALSE;
}

void
nddr_plan_barriers (const NddrPlan *plan, guint phase_mask, gboolean *before)
{
  g_autoptr (GArray) since = g_array_new (FALSE, FALSE, sizeof (Access)); /* the last barrier */

  g_assert (plan->finished);
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);
    Access access;

    before[i] = FALSE;
    if (!(phase_mask & (1u << step->phase)))
      continue;
    if (conflicts (plan, step, since)) {
      before[i] = TRUE;
      g_array_set_size (since, 0);
    }
    for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++)
      if (access_of (plan, step, b, &access))
        g_array_append_val (since, access);
  }
}

/* ---- printing */

static const char *const space_names[NDDR_N_SPACES] = { "arena", "weights", "params", "state", "tables", "input", "output", "exchange" };

char *
nddr_plan_print (const NddrPlan *plan)
{
  GString *out = g_string_new (NULL);

  for (int s = 0; s < NDDR_N_SPACES; s++)
    if (plan->space_bytes[s])
      g_string_append_printf (out, "%-8s %12" G_GSIZE_FORMAT " bytes\n", space_names[s], plan->space_bytes[s]);
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    g_string_append_printf (out, "%4u  phase %d  %-28s %-20s %-8s [%u %u %u]", i, step->phase, step->label, step->kernel->name,
        step->kernel->variant, step->groups[0], step->groups[1], step->groups[2]);
    for (int b = 0; b < NDDR_STEP_MAX_BINDINGS; b++) {
      const NddrTensor *t = step->bindings[b].tensor;

      if (t)
        g_string_append_printf (out, "  %s%s%s@%s+%" G_GSIZE_FORMAT, step->bindings[b].read ? "<" : "",
            step->bindings[b].write ? ">" : "", t->name, space_names[t->space], t->offset);
    }
    if (step->mark)
      g_string_append_printf (out, "  mark %d%s", step->mark, step->hold ? ", holds" : "");
    g_string_append_c (out, '\n');
  }
  return g_string_free (out, FALSE);
}
