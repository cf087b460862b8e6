/* See progress.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/progress.h>

#include <stdio.h>
#include <unistd.h>

#define WIDTH 24 /* of the bar */

void
nddr_progress_start (NddrProgress *progress, guint64 first)
{
  *progress = (NddrProgress){ .shown = isatty (STDERR_FILENO), .started = g_get_monotonic_time (), .first = first };
}

void
nddr_progress_update (NddrProgress *progress, guint64 done, guint64 total, const char *text)
{
  gint64 now = g_get_monotonic_time ();
  if (!progress->shown || total == 0 || (now - progress->drawn < G_USEC_PER_SEC / 10 && done < total))
    return;
  progress->drawn = now;
  char bar[WIDTH + 1] = { 0 };
  for (guint i = 0; i < WIDTH; i++)
    bar[i] = i < done * WIDTH / total ? '#' : '.';
  gint64 left = done > progress->first ? (now - progress->started) / 1e6 * (total - done) / (done - progress->first) : 0;
  fprintf (stderr, "\r\033[K[%s] %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "  %s  %d:%02d:%02d left", bar, done, total, text, (int) (left / 3600),
      (int) (left / 60 % 60), (int) (left % 60));
  fflush (stderr);
}

void
nddr_progress_clear (NddrProgress *progress)
{
  if (!progress->shown)
    return;
  fputs ("\r\033[K", stderr);
  fflush (stderr);
}
