/* What a device can do at most, measured: what networks' times are held against.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nddr/nddr-device.h>

G_BEGIN_DECLS

/** Operations a second, a multiply-add being two; and bytes a second, read and written together. */
typedef struct
{
  double fma;    /* in 32 bits */
  double matrix; /* of 16-bit floats with 32-bit sums on cooperative matrices; 0: there are none */
  double memory;
} NddrDevicePeak;

/** Takes a second or two.  Each is the best of some runs. */
gboolean nddr_measure_device (NddrDevice *device, NddrDevicePeak *measure, GError **error);

G_END_DECLS
