/* From light to bytes: exposure, white balance, blur, tone, noise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/synth/render.h>

/** @picture: linear light; overwritten. @rgb: [height][width][3] */
void film_develop (const Film *film, V3 *picture, guint width, guint height, guint8 *rgb);
