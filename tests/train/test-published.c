/* The data set of the published NDDR-CNN code: what a file in its encoding becomes, and what is said about broken lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "fixture.h"
#include "train/dataset.h"

enum { WIDTH = 40, HEIGHT = 24, PIXELS = WIDTH * HEIGHT };

/** A unit vector for pixel @i, in our axes; they cover the sphere. */
static void
direction (guint i, double n[3])
{
  double z = 1 - 2 * (i + 0.5) / PIXELS, turn = 2.399963229728653 * i, r = sqrt (1 - z * z);
  n[0] = r * cos (turn);
  n[1] = r * sin (turn);
  n[2] = z;
}

/** By the published definition: floor ((n + 1) / 2 * 255) of right, forward and up. */
static void
encode (const double ours[3], guint8 *rgb)
{
  double theirs[3] = { ours[0], -ours[2], ours[1] };
  for (int c = 0; c < 3; c++)
    rgb[c] = floor ((theirs[c] + 1) / 2 * 255);
}

static void
write_text (const char *folder, const char *file, const char *text)
{
  g_autofree char *path = fixture_path (folder, "%s", file);
  fixture_write (path, text, strlen (text));
}

/** A data set of one picture, called 0001, with a label of each kind. */
static char *
make (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) sample = fixture_sample (WIDTH, HEIGHT, 1);
  guint8 normals[3 * PIXELS], ids[PIXELS];
  for (guint i = 0; i < PIXELS; i++) {
    double n[3];
    direction (i, n);
    encode (n, normals + 3 * i);
    ids[i] = i % 40;
  }
  memset (normals, 255, 3);
  memset (normals + 3, 127, 3);
  ids[7] = 255;
  g_autofree char *picture = fixture_path (folder, "img/0001.png"), *seg = fixture_path (folder, "seg/0001.png"),
                  *normal = fixture_path (folder, "normal_mask/0001.png");
  fixture_write_png (picture, WIDTH, HEIGHT, 3, 8, sample->rgb);
  fixture_write_png (seg, WIDTH, HEIGHT, 1, 8, ids);
  fixture_write_png (normal, WIDTH, HEIGHT, 3, 8, normals);
  write_text (folder, "list/training_seg.txt", "/img/0001.png /seg/0001.png\n");
  write_text (folder, "list/training_normal_mask.txt", "\r\n  /img/0001.png\t/normal_mask/0001.png\r\n\n");
  return folder;
}

static NddrDataset *
open_list (const char *folder, GError **error)
{
  g_autofree char *spec = g_strdup_printf ("nddr:%s,training", folder);
  return nddr_dataset_open (spec, "val", error);
}

static void
test_reading (void)
{
  char *folder = make ();
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_list (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_size (dataset), ==, 1);
  g_assert_cmpuint (nddr_dataset_labels (dataset), ==, NDDR_LABEL (NDDR_TASK_SEGMENTATION) | NDDR_LABEL (NDDR_TASK_NORMAL));
  g_autofree char *name = nddr_dataset_name (dataset, 0);
  g_assert_cmpstr (name, ==, "0001");
  guint n_classes;
  const NddrClass *classes = nddr_dataset_classes (dataset, &n_classes);
  g_assert_cmpuint (n_classes, ==, 40);
  g_assert_cmpstr (classes[0].name, ==, "wall");
  g_assert_cmpstr (classes[39].name, ==, "otherprop");

  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
  g_assert_no_error (error);
  g_assert_null (sample->depth);
  g_autoptr (NddrSample) truth = fixture_sample (WIDTH, HEIGHT, 1);
  g_assert_cmpmem (sample->rgb, 3 * PIXELS, truth->rgb, 3 * PIXELS);
  for (guint i = 0; i < PIXELS; i++) {
    g_assert_cmpuint (sample->segmentation[i], ==, i == 7 ? 255 : i % 40);
    double n[3], expected[3];
    if (i < 2) {
      g_assert_false (nddr_normal_decode (sample->normal + 3 * i, n));
      continue;
    }
    direction (i, expected);
    g_assert_true (nddr_normal_decode (sample->normal + 3 * i, n));
    double dot = n[0] * expected[0] + n[1] * expected[1] + n[2] * expected[2];
    /* two roundings of three codes, each by half a code at most, are 0.8 degrees */
    g_assert_cmpfloat (acos (MIN (dot, 1)) * 180 / G_PI, <, 0.8);
  }
  fixture_remove (folder);
}

/** A list may be alone, and a classes.txt names other classes. */
static void
test_parts (void)
{
  char *folder = make ();
  g_autoptr (GError) error = NULL;
  fixture_write_classes (folder, 41);
  g_autofree char *seg = fixture_path (folder, "list/training_seg.txt");
  {
    g_autoptr (NddrDataset) dataset = open_list (folder, &error);
    g_assert_no_error (error);
    guint n_classes;
    g_assert_nonnull (nddr_dataset_classes (dataset, &n_classes));
    g_assert_cmpuint (n_classes, ==, 41);
  }
  g_unlink (seg);
  g_autoptr (NddrDataset) dataset = open_list (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_labels (dataset), ==, NDDR_LABEL (NDDR_TASK_NORMAL));
  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
  g_assert_no_error (error);
  g_assert_null (sample->segmentation);
  g_assert_nonnull (sample->normal);
  fixture_remove (folder);
}

/** A list may begin with the mark that some editors write. */
static void
test_mark (void)
{
  char *folder = make ();
  g_autoptr (GError) error = NULL;
  write_text (folder, "list/training_seg.txt", "\xef\xbb\xbf/img/0001.png /seg/0001.png\n");
  g_autoptr (NddrDataset) dataset = open_list (folder, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_labels (dataset) & NDDR_LABEL (NDDR_TASK_SEGMENTATION), !=, 0);
  fixture_remove (folder);
}

/** Pipes are not waited for. */
static void
test_pipes (void)
{
  static const char *const files[] = { "list/training_seg.txt", "classes.txt" };
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    char *folder = make ();
    g_autofree char *path = fixture_path (folder, "%s", files[i]);
    g_autoptr (GError) error = NULL;
    g_unlink (path);
    g_assert_cmpint (mkfifo (path, 0600), ==, 0);
    g_autoptr (NddrDataset) dataset = open_list (folder, &error);
    g_assert_null (dataset);
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
    g_assert_nonnull (strstr (error->message, files[i]));
    fixture_remove (folder);
  }
}

/** What cannot be reached is not said to be absent: a link to itself is out of root's reach, too. */
static void
test_unreachable (void)
{
  static const char *const files[] = { "list/training_seg.txt", "img/0001.png", "seg/0001.png", "classes.txt" };
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    char *folder = make ();
    g_autofree char *path = fixture_path (folder, "%s", files[i]);
    g_autoptr (GError) error = NULL;
    g_unlink (path);
    g_assert_cmpint (symlink (path, path), ==, 0);
    g_assert_null (open_list (folder, &error));
    g_assert_nonnull (strstr (error->message, files[i]));
    g_assert_nonnull (strstr (error->message, "Too many levels of symbolic links"));
    fixture_remove (folder);
  }
}

static void
test_errors (void)
{
  static const struct
  {
    const char *file, *text, *message;
  } cases[] = {
    { "list/training_seg.txt", "/img/0001.png /seg/0001.png\n\n/img/0001.png\n", "training_seg.txt, line 3: 1 words" },
    { "list/training_seg.txt", "/img/0001.png /seg/0001.png x", "training_seg.txt, line 1: 3 words" },
    { "list/training_seg.txt", "/img/0001.png /seg/0002.png", "training_seg.txt, line 1: the label" },
    { "list/training_seg.txt", "/img/0002.png /seg/0001.png", "training_seg.txt, line 1: the picture" },
    { "list/training_seg.txt", "\n", "training_seg.txt names no pictures" },
    { "list/training_seg.txt", "/seg/0001.png /seg/0001.png", "training_normal_mask.txt, line 2: the picture is" },
    { "list/training_seg.txt", "/img/0001.png /seg/0001.png\n/img/0001.png /seg/0001.png", "names 1 pictures, but" },
    { "list/training_seg.txt", "/img/0001.png /img/0001.png", "training_seg.txt, line 1: " },
    { "seg/0001.png", "no picture", "training_seg.txt, line 1: " },
    { "normal_mask/0001.png", "no picture", "training_normal_mask.txt, line 2: " },
    { "img/0001.png", "no picture", "training_seg.txt, line 1: " },
    { "classes.txt", "wall #000000\n", "has class 1 at (1, 0), but its data set has 1 classes" },
    { "classes.txt", "wall\n", "classes.txt, line 1" },
    { "classes.txt", "wall #000000\nfloor\n", "classes.txt, line 2" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *folder = make ();
    write_text (folder, cases[i].file, cases[i].text);
    g_autoptr (GError) error = NULL;
    g_autoptr (NddrDataset) dataset = open_list (folder, &error);
    if (dataset) {
      g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
      g_assert_null (sample);
    }
    g_assert_true (error && error->domain == NDDR_ERROR);
    if (!strstr (error->message, cases[i].message))
      g_error ("\"%s\" was expected in: %s", cases[i].message, error->message);
    fixture_remove (folder);
  }

  static const char *const wrong[] = { "nddr:", "nddr:x", "nddr:,training", "nddr:x,", "nddr:x,a/b", "nddr:/nowhere,training" };
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (nddr_dataset_open (wrong[i], "train", &error));
    g_assert_true (error && error->domain == NDDR_ERROR);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/published/reading", test_reading);
  g_test_add_func ("/published/parts", test_parts);
  g_test_add_func ("/published/mark", test_mark);
  g_test_add_func ("/published/pipes", test_pipes);
  g_test_add_func ("/published/unreachable", test_unreachable);
  g_test_add_func ("/published/errors", test_errors);
  return g_test_run ();
}
