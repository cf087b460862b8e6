/* See bench-layers.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/bench-layers.h>

#include <stdio.h>
#include <train/metrics.h>
#include <train/traffic.h>

GArray *
nddr_bench_profile (NddrProgram *program, guint phases, gboolean by_kernel, GError **error)
{
  const NddrPlan *plan = nddr_program_get_plan (program);
  g_autofree guint64 *ns = g_new0 (guint64, plan->steps->len);
  if (!nddr_program_profile (program, phases, ns, error))
    return NULL;
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (NddrBenchRow));
  g_autofree gsize *bytes = nddr_traffic (plan, phases);
  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = plan->steps->pdata[i];
    const char *key = by_kernel ? step->kernel->name : step->label ? step->label : "";
    guint r = 0;
    if (!(phases & 1u << step->phase))
      continue;
    while (r < rows->len && !g_str_equal (g_array_index (rows, NddrBenchRow, r).label, key))
      r++;
    if (r == rows->len)
      g_array_append_vals (rows, &(NddrBenchRow){ .label = key }, 1);
    g_array_index (rows, NddrBenchRow, r).ns += ns[i];
    g_array_index (rows, NddrBenchRow, r).gbyte += bytes[i] / 1e9;
    g_array_index (rows, NddrBenchRow, r).steps++;
  }
  return rows;
}

/* Whether @label, of a step that does several layers ("A, B") or one, names @layer. */
static gboolean
names_layer (const char *label, const NddrLayer *layer)
{
  g_auto (GStrv) names = g_strsplit (label, ", ", -1);
  return g_strv_contains ((const char *const *) names, layer->label);
}

void
nddr_bench_count_operations (GArray *rows, const NddrNetwork *network, guint width, guint height, double gflop_per_mac)
{
  g_autofree int *widths = NULL, *heights = NULL;
  nddr_network_sizes (network, width, height, &widths, &heights);
  for (int i = 0; i < (int) network->layers->len; i++)
    for (guint r = 0; r < rows->len; r++)
      if (names_layer (g_array_index (rows, NddrBenchRow, r).label, nddr_network_layer (network, i)))
        g_array_index (rows, NddrBenchRow, r).gflop += gflop_per_mac * nddr_network_layer_macs (network, i, widths, heights);
}

/* In GFLOP/s; 0: of a row that has none. */
static double
rate (const NddrBenchRow *row)
{
  return row->gflop > 0 && row->ns > 0 ? row->gflop / (row->ns / 1e9) : 0;
}

NddrBenchBound
nddr_bench_bound (const GArray *rows, double peak, double peak_memory)
{
  NddrBenchBound all = { 0 };
  for (guint r = 0; r < rows->len; r++) {
    const NddrBenchRow *row = &g_array_index (rows, NddrBenchRow, r);
    double arithmetic = row->gflop * 1e12 / peak, memory = row->gbyte * 1e12 / peak_memory;
    all.arithmetic += arithmetic;
    all.memory += memory;
    all.roofline += MAX (arithmetic, memory);
  }
  return all;
}

/* The time of @row's roofline as a share of its time. */
static double
reached (const NddrBenchRow *row, double peak, double peak_memory)
{
  double least = MAX (row->gflop * 1e9 / peak, row->gbyte * 1e9 / peak_memory);
  return row->ns > 0 ? least / (row->ns / 1e9) : 0;
}

void
nddr_bench_print_rows (const char *title, const GArray *rows, double peak, double peak_memory)
{
  printf ("\n%-40s  %7s  %5s%s\n", title, "ms", "steps", peak > 0 ? "  of roofline  GFLOP/s  of peak" : "");
  for (guint r = 0; r < rows->len; r++) {
    const NddrBenchRow *row = &g_array_index (rows, NddrBenchRow, r);
    printf ("%-40s  %7.3f  %5u", row->label, row->ns / 1e6, row->steps);
    if (peak > 0)
      printf ("  %9.1f %%", 100 * reached (row, peak, peak_memory));
    if (peak > 0 && rate (row) > 0)
      printf ("  %7.1f  %5.1f %%", rate (row), 100 * rate (row) * 1e9 / peak);
    printf ("\n");
  }
}

void
nddr_bench_add_times (JsonBuilder *json, const char *name, const GArray *rows)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  for (guint r = 0; r < rows->len; r++)
    nddr_json_add_number (json, g_array_index (rows, NddrBenchRow, r).label, g_array_index (rows, NddrBenchRow, r).ns / 1e6);
  json_builder_end_object (json);
}

void
nddr_bench_add_rates (JsonBuilder *json, const char *name, const GArray *rows)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  for (guint r = 0; r < rows->len; r++) {
    const NddrBenchRow *row = &g_array_index (rows, NddrBenchRow, r);
    if (rate (row) > 0)
      nddr_json_add_number (json, row->label, rate (row));
  }
  json_builder_end_object (json);
}

void
nddr_bench_add_traffic (JsonBuilder *json, const char *name, const GArray *rows)
{
  json_builder_set_member_name (json, name);
  json_builder_begin_object (json);
  for (guint r = 0; r < rows->len; r++)
    nddr_json_add_number (json, g_array_index (rows, NddrBenchRow, r).label, g_array_index (rows, NddrBenchRow, r).gbyte);
  json_builder_end_object (json);
}
