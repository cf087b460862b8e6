/* Evaluation: a model's scores, loss and pictures on a data set, against a session of the test's own and the definitions, pixel by pixel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../network/generator.h"
#include "fixture.h"

#include <train/evaluate.h>
#include <train/image.h>

#include <math.h>
#include <nddr/model.h>
#include <string.h>

enum { N_PICTURES = 5, N_CLASSES = 13 };

static NddrDevice *device;
static NddrModel *model;
static char *folder;
static NddrSample *samples[N_PICTURES];
/* of which one changes nothing, one the height alone, one the width, and one both */
static const guint sizes[N_PICTURES][2] = { { 60, 44 }, { 60, 44 }, { 60, 52 }, { 38, 52 }, { 60, 44 } };
static const double weights[] = { 1, 20, 0.5 };

static NddrModel *
make_model (guint n_classes, const char *last)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) json = g_string_new ("{\"backbone\":\"mobilenet_v2\",\"width\":0.25,\"head_width\":0.03125,\"output_stride\":16,\"tasks\":["
                                           "{\"name\":\"segmentation\",\"kind\":\"segmentation\",\"classes\":[");
  for (guint c = 0; c < n_classes; c++)
    g_string_append_printf (json, "%s{\"name\":\"%s %u\",\"color\":\"#%06x\"}", c ? "," : "", c == n_classes - 1 ? last : "class", c,
        c * 0x112233 & 0xffffff);
  g_string_append (json, "]},{\"name\":\"normal\",\"kind\":\"normal\"},{\"name\":\"depth\",\"kind\":\"depth\"}],"
                         "\"input\":{\"width\":64,\"height\":48,\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}}");
  NddrConfig *config = nddr_config_parse (json->str, &error);
  g_assert_no_error (error);
  NddrModel *made = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  return made;
}

/* What the heads say, [task], as the network gives it. */
static void
run_heads (const NddrSample *sample, NddrHeadOutput heads[3])
{
  g_autoptr (GError) error = NULL;
  NddrSessionOptions options = { .slots = 1, .precision = NDDR_PRECISION_FP32 };
  g_autoptr (NddrSession) session = nddr_session_new (device, model, &options, &error);
  g_assert_no_error (error);
  NddrOutput outputs[3];
  NddrFrame results[3], frame = { { sample->rgb }, { 3 * sample->width } };
  for (guint t = 0; t < 3; t++) {
    outputs[t] = (NddrOutput){ nddr_model_get_task (model, t)->name, NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
    nddr_session_get_head_size (session, outputs[t].task, &heads[t].width, &heads[t].height, &heads[t].stride);
    float *data = g_new (float, heads[t].width * heads[t].height * heads[t].stride);
    heads[t].data = data;
    results[t] = (NddrFrame){ { (guint8 *) data }, { heads[t].width * heads[t].stride * sizeof (float) } };
  }
  NddrFrameFormat format = { .format = NDDR_PIXEL_RGB, .width = sample->width, .height = sample->height, .full_range = TRUE };
  nddr_session_set_frames (session, &format, outputs, 3, &error);
  g_assert_no_error (error);
  guint64 ticket = nddr_session_submit (session, &frame, NULL, FALSE, &error);
  nddr_session_wait (session, ticket, results, NULL, &error);
  g_assert_no_error (error);
}

typedef struct
{
  double sums[3], pixels[3], right, angles, depths;
} Expected;

static void
expect_pixel (Expected *e, const NddrSample *sample, guint i, double values[3][N_CLASSES])
{
  double sum = 0, n[3], dot = 0, length = 0;
  guint label = sample->segmentation[i], best = 0;
  for (guint c = 0; c < N_CLASSES; c++) {
    sum += exp (values[0][c]);
    best = values[0][c] > values[0][best] ? c : best;
  }
  if (label != 255) {
    e->sums[0] += log (sum) - values[0][label];
    e->right += label == best;
    e->pixels[0]++;
  }
  if (nddr_normal_decode (sample->normal + 3 * i, n)) {
    for (int c = 0; c < 3; c++) {
      dot += values[1][c] * n[c];
      length += values[1][c] * values[1][c];
    }
    double cosine = CLAMP (dot / sqrt (length), -1, 1);
    e->sums[1] += 1 - cosine;
    e->angles += acos (cosine) * 180 / G_PI;
    e->pixels[1]++;
  }
  if (sample->depth[i]) {
    e->sums[2] += fabs (values[2][0] - sample->depth[i] / 1000.0);
    e->pixels[2]++;
  }
}

/* The prediction's colours in @item; arg-max may go either way where two scores are all but equal. */
static void
check_prediction (const NddrGalleryItem *item, const NddrSample *sample, double (*scores)[N_CLASSES])
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = fixture_path (folder, "prediction.png"), *label_path = fixture_path (folder, "label.png");
  fixture_write (path, g_bytes_get_data (item->predictions[0].bytes, NULL), g_bytes_get_size (item->predictions[0].bytes));
  fixture_write (label_path, g_bytes_get_data (item->labels[0].bytes, NULL), g_bytes_get_size (item->labels[0].bytes));
  g_autoptr (NddrImage) prediction = nddr_image_read (path, NDDR_IMAGE_RGB, &error), label = nddr_image_read (label_path, NDDR_IMAGE_RGB, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (prediction->width, ==, sample->width);
  g_assert_cmpuint (prediction->height, ==, sample->height);
  guint others = 0;
  for (guint i = 0; i < sample->width * sample->height; i++) {
    guint best = 0;
    for (guint c = 1; c < N_CLASSES; c++)
      best = scores[i][c] > scores[i][best] ? c : best;
    for (int c = 0; c < 3; c++) {
      guint id = sample->segmentation[i], shift = 16 - 8 * c;
      others += ((guint8 *) prediction->data)[3 * i + c] != (best * 0x112233 >> shift & 255);
      g_assert_cmpuint (((guint8 *) label->data)[3 * i + c], ==, id == 255 ? 0 : id * 0x112233 >> shift & 255);
    }
  }
  g_assert_cmpuint (others, <, 9);
}

static void
test_evaluate (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *spec = g_strdup_printf ("folder:%s,val", folder);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "val", &error);
  g_assert_no_error (error);
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (config, dataset, 3, 320);
  g_assert_cmpuint (nddr_gallery_get_size (gallery), ==, 3);
  g_assert_null (nddr_gallery_get (gallery, 0));
  double loss = NAN;
  NddrEvaluateOptions options = { .precision = NDDR_PRECISION_FP32, .weights = weights, .gallery = gallery };
  g_autoptr (NddrMetrics) metrics = nddr_evaluate (device, model, dataset, &options, &loss, &error);
  g_assert_no_error (error);

  Expected e = { 0 };
  for (guint p = 0; p < N_PICTURES; p++) {
    const NddrSample *sample = samples[p];
    guint n = sample->width * sample->height;
    NddrHeadOutput heads[3];
    run_heads (sample, heads);
    g_autofree double (*scores)[N_CLASSES] = g_malloc0_n (n, sizeof *scores);
    for (guint i = 0; i < n; i++) {
      double values[3][N_CLASSES] = { 0 };
      for (guint t = 0; t < 3; t++)
        for (guint c = 0; c < config->tasks[t].channels; c++)
          values[t][c] = fixture_interpolate (heads[t].data, heads[t].width, heads[t].height, heads[t].stride, c, i % sample->width,
              i / sample->width, sample->width, sample->height, config->resize);
      expect_pixel (&e, sample, i, values);
      memcpy (scores[i], values[0], sizeof values[0]);
    }
    if (p % 2 == 0) {
      g_autofree char *name = g_strdup_printf ("%u", p);
      const NddrGalleryItem *item = nddr_gallery_get (gallery, p / 2);
      g_assert_cmpstr (item->name, ==, name);
      check_prediction (item, sample, scores);
    }
    for (guint t = 0; t < 3; t++)
      g_free ((gpointer) heads[t].data);
  }
  double expected = 0;
  for (guint t = 0; t < 3; t++)
    expected += weights[t] * e.sums[t] / e.pixels[t];
  g_assert_cmpfloat_with_epsilon (loss, expected, 1e-4 * expected);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "segmentation.pixel_accuracy"), e.right / e.pixels[0], 3 / e.pixels[0]);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "normal.mean"), e.angles / e.pixels[1], 1e-3);
  g_assert_cmpfloat_with_epsilon (nddr_metrics_get (metrics, "depth.abs"), e.sums[2] / e.pixels[2], 1e-4);
}

/* Classes of the data that are not the model's would be scored as others. */
static void
test_classes (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *spec = g_strdup_printf ("folder:%s,val", folder);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "val", &error);
  g_assert_no_error (error);
  g_autoptr (NddrModel) fewer = make_model (12, "class"), other = make_model (N_CLASSES, "glass");
  NddrEvaluateOptions options = { 0 };
  g_assert_null (nddr_evaluate (device, fewer, dataset, &options, NULL, &error));
  g_assert_nonnull (strstr (error->message, "segmentation has 12 classes, and the data set 13"));
  g_clear_error (&error);
  g_assert_null (nddr_evaluate (device, other, dataset, &options, NULL, &error));
  g_assert_nonnull (strstr (error->message, "class 12 of the model's task segmentation is \"glass 12\", and of the data set \"class 12\""));
}

/* ---- pictures, by hand */

/* The mean colour of a picture. */
static void
mean_color (const NddrPicture *picture, guint width, guint height, double rgb[3])
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = fixture_path (folder, "picture");
  fixture_write (path, g_bytes_get_data (picture->bytes, NULL), g_bytes_get_size (picture->bytes));
  g_autoptr (NddrImage) image = nddr_image_read (path, NDDR_IMAGE_RGB, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (image->width, ==, width);
  g_assert_cmpuint (image->height, ==, height);
  memset (rgb, 0, 3 * sizeof *rgb);
  for (guint i = 0; i < width * height; i++)
    for (int c = 0; c < 3; c++)
      rgb[c] += ((guint8 *) image->data)[3 * i + c] / (double) (width * height);
}

static void
expect_color (const NddrPicture *picture, guint width, guint height, guint r, guint g, guint b)
{
  double rgb[3];
  mean_color (picture, width, height, rgb);
  g_assert_cmpfloat_with_epsilon (rgb[0], r, 6);
  g_assert_cmpfloat_with_epsilon (rgb[1], g, 6);
  g_assert_cmpfloat_with_epsilon (rgb[2], b, 6);
}

static void
test_gallery (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *spec = g_strdup_printf ("folder:%s,val", folder);
  g_autoptr (NddrDataset) dataset = nddr_dataset_open (spec, "val", &error);
  g_assert_no_error (error);
  g_autoptr (NddrGallery) gallery = nddr_gallery_new (nddr_model_get_config (model), dataset, 100, 30);
  g_assert_cmpuint (nddr_gallery_get_size (gallery), ==, N_PICTURES);
  g_autoptr (NddrSample) truth = nddr_sample_new (60, 44);
  truth->rgb = g_malloc (3 * 60 * 44);
  truth->normal = g_malloc (3 * 60 * 44);
  truth->depth = g_new (guint16, 60 * 44);
  for (guint i = 0; i < 60 * 44; i++) {
    memset (truth->rgb + 3 * i, i % 2 ? 100 : 200, 3); /* columns, of which two become one */
    memset (truth->normal + 3 * i, 0, 3);
    truth->normal[3 * i + 2] = 200;
    truth->depth[i] = 5000;
  }
  float scores[16] = { [4] = 1 }, normal[4] = { 0, 0, 3 }, depth[4] = { 20 };
  const NddrHeadOutput heads[3] = { { scores, 1, 1, 16 }, { normal, 1, 1, 4 }, { depth, 1, 1, 4 } };
  g_assert_true (nddr_gallery_show (gallery, 1, truth, heads, &error));
  const NddrGalleryItem *item = nddr_gallery_get (gallery, 1);
  g_assert_cmpuint (item->width, ==, 30);
  g_assert_cmpuint (item->height, ==, 22);
  g_assert_null (item->labels[0].bytes);
  expect_color (&item->input, 30, 22, 150, 150, 150);
  expect_color (&item->predictions[0], 30, 22, 0x44, 0x88, 0xcc);
  expect_color (&item->labels[1], 30, 22, 0, 0, 200);
  expect_color (&item->predictions[1], 30, 22, 128, 128, 255);
  expect_color (&item->labels[2], 30, 22, 33, 145, 140); /* Matplotlib's viridis in the middle, and at its end */
  expect_color (&item->predictions[2], 30, 22, 253, 231, 37);

  /* two of five: samples 1 and 3; where 1 is broken, the next one */
  g_autoptr (NddrGallery) two = nddr_gallery_new (nddr_model_get_config (model), dataset, 2, 30);
  static const guint shown[] = { 0, 2, 3, 4 };
  for (guint i = 0; i < G_N_ELEMENTS (shown); i++)
    g_assert_true (nddr_gallery_show (two, shown[i], truth, heads, &error));
  g_assert_cmpstr (nddr_gallery_get (two, 0)->name, ==, "2");
  g_assert_cmpstr (nddr_gallery_get (two, 1)->name, ==, "3");

  /* again, with nothing known */
  memset (truth->normal, 128, 3 * 60 * 44);
  memset (truth->depth, 0, 2 * 60 * 44);
  memset (normal, 0, sizeof normal);
  g_assert_true (nddr_gallery_show (gallery, 1, truth, heads, &error));
  expect_color (&item->labels[1], 30, 22, 128, 128, 128);
  expect_color (&item->predictions[1], 30, 22, 128, 128, 128);
  expect_color (&item->labels[2], 30, 22, 128, 128, 128);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autoptr (GError) error = NULL;
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  model = make_model (N_CLASSES, "class");
  folder = fixture_folder ();
  for (guint i = 0; i < N_PICTURES; i++) {
    g_autofree char *name = g_strdup_printf ("%u", i);
    samples[i] = fixture_sample (sizes[i][0], sizes[i][1], i);
    fixture_write_sample (folder, "val", name, samples[i], FALSE);
  }
  g_test_add_func ("/evaluate/scores", test_evaluate);
  g_test_add_func ("/evaluate/classes", test_classes);
  g_test_add_func ("/evaluate/gallery", test_gallery);
  int status = g_test_run ();
  for (guint i = 0; i < N_PICTURES; i++)
    nddr_sample_unref (samples[i]);
  nddr_model_unref (model);
  nddr_device_unref (device);
  fixture_remove (folder);
  return status;
}
