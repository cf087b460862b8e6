/* Plans as text, for people: `nddr info --plan`.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/plan.h>

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
