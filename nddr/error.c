/* The error domain of the public API.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/error.h>

GQuark
nddr_error_quark (void)
{
  return g_quark_from_static_string ("nddr-error-quark");
}

gboolean
nddr_fail (GError **error, NddrError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, NDDR_ERROR, code, message);
  return FALSE;
}
