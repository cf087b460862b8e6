/* A progress line on standard error, rewritten in place; nothing where that is no terminal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gboolean shown;   /* there is a terminal */
  gint64 started;   /* µs, monotonic */
  gint64 drawn;
  guint64 first;    /* what had been done when it started */
} NddrProgress;

void nddr_progress_start (NddrProgress *progress, guint64 first);
/** @done of @total; @text: what else to say. At most ten times a second. */
void nddr_progress_update (NddrProgress *progress, guint64 done, guint64 total, const char *text);
/** Clears the line, so that others can be written. */
void nddr_progress_clear (NddrProgress *progress);

G_END_DECLS
