/* Where the time of a run goes on the device: by layer, and by kernel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/network.h>
#include <nddr/program.h>

G_BEGIN_DECLS

/** A layer's share, or a kernel's. */
typedef struct
{
  const char *label; /* the plan's */
  guint64 ns;
  guint steps;
  double gflop; /* of a layer's convolutions and mixtures; 0: none, or by kernel */
} NddrBenchRow;

/** (transfer full) (element-type NddrBenchRow): runs @phases of @program once, and sums the steps' times by the layer that a step works for ("A, B": by both), in
 * the order of first appearance; with @by_kernel by what runs.  The labels are @program's. */
GArray *nddr_bench_profile (NddrProgram *program, guint phases, gboolean by_kernel, GError **error);

/** Says in @rows, by layer, what arithmetic they were of: of @network at @width x @height.
 * @gflop_per_mac: 10⁹ operations that a multiply-add of one picture's way forward stands for */
void nddr_bench_count_operations (GArray *rows, const NddrNetwork *network, guint width, guint height, double gflop_per_mac);

/** Prints a table; with rates, where rows have any, as shares of @peak, operations a second, unless that is 0. */
void nddr_bench_print_rows (const char *title, const GArray *rows, double peak);

/** Adds an object @name to the one that @json is in: {LABEL: milliseconds}. */
void nddr_bench_add_times (JsonBuilder *json, const char *name, const GArray *rows);
/** The same of rates, where rows have any: {LABEL: 10⁹ operations a second}. */
void nddr_bench_add_rates (JsonBuilder *json, const char *name, const GArray *rows);

G_END_DECLS
