/* See resize.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resize.h"

#include <math.h>
#include <string.h>

/* Output @o of an axis is (1 - *weight) * sample[*low] + *weight * sample[*high]. */
static void
place (int o, int in, int out, NddrResizeMode mode, int *low, int *high, double *weight)
{
  double at;

  if (mode == NDDR_RESIZE_HALF_PIXEL)
    at = MAX ((o + 0.5) * in / out - 0.5, 0);
  else if (mode == NDDR_RESIZE_ALIGN_CORNERS)
    at = out == 1 ? 0 : (double) o * (in - 1) / (out - 1);
  else
    at = (double) o * in / out;
  *low = MIN ((int) floor (at), in - 1);
  *high = MIN (*low + 1, in - 1);
  *weight = at - *low;
}

/* The four terms of each output: forward where @y, else backward. */
static void
walk (const RefResize *r, double *y, const double *x, double *dx, const double *dy)
{
  for (int plane = 0; plane < r->planes; plane++)
    for (int oy = 0; oy < r->out_height; oy++)
      for (int ox = 0; ox < r->out_width; ox++) {
        gsize to = (((gsize) plane * r->out_height + oy) * r->out_width + ox) * r->channels;
        int ys[2], xs[2];
        double fy, fx;

        place (oy, r->height, r->out_height, r->mode, &ys[0], &ys[1], &fy);
        place (ox, r->width, r->out_width, r->mode, &xs[0], &xs[1], &fx);
        for (int k = 0; k < 4; k++) {
          gsize from = (((gsize) plane * r->height + ys[k / 2]) * r->width + xs[k % 2]) * r->channels;
          double weight = (k / 2 ? fy : 1 - fy) * (k % 2 ? fx : 1 - fx);

          for (int c = 0; c < r->channels; c++)
            if (y)
              y[to + c] += weight * x[from + c];
            else
              dx[from + c] += weight * dy[to + c];
        }
      }
}

void
ref_resize_forward (const RefResize *r, double *y, const double *x)
{
  memset (y, 0, sizeof *y * r->planes * r->out_height * r->out_width * r->channels);
  walk (r, y, x, NULL, NULL);
}

void
ref_resize_backward (const RefResize *r, double *dx, const double *dy)
{
  memset (dx, 0, sizeof *dx * r->planes * r->height * r->width * r->channels);
  walk (r, NULL, NULL, dx, dy);
}
