/* References: every operation in plain C, double precision, as its definition says; slow and obvious.
 *
 * Maps are dense: [branches][batch][height][width][channels].
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
