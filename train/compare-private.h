/* What a comparison holds, and what its tables and its JSON say of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/compare.h>
#include <train/metrics.h>

G_BEGIN_DECLS

/** A run, or what `nddr eval --json` printed. */
typedef struct
{
  char *name;    /* as it was given */
  char *network; /* "" where it is not known, as the next two are 0 */
  gint64 step, steps;
  JsonNode *scores;
} NddrComparisonEntry;

/** A task that at least one entry has. */
typedef struct
{
  char *name;
  NddrTaskKind kind;
  char *first;        /* the entry it was found in, for messages */
  gboolean published; /* TASK_paper: no task of its own */
} NddrComparisonTask;

/** A score of a task. */
typedef struct
{
  guint task;
  const NddrMetric *metric;
} NddrComparisonColumn;

struct _NddrComparison
{
  GPtrArray *entries;   /* of NddrComparisonEntry */
  GArray *tasks;        /* of NddrComparisonTask, in the order of the columns */
  GArray *columns;      /* of NddrComparisonColumn */
  GArray *baselines;    /* of guint: entries, in the order of precedence */
};

static inline const NddrComparisonEntry *
nddr_comparison_entry (const NddrComparison *comparison, guint i)
{
  return comparison->entries->pdata[i];
}

static inline const NddrComparisonTask *
nddr_comparison_task (const NddrComparison *comparison, guint i)
{
  return &g_array_index (comparison->tasks, NddrComparisonTask, i);
}

/** In the unit of @metric; NAN where the entry has none. */
double nddr_comparison_score (const NddrComparisonEntry *entry, const NddrComparisonTask *task, const NddrMetric *metric);

/** (transfer none) (nullable): the first baseline that has a score of @task; NULL: none. */
const NddrComparisonEntry *nddr_comparison_baseline (const NddrComparison *comparison, const NddrComparisonTask *task);

/** The relative gain in one task, a fraction, positive where it is for the better; NAN where the entry or the baseline lacks it. */
double nddr_comparison_gain (const NddrComparison *comparison, const NddrComparisonEntry *entry, const NddrComparisonTask *task);

/** The mean gain over tasks, NAN over none.
 * @n: (out): over how many
 * @missing: (out): how many of the baseline's tasks are left out */
double nddr_comparison_delta_m (const NddrComparison *comparison, const NddrComparisonEntry *entry, guint *n, guint *missing);

G_END_DECLS
