/* Data sets: what is read is what was written, and whatever is wrong with a folder is said with the file's name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <png.h>

#include "fixture.h"
#include "train/dataset.h"
#include "train/folder-writer.h"
#include "train/image.h"
#include "train/classes.h"

static NddrDataset *
open_folder (const char *folder, const char *rest, GError **error)
{
  g_autofree char *spec = g_strdup_printf ("folder:%s%s", folder, rest);
  return nddr_dataset_open (spec, "train", error);
}

/** Asserts that opening @folder, or loading its first sample, fails with a message that has @part in it. */
static void
assert_fails (const char *folder, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", &error);
  if (dataset) {
    g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
    g_assert_null (sample);
  }
  g_assert_nonnull (error);
  g_assert_true (error->domain == NDDR_ERROR);
  if (!strstr (error->message, part))
    g_error ("\"%s\" was expected in: %s", part, error->message);
}

static void
test_folder (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (31, 17, 1), b = fixture_sample (16, 24, 2);
  fixture_write_sample (folder, "train", "b", b, TRUE);
  fixture_write_sample (folder, "train", "a.1", a, FALSE);

  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_size (dataset), ==, 2);
  g_assert_cmpuint (nddr_dataset_labels (dataset), ==, NDDR_LABELS_ALL);
  guint n_classes;
  const NddrClass *classes = nddr_dataset_classes (dataset, &n_classes);
  g_assert_cmpuint (n_classes, ==, 13);
  g_assert_cmpstr (classes[2].name, ==, "class 2");
  g_assert_cmphex (classes[2].color, ==, 0x224466);
  g_autofree char *name = nddr_dataset_name (dataset, 0);
  g_assert_cmpstr (name, ==, "a.1");

  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
  g_assert_no_error (error);
  gsize n = 31 * 17;
  g_assert_cmpmem (sample->rgb, 3 * n, a->rgb, 3 * n);
  g_assert_cmpmem (sample->segmentation, n, a->segmentation, n);
  g_assert_cmpmem (sample->normal, 3 * n, a->normal, 3 * n);
  g_assert_cmpmem (sample->depth, 2 * n, a->depth, 2 * n);

  /* Only what is asked for; and a JPEG is near enough to what it was made from. */
  g_autoptr (NddrSample) jpeg = nddr_dataset_load (dataset, 1, NDDR_LABEL (NDDR_TASK_DEPTH), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_sample_labels (jpeg), ==, NDDR_LABEL (NDDR_TASK_DEPTH));
  double difference = 0;
  for (int i = 0; i < 16 * 24; i++)
    difference += abs (jpeg->rgb[3 * i + 1] - b->rgb[3 * i + 1]) / (16.0 * 24);
  g_assert_cmpfloat (difference, <, 12);
  fixture_remove (folder);
}

static void
test_normals (void)
{
  double n[3];
  g_assert_true (nddr_normal_decode ((const guint8[]) { 255, 128, 128 }, n));
  g_assert_cmpfloat_with_epsilon (n[0], 1 / sqrt (1 + 2 * (0.5 / 127.5) * (0.5 / 127.5)), 1e-12);
  g_assert_cmpfloat_with_epsilon (n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1, 1e-12);
  g_assert_false (nddr_normal_decode ((const guint8[]) { 128, 128, 128 }, n));
  g_assert_cmpfloat (n[0], ==, 0);
  /* 191 is 0.498, 192 is 0.506 */
  g_assert_false (nddr_normal_decode ((const guint8[]) { 127, 127, 191 }, n));
  g_assert_true (nddr_normal_decode ((const guint8[]) { 127, 127, 192 }, n));
}

static void
test_absent_labels (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1);
  g_autofree char *image = fixture_path (folder, "val/image/x.png");
  fixture_write_png (image, 8, 8, 3, 8, a->rgb);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = open_folder (folder, ",val", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_labels (dataset), ==, 0);
  guint n_classes;
  g_assert_null (nddr_dataset_classes (dataset, &n_classes));
  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_sample_labels (sample), ==, 0);
  assert_fails (folder, "its splits are: val");
  fixture_remove (folder);
}

/* Each breaks one file of a good folder, in its own way. */
static void
break_missing (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/normal/x.png");
  g_unlink (path);
}

static void
break_size (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/depth/x.png");
  static const guint16 zeros[7 * 8];
  fixture_write_png (path, 7, 8, 1, 16, zeros);
}

static void
break_id (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/segmentation/x.png");
  guint8 ids[64] = { [43] = 13 };
  fixture_write_png (path, 8, 8, 1, 8, ids);
}

static void
break_rgb_ids (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/segmentation/x.png");
  static const guint8 zeros[64 * 3];
  fixture_write_png (path, 8, 8, 3, 8, zeros);
}

static void
break_8_bit_depth (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/depth/x.png");
  static const guint8 zeros[64];
  fixture_write_png (path, 8, 8, 1, 8, zeros);
}

static void
break_gray_normal (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/normal/x.png");
  static const guint8 zeros[64];
  fixture_write_png (path, 8, 8, 1, 8, zeros);
}

static void
break_text (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.png");
  fixture_write (path, "not a picture", 13);
}

static void
break_jpeg_label (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/normal/x.png");
  static const guint8 zeros[64 * 3];
  fixture_write_jpeg (path, 8, 8, 3, zeros);
}

/* for print */
static void
break_cmyk (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.png");
  static const guint8 zeros[64 * 4];
  fixture_write_jpeg (path, 8, 8, 4, zeros);
}

/* a pipe that nobody writes to */
static void
break_pipe (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.png");
  g_unlink (path);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
}

/* As what may not be read is: there, and in nobody's reach, be it root's. */
static void
replace_by_loop (const char *folder, const char *what)
{
  g_autofree char *path = fixture_path (folder, "train/%s", what), *away = fixture_path (folder, "away");
  g_assert_cmpint (g_rename (path, away), ==, 0);
  g_assert_cmpint (symlink (path, path), ==, 0);
}

static void
break_image_folder (const char *folder)
{
  replace_by_loop (folder, "image");
}

static void
break_label_folder (const char *folder)
{
  replace_by_loop (folder, "normal");
}

static void
break_image (const char *folder)
{
  replace_by_loop (folder, "image/x.png");
}

static void
break_huge (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.png");
  static const guint8 header[]
      = { 137, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 1, 0, 0, 0, 1, 0, 0, 8, 2, 0, 0, 0 };
  static const guint8 data[] = { 0, 0, 0, 0, 'I', 'D', 'A', 'T' };
  guint8 file[sizeof header + 4 + sizeof data];
  memcpy (file, header, sizeof header);
  memcpy (file + sizeof header + 4, data, sizeof data);
  guint32 crc = 0xffffffff;
  for (gsize i = 12; i < sizeof header; i++) {
    crc ^= header[i];
    for (int bit = 0; bit < 8; bit++)
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
  }
  crc = GUINT32_TO_BE (~crc);
  memcpy (file + sizeof header, &crc, 4);
  fixture_write (path, file, sizeof file);
}

static void
break_twice (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.jpg");
  fixture_write (path, "", 0);
}

static void
break_classes (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "classes.txt");
  fixture_write (path, "wall #00ff00\nfloor 00ff00\n", 26);
}

/* begins with a mark, as some editors write it, and is fine */
static void
test_classes_mark (void)
{
  static const char text[] = "\xef\xbb\xbfwall #00ff00\nfloor #00ff01\n";
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "classes.txt");
  g_autoptr (GError) error = NULL;
  guint n;
  fixture_write (path, text, sizeof text - 1);
  NddrClass *classes = nddr_classes_read (path, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpstr (classes[0].name, ==, "wall");
  nddr_classes_free (classes, n);
  fixture_remove (folder);
}

static void
break_class_twice (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "classes.txt");
  fixture_write (path, "wall #00ff00\nwall #00ff01\n", 26);
}

static void
break_no_classes (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "classes.txt");
  g_unlink (path);
}

static void
break_no_pictures (const char *folder)
{
  g_autofree char *path = fixture_path (folder, "train/image/x.png");
  g_unlink (path);
}

static void
test_errors (void)
{
  static const struct
  {
    void (*spoil) (const char *folder);
    const char *message;
  } cases[] = {
    { break_missing, "normal/x.png is missing" },
    { break_size, "depth/x.png is 7x8, but its picture" },
    { break_id, "segmentation/x.png has class 13 at (3, 5)" },
    { break_rgb_ids, "segmentation/x.png: it is a 8-bit RGB PNG" },
    { break_8_bit_depth, "depth/x.png: it is a 8-bit gray PNG" },
    { break_gray_normal, "normal/x.png: it is a 8-bit gray PNG" },
    { break_text, "image/x.png is neither a PNG nor a JPEG" },
    { break_jpeg_label, "normal/x.png is a JPEG file" },
    { break_cmyk, "its colours are CMYK, for print: convert it to RGB" },
    { break_image_folder, "train/image cannot be read: " },
    { break_label_folder, "train/normal cannot be read: " },
    { break_image, "image/x.png: cannot be opened: Too many levels of symbolic links" },
    { break_pipe, "image/x.png: is not a file" },
    { break_huge, "image/x.png: its size, 65536x65536, is beyond 16384" },
    { break_twice, "two pictures with one name" },
    { break_classes, "classes.txt, line 2" },
    { break_class_twice, "classes.txt, line 2" },
    { break_no_classes, "classes.txt" },
    { break_no_pictures, "train/image has no pictures" },
  };
  g_autoptr (NddrSample) sample = fixture_sample (8, 8, 3);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    char *folder = fixture_folder ();
    fixture_write_sample (folder, "train", "x", sample, FALSE);
    cases[i].spoil (folder);
    assert_fails (folder, cases[i].message);
    fixture_remove (folder);
  }
}

/** Reads @bytes of a file cut short at every length and with every byte changed: never a crash, and never a picture cut short. */
static void
torture (const char *path, const guint8 *good, gsize bytes, NddrImageContent content)
{
  for (gsize n = 0; n < bytes; n++) {
    g_autoptr (GError) error = NULL;
    fixture_write (path, good, n);
    g_autoptr (NddrImage) image = nddr_image_read (path, content, &error);
    if (n + 12 < bytes || image == NULL) /* a PNG's last chunk, IEND, has 12 bytes and says nothing */
      g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
    g_assert_true (!error || strstr (error->message, path));
  }
  g_autofree guint8 *bad = g_memdup2 (good, bytes);
  for (gsize i = 0; i < bytes; i++)
    for (int change = 1; change < 256; change *= 4) {
      bad[i] = good[i] ^ change;
      fixture_write (path, bad, bytes);
      g_autoptr (NddrImage) image = nddr_image_read (path, content, NULL);
      bad[i] = good[i];
    }
}

static void
test_broken_files (void)
{
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "x");
  g_autoptr (NddrSample) sample = fixture_sample (9, 5, 4);
  for (int kind = 0; kind < 4; kind++) {
    static const NddrImageContent contents[] = { NDDR_IMAGE_RGB, NDDR_IMAGE_RGB, NDDR_IMAGE_IDS, NDDR_IMAGE_GRAY16 };
    g_autofree char *good = NULL;
    gsize bytes;
    if (kind == 0)
      fixture_write_jpeg (path, 9, 5, 3, sample->rgb);
    else if (kind == 1)
      fixture_write_png (path, 9, 5, 3, 8, sample->rgb);
    else if (kind == 2)
      fixture_write_png (path, 9, 5, 1, 8, sample->segmentation);
    else
      fixture_write_png (path, 9, 5, 1, 16, sample->depth);
    g_assert_true (g_file_get_contents (path, &good, &bytes, NULL));
    torture (path, (const guint8 *) good, bytes, contents[kind]);
  }
  fixture_remove (folder);
}

/* ---- a disk that fails while a file is read: the program exports this, so that it stands before libc's, for libpng and libjpeg too */

static int reads_left = -1; /* until the file's descriptor is one that cannot be read; negative: never */

size_t
fread (void *data, size_t size, size_t n, FILE *file)
{
  size_t (*next) (void *, size_t, size_t, FILE *) = (size_t (*) (void *, size_t, size_t, FILE *)) dlsym (RTLD_NEXT, __func__);
  if (reads_left == 0) {
    int fd = g_open ("/proc/self/mem", O_RDONLY, 0); /* nothing is mapped at 0 */
    g_assert_cmpint (dup2 (fd, fileno (file)), ==, fileno (file));
    close (fd);
  }
  reads_left -= reads_left >= 0;
  return next (data, size, n, file);
}

/** That is no broken picture, which would be skipped, but an error, be it before libpng or libjpeg reads, in its first read or a later one. */
static void
test_failing_disk (void)
{
  static const char *const names[] = { "a.jpg", "b.png" };
  g_autoptr (NddrSample) sample = fixture_sample (128, 128, 1);
  char *folder = fixture_folder ();
  for (guint i = 0; i < 2; i++)
    fixture_write_sample (folder, "train", i ? "b" : "a", sample, i == 0);
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", NULL);
  nddr_dataset_set_skip (dataset, TRUE);
  for (guint i = 0; i < 6; i++) {
    g_autoptr (GError) error = NULL;
    reads_left = i / 2;
    g_assert_null (nddr_dataset_load_if_sound (dataset, i % 2, 0, &error));
    reads_left = -1;
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, names[i % 2]));
    g_assert_nonnull (strstr (error->message, "cannot be read: Input/output error"));
  }
  g_assert_cmpuint (nddr_dataset_count_broken (dataset, NULL), ==, 0);
  for (guint i = 0; i < 2; i++) { /* the disk is back */
    g_autoptr (NddrSample) sound = nddr_dataset_load_if_sound (dataset, i, 0, NULL);
    g_assert_nonnull (sound);
  }
  fixture_remove (folder);
}

static const char *forbidden; /* the end of a path that may not be opened, as permissions would say to others than root */

/* What GLib opens files by. */
int
open64 (const char *path, int flags, ...)
{
  int (*next) (const char *, int, ...) = (int (*) (const char *, int, ...)) dlsym (RTLD_NEXT, __func__);
  va_list more;
  va_start (more, flags);
  int mode = flags & O_CREAT ? va_arg (more, int) : 0;
  va_end (more);
  if (!forbidden || !g_str_has_suffix (path, forbidden))
    return next (path, flags, mode);
  errno = EACCES;
  return -1;
}

/** Nor is a picture or a label broken that may not be read: the next one does not take its place. */
static void
test_forbidden (void)
{
  static const char *const paths[] = { "image/a.png", "normal/a.png" };
  g_autoptr (NddrSample) sample = fixture_sample (8, 8, 3);
  char *folder = fixture_folder ();
  for (guint i = 0; i < 2; i++)
    fixture_write_sample (folder, "train", i ? "b" : "a", sample, FALSE);
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", NULL);
  nddr_dataset_set_skip (dataset, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;
    guint index = 0;
    forbidden = paths[i];
    g_assert_null (nddr_dataset_load_sound (dataset, &index, NDDR_LABELS_ALL, &error));
    forbidden = NULL;
    g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, paths[i]));
    g_assert_nonnull (strstr (error->message, "cannot be opened: Permission denied"));
  }
  g_assert_cmpuint (nddr_dataset_count_broken (dataset, NULL), ==, 0);
  fixture_remove (folder);
}

/** A list of classes that cannot be read may be another's: it stays. */
static void
test_unread_classes (void)
{
  static const char others[] = "wall #102030\n";
  static const NddrClass classes[] = { { "floor", 0xf0e0d0 } };
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "classes.txt"), *after = NULL;
  fixture_write (path, others, strlen (others));
  reads_left = 0;
  g_assert_false (nddr_folder_writer_begin (folder, "train", classes, G_N_ELEMENTS (classes), &error));
  reads_left = -1;
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "classes.txt: cannot be read"));
  g_assert_true (g_file_get_contents (path, &after, NULL, NULL));
  g_assert_cmpstr (after, ==, others);
  fixture_remove (folder);
}

static void
expect_unjoined (const char *spec, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (nddr_dataset_open (spec, "train", &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FORMAT);
  if (!strstr (error->message, part))
    g_error ("\"%s\" does not say \"%s\"", error->message, part);
}

/** Puts @with in @what's place in classes.txt. */
static void
change_class (const char *folder, const char *what, const char *with)
{
  g_autofree char *path = fixture_path (folder, "classes.txt"), *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  char *at = strstr (text, what);
  g_assert_nonnull (at);
  g_autofree char *changed = g_strdup_printf ("%.*s%s%s", (int) (at - text), text, with, at + strlen (what));
  fixture_write (path, changed, strlen (changed));
}

static void
test_joined (void)
{
  char *one = fixture_folder (), *two = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1), b = fixture_sample (9, 7, 2);
  fixture_write_sample (one, "train", "a", a, FALSE);
  fixture_write_sample (one, "val", "v", a, FALSE);
  fixture_write_sample (two, "train", "b", b, FALSE);
  g_autofree char *spec = g_strdup_printf ("folder:%s+folder:%s,val+folder:%s,train", one, one, two);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "train", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (nddr_dataset_size (dataset), ==, 3);
  g_autofree char *name = nddr_dataset_name (dataset, 1);
  g_assert_cmpstr (name, ==, "v");
  g_autoptr (NddrSample) sample = nddr_dataset_load (dataset, 2, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (sample->width, ==, 9);

  /* classes that are fewer, called otherwise, of another colour */
  fixture_write_classes (two, 12);
  expect_unjoined (spec, "train has 12 classes, and the data sets before it 13");
  fixture_write_classes (two, 13);
  change_class (two, "class 4 #4488cc", "lamp #4488cc");
  expect_unjoined (spec, "train is \"lamp\", and of the data sets before it \"class 4\"");
  fixture_write_classes (two, 13);
  change_class (two, "class 4 #4488cc", "class 4 #4488cd");
  expect_unjoined (spec, "train shows class 4 as #4488cd, and the data sets before it as #4488cc");
  fixture_remove (one);
  fixture_remove (two);
}

static void
test_specs (void)
{
  static const char *const wrong[] = { "", "folder", "folder:", "folder:,train", "folder:/nowhere/at/all", "folder:.,a/b",
    "zip:x", "nddr:x,training", "nyuv2:x.mat", "folder:/nowhere+" };
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (NddrDataset) dataset = nddr_dataset_open (wrong[i], "train", &error);
    g_assert_null (dataset);
    g_assert_true (error && error->domain == NDDR_ERROR);
  }
}

static void
test_cache (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1);
  fixture_write_sample (folder, "train", "a", a, FALSE);
  fixture_write_sample (folder, "train", "b", a, FALSE);
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", NULL);
  NddrLabels labels = NDDR_LABEL (NDDR_TASK_NORMAL);
  guint usual = nddr_dataset_threads (dataset);
  g_assert_cmpuint (usual, ==, MIN (16, g_get_num_processors ()));
  nddr_dataset_set_threads (dataset, 3);
  g_assert_cmpuint (nddr_dataset_threads (dataset), ==, 3);
  nddr_dataset_set_threads (dataset, 0);
  g_assert_cmpuint (nddr_dataset_threads (dataset), ==, usual);
  nddr_dataset_set_cache (dataset, sizeof (NddrSample) + 64 * 6); /* room for one */
  for (guint i = 0; i < 2; i++) {
    g_autoptr (NddrSample) first = nddr_dataset_load (dataset, i, labels, NULL);
    g_autoptr (NddrSample) again = nddr_dataset_load (dataset, i, labels, NULL);
    g_assert_true ((first == again) == (i == 0));
    g_assert_cmpuint (nddr_sample_labels (again), ==, labels);
  }
  g_autoptr (NddrSample) more = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, NULL);
  g_assert_cmpuint (nddr_sample_labels (more), ==, NDDR_LABELS_ALL);
  fixture_remove (folder);
}

/* What was read before with fewer labels does not keep out what is read from then on. */
static void
test_cache_more (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1);
  fixture_write_sample (folder, "train", "a", a, FALSE);
  fixture_write_sample (folder, "train", "b", a, FALSE);
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", NULL);
  nddr_dataset_set_cache (dataset, nddr_sample_bytes (a) + sizeof (NddrSample)); /* for one with all labels, or hardly more than one without */
  g_autoptr (NddrSample) bare = nddr_dataset_load (dataset, 0, 0, NULL);
  g_autoptr (NddrSample) bare_again = nddr_dataset_load (dataset, 0, 0, NULL);
  g_assert_true (bare == bare_again);
  g_autoptr (NddrSample) all = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, NULL);
  g_autoptr (NddrSample) all_again = nddr_dataset_load (dataset, 0, NDDR_LABELS_ALL, NULL);
  g_autoptr (NddrSample) fewer = nddr_dataset_load (dataset, 0, NDDR_LABEL (NDDR_TASK_DEPTH), NULL);
  g_assert_true (all == all_again && all == fewer);
  g_assert_cmpuint (nddr_sample_labels (bare), ==, 0);
  /* and the room is what it was: none for another */
  g_autoptr (NddrSample) other = nddr_dataset_load (dataset, 1, NDDR_LABELS_ALL, NULL);
  g_autoptr (NddrSample) other_again = nddr_dataset_load (dataset, 1, NDDR_LABELS_ALL, NULL);
  g_assert_true (other != other_again);
  fixture_remove (folder);
}

/* A cache that is full of samples without labels has room for as many with all as it has bytes for: each epoch finds them. */
static void
test_cache_full (void)
{
  enum { N = 8 };
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1);
  gsize bytes = nddr_sample_bytes (a);
  for (guint i = 0; i < N; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    fixture_write_sample (folder, "train", name, a, FALSE);
  }
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", NULL);
  nddr_dataset_set_cache (dataset, 2 * bytes);
  for (guint i = 0; i < N; i++)
    nddr_sample_unref (nddr_dataset_load (dataset, i, 0, NULL));
  NddrSample *before[N];
  guint kept = 0;
  for (guint i = 0; i < N; i++)
    before[i] = nddr_dataset_load (dataset, i, NDDR_LABELS_ALL, NULL);
  for (guint i = 0; i < N; i++) {
    g_autoptr (NddrSample) again = nddr_dataset_load (dataset, i, NDDR_LABELS_ALL, NULL);
    kept += again == before[i];
  }
  g_assert_cmpuint (kept, ==, 2);
  for (guint i = 0; i < N; i++)
    nddr_sample_unref (before[i]);
  fixture_remove (folder);
}

static void
test_write_png (void)
{
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "x.png");
  g_autoptr (GError) error = NULL;
  guint8 data[11 * 7 * 4];
  for (guint i = 0; i < sizeof data; i++)
    data[i] = i * 37;
  static const guint formats[] = { 0, PNG_FORMAT_GRAY, 0, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
  for (guint channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
    nddr_image_write_png (path, 10, 7, channels, 8, data, 11 * channels, &error);
    g_assert_no_error (error);
    png_image image = { .version = PNG_IMAGE_VERSION };
    guint8 back[10 * 7 * 4];
    g_assert_true (png_image_begin_read_from_file (&image, path));
    g_assert_cmpuint (image.format, ==, formats[channels]);
    g_assert_cmpuint (image.width, ==, 10);
    g_assert_true (png_image_finish_read (&image, NULL, back, 0, NULL));
    for (guint y = 0; y < 7; y++)
      g_assert_cmpmem (back + y * 10 * channels, 10 * channels, data + y * 11 * channels, 10 * channels);
  }

  g_autoptr (NddrSample) a = fixture_sample (8, 8, 1);
  nddr_image_write_png (path, 8, 8, 1, 16, a->depth, 0, &error);
  g_assert_no_error (error);
  g_autofree char *other = fixture_path (folder, "y.png");
  fixture_write_png (other, 8, 8, 1, 16, a->depth);
  g_autoptr (NddrImage) ours = nddr_image_read (path, NDDR_IMAGE_GRAY16, &error);
  g_autoptr (NddrImage) theirs = nddr_image_read (other, NDDR_IMAGE_GRAY16, &error);
  g_assert_cmpmem (ours->data, 128, a->depth, 128);
  g_assert_cmpmem (theirs->data, 128, a->depth, 128);

  /* Nothing stays beside it, and a folder that is not there is an error. */
  g_autoptr (GDir) listing = g_dir_open (folder, 0, NULL);
  guint n = 0;
  while (g_dir_read_name (listing))
    n++;
  g_assert_cmpuint (n, ==, 2);
  g_autofree char *nowhere = g_build_filename (folder, "none", "x.png", NULL);
  g_assert_false (nddr_image_write_png (nowhere, 8, 8, 1, 16, a->depth, 0, &error));
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  fixture_remove (folder);
}

/* A picture that cannot be written says why, and leaves nothing. */
static void
test_full_png (void)
{
  char *folder = fixture_folder ();
  g_autofree char *path = g_build_filename (folder, "x.png", NULL);
  g_autoptr (NddrSample) a = fixture_sample (60, 44, 1);
  g_autoptr (GError) error = NULL;
  struct rlimit before, little;
  void (*handler) (int) = signal (SIGXFSZ, SIG_IGN);

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  little = before;
  little.rlim_cur = 512;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &little), ==, 0);
  gboolean written = nddr_image_write_png (path, 60, 44, 3, 8, a->rgb, 0, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  signal (SIGXFSZ, handler);
  g_assert_false (written);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, g_strerror (EFBIG)));
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
  fixture_remove (folder);
}

/* Where the process may open no more files, the sample is not at fault, and not left out. */
static void
test_no_descriptors (void)
{
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) a = fixture_sample (31, 17, 1);
  g_autoptr (GError) error = NULL;
  struct rlimit before, none;

  fixture_write_sample (folder, "train", "a", a, FALSE);
  g_autoptr (NddrDataset) dataset = open_folder (folder, "", &error);
  g_assert_no_error (error);
  nddr_dataset_set_skip (dataset, TRUE);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  none = before;
  none.rlim_cur = 0;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  g_autoptr (NddrSample) nothing = nddr_dataset_load_if_sound (dataset, 0, NDDR_LABELS_ALL, &error);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  g_assert_null (nothing);
  g_assert_error (error, NDDR_ERROR, NDDR_ERROR_FAILED);
  g_autoptr (NddrSample) there = nddr_dataset_load_if_sound (dataset, 0, NDDR_LABELS_ALL, NULL);
  g_assert_nonnull (there);
  fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataset/folder", test_folder);
  g_test_add_func ("/dataset/normals", test_normals);
  g_test_add_func ("/dataset/absent-labels", test_absent_labels);
  g_test_add_func ("/dataset/errors", test_errors);
  g_test_add_func ("/dataset/classes-mark", test_classes_mark);
  g_test_add_func ("/dataset/broken-files", test_broken_files);
  g_test_add_func ("/dataset/failing-disk", test_failing_disk);
  g_test_add_func ("/dataset/forbidden", test_forbidden);
  g_test_add_func ("/dataset/unread-classes", test_unread_classes);
  g_test_add_func ("/dataset/joined", test_joined);
  g_test_add_func ("/dataset/specs", test_specs);
  g_test_add_func ("/dataset/cache", test_cache);
  g_test_add_func ("/dataset/cache/more", test_cache_more);
  g_test_add_func ("/dataset/cache/full", test_cache_full);
  g_test_add_func ("/dataset/write-png", test_write_png);
  g_test_add_func ("/dataset/full-png", test_full_png);
  g_test_add_func ("/dataset/no-descriptors", test_no_descriptors);
  return g_test_run ();
}
