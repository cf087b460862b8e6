/* A comparison as JSON: see compare.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/compare-private.h>

static void
build_text (JsonBuilder *builder, const char *name, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, valid);
}

static void
build_entry (JsonBuilder *builder, const NddrComparison *comparison, const NddrComparisonEntry *entry)
{
  guint n, missing;
  json_builder_begin_object (builder);
  build_text (builder, "run", entry->name);
  if (entry->steps) {
    build_text (builder, "network", entry->network);
    json_builder_set_member_name (builder, "step");
    json_builder_add_int_value (builder, entry->step);
    json_builder_set_member_name (builder, "steps");
    json_builder_add_int_value (builder, entry->steps);
  }
  json_builder_set_member_name (builder, "scores");
  json_builder_add_value (builder, json_node_copy (entry->scores));
  json_builder_set_member_name (builder, "gain");
  json_builder_begin_object (builder);
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const NddrComparisonTask *task = nddr_comparison_task (comparison, t);
    if (!task->published)
      nddr_json_add_number (builder, task->name, nddr_comparison_gain (comparison, entry, task));
  }
  json_builder_end_object (builder);
  nddr_json_add_number (builder, "delta_m", nddr_comparison_delta_m (comparison, entry, &n, &missing));
  json_builder_end_object (builder);
}

JsonNode *
nddr_comparison_to_json (const NddrComparison *comparison)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "baseline");
  json_builder_begin_object (builder);
  for (guint t = 0; t < comparison->tasks->len; t++) {
    const NddrComparisonTask *task = nddr_comparison_task (comparison, t);
    const NddrComparisonEntry *baseline = nddr_comparison_baseline (comparison, task);
    if (baseline && !task->published)
      build_text (builder, task->name, baseline->name);
  }
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "runs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < comparison->entries->len; i++)
    build_entry (builder, comparison, nddr_comparison_entry (comparison, i));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
