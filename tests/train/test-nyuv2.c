/* NYU Depth v2's labelled file: one in its layout, written here through libhdf5, is read as what was written; and broken ones are errors.
 *
 *   test-nyuv2 [CHANGES]   how many broken ones are tried; 400 where it is not said
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "fixture.h"
#include "train/dataset.h"
#include "train/loader.h"

enum { FRAMES = 6, WIDTH = 64, HEIGHT = 54, PIXELS = WIDTH * HEIGHT, LABELS = 60 };

static guint n_changes = 400;

/* The published calibration, counted from pixel 1, for 640x480. */
static const double fx = 518.857901, fy = 519.469611, cx = 325.582449, cy = 253.736166;

/** The class of 40, from 0, that label @l = 1, 2, … belongs to: the first 37 in another order, then the three that have many. */
static guint
class_of (guint l)
{
  return l <= 37 ? (l * 5 + 3) % 37 : 37 + l % 3;
}

static const char *const named[37] = { "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
  "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refridgerator", "television", "paper",
  "towel", "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag" };

static guint8
color_of (guint frame, guint c, guint x, guint y)
{
  return frame * 50 + c * 17 + x * 3 + y * 5;
}

static guint
label_of (guint frame, guint x, guint y)
{
  return (frame * 7 + x + y * 11) % (LABELS + 1);
}

/** What frame @frame shows, in camera axes: a floor, a wall in front, one at the side; two so slanted that a camera half a pixel off shows. */
static void
plane_of (guint frame, double n[3], double *distance)
{
  static const double normals[3][3] = { { 0, -0.96, -0.28 }, { 0, 0, -1 }, { -6 / 7.0, -3 / 7.0, -2 / 7.0 } }, distances[3] = { -1.2, -2.5, -2 };
  memcpy (n, normals[frame % 3], sizeof normals[0]);
  *distance = distances[frame % 3];
}

/** Metres; 0 where a floor is above the horizon. */
static double
depth_of (guint frame, guint x, guint y)
{
  double n[3], distance;
  plane_of (frame, n, &distance);
  double u = ((x + 0.5) * 640 / WIDTH - 0.5 - (cx - 1)) / fx, v = ((y + 0.5) * 480 / HEIGHT - 0.5 - (cy - 1)) / fy;
  double z = distance / (n[0] * u + n[1] * v + n[2]);
  return z > 0 && z < 10 ? z : 0;
}

/** Not everything was measured: the left columns were filled in. */
static gboolean
is_measured (guint x)
{
  return x >= 10;
}

/* ---- writing */

typedef struct
{
  gboolean no_raw, no_names, plain; /* plain: neither chunks nor compression */
  hid_t image_type;                 /* 0: 8-bit */
  guint depth_frames;               /* 0: all */
  gboolean scale_offset;            /* labels through a filter that is not expected */
  gboolean linked;                  /* depths in another file */
  gboolean external;                /* labels in a file of raw bytes */
  gboolean bag_missing;             /* from the names */
  gboolean endless;                 /* as many frames as there are numbers, of which none is there */
} Oddity;

static hid_t
write_array (hid_t file, const char *name, hid_t stored, hid_t type, int rank, const hsize_t *dims, gconstpointer data, hid_t creation)
{
  hid_t space = H5Screate_simple (rank, dims, NULL);
  hid_t dataset = H5Dcreate2 (file, name, stored, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  g_assert_cmpint (dataset, >=, 0);
  g_assert_cmpint (H5Dwrite (dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), >=, 0);
  H5Sclose (space);
  return dataset;
}

/** As MATLAB does for a cell array of strings: each is an array of UTF-16 in "#refs#", and the list an array of references. */
static void
write_names (hid_t file, const Oddity *oddity)
{
  hobj_ref_t references[LABELS];
  hid_t group = H5Gcreate2 (file, "#refs#", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  for (guint l = 1; l <= LABELS; l++) {
    guint class = class_of (l);
    g_autofree char *other = g_strdup_printf ("thing %u", l), *where = g_strdup_printf ("#refs#/%u", l);
    const char *name = class < 37 && !(oddity->bag_missing && class == 36) ? named[class] : other;
    guint16 text[32];
    hsize_t dims[2] = { strlen (name), 1 };
    for (guint i = 0; name[i]; i++)
      text[i] = name[i];
    H5Dclose (write_array (file, where, H5T_STD_U16LE, H5T_NATIVE_UINT16, 2, dims, text, H5P_DEFAULT));
    g_assert_cmpint (H5Rcreate (&references[l - 1], file, where, H5R_OBJECT, -1), >=, 0);
  }
  H5Gclose (group);
  const hsize_t dims[2] = { 1, LABELS };
  H5Dclose (write_array (file, "names", H5T_STD_REF_OBJ, H5T_STD_REF_OBJ, 2, dims, references, H5P_DEFAULT));
}

/** Of frames, in pieces as MATLAB makes them. */
static hid_t
make_creation (const Oddity *oddity, int rank, const hsize_t *dims)
{
  hsize_t chunk[4] = { 2, 1, 40, 48 };
  hid_t creation = H5Pcreate (H5P_DATASET_CREATE);
  if (oddity->plain)
    return creation;
  chunk[1] = rank == 4 ? 1 : 40;
  chunk[2] = rank == 4 ? 40 : 48;
  g_assert_cmpint (H5Pset_chunk (creation, rank, chunk), >=, 0);
  if (rank == 3)
    g_assert_cmpint (H5Pset_shuffle (creation), >=, 0);
  g_assert_cmpint (H5Pset_deflate (creation, 3), >=, 0);
  return creation;
}

/** Arrays of which nothing was ever written. */
static void
create_endless (hid_t file, const Oddity *oddity)
{
  const hsize_t shape4[4] = { G_MAXINT32, 3, WIDTH, HEIGHT }, shape[3] = { G_MAXINT32, WIDTH, HEIGHT };
  const struct { const char *name; hid_t type; } arrays[] = { { "images", H5T_STD_U8LE }, { "labels", H5T_STD_U16LE }, { "depths", H5T_IEEE_F32LE } };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++) {
    hid_t space = H5Screate_simple (i ? 3 : 4, i ? shape : shape4, NULL), creation = make_creation (oddity, i ? 3 : 4, i ? shape : shape4);
    H5Dclose (H5Dcreate2 (file, arrays[i].name, arrays[i].type, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Sclose (space);
    H5Pclose (creation);
  }
}

static void
write_arrays (hid_t file, const char *folder, const Oddity *oddity)
{
  if (oddity->endless) {
    create_endless (file, oddity);
    return;
  }
  static guint8 images[FRAMES][3][WIDTH][HEIGHT];
  static guint16 labels[FRAMES][WIDTH][HEIGHT];
  static float depths[FRAMES][WIDTH][HEIGHT], raw[FRAMES][WIDTH][HEIGHT];
  for (guint f = 0; f < FRAMES; f++)
    for (guint x = 0; x < WIDTH; x++)
      for (guint y = 0; y < HEIGHT; y++) {
        for (guint c = 0; c < 3; c++)
          images[f][c][x][y] = color_of (f, c, x, y);
        labels[f][x][y] = label_of (f, x, y);
        depths[f][x][y] = is_measured (x) ? depth_of (f, x, y) : 1;
        raw[f][x][y] = is_measured (x) ? depth_of (f, x, y) : 0;
      }
  const hsize_t shape4[4] = { FRAMES, 3, WIDTH, HEIGHT }, shape[3] = { FRAMES, WIDTH, HEIGHT };
  const hsize_t depth_shape[3] = { oddity->depth_frames ? oddity->depth_frames : FRAMES, WIDTH, HEIGHT };
  hid_t of_images = make_creation (oddity, 4, shape4), of_planes = make_creation (oddity, 3, shape), of_labels = H5Pcopy (of_planes);
  if (oddity->scale_offset)
    H5Pset_scaleoffset (of_labels, H5Z_SO_INT, 0);
  if (oddity->external) {
    g_autofree char *path = fixture_path (folder, "labels.raw");
    H5Pset_external (of_labels, path, 0, sizeof labels);
  }
  hid_t image_type = oddity->image_type ? oddity->image_type : H5T_STD_U8LE;
  H5Dclose (write_array (file, "images", image_type, H5T_NATIVE_UINT8, 4, shape4, images, of_images));
  H5Dclose (write_array (file, "labels", H5T_STD_U16LE, H5T_NATIVE_UINT16, 3, shape, labels, of_labels));
  if (oddity->linked)
    H5Lcreate_external ("elsewhere.mat", "depths", file, "depths", H5P_DEFAULT, H5P_DEFAULT);
  else
    H5Dclose (write_array (file, "depths", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 3, depth_shape, depths, of_planes));
  if (!oddity->no_raw)
    H5Dclose (write_array (file, "rawDepths", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 3, shape, raw, of_planes));
  H5Pclose (of_images);
  H5Pclose (of_planes);
  H5Pclose (of_labels);
}

static void
write_labelled (const char *folder, const Oddity *oddity)
{
  g_autofree char *path = fixture_path (folder, "labelled.mat");
  hid_t creation = H5Pcreate (H5P_FILE_CREATE);
  H5Pset_userblock (creation, 512); /* where MATLAB has its header */
  hid_t file = H5Fcreate (path, H5F_ACC_TRUNC, creation, H5P_DEFAULT);
  g_assert_cmpint (file, >=, 0);
  write_arrays (file, folder, oddity);
  if (!oddity->no_names)
    write_names (file, oddity);
  H5Fclose (file);
  H5Pclose (creation);
}

static void
append32 (GByteArray *bytes, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (bytes, (const guint8 *) &value, 4);
}

/** Appends a variable of MAT version 5: a column of 16-bit numbers, as SciPy and MATLAB store small ones. */
static void
append_variable (GByteArray *bytes, const char *name, const guint16 *values, guint n)
{
  gsize name_bytes = (strlen (name) + 7) / 8 * 8, value_bytes = (n * 2 + 7) / 8 * 8;
  const guint32 head[] = { 14, 16 + 16 + 8 + name_bytes + 8 + value_bytes, 6, 8, 6, 0, 5, 8, n, 1, 1, strlen (name) };
  for (guint i = 0; i < G_N_ELEMENTS (head); i++)
    append32 (bytes, head[i]);
  static const guint8 zeros[8];
  g_byte_array_append (bytes, (const guint8 *) name, strlen (name));
  g_byte_array_append (bytes, zeros, name_bytes - strlen (name));
  append32 (bytes, 4);
  append32 (bytes, n * 2);
  for (guint i = 0; i < n; i++) {
    guint16 value = GUINT16_TO_LE (values[i]);
    g_byte_array_append (bytes, (const guint8 *) &value, 2);
  }
  g_byte_array_append (bytes, zeros, value_bytes - n * 2);
}

static GByteArray *
new_mat5 (void)
{
  guint8 header[128];
  memset (header, ' ', sizeof header);
  memcpy (header + 124, "\0\1IM", 4);
  return g_byte_array_append (g_byte_array_new (), header, sizeof header);
}

static void
write_split (const char *folder, const guint16 *train, guint n_train, const guint16 *test, guint n_test)
{
  g_autofree char *path = fixture_path (folder, "splits.mat");
  g_autoptr (GByteArray) bytes = new_mat5 ();
  append_variable (bytes, "trainNdxs", train, n_train);
  append_variable (bytes, "testNdxs", test, n_test);
  fixture_write (path, bytes->data, bytes->len);
}

static void
write_mapping (const char *folder, guint n, guint first)
{
  g_autofree char *path = fixture_path (folder, "classMapping40.mat");
  g_autoptr (GByteArray) bytes = new_mat5 ();
  guint16 classes[LABELS];
  for (guint i = 0; i < n; i++)
    classes[i] = class_of (i + 1) + 1;
  classes[0] = first;
  append_variable (bytes, "mapClass", classes, n);
  fixture_write (path, bytes->data, bytes->len);
}

static const guint16 train_split[] = { 1, 3, 4, 6 }, test_split[] = { 2, 5 };

static char *
make (const Oddity *oddity)
{
  char *folder = fixture_folder ();
  write_labelled (folder, oddity);
  write_split (folder, train_split, G_N_ELEMENTS (train_split), test_split, G_N_ELEMENTS (test_split));
  write_mapping (folder, LABELS, class_of (1) + 1);
  return folder;
}

static NddrDataset *
open_file (const char *folder, const char *rest, const char *default_split, GError **error)
{
  g_autofree char *spec = g_strdup_printf ("nyuv2:%s/labelled.mat%s", folder, rest);
  return nddr_dataset_open (spec, default_split, error);
}

/* ---- reading */

/* From the published list, by the order of the 40. */
static const guint8 couprie[40] = { 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5, 7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7,
  6, 7 };

static void
check_segmentation (const NddrSample *sample, guint frame, guint mapping)
{
  for (guint i = 0; i < PIXELS; i++) {
    guint label = label_of (frame, i % WIDTH, i / WIDTH), class = label ? class_of (label) : 0;
    guint expected = !label ? 255 : mapping == 13 ? couprie[class] - 1u : class >= mapping ? 255 : class;
    g_assert_cmpuint (sample->segmentation[i], ==, expected);
  }
}

static void
check_geometry (const NddrSample *sample, guint frame, gboolean masked)
{
  double n[3], distance, found[3];
  guint known = 0, there = 0;
  plane_of (frame, n, &distance);
  for (guint i = 0; i < PIXELS; i++) {
    guint x = i % WIDTH, y = i / WIDTH;
    double z = is_measured (x) ? depth_of (frame, x, y) : 1;
    g_assert_cmpuint (sample->depth[i], ==, floor ((float) z * 1000.0 + 0.5));
    if (!is_measured (x)) {
      g_assert_true (!masked || !nddr_normal_decode (sample->normal + 3 * i, found));
      continue;
    }
    there += z > 0;
    if (!nddr_normal_decode (sample->normal + 3 * i, found))
      continue;
    known++;
    g_assert_cmpfloat (z, >, 0);
    if (!masked && x < 12) /* its window touches what was filled in */
      continue;
    for (int c = 0; c < 3; c++) /* the nearest of the codes */
      g_assert_cmpfloat_with_epsilon (sample->normal[3 * i + c], ((c == 0 ? n[c] : -n[c]) + 1) * 127.5, 0.51);
  }
  g_assert_cmpuint (known, >, there * 8 / 10); /* at a picture's border such small windows have too little */
}

static void
check_sample (NddrDataset *dataset, guint index, guint frame, guint mapping, gboolean masked)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, index, NDDR_LABELS_ALL, &error);
  g_autofree char *name = nddr_dataset_name (dataset, index), *expected = g_strdup_printf ("%04u", frame + 1);
  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, expected);
  g_assert_cmpuint (sample->width, ==, WIDTH);
  g_assert_cmpuint (sample->height, ==, HEIGHT);
  for (guint i = 0; i < 3 * PIXELS; i++)
    g_assert_cmpuint (sample->rgb[i], ==, color_of (frame, i % 3, i / 3 % WIDTH, i / 3 / WIDTH));
  check_segmentation (sample, frame, mapping);
  check_geometry (sample, frame, masked);
}

static void
test_reading (void)
{
  static const Oddity usual = { 0 }, plain = { .plain = TRUE, .no_raw = TRUE };
  static const struct { const char *rest, *default_split; guint mapping, n, frames[FRAMES]; } cases[] = {
    { "", "train", 40, 4, { 0, 2, 3, 5 } },
    { "", "val", 40, 2, { 1, 4 } },
    { ",test", "train", 40, 2, { 1, 4 } },
    { ",train,13", "val", 13, 4, { 0, 2, 3, 5 } },
    { ",all,40", "train", 40, 6, { 0, 1, 2, 3, 4, 5 } },
    { ",37", "train", 37, 4, { 0, 2, 3, 5 } },
  };
  for (int p = 0; p < 2; p++) {
    char *folder = make (p ? &plain : &usual);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (NddrDataset) dataset = open_file (folder, cases[i].rest, cases[i].default_split, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (nddr_dataset_size (dataset), ==, cases[i].n);
      g_assert_cmpuint (nddr_dataset_labels (dataset), ==, NDDR_LABELS_ALL);
      guint n_classes;
      const NddrClass *classes = nddr_dataset_classes (dataset, &n_classes);
      g_assert_cmpuint (n_classes, ==, cases[i].mapping);
      g_assert_cmpstr (classes[11].name, ==, n_classes == 13 ? "wall" : "counter");
      for (guint s = 0; s < cases[i].n; s++)
        check_sample (dataset, s, cases[i].frames[s], cases[i].mapping, p == 0);
    }
    fixture_remove (folder);
  }
}

/** What needs no file beside it works without; only what is asked for is read; and it can be joined with made-up rooms. */
static void
test_parts (void)
{
  static const Oddity usual = { 0 };
  char *folder = make (&usual);
  g_autofree char *splits = fixture_path (folder, "splits.mat"), *mapping = fixture_path (folder, "classMapping40.mat");
  g_autoptr (GError) error = NULL;
  {
    g_autofree char *spec = g_strdup_printf ("synth:1,2,64x54+nyuv2:%s/labelled.mat,13", folder);
    g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", &error);
    g_assert_no_error (error);
    check_sample (dataset, 3, 2, 13, TRUE);
    g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 2, NDDR_LABEL (NDDR_TASK_DEPTH), &error);
    g_assert_no_error (error);
    g_assert_cmpuint (nddr_sample_labels (sample), ==, NDDR_LABEL (NDDR_TASK_DEPTH));
  }
  g_unlink (splits);
  g_unlink (mapping);
  g_autoptr (NddrDataset) dataset = open_file (folder, ",all,37", "train", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < FRAMES; i++)
    check_sample (dataset, i, i, 37, TRUE);
  fixture_remove (folder);
}

/** Threads share the file; a loader's many give what its one does. */
static void
test_threads (void)
{
  static const Oddity usual = { 0 };
  static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.5, 0.5, 0.5 };
  char *folder = make (&usual);
  g_autoptr (GError) error = NULL;
  char *sums[2];
  for (int run = 0; run < 2; run++) {
    g_autoptr (NddrDataset) dataset = open_file (folder, ",all", "train", &error);
    g_assert_no_error (error);
    NddrLoaderOptions options = { .batch = 4, .labels = NDDR_LABELS_ALL, .repeat = TRUE, .shuffle = TRUE, .seed = 1, .threads = run ? 4 : 1 };
    nddr_augment_plain (&options.augment, WIDTH, HEIGHT, mean, std);
    g_autoptr (NddrLoader) loader = nddr_loader_new (dataset, &options);
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_MD5);
    for (int t = 0; t < 12; t++) {
      NddrBatch *batch = nddr_loader_next (loader, &error);
      g_assert_no_error (error);
      g_checksum_update (sum, (const guchar *) batch->image, 4 * PIXELS * 16);
      g_checksum_update (sum, (const guchar *) batch->normal, 4 * PIXELS * 16);
      g_checksum_update (sum, batch->segmentation, 4 * PIXELS);
      nddr_loader_return (loader, batch);
    }
    sums[run] = g_strdup (g_checksum_get_string (sum));
  }
  g_assert_cmpstr (sums[0], ==, sums[1]);
  g_free (sums[0]);
  g_free (sums[1]);
  fixture_remove (folder);
}

/* ---- what is wrong */

/** Opening @folder's file, or loading its first sample, fails with a message that has @part in it. */
static void
expect_failure (const char *folder, const char *rest, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_file (folder, rest, "train", &error);
  g_autoptr (NddrSample) sample = dataset ? nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error) : NULL;
  g_assert_null (sample);
  g_assert_true (error && error->domain == NDDR_ERROR);
  if (!strstr (error->message, part))
    g_error ("\"%s\" was expected in: %s", part, error->message);
}

static void
test_odd_files (void)
{
  const struct { Oddity oddity; const char *rest, *message; } cases[] = {
    { { .depth_frames = FRAMES - 1 }, "", "depths are 5 x 64 x 54, but images are 6 of 64x54" },
    { { .image_type = H5T_STD_U16LE }, "", "images does not hold 8-bit whole numbers" },
    { { .image_type = H5T_STD_I8LE }, "", "images does not hold 8-bit whole numbers" },
    { { .endless = TRUE }, ",all,37", "images has 2147483647 frames" },
    { { .scale_offset = TRUE }, "", "labels is packed by filter 6" },
    { { .linked = TRUE }, "", "depths is not stored in the file itself" },
    { { .plain = TRUE, .external = TRUE }, "", "labels is not stored in the file itself" },
    { { .no_names = TRUE }, ",37", "there is no array names" },
    { { .bag_missing = TRUE }, ",37", "no label is called bag" },
    { { 0 }, ",train,39", "is not of the form" },
    { { 0 }, ",train,test", "is not of the form" },
    { { 0 }, ",13,37", "is not of the form" },
    { { 0 }, ",val", "is not of the form" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *folder = make (&cases[i].oddity);
    expect_failure (folder, cases[i].rest, cases[i].message);
    fixture_remove (folder);
  }
}

static void
test_odd_neighbours (void)
{
  static const Oddity usual = { 0 };
  static const guint16 zero[] = { 0, 1 }, beyond[] = { 1, FRAMES + 1 };
  char *folder = make (&usual);
  g_autofree char *splits = fixture_path (folder, "splits.mat"), *mapping = fixture_path (folder, "classMapping40.mat");
  write_split (folder, zero, 2, test_split, 2);
  expect_failure (folder, "", "trainNdxs are not the numbers of some of the frames");
  write_split (folder, beyond, 2, test_split, 2);
  expect_failure (folder, "", "trainNdxs are not the numbers of some of the frames");
  write_split (folder, beyond, 0, test_split, 2);
  expect_failure (folder, "", "trainNdxs are not the numbers of some of the frames");
  g_unlink (splits);
  expect_failure (folder, "", "labelled.mat,all");
  write_mapping (folder, LABELS, 41);
  expect_failure (folder, ",all", "mapClass does not give each label");
  write_mapping (folder, LABELS - 1, 1);
  expect_failure (folder, ",all", "has no meaning");
  g_unlink (mapping);
  expect_failure (folder, ",all", "labelled.mat,37");
  expect_failure (folder, ",all,13", "labelled.mat,37");
  g_autofree char *path = fixture_path (folder, "labelled.mat");
  fixture_write (path, "MATLAB 5.0 MAT-file", 19);
  expect_failure (folder, ",all,37", "not a sound HDF5 file");
  g_unlink (path);
  expect_failure (folder, ",all,37", "labelled.mat is not there");
  expect_failure (folder, "", "labelled.mat is not there");
  g_assert_cmpint (symlink (path, path), ==, 0); /* out of reach */
  expect_failure (folder, ",all,37", "labelled.mat: cannot be opened: Too many levels of symbolic links");
  fixture_remove (folder);
}

/** Reads all there is to read of a file that is broken. */
static void
try_broken (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_file (folder, ",all,37", "train", &error);
  for (guint i = 0; dataset && i < nddr_dataset_size (dataset); i++) {
    g_autoptr (GError) sample_error = NULL;
    g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, i, NDDR_LABELS_ALL, &sample_error);
    g_assert_true ((sample == NULL) == (sample_error != NULL));
    g_autofree char *frame = g_strdup_printf ("frame %u of %s/labelled.mat: ", i + 1, folder);
    g_assert_true (!sample_error || (sample_error->domain == NDDR_ERROR && g_str_has_prefix (sample_error->message, frame)));
  }
  g_assert_true ((dataset == NULL) == (error != NULL));
}

static void
test_broken_files (void)
{
  static const Oddity usual = { 0 };
  char *folder = make (&usual);
  g_autofree char *path = fixture_path (folder, "labelled.mat"), *data = NULL;
  gsize bytes;
  g_assert_true (g_file_get_contents (path, &data, &bytes, NULL));
  for (gsize i = 0; i < 60; i++) {
    fixture_write (path, data, bytes * i / 60);
    expect_failure (folder, ",all,37", "not a sound HDF5 file");
  }
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  for (guint i = 0; i < n_changes; i++) {
    /* half of them in the first few KiB, which describe the rest */
    gsize at = g_rand_int_range (rand, 0, i % 2 ? bytes : MIN (bytes, 8192));
    char before = data[at];
    data[at] = g_rand_int (rand);
    fixture_write (path, data, bytes);
    try_broken (folder);
    data[at] = before;
  }
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (argc > 1)
    n_changes = atoi (argv[1]);
  H5open ();
  g_test_add_func ("/nyuv2/reading", test_reading);
  g_test_add_func ("/nyuv2/parts", test_parts);
  g_test_add_func ("/nyuv2/threads", test_threads);
  g_test_add_func ("/nyuv2/odd-files", test_odd_files);
  g_test_add_func ("/nyuv2/odd-neighbours", test_odd_neighbours);
  g_test_add_func ("/nyuv2/broken-files", test_broken_files);
  return g_test_run ();
}
