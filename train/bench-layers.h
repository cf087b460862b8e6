/* Where the time of a run goes on the device, by layer and by kernel, and how near that is to the device's roofline.
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
  double gbyte; /* that a layer must read and write at least, as traffic.h has it */
} NddrBenchRow;

/** The least time that rows can take on a device, by its measured peaks: all of its arithmetic and all of its traffic, each alone, and the
 * roofline, to which each layer adds the longer of its two.  In milliseconds. */
typedef struct
{
  double arithmetic, memory, roofline;
} NddrBenchBound;

/** (transfer full) (element-type NddrBenchRow): runs @phases of @program once, and sums the steps' times by the layer that a step works for
 * ("A, B": by both), in the order of first appearance; with @by_kernel by what runs.  The labels are @program's. */
GArray *nddr_bench_profile (NddrProgram *program, guint phases, gboolean by_kernel, GError **error);

/** Says in @rows, by layer, what arithmetic they were of: of @network at @width x @height.
 * @gflop_per_mac: 10⁹ operations that a multiply-add of one picture's way forward stands for */
void nddr_bench_count_operations (GArray *rows, const NddrNetwork *network, guint width, guint height, double gflop_per_mac);

/** @peak: operations a second. @peak_memory: bytes a second, read and written. */
NddrBenchBound nddr_bench_bound (const GArray *rows, double peak, double peak_memory);

/** Prints a table; by layer, with rates where rows have any, as shares of @peak, and the share that each is of its roofline; by kernel where @peak is 0. */
void nddr_bench_print_rows (const char *title, const GArray *rows, double peak, double peak_memory);

/** Adds an object @name to the one that @json is in: {LABEL: milliseconds}. */
void nddr_bench_add_times (JsonBuilder *json, const char *name, const GArray *rows);
/** The same of rates, where rows have any: {LABEL: 10⁹ operations a second}. */
void nddr_bench_add_rates (JsonBuilder *json, const char *name, const GArray *rows);
/** The same of traffic: {LABEL: 10⁹ bytes}. */
void nddr_bench_add_traffic (JsonBuilder *json, const char *name, const GArray *rows);

G_END_DECLS
