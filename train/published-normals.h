/* Normals as the published NDDR-CNN code has them: axes right, forward and up, each as floor ((n + 1) / 2 * 255).
 *
 * Such a code c means (c - 127) / 127.5, half-way between two codes of ours, which mean v / 127.5 - 1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>
#include <train/sample.h>

G_BEGIN_DECLS

/** One axis in our code: of the two nearest the one nearer to zero, so that zero vectors stay shorter than any that counts. */
static inline guint8
nddr_published_axis_decode (guint8 code)
{
  return code < 127 ? code + 1 : code;
}

/** Back; 127 stands for 126 and 127, and becomes 127. */
static inline guint8
nddr_published_axis_encode (guint8 ours)
{
  return ours < 127 ? MAX (ours, 1) - 1 : ours;
}

/** A label of theirs as ours, in axes and code.  (255, 255, 255), unknown, becomes (128, 128, 128); the zero vector (127, 127, 127), of
 * which their files have some, (127, 127, 128): it is ignored as well, but can be told apart. */
static inline void
nddr_published_normal_decode (const guint8 theirs[3], guint8 ours[3])
{
  guint8 right = theirs[0], forward = theirs[1], up = theirs[2];
  if (right == 255 && forward == 255 && up == 255)
    memset (ours, 128, 3);
  else {
    ours[0] = nddr_published_axis_decode (right);
    ours[1] = nddr_published_axis_decode (up);
    ours[2] = 255 - nddr_published_axis_decode (forward);
  }
}

/** Back.  FALSE where the normal is unknown; the zero vector is one for their code. */
static inline gboolean
nddr_published_normal_encode (const guint8 ours[3], guint8 theirs[3])
{
  double n[3];
  gboolean zero = ours[0] == 127 && ours[1] == 127 && ours[2] == 128;
  theirs[0] = nddr_published_axis_encode (ours[0]);
  theirs[1] = nddr_published_axis_encode (255 - ours[2]);
  theirs[2] = nddr_published_axis_encode (ours[1]);
  return zero || nddr_normal_decode (ours, n);
}

G_END_DECLS
