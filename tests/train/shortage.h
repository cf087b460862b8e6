/* Memory that is short: GLib's functions that say so, which g_try_new() and the like call, fail when they are told to.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Of the pieces that are asked for from now on, those from number @first on, from 0, cannot be had. */
void shortage_set (guint first);
/** The same, of those that this thread asks for. */
void shortage_set_here (guint first);
/** How many were asked for since: on all threads, or on that one. */
guint shortage_count (void);
