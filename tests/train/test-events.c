/* TensorBoard's event files, read back by the published formats: see event-reader.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-reader.h"
#include "fixture.h"

#include <train/events.h>
#include <train/journal.h>
#include <train/image.h>

#include <glib/gstdio.h>
#include <string.h>

static void
test_records (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_assert_cmphex (event_crc32c ((const guint8 *) "123456789", 9), ==, 0xe3069283); /* the published check value */
  double before = g_get_real_time () / 1e6;
  g_autoptr (NddrSample) sample = fixture_sample (40, 30, 1);
  g_autoptr (GBytes) png = nddr_image_encode_png (40, 30, 3, sample->rgb, &error);
  g_assert_no_error (error);
  {
    g_autoptr (NddrEvents) events = nddr_events_open (folder, 299, &error);
    g_assert_no_error (error);
    g_assert_true (nddr_events_add (events, 300, "loss", 0.5, &error));
    g_assert_true (nddr_events_add_image (events, 300, "samples/1/input", 40, 30, 3, png, &error));
    g_assert_true (nddr_events_add (events, G_GINT64_CONSTANT (1) << 40, "val/normal/mean", -2, &error));
  }
  g_autoptr (GPtrArray) values = event_read_folder (folder);
  g_assert_cmpuint (values->len, ==, 5);
  const EventValue *const *v = (const EventValue *const *) values->pdata;
  g_assert_cmpstr (v[0]->file_version, ==, "brain.Event:2");
  g_assert_null (v[0]->tag);
  v++;
  g_assert_true (v[0]->is_start); /* it goes on behind step 299 */
  g_assert_cmpint (v[0]->step, ==, 300);
  g_assert_cmpstr (v[1]->tag, ==, "loss");
  g_assert_true (v[1]->has_number && !v[1]->image);
  g_assert_cmpfloat (v[1]->number, ==, 0.5f);
  g_assert_cmpint (v[1]->step, ==, 300);
  g_assert_cmpstr (v[2]->tag, ==, "samples/1/input");
  g_assert_false (v[2]->has_number);
  g_assert_cmpuint (v[2]->width, ==, 40);
  g_assert_cmpuint (v[2]->height, ==, 30);
  g_assert_cmpuint (v[2]->colorspace, ==, 3); /* RGB */
  g_assert_true (g_bytes_equal (v[2]->image, png));
  g_assert_cmpint (v[3]->step, ==, G_GINT64_CONSTANT (1) << 40);
  g_assert_cmpfloat (v[3]->number, ==, -2);
  for (int i = 0; i < 4; i++) {
    g_assert_cmpfloat (v[i]->wall_time, >=, before);
    g_assert_cmpfloat (v[i]->wall_time, <=, g_get_real_time () / 1e6);
  }
  fixture_remove (folder);
}

/* The path of the only event file in @folder. */
static char *
find_file (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name = dir ? g_dir_read_name (dir) : NULL;
  g_assert_nonnull (name);
  return g_build_filename (folder, name, NULL);
}

/* A file that is taken away meanwhile is followed by another, which is as whole; so is one that was removed. */
static void
test_taken_away (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder (), *elsewhere = fixture_folder ();
  g_autoptr (NddrEvents) events = nddr_events_open (folder, 0, &error);
  g_assert_no_error (error);
  g_assert_true (nddr_events_add (events, 1, "loss", 3, &error));
  g_autofree char *first = find_file (folder), *moved = fixture_path (elsewhere, "moved");
  g_assert_cmpint (g_rename (first, moved), ==, 0);
  for (gint64 step = 2; step <= 3; step++) {
    g_assert_true (nddr_events_add (events, step, "loss", 2, &error));
    g_autofree char *file = find_file (folder);
    g_autoptr (GPtrArray) values = event_read_file (file);
    g_assert_cmpuint (values->len, ==, 2);
    const EventValue *version = values->pdata[0], *value = values->pdata[1];
    g_assert_cmpstr (version->file_version, ==, "brain.Event:2");
    g_assert_cmpint (value->step, ==, step);
    g_assert_cmpint (g_unlink (file), ==, 0);
  }
  g_autoptr (GPtrArray) before = event_read_file (moved);
  g_assert_cmpuint (before->len, ==, 3);
  fixture_remove (folder);
  fixture_remove (elsewhere);
}

/* A log whose last line was cut short, as when power fails, goes on without it. */
static void
test_torn_log (void)
{
  static const char whole[] = "{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\":1}\n", torn[] = "{\"step\":2,\"val\":{\"segmentation\":{\"miou\":0.5";
  char *folder = fixture_folder ();
  g_autofree char *path = fixture_path (folder, "log.jsonl"), *before = g_strconcat (whole, torn, NULL), *after = NULL;
  g_autoptr (GError) error = NULL;
  g_assert_true (g_file_set_contents (path, before, -1, NULL));
  NddrJournal *journal = nddr_journal_open (folder, 2, &error);
  g_assert_no_error (error);
  g_assert_false (nddr_journal_was_validated (journal));
  nddr_journal_close (journal);
  g_assert_true (g_file_get_contents (path, &after, NULL, NULL));
  g_assert_cmpstr (after, ==, whole);
  fixture_remove (folder);
}

/* Encoded pictures as libpng and libjpeg read them. */
static void
test_encoding (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  g_autoptr (NddrSample) sample = fixture_sample (61, 45, 2);
  memset (sample->rgb + 61 * 45, 77, 61 * 45); /* JPEG has no use for noise alone */
  g_autoptr (GBytes) png = nddr_image_encode_png (61, 45, 3, sample->rgb, &error), jpeg = nddr_image_encode_jpeg (61, 45, sample->rgb, 95, &error);
  g_assert_no_error (error);
  g_autofree char *a = fixture_path (folder, "a"), *b = fixture_path (folder, "b");
  fixture_write (a, g_bytes_get_data (png, NULL), g_bytes_get_size (png));
  fixture_write (b, g_bytes_get_data (jpeg, NULL), g_bytes_get_size (jpeg));
  g_autoptr (NddrImage) exact = nddr_image_read (a, NDDR_IMAGE_VECTORS, &error), near = nddr_image_read (b, NDDR_IMAGE_RGB, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (exact->data, 3 * 61 * 45, sample->rgb, 3 * 61 * 45);
  g_assert_cmpuint (near->width, ==, 61);
  g_assert_cmpuint (near->height, ==, 45);
  double sum = 0;
  for (guint i = 61 * 45 + 61 * 8; i < 2 * 61 * 45 - 61 * 8; i++)
    sum += ABS (((guint8 *) near->data)[i] - 77);
  g_assert_cmpfloat (sum / (61 * 29), <, 3);
  g_assert_null (nddr_image_encode_jpeg (70000, 1, sample->rgb, 95, &error)); /* beyond what JPEG has room for */
  g_assert_nonnull (strstr (error->message, "70000x1"));
  g_clear_error (&error);
  g_assert_null (nddr_image_encode_png (70000, 1, 3, sample->rgb, &error));
  g_assert_nonnull (strstr (error->message, "70000x1"));
  fixture_remove (folder);
}

/* What earlier files have of a run that was killed before its first checkpoint does not count, either. */
static void
test_from_start (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = fixture_folder ();
  NddrEvents *events = nddr_events_open (folder, 0, &error);
  g_assert_no_error (error);
  nddr_events_close (events);
  g_autoptr (GPtrArray) values = event_read_folder (folder);
  g_assert_cmpuint (values->len, ==, 2);
  const EventValue *start = values->pdata[1];
  g_assert_true (start->is_start);
  g_assert_cmpint (start->step, ==, 1);
  fixture_remove (folder);
}

static void
test_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrEvents) events = nddr_events_open ("no-such-folder", 0, &error);
  g_assert_null (events);
  g_assert_nonnull (strstr (error->message, "no-such-folder"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/events/records", test_records);
  g_test_add_func ("/events/from-start", test_from_start);
  g_test_add_func ("/events/taken-away", test_taken_away);
  g_test_add_func ("/events/torn-log", test_torn_log);
  g_test_add_func ("/events/encoding", test_encoding);
  g_test_add_func ("/events/errors", test_errors);
  return g_test_run ();
}
