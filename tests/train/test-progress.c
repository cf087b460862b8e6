/* The progress line on a terminal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/progress.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What two updates and the end write to a terminal of so many columns. */
static char *
write_lines (guint columns, const char *text)
{
  int terminal = posix_openpt (O_RDWR | O_NOCTTY), before = dup (STDERR_FILENO);
  g_assert_cmpint (terminal, >=, 0);
  g_assert_cmpint (grantpt (terminal), ==, 0);
  g_assert_cmpint (unlockpt (terminal), ==, 0);
  int end = open (ptsname (terminal), O_RDWR | O_NOCTTY);
  g_assert_cmpint (end, >=, 0);
  g_assert_cmpint (ioctl (end, TIOCSWINSZ, &(struct winsize){ .ws_row = 25, .ws_col = columns }), ==, 0);
  dup2 (end, STDERR_FILENO);
  NddrProgress progress;
  nddr_progress_start (&progress, 0);
  nddr_progress_update (&progress, 500, 1000, text);
  nddr_progress_update (&progress, 1000, 1000, text);
  nddr_progress_clear (&progress);
  dup2 (before, STDERR_FILENO);
  char *written = g_malloc0 (4096);
  g_assert_cmpint (fcntl (terminal, F_SETFL, O_NONBLOCK), ==, 0);
  for (gssize n = 0, more; n < 4095 && (more = read (terminal, written + n, 4095 - n)) > 0;)
    n += more;
  close (end);
  close (terminal);
  close (before);
  return written;
}

/* No line is as wide as the terminal, so that each is written over the one before; the numbers are there as long as they fit. */
static void
test_width (void)
{
  static const guint widths[] = { 200, 80, 60, 40, 25, 1 };
  g_setenv ("TERM", "xterm", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
    g_autofree char *written = write_lines (widths[i], "loss 26.1586  31.1 images/s, 32 % waiting for data");
    g_auto (GStrv) lines = g_strsplit (written, "\r\033[K", -1);
    g_assert_cmpuint (g_strv_length (lines), ==, 4);
    for (guint l = 0; l < 4; l++)
      g_assert_cmpuint (strlen (lines[l]), <, MAX (widths[i], 2));
    g_assert_true (widths[i] < 25 || strstr (lines[1], "500/1000  0:00:00 left"));
    g_assert_true (widths[i] < 80 || strstr (lines[1], "waiting for data"));
    g_assert_true (widths[i] < 200 || g_str_has_prefix (lines[1], "[############............] "));
    g_assert_cmpstr (lines[3], ==, "");
  }
}

/* A terminal that cannot rewrite a line gets none. */
static void
test_dumb (void)
{
  g_setenv ("TERM", "dumb", TRUE);
  g_autofree char *written = write_lines (80, "pictures");
  g_assert_cmpstr (written, ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/progress/width", test_width);
  g_test_add_func ("/progress/dumb", test_dumb);
  return g_test_run ();
}
