/* The error domain of the public API.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/nddr-error.h>

GQuark
nddr_error_quark (void)
{
  return g_quark_from_static_string ("nddr-error-quark");
}
