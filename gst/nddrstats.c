/* What the element has done so far: see nddrstats.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrstats.h"

#include <stdlib.h>
#include <string.h>

/* A latency that is less off than this is no news: every one makes the whole pipeline ask anew. */
#define SLIGHT (5 * GST_MSECOND)

void
gst_nddr_stats_reset (GstNddrStats *stats)
{
  memset (stats, 0, sizeof *stats);
}

void
gst_nddr_stats_add (GstNddrStats *stats, const NddrTiming *timing, gboolean inferred, guint concurrency)
{
  stats->frames++;
  stats->upload = timing->upload;
  stats->download = timing->download;
  if (!inferred)
    return;

  double took = (double) timing->upload + timing->compute + timing->download;

  stats->concurrency = concurrency;
  stats->last = timing->compute;
  stats->sum += timing->compute;
  stats->window[stats->inferences++ % GST_NDDR_STATS_WINDOW] = timing->compute;
  stats->frame_time = stats->inferences == 1 ? took : stats->frame_time + (took - stats->frame_time) / 8;
}

void
gst_nddr_stats_forget_times (GstNddrStats *stats)
{
  stats->inferences = stats->last = stats->sum = 0; /* what a frame takes stays a guess until the next one is measured */
}

guint64
gst_nddr_stats_latency (GstNddrStats *stats, guint slots, gboolean *news)
{
  guint concurrency = MAX (stats->concurrency, 1);
  guint64 latency = stats->frame_time * ((slots + concurrency - 1) / concurrency);

  if (news) {
    guint64 difference = MAX (latency, stats->latency) - MIN (latency, stats->latency);
    *news = difference > stats->latency / 4 && (stats->latency == 0 || difference > SLIGHT);
    if (*news)
      stats->latency = latency;
  }
  return latency;
}

static int
compare_times (const void *a, const void *b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return (x > y) - (x < y);
}

static guint64
percentile_99 (const GstNddrStats *stats)
{
  guint64 sorted[GST_NDDR_STATS_WINDOW];
  gsize n = MIN (stats->inferences, GST_NDDR_STATS_WINDOW);

  if (n == 0)
    return 0;
  memcpy (sorted, stats->window, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare_times);
  /* the smallest value that 99 in 100 do not exceed */
  return sorted[(n * 99 + 99) / 100 - 1];
}

GstStructure *
gst_nddr_stats_to_structure (const GstNddrStats *stats, const char *device, const char *model)
{
  return gst_structure_new ("nddrcnn-stats",
      "frames", G_TYPE_UINT64, stats->frames,
      "dropped", G_TYPE_UINT64, stats->dropped,
      "inference-last", G_TYPE_UINT64, stats->last,
      "inference-mean", G_TYPE_UINT64, stats->inferences ? stats->sum / stats->inferences : 0,
      "inference-p99", G_TYPE_UINT64, percentile_99 (stats),
      "upload", G_TYPE_UINT64, stats->upload,
      "download", G_TYPE_UINT64, stats->download,
      "device", G_TYPE_STRING, device,
      "model", G_TYPE_STRING, model, NULL);
}
