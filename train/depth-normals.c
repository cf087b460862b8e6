/* See depth-normals.h.  Four neighbours of a row are fitted side by side, in the lanes of a vector.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/depth-normals.h>

#include <math.h>
#include <string.h>

#define MIN_DEPTH 0.001f
#define UNKNOWN -1000.0f /* as inverse depth: further from any that is known than a fit looks */
#define MIN_CUT 0.004f   /* 1/m: a step of the first Kinect's disparity is 0.003 */
#define CUT_DEVIATIONS 4
#define PASSES 3

#define LANES 4
typedef float Lanes __attribute__ ((vector_size (LANES * sizeof (float))));
typedef gint32 Mask __attribute__ ((vector_size (LANES * sizeof (gint32))));

/* Inverse depth, with a margin of the radius and more around it that is unknown. */
typedef struct
{
  float *inverse;
  gsize stride;
  int radius;
} Field;

/* d = a x + b y + c, where x and y count from a pixel and d from its inverse depth. */
typedef struct
{
  Lanes a, b, c;
  Lanes sharpness; /* 1 / the distance at which weights become 0; 0: there is no plane */
} Planes;

/* Weighted sums of what the letters name. */
typedef struct
{
  Lanes w, x, y, xx, xy, yy, d, xd, yd, dd;
} Sums;

static inline Lanes
load (const float *at)
{
  Lanes lanes;
  memcpy (&lanes, at, sizeof lanes);
  return lanes;
}

/** Over the windows of the pixel at @centre and the next ones, with Tukey's biweight of the distance to @planes. */
static Sums
sum_windows (const Field *field, const float *centre, const Planes *planes)
{
  Sums sums = { 0 };
  const Lanes own = load (centre);
  for (int y = -field->radius; y <= field->radius; y += 2) {
    const float *row = centre + y * (gssize) field->stride, down = y;
    const Lanes middle = planes->b * down + planes->c;
    Lanes w_row = { 0 }, x_row = { 0 }, xx_row = { 0 }, d_row = { 0 }, xd_row = { 0 }, dd_row = { 0 };
    for (int x = -field->radius; x <= field->radius; x += 2) {
      const float right = x;
      Lanes d = load (row + x) - own;
      Lanes e = (d - planes->a * right - middle) * planes->sharpness;
      Lanes near = 1 - e * e;
      near = (Lanes) ((Mask) near & (near > 0));
      Lanes w = near * near, wx = w * right, wd = w * d;
      w_row += w;
      x_row += wx;
      xx_row += wx * right;
      d_row += wd;
      xd_row += wd * right;
      dd_row += wd * d;
    }
    sums.w += w_row;
    sums.x += x_row;
    sums.y += w_row * down;
    sums.xx += xx_row;
    sums.xy += x_row * down;
    sums.yy += w_row * (down * down);
    sums.d += d_row;
    sums.xd += xd_row;
    sums.yd += d_row * down;
    sums.dd += dd_row;
  }
  return sums;
}

/** The planes of least squares; none where too few pixels, or all along a line, take part. */
static void
solve (const Sums *sums, int radius, Planes *planes)
{
  /* in the corner of a picture a quarter of the window is left, and half of that is enough */
  const double min_weight = (radius + 1) * (radius + 1) / 8.0, min_variance = radius * radius / 36.0;
  for (int i = 0; i < LANES; i++) {
    double w = MAX (sums->w[i], 1e-9), x = sums->x[i] / w, y = sums->y[i] / w, d = sums->d[i] / w;
    double xx = sums->xx[i] / w - x * x, xy = sums->xy[i] / w - x * y, yy = sums->yy[i] / w - y * y;
    double xd = sums->xd[i] / w - x * d, yd = sums->yd[i] / w - y * d, dd = sums->dd[i] / w - d * d;
    double det = xx * yy - xy * xy, trace = xx + yy;
    double across = (trace - sqrt (MAX (trace * trace - 4 * det, 0))) / 2; /* variance where they are narrowest */
    if (w < min_weight || across < min_variance || planes->sharpness[i] == 0) {
      planes->sharpness[i] = 0;
      continue;
    }
    double a = (xd * yy - yd * xy) / det, b = (yd * xx - xd * xy) / det;
    planes->a[i] = a;
    planes->b[i] = b;
    planes->c[i] = d - a * x - b * y;
    float cut = MAX (CUT_DEVIATIONS * sqrt (MAX (dd - a * xd - b * yd, 0)), MIN_CUT);
    planes->sharpness[i] = MAX (planes->sharpness[i], 1 / cut);
  }
}

/** The normal of a @lane's plane at pixel (@x, @y), whose inverse depth is @own. */
static void
make_normal (const Planes *planes, int lane, const NddrCamera *camera, double x, double y, float own, float normal[3])
{
  memset (normal, 0, 3 * sizeof *normal);
  if (own == UNKNOWN || planes->sharpness[lane] == 0 || fabsf (planes->c[lane]) * planes->sharpness[lane] > 1)
    return;
  /* inverse depth is A u + B v + C for the ray (u, v, 1), and (A, B, C) points away from the camera */
  double a = planes->a[lane] * camera->fx, b = planes->b[lane] * camera->fy;
  double c = (double) own + planes->c[lane] - planes->a[lane] * (x - camera->cx) - planes->b[lane] * (y - camera->cy);
  double length = sqrt (a * a + b * b + c * c);
  if (length > 0) {
    normal[0] = -a / length;
    normal[1] = b / length;
    normal[2] = c / length;
  }
}

void
nddr_depth_normals (const float *depth, guint width, guint height, const NddrCamera *camera, guint radius, float *normal)
{
  g_return_if_fail (radius >= 1);
  Field field = { .stride = (gsize) width + 2 * radius + LANES, .radius = radius };
  gsize n = field.stride * (height + 2 * radius);
  g_autofree float *inverse = g_new (float, n);
  field.inverse = inverse;
  for (gsize i = 0; i < n; i++)
    inverse[i] = UNKNOWN;
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++) {
      float metres = depth[(gsize) y * width + x];
      if (metres > MIN_DEPTH && isfinite (metres))
        inverse[(y + radius) * field.stride + radius + x] = 1 / metres;
    }

  /* a window on a plane that passes the camera at a third of a metre just fits */
  const float first_cut = MAX (3.0 * radius / MIN (camera->fx, camera->fy), 2 * MIN_CUT);
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x += LANES) {
      const float *centre = inverse + (y + radius) * field.stride + radius + x;
      Planes planes = { .sharpness = (Lanes) { 0 } + 1 / first_cut };
      for (int pass = 0; pass < PASSES; pass++) {
        Sums sums = sum_windows (&field, centre, &planes);
        solve (&sums, radius, &planes);
      }
      for (guint i = 0; i < LANES && x + i < width; i++)
        make_normal (&planes, i, camera, x + i, y, centre[i], normal + 3 * ((gsize) y * width + x + i));
    }
}
