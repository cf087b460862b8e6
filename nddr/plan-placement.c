/* Finishing plans: how long tensors live, where they lie in their spaces, and whether the device's limits allow for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan-private.h>
#include <nddr/error.h>

#define ZERO_PAGE 256   /* at the arena's start: what padding reads */
#define MAX_TRIES 64    /* to place the arena's tensors */
#define ENOUGH 100      /* so small a part more than what lives at once is close enough: a hundredth */

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
      at = MAX (at, nddr_plan_align_up (other->offset + other->bytes, NDDR_PLAN_ALIGNMENT));
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

gboolean
nddr_plan_check_map (const NddrPlan *plan, const char *name, int branches, int batch, int height, int width, int channels, GError **error)
{
  double most = plan->traits.family == NDDR_FAMILY_SOFTWARE ? G_MAXINT32 : G_MAXUINT32; /* a texel buffer's bytes; a binding's */
  gsize pixel = plan->activation_type == NDDR_F16 ? 2 * nddr_plan_align_up (channels, 8) : 4 * nddr_plan_align_up (channels, 4);
  double bytes = (double) branches * batch * height * width * pixel;

  return bytes <= most || nddr_fail (error, NDDR_ERROR_UNSUPPORTED, "%s: %dx%d with a batch of %d takes %.1f GiB; buffers span less than %.0f GiB: use %s",
      name, width, height, batch, bytes / (1 << 30), most / (1 << 30), way_out (NDDR_SPACE_ARENA));
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
    plan->space_bytes[tensor->space] += nddr_plan_align_up (tensor->bytes, NDDR_PLAN_ALIGNMENT);
  }
  plan->space_bytes[NDDR_SPACE_ARENA] = nddr_plan_align_up (place_by_liveness (plan), NDDR_PLAN_ALIGNMENT);
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
