/* Synthetic rooms: rays meet solids where the solids are, labels agree with one another, and the same seed makes the same bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fixture.h"
#include "train/folder-writer.h"
#include "train/loader.h"
#include "train/synth/synth.h"

/* ---- rays and solids */

/** Whether @p lies in @solid, by its definition. */
static gboolean
holds (const Solid *solid, V3 p)
{
  V3 q = basis_in (&solid->basis, v3_sub (p, solid->centre)), h = solid->half;
  double x = fabs (q.x), y = fabs (q.y), z = fabs (q.z);
  switch (solid->kind) {
    case SOLID_BOX:
      return x <= h.x && y <= h.y && z <= h.z;
    case SOLID_ROUND: {
      double r = solid->rounding, a = MAX (0, x - h.x + r), b = MAX (0, y - h.y + r), c = MAX (0, z - h.z + r);
      return sqrt (a * a + b * b + c * c) <= r;
    }
    case SOLID_CYLINDER: {
      double t = (q.y / h.y + 1) / 2, r = h.x + t * (h.z - h.x);
      return y <= h.y && sqrt (x * x + z * z) <= r;
    }
    case SOLID_ELLIPSOID:
      return x * x / (h.x * h.x) + y * y / (h.y * h.y) + z * z / (h.z * h.z) <= 1;
  }
  return FALSE;
}

/** A solid of @scene that holds @p, or -1. */
static int
holder (const Scene *scene, V3 p)
{
  for (guint i = 0; i < scene->solids->len; i++)
    if (holds (&g_array_index (scene->solids, Solid, i), p))
      return i;
  return -1;
}

static V3
random_unit (NddrRandom *random)
{
  V3 v;
  do
    v = v3 (between (random, -1, 1), between (random, -1, 1), between (random, -1, 1));
  while (v3_dot (v, v) > 1 || v3_dot (v, v) < 0.1f);
  return v3_unit (v);
}

static void
test_rays (void)
{
  NddrRandom random = nddr_random_init (1, 2, 3);
  Scene *scene = scene_new (v3 (8, 8, 8));
  scene_add_material (scene, (Material) { .scale = 1 });
  for (int i = 0; i < 60; i++) {
    V3 half = v3 (between (&random, 0.1f, 0.7f), between (&random, 0.1f, 0.7f), between (&random, 0.1f, 0.7f));
    Solid solid = { .kind = i % 4,
      .half = half,
      .rounding = minf (half.x, minf (half.y, half.z)) * between (&random, 0.2f, 0.9f),
      .clear = i % 8 < 4 };
    solid.centre = v3 (between (&random, -3, 3), between (&random, 1, 7), between (&random, -3, 3));
    solid.basis = basis_turned (between (&random, -3, 3), between (&random, -1.5f, 1.5f), between (&random, -3, 3));
    scene_add_solid (scene, solid);
  }
  scene_finish (scene);
  const Solid *solids = (const Solid *) scene->solids->data;
  guint met = 0, missed = 0;
  for (int i = 0; i < 1500; i++) {
    V3 origin = v3 (between (&random, -3.9f, 3.9f), between (&random, 0.1f, 7.9f), between (&random, -3.9f, 3.9f)),
       direction = random_unit (&random);
    if (holder (scene, origin) >= 0)
      continue;
    /* walk in small steps until a solid holds the point, or the room ends */
    const float step = 1e-3f;
    int first = -1;
    float t = 0;
    V3 p = origin;
    while (first < 0 && fabsf (p.x) <= 4 && fabsf (p.z) <= 4 && p.y >= 0 && p.y <= 8) {
      t += step;
      p = v3_mad (origin, direction, t);
      first = holder (scene, p);
    }
    Hit hit;
    scene_trace (scene, origin, direction, &hit);
    g_assert_cmpfloat_with_epsilon (v3_length (hit.normal), 1, 1e-4);
    g_assert_cmpfloat (v3_dot (hit.normal, direction), <=, 1e-4);
    if (fabsf (hit.t - t) > 2 * step) {
      /* only where the ray grazes something: it is in it for a step or so */
      float nearer = minf (hit.t, t);
      g_assert_true (holder (scene, v3_mad (origin, direction, nearer + 60 * step)) < 0
          || holder (scene, v3_mad (origin, direction, nearer - 60 * step)) >= 0);
      missed++;
      continue;
    }
    met++;
    if (hit.solid != first || first < 0)
      continue;
    /* just above the surface is outside, just below inside */
    g_assert_true (holds (&solids[first], v3_mad (hit.point, hit.normal, -1e-3f)));
    g_assert_false (holds (&solids[first], v3_mad (hit.point, hit.normal, 1e-3f)));
    gboolean dark = scene_blocked (scene, origin, direction, hit.t + 1e-3f);
    g_assert_true (dark == !solids[first].clear);
  }
  g_assert_cmpuint (met, >, 1000);
  g_assert_cmpuint (missed, <, met / 100);
  scene_free (scene);
}

static void
test_functions (void)
{
  for (double x = -30; x < 30; x += 0.0137) {
    g_assert_cmpfloat_with_epsilon (sine (x), sin ((float) x), 5e-6);
    g_assert_cmpfloat_with_epsilon (cosine (x), cos ((float) x), 8e-6);
    g_assert_cmpint (floor_int (x), ==, (int) floor (x));
  }
  Basis b = basis_turned (0.7f, -0.4f, 1.9f);
  g_assert_cmpfloat_with_epsilon (v3_dot (b.x, b.y), 0, 1e-5);
  g_assert_cmpfloat_with_epsilon (v3_dot (v3_cross (b.x, b.y), b.z), 1, 1e-5);
  Basis camera = basis_turned (0, 0.3f, 0); /* looks along -z: down */
  g_assert_cmpfloat (-camera.z.y, <, -0.2);
}

/* ---- pictures */

static void
test_classes (void)
{
  static const char *const names[] = { "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture",
    "sofa", "table", "tv", "wall", "window" };
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = nddr_dataset_open ("synth:4,3,64x48", "train", &error);
  g_assert_no_error (error);
  guint n;
  const NddrClass *classes = nddr_dataset_classes (dataset, &n);
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (names));
  for (guint i = 0; i < n; i++)
    g_assert_cmpstr (classes[i].name, ==, names[i]);
  g_assert_cmpuint (nddr_dataset_size (dataset), ==, 3);
  g_assert_cmpuint (nddr_dataset_labels (dataset), ==, NDDR_LABELS_ALL);
  static const char *const wrong[] = { "synth:", "synth:1,2", "synth:1,0,64x48", "synth:-1,2,64x48", "synth:1,2,64",
    "synth:1,2,8x8", "synth:1,2,64x48,5", "synth:1,2,99999x48" };
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) wrong_error = NULL;
    g_assert_null (nddr_dataset_open (wrong[i], "train", &wrong_error));
    g_assert_error (wrong_error, NDDR_ERROR, NDDR_ERROR_ARGUMENT);
  }
}

/** Labels of many pictures: in range, seen from the front, and all classes come up. */
static void
test_labels (void)
{
  guint64 seen[N_CLASSES] = { 0 }, dark = 0, bright = 0;
  for (guint i = 0; i < 60; i++) {
    g_autoptr (NddrSample) sample = nddr_synth_picture (11, i, 64, 48, NULL);
    double mean = 0, near = 0;
    for (guint k = 0; k < 64 * 48; k++) {
      double n[3], x = (k % 64 + 0.5 - 32) / (0.81 * 64), y = (24 - 0.5 - k / 64) / (0.81 * 64);
      g_assert_cmpuint (sample->segmentation[k], <, N_CLASSES);
      seen[sample->segmentation[k]]++;
      g_assert_cmpuint (sample->depth[k], >, 50);
      g_assert_cmpuint (sample->depth[k], <, 10000);
      near += sample->depth[k] < 400;
      g_assert_true (nddr_normal_decode (sample->normal + 3 * k, n));
      /* toward the camera, up to rounding and the focal length, which varies by 8 % */
      g_assert_cmpfloat (n[0] * x + n[1] * y - n[2], <, 0.08);
      mean += (sample->rgb[3 * k] + sample->rgb[3 * k + 1] + sample->rgb[3 * k + 2]) / (3.0 * 64 * 48);
    }
    g_assert_cmpfloat (near / (64 * 48), <, 0.5);
    dark += mean < 60;
    bright += mean > 200;
  }
  for (guint c = 0; c < N_CLASSES; c++)
    g_assert_cmpuint (seen[c], >, 100);
  g_assert_cmpuint (dark, <=, 6);
  g_assert_cmpuint (bright, <=, 6);
}

/** Where all around a pixel is one plane, the points that depth gives lie across the normal. */
static void
test_normals_fit_depth (void)
{
  enum { W = 160, H = 120, REACH = 3 };
  guint compared = 0;
  double worst_mean = 0;
  for (guint64 seed = 0; seed < 6; seed++) {
    Room *room = room_new (seed, FALSE);
    Camera camera = room_view (room, seed);
    Film film = { .seed = 1, .exposure = 1 };
    g_autoptr (NddrSample) sample = render (room->scene, &camera, &film, W, H, NULL);
    double sum = 0, n = 0, focal = camera.focal * W;
    for (int y = REACH; y < H - REACH; y++)
      for (int x = REACH; x < W - REACH; x++) {
        gsize i = y * W + x;
        gboolean plane = TRUE;
        double truth[3], p[4][3], across[3], down[3], cross[3], length = 0, dot = 0;
        static const int dx[4] = { -REACH, REACH, 0, 0 }, dy[4] = { 0, 0, -REACH, REACH };
        for (int v = -REACH; v <= REACH && plane; v++)
          for (int u = -REACH; u <= REACH && plane; u++)
            plane = !memcmp (sample->normal + 3 * i, sample->normal + 3 * (i + v * W + u), 3);
        /* on one plane, not on two that are parallel, 1 / depth is linear */
        for (int a = 0; a < 4 && plane; a += 2) {
          double before = sample->depth[i + dy[a] * W + dx[a]], after = sample->depth[i + dy[a + 1] * W + dx[a + 1]],
                 here = sample->depth[i];
          plane = fabs (1 / before + 1 / after - 2 / here) * here * here < 4;
        }
        if (!plane)
          continue;
        for (int a = 0; a < 4; a++) {
          double depth = sample->depth[i + dy[a] * W + dx[a]];
          p[a][0] = (x + dx[a] + 0.5 - W / 2.0) / focal * depth;
          p[a][1] = (H / 2.0 - y - dy[a] - 0.5) / focal * depth;
          p[a][2] = -depth;
        }
        for (int c = 0; c < 3; c++) {
          across[c] = p[1][c] - p[0][c];
          down[c] = p[3][c] - p[2][c];
        }
        for (int c = 0; c < 3; c++)
          cross[c] = down[(c + 1) % 3] * across[(c + 2) % 3] - down[(c + 2) % 3] * across[(c + 1) % 3];
        nddr_normal_decode (sample->normal + 3 * i, truth);
        for (int c = 0; c < 3; c++) {
          length += cross[c] * cross[c];
          dot += cross[c] * truth[c];
        }
        double angle = acos (CLAMP (dot / sqrt (length), -1, 1)) * 180 / G_PI;
        g_assert_cmpfloat (angle, <, 12);
        sum += angle;
        n++;
      }
    compared += n;
    worst_mean = MAX (worst_mean, sum / n);
    room_free (room);
  }
  g_assert_cmpuint (compared, >, 6 * W * H * 3 / 10);
  g_assert_cmpfloat (worst_mean, <, 1.5);
}

static char *
checksum (const NddrSample *sample)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_MD5);
  gsize n = sample->width * sample->height;
  g_checksum_update (sum, sample->rgb, 3 * n);
  g_checksum_update (sum, sample->segmentation, n);
  g_checksum_update (sum, sample->normal, 3 * n);
  for (gsize i = 0; i < n; i++)
    g_checksum_update (sum, (const guchar[]) { sample->depth[i] & 255, sample->depth[i] >> 8 }, 2);
  return g_strdup (g_checksum_get_string (sum));
}

/** The same bytes whatever compiled this, and whatever thread ran it.  Whoever changes how rooms look changes this sum with it. */
static void
test_same_bytes (void)
{
  g_autoptr (NddrSample) sample = nddr_synth_picture (1, 0, 96, 72, NULL);
  g_autofree char *sum = checksum (sample);
  g_assert_cmpstr (sum, ==, "6b236ab95d13d3e0b21306a9ac93072f");

  g_autoptr (NddrDataset) dataset = nddr_dataset_open ("synth:1,6,96x72", "train", NULL);
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  g_autofree float *first = NULL;
  for (guint threads = 1; threads <= 4; threads += 3) {
    NddrLoaderOptions options = { .batch = 6, .labels = NDDR_LABELS_ALL, .threads = threads };
    nddr_augment_plain (&options.augment, 96, 72, mean, std);
    g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &options);
    NddrBatch *batch = nddr_loader_next (loader, NULL);
    gsize bytes = 6 * 96 * 72 * 16;
    if (threads == 1)
      first = g_memdup2 (batch->image, bytes);
    else
      g_assert_cmpmem (first, bytes, batch->image, bytes);
    g_assert_true (memcmp (batch->image, batch->image + 96 * 72 * 4, bytes / 6) != 0);
    g_assert_cmpuint (batch->valid[NDDR_TASK_NORMAL], ==, 6 * 96 * 72);
    nddr_loader_return (loader, batch);
  }
  g_autoptr (NddrSample) other = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, NULL);
  g_autofree char *again = checksum (other);
  g_assert_cmpstr (again, ==, sum);
  g_autoptr (NddrSample) bare = nddr_dataset_load (dataset, 0, NDDR_LABEL (NDDR_TASK_DEPTH), NULL);
  g_assert_cmpuint (nddr_sample_labels (bare), ==, NDDR_LABEL (NDDR_TASK_DEPTH));
}

/** What is written as a folder reads back the same, and joins what made it. */
static void
test_export (void)
{
  char *folder = fixture_folder ();
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSample) sample = nddr_synth_picture (2, 5, 64, 48, NULL);
  g_assert_true (nddr_folder_writer_begin (folder, "some", nddr_synth_classes, N_CLASSES, &error));
  g_assert_true (nddr_folder_writer_add (folder, "some", "picture", sample, &error));
  g_autofree char *spec = g_strdup_printf ("folder:%s,some+synth:2,6,64x48", folder);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_size (dataset), ==, 7);
  g_autofree char *sum = checksum (sample);
  for (guint i = 0; i < 7; i += 6) {
    g_autoptr (NddrSample) other = nddr_dataset_load (dataset, i, NDDR_LABELS_ALL, &error);
    g_assert_no_error (error);
    g_autofree char *again = checksum (other);
    g_assert_cmpstr (again, ==, sum);
  }
  g_assert_false (nddr_folder_writer_begin (folder, "some", nddr_synth_classes, 3, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_clear_error (&error);
  g_assert_false (nddr_folder_writer_add (folder, "none", "picture", sample, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  fixture_remove (folder);
}

/** From frame to frame of a walk little changes, and the camera never runs into something. */
static void
test_walk (void)
{
  for (guint64 seed = 1; seed < 9; seed++) {
    g_autoptr (NddrSample) last = NULL;
    for (guint i = 20; i < 24; i++) {
      g_autoptr (NddrSample) frame = nddr_synth_walk (seed, i, 120, 64, 48, NULL);
      guint same = 0, near = 0;
      for (guint k = 0; k < 64 * 48; k++) {
        near += frame->depth[k] < 250;
        same += last && last->segmentation[k] == frame->segmentation[k];
      }
      g_assert_cmpuint (near, ==, 0);
      if (last)
        g_assert_cmpuint (same, >, 64 * 48 * 3 / 4);
      nddr_sample_unref (last);
      last = g_steal_pointer (&frame);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/synth/functions", test_functions);
  g_test_add_func ("/synth/rays", test_rays);
  g_test_add_func ("/synth/classes", test_classes);
  g_test_add_func ("/synth/labels", test_labels);
  g_test_add_func ("/synth/normals-fit-depth", test_normals_fit_depth);
  g_test_add_func ("/synth/same-bytes", test_same_bytes);
  g_test_add_func ("/synth/export", test_export);
  g_test_add_func ("/synth/walk", test_walk);
  return g_test_run ();
}
