/* Pictures of scenes, and what is true of each pixel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <train/sample.h>
#include <train/synth/scene.h>

typedef struct
{
  V3 position;
  Basis basis;  /* x to the right, y up, z back: toward the viewer */
  float focal;  /* focal length over the picture's width */
} Camera;

/** What happens to light behind the lens. */
typedef struct
{
  guint64 seed;
  float exposure; /* 1: as an automatic camera would */
  float warmth;   /* -1 … 1: a white balance that is off, bluish to reddish */
  float blur;     /* standard deviation, of a picture 320 pixels wide */
  float noise;    /* standard deviation of the sensor's noise, of 1 */
} Film;

/** The direction of the ray through (@x, @y), in pixels from the upper left corner, of a picture of @width x @height; unit length. */
V3 camera_ray (const Camera *camera, guint width, guint height, float x, float y);

/** With all labels; the same bytes on every machine.  NULL with NDDR_ERROR_NO_MEMORY. */
NddrSample *render (const Scene *scene, const Camera *camera, const Film *film, guint width, guint height, GError **error);
