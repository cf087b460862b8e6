/* See crash.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/** From now on a crash of any thread is told on standard error, where the C library can. */
void crash_init (void);
