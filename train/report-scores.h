/* A report's sections on scores: what lies behind each task's numbers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/metrics.h>

G_BEGIN_DECLS

/** What a score is called in a sentence: "mean IoU", "within 11.25°". */
const char *nddr_report_metric_name (const NddrMetric *metric);
/** "%", "°", "m" or "". */
const char *nddr_report_unit (NddrUnit unit);

/** Segmentation: each class's IoU in its colour, and the confusion matrix; normals and depth: how errors are spread.  Nothing where no pixel had
 * a label. */
void nddr_report_add_task (GString *html, const NddrMetrics *metrics, const NddrTask *task, guint index);

G_END_DECLS
