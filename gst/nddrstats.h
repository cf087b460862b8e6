/* What the element has done so far, and how long it took.
 *
 * Not thread-safe: the element calls these under its lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <nddr/nddr.h>

G_BEGIN_DECLS

/* the 99th percentile is taken over this many of the latest inferences */
#define GST_NDDR_STATS_WINDOW 1024

typedef struct
{
  guint64 frames, dropped;
  guint64 inferences; /* frames that were not shown over an older result */
  guint64 last;       /* device time of the latest inference; all times in nanoseconds */
  guint64 sum;        /* of all inferences */
  guint64 upload, download;
  guint64 window[GST_NDDR_STATS_WINDOW];
  double frame_time; /* moving average of what a frame takes from upload to download */
  guint concurrency; /* frames that were worked on side by side when it was last measured; 0: not yet */
  guint64 latency;   /* what was last reported */
} GstNddrStats;

void gst_nddr_stats_reset (GstNddrStats *stats);

/** Notes a finished frame of a session that works on @concurrency side by side. */
void gst_nddr_stats_add (GstNddrStats *stats, const NddrTiming *timing, gboolean inferred, guint concurrency);

/** What comes is of another model: the times of inferences so far are forgotten, the frames are not. */
void gst_nddr_stats_forget_times (GstNddrStats *stats);

/** The latency of @slots frames in flight at the measured time a frame, as many at a time as are worked on side by side; 0 before anything was measured.
 * Sets @news where it is more than a quarter, and 5 ms, away from what was last reported so, and reports it. */
guint64 gst_nddr_stats_latency (GstNddrStats *stats, guint slots, gboolean *news);

/** (transfer full): with @device and @model, both nullable, as the `stats` property has it. */
GstStructure *gst_nddr_stats_to_structure (const GstNddrStats *stats, const char *device, const char *model);

G_END_DECLS
