/* 16-bit floats, in plain C: the two formats that files hold.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

static inline float
nddr_float_from_bits (guint32 bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline guint32
nddr_float_to_bits (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

/** IEEE 754 binary16; every value of it is a float. */
static inline float
nddr_half_to_float (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;

  if (exponent == 31) /* infinity, not a number */
    return nddr_float_from_bits (sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) { /* zero and subnormals: fraction times 2^-24 */
    float magnitude = (float) fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return nddr_float_from_bits (sign | (exponent + 112) << 23 | fraction << 13);
}

/** Rounded to nearest, ties to even; beyond 65504 (and half a step) it is infinity. */
static inline guint16
nddr_half_from_float (float value)
{
  guint32 bits = nddr_float_to_bits (value), magnitude = bits & 0x7fffffff;
  guint16 sign = (guint16) (bits >> 16 & 0x8000);

  if (magnitude > 0x7f800000)
    return sign | 0x7e00;
  if (magnitude >= 0x477ff000)
    return sign | 0x7c00;
  if (magnitude < 0x38800000) { /* below 2^-14: adding 0.5 leaves the float's last bits as multiples of 2^-24 */
    float shifted = nddr_float_from_bits (magnitude) + 0.5f;
    return sign | (guint16) (nddr_float_to_bits (shifted) - 0x3f000000);
  }
  return sign | (guint16) ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

/** The upper half of a float. */
static inline float
nddr_bfloat_to_float (guint16 bfloat)
{
  return nddr_float_from_bits ((guint32) bfloat << 16);
}
