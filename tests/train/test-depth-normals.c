/* Normals from depth: planes, spheres and cylinders met by rays, with a sensor's noise and with edges, and the angles to the true normals.
 *
 *   test-depth-normals --bench   also prints the angles of each surface, and the processor time that a frame takes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "train/depth-normals.h"

enum { WIDTH = 320, HEIGHT = 240, RADIUS = 7 };

/* NYU Depth v2's at half its size, but for the centre. */
static const NddrCamera camera = { 259.4, 259.7, 162.3, 126.4 };
static gboolean bench;

typedef enum { PLANE, SPHERE, CYLINDER } Shape;

/** In camera axes: right, down, forward. */
typedef struct
{
  Shape shape;
  double at[3];      /* a point of the plane; the centre; a point of the axis */
  double along[3];   /* the plane's normal; the cylinder's axis: unit length */
  double size;       /* radius; of a plane, 0, or what it extends to the left and right of the point */
} Surface;

static double
dot (const double *a, const double *b)
{
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/** Where the ray t @ray, t > 0, first meets @surface from outside: t, or 0; and the normal there. */
static double
meet (const Surface *surface, const double ray[3], double normal[3])
{
  if (surface->shape == PLANE) {
    double slope = dot (ray, surface->along), t = slope == 0 ? 0 : dot (surface->at, surface->along) / slope;
    for (int c = 0; c < 3; c++)
      normal[c] = slope < 0 ? surface->along[c] : -surface->along[c];
    return surface->size > 0 && fabs (t * ray[0] - surface->at[0]) > surface->size ? 0 : MAX (t, 0);
  }
  double p[3], r[3]; /* centre and ray; for a cylinder without their parts along the axis */
  double p_along = surface->shape == CYLINDER ? dot (surface->at, surface->along) : 0;
  double r_along = surface->shape == CYLINDER ? dot (ray, surface->along) : 0;
  for (int c = 0; c < 3; c++) {
    p[c] = surface->at[c] - p_along * surface->along[c];
    r[c] = ray[c] - r_along * surface->along[c];
  }
  double rr = dot (r, r), half = dot (p, r) / rr, square = half * half - (dot (p, p) - surface->size * surface->size) / rr;
  if (square < 0)
    return 0;
  double t = half - sqrt (square);
  for (int c = 0; c < 3; c++)
    normal[c] = (t * r[c] - p[c]) / surface->size;
  return MAX (t, 0);
}

/** What the camera sees: metres, 0 where nothing; and the true normals in the axes of nddr_depth_normals(). */
static void
render (const Surface *surfaces, guint n, float *depth, double *truth)
{
  for (guint i = 0; i < WIDTH * HEIGHT; i++) {
    const double ray[3] = { (i % WIDTH - camera.cx) / camera.fx, (i / WIDTH - camera.cy) / camera.fy, 1 };
    double nearest = 0, normal[3];
    memset (truth + 3 * i, 0, 3 * sizeof *truth);
    for (guint s = 0; s < n; s++) {
      double t = meet (&surfaces[s], ray, normal);
      if (t == 0 || (nearest > 0 && t >= nearest))
        continue;
      nearest = t;
      truth[3 * i] = normal[0];
      truth[3 * i + 1] = -normal[1];
      truth[3 * i + 2] = -normal[2];
    }
    depth[i] = nearest;
  }
}

typedef enum { EXACT, STEPS, NOISE } Sensor;

/** As the first Kinect measures: disparity (580 pixels, 7.5 cm) in steps of an eighth of a pixel, or with errors of a normal distribution of that
 * size; and one pixel in twenty missing. */
static void
spoil (Sensor sensor, float *depth)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  const double scale = 580 * 0.075;
  for (guint i = 0; i < WIDTH * HEIGHT; i++) {
    double disparity = depth[i] > 0 ? scale / depth[i] : 0;
    double u = 1 - g_rand_double (rand), v = g_rand_double (rand), lost = g_rand_double (rand);
    if (sensor == STEPS)
      disparity = round (disparity * 8) / 8;
    else if (sensor == NOISE)
      disparity += sqrt (-2 * log (u)) * cos (2 * G_PI * v) / 8;
    if (sensor != EXACT)
      depth[i] = depth[i] > 0 && lost > 0.05 ? scale / disparity : i % 3 == 0 ? NAN : 0;
  }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

typedef struct
{
  double mean, median, most; /* degrees; most: of 99 in a hundred */
  double known;              /* of the pixels that have depth and count */
} Angles;

/** @counts: pixels that do */
static Angles
measure (const float *depth, const double *truth, const float *normal, const gboolean *counts)
{
  g_autofree double *angles = g_new (double, WIDTH * HEIGHT);
  guint n = 0, all = 0;
  double sum = 0;
  for (guint i = 0; i < WIDTH * HEIGHT; i++) {
    double found[3] = { normal[3 * i], normal[3 * i + 1], normal[3 * i + 2] }, length = sqrt (dot (found, found));
    g_assert_true (length == 0 || fabs (length - 1) < 1e-5);
    if (!(depth[i] > 0))
      g_assert_cmpfloat (length, ==, 0);
    if (!(depth[i] > 0) || !counts[i])
      continue;
    all++;
    if (length == 0)
      continue;
    angles[n] = acos (CLAMP (dot (found, truth + 3 * i) / length, -1, 1)) * 180 / G_PI;
    sum += angles[n++];
  }
  g_assert_cmpuint (n, >, 0);
  qsort (angles, n, sizeof *angles, compare);
  return (Angles) { sum / n, angles[n / 2], angles[n * 99 / 100], (double) n / all };
}

/** Marks what lies within a window's reach of a step in depth of a tenth and more, or of a surface's end. */
static void
find_edges (const float *depth, gboolean *edges)
{
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    edges[i] = FALSE;
    for (int y = MAX (i / WIDTH - RADIUS, 0); y <= MIN (i / WIDTH + RADIUS, HEIGHT - 1); y++)
      for (int x = MAX (i % WIDTH - RADIUS, 0); x <= MIN (i % WIDTH + RADIUS, WIDTH - 1); x++)
        edges[i] |= fabsf (depth[y * WIDTH + x] - depth[i]) > 0.1f * depth[i];
  }
}

typedef enum { ALL, NEAR_EDGES, ELSEWHERE } Where;

static Angles
try_surfaces (const char *name, const Surface *surfaces, guint n, Sensor sensor, Where where)
{
  static const char *const sensors[] = { "exact", "steps", "noise" }, *const places[] = { "", ", near edges", ", elsewhere" };
  g_autofree float *depth = g_new (float, WIDTH * HEIGHT), *normal = g_new (float, WIDTH * HEIGHT * 3);
  g_autofree double *truth = g_new (double, WIDTH * HEIGHT * 3);
  g_autofree gboolean *counts = g_new (gboolean, WIDTH * HEIGHT);
  render (surfaces, n, depth, truth);
  find_edges (depth, counts);
  for (guint i = 0; i < WIDTH * HEIGHT; i++)
    counts[i] = where == ALL || counts[i] == (where == NEAR_EDGES);
  spoil (sensor, depth);
  nddr_depth_normals (depth, WIDTH, HEIGHT, &camera, RADIUS, normal);
  Angles angles = measure (depth, truth, normal, counts);
  if (bench)
    printf ("# %s, %s%s: mean %.3f, median %.3f, 99 %% below %.3f degrees; %.1f %% known\n", name, sensors[sensor], places[where], angles.mean,
        angles.median, angles.most, 100 * angles.known);
  return angles;
}

static void
expect (const char *name, const Surface *surfaces, guint n, Sensor sensor, Where where, double mean, double most, double known)
{
  Angles angles = try_surfaces (name, surfaces, n, sensor, where);
  g_assert_cmpfloat (angles.mean, <, mean);
  g_assert_cmpfloat (angles.most, <, most);
  g_assert_cmpfloat (angles.known, >=, known);
}

static const Surface facing = { PLANE, { 0, 0, 2 }, { 0, 0, -1 } };
static const Surface slanted = { PLANE, { 0, 0, 3 }, { -0.6, 0.48, -0.64 } };
static const Surface ground = { PLANE, { 0, 1.2, 0 }, { 0, -1, 0 } };
static const Surface side = { PLANE, { 1.5, 0, 0 }, { -1, 0, 0 } };
static const Surface ball = { SPHERE, { 0.1, 0, 1.5 }, { 0 }, 0.5 };
static const Surface column = { CYLINDER, { -0.2, 0, 2 }, { 0.2, 0.979795897113271, 0 }, 0.6 };
static const Surface wall = { PLANE, { 0, 0, 3 }, { 0, 0, -1 } };
static const Surface board = { PLANE, { 0.2, 0, 2 }, { 0.6, 0, -0.8 }, 0.4 };

/** Without noise the fit is the plane, but for 24 bits. */
static void
test_planes (void)
{
  expect ("facing, 2 m", &facing, 1, EXACT, ALL, 0.01, 0.05, 1);
  expect ("slanted, 3 m", &slanted, 1, EXACT, ALL, 0.01, 0.05, 1);
  expect ("floor, 1.2 m below", &ground, 1, EXACT, ALL, 0.01, 0.05, 0.99);
  expect ("wall, 1.5 m aside", &side, 1, EXACT, ALL, 0.01, 0.05, 0.99);
}

/** No unbiased fit to the pixels that count can do better than least squares does under such noise: slopes along x and y each with the variance
 * of an inverse depth over the sum of x^2.  The robust one must come near. */
static void
test_noise (void)
{
  double sum = 0, sigma = 1 / 8.0 / (580 * 0.075);
  for (int y = -RADIUS; y <= RADIUS; y += 2)
    for (int x = -RADIUS; x <= RADIUS; x += 2)
      sum += x * x * 0.95;
  double deviation = sigma / sqrt (sum) * (camera.fx + camera.fy) / 2 * facing.at[2];
  double bound = deviation * sqrt (G_PI / 2) * 180 / G_PI; /* the mean length of a vector with two such components */
  if (bench)
    printf ("# no fit to such windows has a mean below %.3f degrees\n", bound);
  expect ("facing, 2 m", &facing, 1, NOISE, ALL, 1.2 * bound, 4 * bound, 0.99);
  Angles steps = try_surfaces ("slanted, 3 m", &slanted, 1, STEPS, ALL), noise = try_surfaces ("slanted, 3 m", &slanted, 1, NOISE, ALL);
  g_assert_cmpfloat (noise.mean, <, 1.2 * bound * 1.5);
  g_assert_cmpfloat (steps.mean, <, noise.mean / 2); /* steps of one sigma are noise of a third of it */
}

/** Windows see a round surface as a little flatter than it is where it turns away: there angles grow, inside they stay small. */
static void
test_round (void)
{
  expect ("ball of 0.5 m", &ball, 1, EXACT, ELSEWHERE, 0.4, 3, 1);
  expect ("ball of 0.5 m", &ball, 1, EXACT, NEAR_EDGES, 3, 15, 0.95);
  expect ("ball of 0.5 m", &ball, 1, NOISE, ELSEWHERE, 3, 10, 0.99);
  expect ("column of 0.6 m", &column, 1, EXACT, ELSEWHERE, 0.4, 3, 1);
  expect ("column of 0.6 m", &column, 1, NOISE, ELSEWHERE, 4, 12, 0.99);
}

/** What lies behind an edge, or beside a crease, takes no part. */
static void
test_edges (void)
{
  const Surface before_wall[] = { board, wall, ground }, ball_before_wall[] = { ball, wall };
  expect ("board before a wall", before_wall, 3, EXACT, NEAR_EDGES, 1, 30, 0.98);
  expect ("board before a wall", before_wall, 3, EXACT, ELSEWHERE, 1, 30, 0.98);
  expect ("board before a wall", before_wall, 3, NOISE, NEAR_EDGES, 8, 40, 0.9);
  expect ("ball before a wall", ball_before_wall, 2, EXACT, NEAR_EDGES, 3, 15, 0.95);
}

static void
test_unknown (void)
{
  g_autofree float *depth = g_new0 (float, WIDTH * HEIGHT), *normal = g_new (float, WIDTH * HEIGHT * 3);
  static const float odd[] = { 0, NAN, INFINITY, -1, 1e-30f, -INFINITY, 1e-45f, 3e38f };
  for (guint i = 0; i < WIDTH * HEIGHT; i++)
    depth[i] = odd[i % G_N_ELEMENTS (odd)];
  for (int y = 100; y < 140; y++) /* a patch that is known, with a line of one pixel beside it, and a pixel alone */
    for (int x = 100; x < 140; x++)
      depth[y * WIDTH + x] = 2;
  for (int x = 180; x < 240; x++)
    depth[120 * WIDTH + x] = 2;
  depth[20 * WIDTH + 20] = 2;
  nddr_depth_normals (depth, WIDTH, HEIGHT, &camera, RADIUS, normal);
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    int x = i % WIDTH, y = i / WIDTH;
    gboolean patch = x >= 100 && x < 140 && y >= 100 && y < 140;
    const float expected[3] = { 0, 0, patch };
    if (patch)
      for (int c = 0; c < 3; c++)
        g_assert_cmpfloat_with_epsilon (normal[3 * i + c], expected[c], 1e-5);
    else if (i % G_N_ELEMENTS (odd) < G_N_ELEMENTS (odd) - 1 || y == 120)
      g_assert_cmpmem (normal + 3 * i, sizeof expected, expected, sizeof expected);
  }

  /* pictures smaller than the window, and than a vector */
  for (guint width = 1; width <= 9; width++)
    for (guint height = 1; height <= 9; height += 4) {
      for (guint i = 0; i < width * height; i++)
        depth[i] = 1.5f;
      nddr_depth_normals (depth, width, height, &camera, width == 9 ? 2 : RADIUS, normal);
      for (guint i = 0; i < width * height; i++)
        g_assert_true (normal[3 * i + 2] == 0 || fabsf (normal[3 * i + 2] - 1) < 1e-5f);
    }
  g_assert_cmpfloat_with_epsilon (normal[2], 1, 1e-5);
}

int
main (int argc, char **argv)
{
  bench = argc > 1 && g_str_equal (argv[1], "--bench");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/depth-normals/planes", test_planes);
  g_test_add_func ("/depth-normals/noise", test_noise);
  g_test_add_func ("/depth-normals/round", test_round);
  g_test_add_func ("/depth-normals/edges", test_edges);
  g_test_add_func ("/depth-normals/unknown", test_unknown);
  if (bench) {
    enum { FRAMES = 5 };
    g_autofree float *depth = g_new0 (float, 640 * 480), *normal = g_new (float, 640 * 480 * 3);
    for (guint i = 0; i < 640 * 480; i++)
      depth[i] = 2 + 0.001f * (i % 640);
    const NddrCamera full = { 518.8, 519.5, 324.6, 252.7 }; /* NYU Depth v2's */
    clock_t before = clock ();
    for (int i = 0; i < FRAMES; i++)
      nddr_depth_normals (depth, 640, 480, &full, RADIUS, normal);
    printf ("# 640x480, radius %d: %.3f s of one processor\n", RADIUS, (double) (clock () - before) / CLOCKS_PER_SEC / FRAMES);
  }
  return g_test_run ();
}
