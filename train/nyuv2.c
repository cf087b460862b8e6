/* NYU Depth v2 as it is published: the labelled .mat, which is HDF5, and beside it two files of MATLAB's version 5.
 *
 *   FILE.mat             images [n][3][x][y], 8-bit; labels [n][x][y], 16-bit, 0 unlabelled; depths [n][x][y], metres, filled in; rawDepths [n][x][y], as
 *                        measured, 0 unknown (optional); names: what labels 1, 2, … are called
 *   splits.mat           trainNdxs, testNdxs: numbers of frames, from 1
 *   classMapping40.mat   mapClass: for labels 1, 2, … the class of 40, from 1
 *
 * The axes are MATLAB's, the other way round.  Normals are computed from those depths that were measured.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "train/classes.h"
#include "train/depth-normals.h"
#include "train/hdf5-file.h"
#include "train/mat5.h"
#include "train/source.h"

#include <math.h>
#include <nddr/error.h>
#include <string.h>

#define MAX_PIXELS (1 << 22) /* of a frame: far more than NYU Depth v2 has, and little enough to be had */
#define MAX_FRAMES 1000000
#define NAMED_CLASSES 37 /* of the 40, those that are one label each */

/* The data set's own calibration of its colour camera (its toolbox's camera_params.m), counted from pixel 0, for 640x480. */
static const NddrCamera full_camera = { 518.857901, 519.469611, 324.582449, 252.736166 };
#define FULL_WIDTH 640
#define FULL_HEIGHT 480
#define FULL_RADIUS 9

typedef struct
{
  NddrSource base;
  char *path, *dir;
  NddrHdf5 *file;
  NddrHdf5Array *images, *labels, *depths, *measured; /* measured: NULL: not there */
  guint *frames;              /* [size]: from 0 */
  guint width, height;
  guint8 map[G_MAXUINT16 + 1]; /* from labels to classes */
  guint n_labels;             /* that have a meaning: 1 … */
} NddrNyuv2;

/* ---- reading a sample */

/** One plane of @width x @height bytes, stored column by column, to every @step-th byte of rows. */
static void
transpose (const NddrNyuv2 *nyuv2, const guint8 *columns, guint8 *rows, guint step)
{
  for (guint y = 0; y < nyuv2->height; y++)
    for (guint x = 0; x < nyuv2->width; x++, rows += step)
      *rows = columns[(gsize) x * nyuv2->height + y];
}

static gsize
count_pixels (const NddrNyuv2 *nyuv2)
{
  return (gsize) nyuv2->width * nyuv2->height;
}

static guint8 *
read_picture (const NddrNyuv2 *nyuv2, guint frame, GError **error)
{
  gsize n = count_pixels (nyuv2);
  g_autofree guint8 *planes = g_malloc (3 * n);
  if (!nddr_hdf5_array_read (nyuv2->images, frame, planes, error))
    return NULL;
  guint8 *rgb = g_malloc (3 * n);
  for (int c = 0; c < 3; c++)
    transpose (nyuv2, planes + c * n, rgb + c, 3);
  return rgb;
}

static guint8 *
read_classes (const NddrNyuv2 *nyuv2, guint frame, GError **error)
{
  gsize n = count_pixels (nyuv2);
  g_autofree guint16 *labels = g_new (guint16, n);
  g_autofree guint8 *columns = g_malloc (n);
  if (!nddr_hdf5_array_read (nyuv2->labels, frame, labels, error))
    return NULL;
  for (gsize i = 0; i < n; i++) {
    if (labels[i] > nyuv2->n_labels) {
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: label %u at (%u, %u) has no meaning: there are %u", nyuv2->path, labels[i],
          (guint) (i / nyuv2->height), (guint) (i % nyuv2->height), nyuv2->n_labels);
      return NULL;
    }
    columns[i] = nyuv2->map[labels[i]];
  }
  guint8 *rows = g_malloc (n);
  transpose (nyuv2, columns, rows, 1);
  return rows;
}

/** [height][width] metres. */
static float *
read_metres (const NddrNyuv2 *nyuv2, NddrHdf5Array *array, guint frame, GError **error)
{
  gsize n = count_pixels (nyuv2);
  g_autofree float *columns = g_new (float, n);
  if (!nddr_hdf5_array_read (array, frame, columns, error))
    return NULL;
  float *rows = g_new (float, n);
  for (guint y = 0; y < nyuv2->height; y++)
    for (guint x = 0; x < nyuv2->width; x++)
      rows[(gsize) y * nyuv2->width + x] = columns[(gsize) x * nyuv2->height + y];
  return rows;
}

static guint16 *
make_millimetres (const float *metres, gsize n)
{
  guint16 *depth = g_new (guint16, n);
  for (gsize i = 0; i < n; i++) {
    double mm = floor (metres[i] * 1000.0 + 0.5);
    depth[i] = mm > 0 && mm <= G_MAXUINT16 ? mm : 0;
  }
  return depth;
}

/** Unit length, or zero where unknown, to the codes of normals in samples. */
static guint8 *
make_codes (const float *normal, gsize n)
{
  guint8 *codes = g_malloc (3 * n);
  for (gsize i = 0; i < 3 * n; i++)
    codes[i] = floor ((normal[i] + 1) * 127.5 + 0.5);
  return codes;
}

/** @metres: what was not measured goes */
static guint8 *
make_normals (const NddrNyuv2 *nyuv2, guint frame, float *metres, GError **error)
{
  gsize n = count_pixels (nyuv2);
  if (nyuv2->measured) {
    g_autofree float *measured = read_metres (nyuv2, nyuv2->measured, frame, error);
    if (!measured)
      return NULL;
    for (gsize i = 0; i < n; i++)
      if (!(measured[i] > 0))
        metres[i] = 0;
  }
  double sx = (double) nyuv2->width / FULL_WIDTH, sy = (double) nyuv2->height / FULL_HEIGHT;
  const NddrCamera camera = { full_camera.fx * sx, full_camera.fy * sy, (full_camera.cx + 0.5) * sx - 0.5, (full_camera.cy + 0.5) * sy - 0.5 };
  g_autofree float *normal = g_new (float, 3 * n);
  nddr_depth_normals (metres, nyuv2->width, nyuv2->height, &camera, MAX (1, (guint) (FULL_RADIUS * sx + 0.5)), normal);
  return make_codes (normal, n);
}

static gboolean
read_sample (const NddrNyuv2 *nyuv2, guint frame, NddrLabels labels, NddrSample *sample, GError **error)
{
  sample->rgb = read_picture (nyuv2, frame, error);
  if (!sample->rgb)
    return FALSE;
  if ((labels & NDDR_LABEL (NDDR_TASK_SEGMENTATION)) && !(sample->segmentation = read_classes (nyuv2, frame, error)))
    return FALSE;
  if (!(labels & (NDDR_LABEL (NDDR_TASK_NORMAL) | NDDR_LABEL (NDDR_TASK_DEPTH))))
    return TRUE;
  g_autofree float *metres = read_metres (nyuv2, nyuv2->depths, frame, error);
  if (!metres)
    return FALSE;
  if (labels & NDDR_LABEL (NDDR_TASK_DEPTH))
    sample->depth = make_millimetres (metres, count_pixels (nyuv2));
  return !(labels & NDDR_LABEL (NDDR_TASK_NORMAL)) || (sample->normal = make_normals (nyuv2, frame, metres, error));
}

static NddrSample *
nyuv2_load (const NddrSource *source, guint index, NddrLabels labels, GError **error)
{
  const NddrNyuv2 *nyuv2 = (const NddrNyuv2 *) source;
  g_autoptr (NddrSample) sample = nddr_sample_new (nyuv2->width, nyuv2->height);
  if (read_sample (nyuv2, nyuv2->frames[index], labels, sample, error))
    return g_steal_pointer (&sample);
  g_prefix_error (error, "frame %u of ", nyuv2->frames[index] + 1);
  return NULL;
}

static char *
nyuv2_name (const NddrSource *source, guint index)
{
  return g_strdup_printf ("%04u", ((const NddrNyuv2 *) source)->frames[index] + 1);
}

static void
nyuv2_free (NddrSource *source)
{
  NddrNyuv2 *nyuv2 = (NddrNyuv2 *) source;
  nddr_hdf5_array_free (nyuv2->images);
  nddr_hdf5_array_free (nyuv2->labels);
  nddr_hdf5_array_free (nyuv2->depths);
  nddr_hdf5_array_free (nyuv2->measured);
  nddr_hdf5_close (nyuv2->file);
  g_free (nyuv2->path);
  g_free (nyuv2->dir);
  g_free (nyuv2->frames);
  g_free (nyuv2);
}

/* ---- opening: arrays */

static gboolean
open_plane (const NddrNyuv2 *nyuv2, NddrHdf5Array **array, const char *name, NddrHdf5Type type, GError **error)
{
  *array = nddr_hdf5_array_open (nyuv2->file, name, type, 3, error);
  if (!*array)
    return FALSE;
  const guint64 *dims = nddr_hdf5_array_dims (*array), *images = nddr_hdf5_array_dims (nyuv2->images);
  if (dims[0] == images[0] && dims[1] == nyuv2->width && dims[2] == nyuv2->height)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT,
      "%s: %s are %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT ", but images are %" G_GUINT64_FORMAT " of %ux%u", nyuv2->path, name,
      dims[0], dims[1], dims[2], images[0], nyuv2->width, nyuv2->height);
}

static gboolean
open_arrays (NddrNyuv2 *nyuv2, GError **error)
{
  nyuv2->file = nddr_hdf5_open (nyuv2->path, error);
  nyuv2->images = nyuv2->file ? nddr_hdf5_array_open (nyuv2->file, "images", NDDR_HDF5_UINT8, 4, error) : NULL;
  if (!nyuv2->images)
    return FALSE;
  const guint64 *dims = nddr_hdf5_array_dims (nyuv2->images);
  nyuv2->width = dims[2];
  nyuv2->height = dims[3];
  if (dims[1] != 3 || count_pixels (nyuv2) > MAX_PIXELS)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: images have %u planes of %ux%u: three, for red, green and blue, of 640x480 were expected",
        nyuv2->path, (guint) dims[1], nyuv2->width, nyuv2->height);
  return open_plane (nyuv2, &nyuv2->labels, "labels", NDDR_HDF5_UINT16, error)
      && open_plane (nyuv2, &nyuv2->depths, "depths", NDDR_HDF5_FLOAT, error)
      && (!nddr_hdf5_has (nyuv2->file, "rawDepths") || open_plane (nyuv2, &nyuv2->measured, "rawDepths", NDDR_HDF5_FLOAT, error));
}

/* ---- opening: which frames */

static gboolean
choose_all (NddrNyuv2 *nyuv2, guint n_frames)
{
  nyuv2->base.size = n_frames;
  nyuv2->frames = g_new (guint, n_frames);
  for (guint i = 0; i < n_frames; i++)
    nyuv2->frames[i] = i;
  return TRUE;
}

static gboolean
choose_frames (NddrNyuv2 *nyuv2, const char *split, GError **error)
{
  guint n_frames = nddr_hdf5_array_dims (nyuv2->images)[0];
  if (n_frames > MAX_FRAMES)
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: images has %u frames: at most %u can be read, and NYU Depth v2 has 1449", nyuv2->path, n_frames,
        MAX_FRAMES);
  if (g_str_equal (split, "all"))
    return choose_all (nyuv2, n_frames);
  const char *array = g_str_equal (split, "train") ? "trainNdxs" : "testNdxs";
  g_autofree char *path = g_build_filename (nyuv2->dir, "splits.mat", NULL);
  gsize n;
  g_autofree double *numbers = nddr_mat5_read (path, array, &n, error);
  if (!numbers) {
    g_prefix_error (error, "nyuv2: which frames are for %s is read from the data set's splits.mat beside %s; without it all frames can be had with "
        "nyuv2:%s,all: ", split, nyuv2->path, nyuv2->path);
    return FALSE;
  }
  nyuv2->frames = g_new (guint, n + 1);
  nyuv2->base.size = n;
  gboolean fine = n > 0 && n <= n_frames;
  for (gsize i = 0; i < n && fine; i++) {
    fine = numbers[i] >= 1 && numbers[i] <= n_frames && numbers[i] == floor (numbers[i]);
    nyuv2->frames[i] = fine ? numbers[i] - 1 : 0;
  }
  if (!fine)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: %s are not the numbers of some of the frames of %s, from 1 to %u", path, array, nyuv2->path,
        n_frames);
  return fine;
}

/* ---- opening: classes */

/** By the data set's own names of labels. */
static gboolean
map_named (NddrNyuv2 *nyuv2, GError **error)
{
  g_auto (GStrv) names = nddr_hdf5_read_strings (nyuv2->file, "names", error);
  if (!names)
    return FALSE;
  for (guint class = 0; class < NAMED_CLASSES; class++) {
    gboolean found = FALSE;
    for (guint i = 0; names[i] && i < G_MAXUINT16; i++)
      if (g_str_equal (names[i], nyuv2->base.classes[class].name)) {
        nyuv2->map[i + 1] = class;
        found = TRUE;
      }
    if (found)
      continue;
    return nddr_fail (error, NDDR_ERROR_FORMAT, "%s: no label is called %s: names is not NYU Depth v2's", nyuv2->path,
        nyuv2->base.classes[class].name);
  }
  nyuv2->n_labels = MIN (g_strv_length (names), G_MAXUINT16);
  return TRUE;
}

/** By the published table of 40 classes. @fold: to 13 */
static gboolean
map_published (NddrNyuv2 *nyuv2, gboolean fold, GError **error)
{
  g_autofree char *path = g_build_filename (nyuv2->dir, "classMapping40.mat", NULL);
  gsize n;
  g_autofree double *classes = nddr_mat5_read (path, "mapClass", &n, error);
  if (!classes) {
    g_prefix_error (error, "nyuv2: which of the 40 classes a label belongs to is read from the published classMapping40.mat beside %s; without it the %u "
        "classes that are one label each can be had with nyuv2:%s,%u: ", nyuv2->path, NAMED_CLASSES, nyuv2->path, NAMED_CLASSES);
    return FALSE;
  }
  gboolean fine = n > 0 && n <= G_MAXUINT16;
  for (gsize i = 0; i < n && fine; i++) {
    fine = classes[i] >= 1 && classes[i] <= NDDR_NYU40_CLASSES && classes[i] == floor (classes[i]);
    if (fine)
      nyuv2->map[i + 1] = fold ? nddr_nyu13_of_nyu40[(guint) classes[i] - 1] : (guint) classes[i] - 1;
  }
  nyuv2->n_labels = n;
  if (!fine)
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT, "%s: mapClass does not give each label one of %d classes, from 1", path, NDDR_NYU40_CLASSES);
  return fine;
}

static gboolean
choose_classes (NddrNyuv2 *nyuv2, const char *classes, GError **error)
{
  NddrSource *base = &nyuv2->base;
  memset (nyuv2->map, NDDR_IGNORED, sizeof nyuv2->map);
  if (g_str_equal (classes, "13")) {
    base->classes = nddr_classes_nyu13 (&base->n_classes);
    return map_published (nyuv2, TRUE, error);
  }
  base->classes = nddr_classes_nyu40 (&base->n_classes);
  if (g_str_equal (classes, "40"))
    return map_published (nyuv2, FALSE, error);
  while (base->n_classes > NAMED_CLASSES)
    g_free (base->classes[--base->n_classes].name);
  return map_named (nyuv2, error);
}

/** Cuts ",SPLIT" and ",CLASSES" off @file. FALSE where something else is there. */
static gboolean
parse (char *file, const char **split, const char **classes)
{
  static const char *const splits[] = { "train", "test", "all", NULL }, *const mappings[] = { "40", "37", "13", NULL };
  gboolean has_split = FALSE, has_classes = FALSE;
  char *comma;
  while ((comma = strrchr (file, ',')) && !g_file_test (file, G_FILE_TEST_EXISTS)) {
    if (!has_split && g_strv_contains (splits, comma + 1)) {
      *split = comma + 1;
      has_split = TRUE;
    } else if (!has_classes && g_strv_contains (mappings, comma + 1)) {
      *classes = comma + 1;
      has_classes = TRUE;
    } else
      return FALSE;
    *comma = '\0';
  }
  return *file != '\0';
}

NddrSource *
nddr_nyuv2_open (const char *where, const char *default_split, GError **error)
{
  g_autofree char *file = g_strdup (where);
  const char *split = g_str_equal (default_split, "train") ? "train" : "test", *classes = "40";
  if (!parse (file, &split, &classes)) {
    g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT,
        "\"nyuv2:%s\" is not of the form nyuv2:FILE.mat[,SPLIT][,CLASSES]: SPLIT is train, test or all, CLASSES is 40, 37 or 13", where);
    return NULL;
  }
  NddrNyuv2 *nyuv2 = g_new0 (NddrNyuv2, 1);
  nyuv2->base.load = nyuv2_load;
  nyuv2->base.name = nyuv2_name;
  nyuv2->base.free = nyuv2_free;
  nyuv2->base.labels = NDDR_LABELS_ALL;
  nyuv2->path = g_strdup (file);
  nyuv2->dir = g_path_get_dirname (file);
  if (open_arrays (nyuv2, error) && choose_frames (nyuv2, split, error) && choose_classes (nyuv2, classes, error))
    return &nyuv2->base;
  nddr_classes_free (nyuv2->base.classes, nyuv2->base.n_classes);
  nyuv2_free (&nyuv2->base);
  return NULL;
}
