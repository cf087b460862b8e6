/* See progress.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/progress.h>

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH 24 /* of the bar */

/* Of the terminal, which may change. */
static guint
count_columns (void)
{
  struct winsize size;
  return ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void
nddr_progress_start (NddrProgress *progress, guint64 first)
{
  *progress = (NddrProgress){ .shown = isatty (STDERR_FILENO) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0,
    .started = g_get_monotonic_time (), .first = first };
}

void
nddr_progress_update (NddrProgress *progress, guint64 done, guint64 total, const char *text)
{
  gint64 now = g_get_monotonic_time ();
  if (!progress->shown || total == 0 || (now - progress->drawn < G_USEC_PER_SEC / 10 && done < total))
    return;
  progress->drawn = now;
  gint64 left = done > progress->first ? (now - progress->started) / 1e6 * (total - done) / (done - progress->first) : 0;
  g_autofree char *rest = g_strdup_printf ("%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "  %d:%02d:%02d left  %s", done, total, (int) (left / 3600),
      (int) (left / 60 % 60), (int) (left % 60), text);
  /* a line that went over the terminal's edge would not be rewritten: the bar is what gives way, then the end */
  guint room = MAX (count_columns (), 2) - 1, used = strlen (rest) + 3, width = room > used ? MIN (room - used, WIDTH) : 0;
  char bar[WIDTH + 1] = { 0 };
  for (guint i = 0; i < width; i++)
    bar[i] = i < done * width / total ? '#' : '.';
  fprintf (stderr, width ? "\r\033[K[%s] %.*s" : "\r\033[K%s%.*s", bar, (int) room, rest);
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
