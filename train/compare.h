/* A comparison: runs side by side, with the columns of the NDDR-CNN paper's tables and the relative multi-task gain.
 *
 * The gain (delta m; Maninis et al., CVPR 2019) is the mean over tasks of the relative change of a task's score against a baseline's, positive where
 * it is for the better: (M - B) / B of the mean IoU, (B - M) / B of the mean angle and of depth's rmse.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <nddr/nddr-error.h>

G_BEGIN_DECLS

/** Immutable once made. */
typedef struct _NddrComparison NddrComparison;

/**
 * nddr_comparison_new:
 * @runs: NULL-terminated, at least one: each a run's folder, or a file that `nddr eval --json` printed
 * @baselines: (nullable): the same, NULL-terminated: a task's baseline is the first of them that has it, so that single-task runs make one
 *   together; those that are not among @runs come before them.  NULL: the first run
 * @last: take runs' last validations, not their best ones
 */
NddrComparison *nddr_comparison_new (const char *const *runs, const char *const *baselines, gboolean last, GError **error);
void nddr_comparison_free (NddrComparison *comparison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NddrComparison, nddr_comparison_free)

/** (transfer full): lines of text: percent, degrees and metres, "–" where a run has no such task. */
char *nddr_comparison_to_text (const NddrComparison *comparison);
/** (transfer full): the same as a Markdown table, the best of each column bold. */
char *nddr_comparison_to_markdown (const NddrComparison *comparison);
/** (transfer full): {"baseline": {TASK: RUN}, "runs": [{"run", "network", "step", "steps", "scores", "gain": {TASK: …}, "delta_m"}]}; fractions, and
 * null where there is none. */
JsonNode *nddr_comparison_to_json (const NddrComparison *comparison);

G_END_DECLS
