/* MAT-files as MATLAB's versions 5 to 7 write them: numeric arrays by name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * nddr_mat5_read:
 * @path: a file of up to 16 MiB, in either byte order, its variables compressed or not
 * @name: of a real numeric array of any shape; other variables are passed over
 * @n: (out): how many numbers it has
 *
 * The format is that of "MAT-File Format" (The MathWorks).  Version 7.3, which is HDF5, is an error that says so.
 *
 * Returns: (transfer full): the numbers, column by column
 */
double *nddr_mat5_read (const char *path, const char *name, gsize *n, GError **error);

G_END_DECLS
