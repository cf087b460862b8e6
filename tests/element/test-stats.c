/* The element's counts and times, of made-up timings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrstats.h"

static guint64
get (const GstNddrStats *stats, const char *name)
{
  GstStructure *structure = gst_nddr_stats_to_structure (stats, NULL, NULL);
  guint64 value;

  g_assert_true (gst_structure_get_uint64 (structure, name, &value));
  gst_structure_free (structure);
  return value;
}

static void
add (GstNddrStats *stats, guint64 upload, guint64 compute, guint64 download, gboolean inferred)
{
  const NddrTiming timing = { .upload = upload, .compute = compute, .download = download };

  gst_nddr_stats_add (stats, &timing, inferred, 1);
}

/* 10 to 2000 in steps of 10, in no order: by definition the mean is 1005, and 1980 is the least that 99 in 100 do not exceed */
static void
test_times (void)
{
  g_autofree GstNddrStats *stats = g_new0 (GstNddrStats, 1);

  for (guint i = 0; i < 200; i++)
    add (stats, 3, 10 * (i * 77 % 200 + 1), 4, TRUE);
  /* shown over an older result: a frame, but no time of the network's */
  add (stats, 5, 1000000, 6, FALSE);
  g_assert_cmpuint (get (stats, "frames"), ==, 201);
  g_assert_cmpuint (get (stats, "inference-mean"), ==, 1005);
  g_assert_cmpuint (get (stats, "inference-p99"), ==, 1980);
  g_assert_cmpuint (get (stats, "inference-last"), ==, 10 * (199 * 77 % 200 + 1));
  g_assert_cmpuint (get (stats, "upload"), ==, 5);
  g_assert_cmpuint (get (stats, "download"), ==, 6);

  /* the percentile is of the latest 1024, of which it leaves out ten; the mean is of all */
  for (guint i = 0; i < 1024; i++)
    add (stats, 3, i < 11 ? 7000 : 8, 4, TRUE);
  g_assert_cmpuint (get (stats, "inference-p99"), ==, 7000);
  add (stats, 3, 8, 4, TRUE);
  g_assert_cmpuint (get (stats, "inference-p99"), ==, 8);
  g_assert_cmpuint (get (stats, "inference-mean"), ==, (200 * 1005 + 11 * 7000 + 1014 * 8) / 1225);
}

static void
test_empty (void)
{
  g_autofree GstNddrStats *stats = g_new0 (GstNddrStats, 1);

  add (stats, 1, 2, 3, TRUE);
  gst_nddr_stats_reset (stats);
  g_assert_cmpuint (get (stats, "frames"), ==, 0);
  g_assert_cmpuint (get (stats, "inference-mean"), ==, 0);
  g_assert_cmpuint (get (stats, "inference-p99"), ==, 0);
  g_assert_cmpuint (gst_nddr_stats_latency (stats, 8, NULL), ==, 0);
}

/* news is what is more than a quarter away from the last news: once where frames take the same, and not where they take little more, or are so
 * short that nobody sees the difference */
static void
test_news (void)
{
  static const struct { guint64 unit; guint said; } rows[] = { { 100 * GST_USECOND, 1 }, { GST_MSECOND / 100, 0 } };

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    g_autofree GstNddrStats *stats = g_new0 (GstNddrStats, 1);
    guint64 unit = rows[r].unit;
    gboolean news;

    for (guint i = 0; i < 10; i++) {
      add (stats, 10 * unit, 70 * unit, 20 * unit, TRUE);
      g_assert_cmpuint (gst_nddr_stats_latency (stats, 2, &news), ==, 200 * unit);
      g_assert_cmpint (news, ==, i == 0);
    }
    g_assert_cmpuint (gst_nddr_stats_latency (stats, 4, NULL), ==, 400 * unit); /* a question is no report */
    for (guint i = 0; i < 100; i++) {
      add (stats, 10 * unit, 90 * unit, 20 * unit, TRUE);
      gst_nddr_stats_latency (stats, 2, &news);
      g_assert_false (news);
    }
    guint said = 0;
    for (guint i = 0; i < 100; i++) {
      add (stats, 10 * unit, 110 * unit, 20 * unit, TRUE);
      gst_nddr_stats_latency (stats, 2, &news);
      said += news;
    }
    g_assert_cmpuint (said, ==, rows[r].said);
  }
}

/* frames side by side take longer each, and are waited for together */
static void
test_side_by_side (void)
{
  g_autofree GstNddrStats *stats = g_new0 (GstNddrStats, 1);
  const NddrTiming timing = { .upload = 100, .compute = 700, .download = 200 };
  static const guint64 want[] = { 1000, 1000, 2000, 2000, 3000 }; /* of 1 to 5 frames in flight */

  gst_nddr_stats_add (stats, &timing, TRUE, 2);
  for (guint slots = 1; slots <= G_N_ELEMENTS (want); slots++)
    g_assert_cmpuint (gst_nddr_stats_latency (stats, slots, NULL), ==, want[slots - 1]);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element/stats/times", test_times);
  g_test_add_func ("/element/stats/empty", test_empty);
  g_test_add_func ("/element/stats/news", test_news);
  g_test_add_func ("/element/stats/side-by-side", test_side_by_side);
  int status = g_test_run ();
  gst_deinit ();
  return status;
}
