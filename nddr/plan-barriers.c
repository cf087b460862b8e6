/* Barriers between a plan's steps: where one touches bytes that another before it writes, or writes bytes that it touches.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan.h>

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
