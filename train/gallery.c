/* See gallery.h.  Colours are those of the session's maps: classes' own, normals as their 8-bit code, depth from 0 to 10 m as viridis.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/gallery.h>

#include <math.h>
#include <string.h>
#include <train/image.h>
#include <train/upsample.h>

#define JPEG_QUALITY 88
#define UNKNOWN 128 /* gray, where a normal or depth has no label */

struct _NddrGallery
{
  const NddrConfig *config;
  const NddrDataset *dataset;
  guint n, max_size;
  guint *indices;        /* [n], rising: of the samples that were chosen, or shown in place of broken ones */
  NddrGalleryItem *items; /* [n] */
};

NddrGallery *
nddr_gallery_new (const NddrConfig *config, const NddrDataset *dataset, guint n, guint max_size)
{
  NddrGallery *gallery = g_new0 (NddrGallery, 1);
  guint size = nddr_dataset_size (dataset);
  gallery->config = config;
  gallery->dataset = dataset;
  gallery->n = MIN (n, size);
  gallery->max_size = max_size;
  gallery->indices = g_new0 (guint, gallery->n);
  gallery->items = g_new0 (NddrGalleryItem, gallery->n);
  for (guint i = 0; i < gallery->n; i++)
    gallery->indices[i] = (2 * (guint64) i + 1) * size / (2 * gallery->n);
  return gallery;
}

static void
item_clear (NddrGalleryItem *item, guint n_tasks)
{
  for (guint t = 0; item->labels && t < n_tasks; t++) {
    g_clear_pointer (&item->labels[t].bytes, g_bytes_unref);
    g_clear_pointer (&item->predictions[t].bytes, g_bytes_unref);
  }
  g_clear_pointer (&item->input.bytes, g_bytes_unref);
  g_clear_pointer (&item->labels, g_free);
  g_clear_pointer (&item->predictions, g_free);
  g_clear_pointer (&item->name, g_free);
}

void
nddr_gallery_free (NddrGallery *gallery)
{
  if (!gallery)
    return;
  for (guint i = 0; i < gallery->n; i++)
    item_clear (&gallery->items[i], gallery->config->n_tasks);
  g_free (gallery->items);
  g_free (gallery->indices);
  g_free (gallery);
}

guint
nddr_gallery_get_size (const NddrGallery *gallery)
{
  return gallery->n;
}

const NddrGalleryItem *
nddr_gallery_get (const NddrGallery *gallery, guint i)
{
  g_return_val_if_fail (i < gallery->n, NULL);
  return gallery->items[i].name ? &gallery->items[i] : NULL;
}

/* ---- colours, RGBA */

/* The polynomial of shaders/render.comp. */
static double
viridis (int c, double t)
{
  static const double k[3][7] = {
    { 0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631 },
    { 0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535 },
    { 0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832 },
  };
  double sum = k[c][6];
  for (int i = 5; i >= 0; i--)
    sum = sum * t + k[c][i];
  return CLAMP (sum, 0, 1);
}

static void
color_class (const NddrTask *task, guint id, guint8 *rgba)
{
  if (id >= task->n_classes)
    return; /* transparent */
  for (int c = 0; c < 3; c++)
    rgba[c] = task->classes[id].color >> (16 - 8 * c);
  rgba[3] = 255;
}

static void
color_depth (double metres, guint8 *rgba)
{
  double t = metres > 0 ? MIN (metres / 10, 1) : 0;
  for (int c = 0; c < 3; c++)
    rgba[c] = viridis (c, t) * 255 + 0.5;
}

/* What a head says at a pixel. */
static void
color_output (const NddrTask *task, const float *output, guint8 *rgba)
{
  if (task->kind == NDDR_TASK_SEGMENTATION) {
    guint best = 0;
    for (guint c = 1; c < task->n_classes; c++)
      if (output[c] > output[best])
        best = c;
    color_class (task, best, rgba);
  } else if (task->kind == NDDR_TASK_NORMAL) {
    double length = sqrt ((double) output[0] * output[0] + (double) output[1] * output[1] + (double) output[2] * output[2]);
    gboolean known = length >= 1e-6 && length < INFINITY;
    for (int c = 0; c < 3; c++)
      rgba[c] = known ? floor ((output[c] / length + 1) * 127.5 + 0.5) : UNKNOWN;
  } else
    color_depth (output[0], rgba);
}

static void
color_label (const NddrTask *task, const NddrSample *truth, gsize pixel, guint8 *rgba)
{
  double n[3];
  if (task->kind == NDDR_TASK_SEGMENTATION)
    color_class (task, truth->segmentation[pixel], rgba);
  else if (task->kind == NDDR_TASK_NORMAL && nddr_normal_decode (truth->normal + 3 * pixel, n))
    memcpy (rgba, truth->normal + 3 * pixel, 3);
  else if (task->kind == NDDR_TASK_DEPTH && truth->depth[pixel])
    color_depth (truth->depth[pixel] / 1000.0, rgba);
  else
    memset (rgba, UNKNOWN, 3);
}

/* ---- pictures of an item's size */

/* @rgba: [height][width][4]. Classes' few colours, and where there is none, as PNG; what varies smoothly as JPEG. */
static gboolean
encode (const NddrGalleryItem *item, guint8 *rgba, gboolean flat, NddrPicture *picture, GError **error)
{
  gsize n = (gsize) item->width * item->height;
  if (flat)
    *picture = (NddrPicture){ nddr_image_encode_png (item->width, item->height, 4, rgba, error), "image/png", 4 };
  else {
    for (gsize i = 0; i < n; i++)
      memmove (rgba + 3 * i, rgba + 4 * i, 3);
    *picture = (NddrPicture){ nddr_image_encode_jpeg (item->width, item->height, rgba, JPEG_QUALITY, error), "image/jpeg", 3 };
  }
  return picture->bytes != NULL;
}

/* The pixel of the sample that a picture's pixel shows. */
static guint
nearest (guint i, guint out, guint in)
{
  return (2 * (guint64) i + 1) * in / (2 * out);
}

/* The mean of the pixels that a picture's pixel covers. */
static gboolean
draw_input (NddrGalleryItem *item, const NddrSample *truth, GError **error)
{
  g_autofree guint8 *rgba = g_new0 (guint8, (gsize) 4 * item->width * item->height);
  for (guint y = 0; y < item->height; y++)
    for (guint x = 0; x < item->width; x++) {
      guint x0 = (guint64) x * truth->width / item->width, x1 = (guint64) (x + 1) * truth->width / item->width;
      guint y0 = (guint64) y * truth->height / item->height, y1 = (guint64) (y + 1) * truth->height / item->height;
      guint64 sums[3] = { 0 }, n = (guint64) (x1 - x0) * (y1 - y0);
      for (guint yy = y0; yy < y1; yy++)
        for (guint xx = x0; xx < x1; xx++)
          for (int c = 0; c < 3; c++)
            sums[c] += truth->rgb[3 * ((gsize) yy * truth->width + xx) + c];
      for (int c = 0; c < 3; c++)
        rgba[4 * ((gsize) y * item->width + x) + c] = (sums[c] + n / 2) / n;
    }
  return encode (item, rgba, FALSE, &item->input, error);
}

static gboolean
draw_label (NddrGalleryItem *item, const NddrTask *task, const NddrSample *truth, NddrPicture *picture, GError **error)
{
  g_autofree guint8 *rgba = g_new0 (guint8, (gsize) 4 * item->width * item->height);
  for (guint y = 0; y < item->height; y++)
    for (guint x = 0; x < item->width; x++) {
      gsize pixel = (gsize) nearest (y, item->height, truth->height) * truth->width + nearest (x, item->width, truth->width);
      color_label (task, truth, pixel, rgba + 4 * ((gsize) y * item->width + x));
    }
  return encode (item, rgba, task->kind == NDDR_TASK_SEGMENTATION, picture, error);
}

static gboolean
draw_prediction (NddrGalleryItem *item, const NddrTask *task, const NddrSample *truth, const NddrHeadOutput *head, NddrResizeMode resize,
    NddrPicture *picture, GError **error)
{
  g_autofree guint8 *rgba = g_new0 (guint8, (gsize) 4 * item->width * item->height);
  g_autofree float *blend = g_new (float, (gsize) head->width * head->stride), *row = g_new (float, (gsize) truth->width * head->stride);
  NddrUpsampleAxis columns, rows;
  nddr_upsample_axis_init (&columns, head->width, truth->width, resize);
  nddr_upsample_axis_init (&rows, head->height, truth->height, resize);
  for (guint y = 0; y < item->height; y++) {
    nddr_upsample_row (&columns, &rows, nearest (y, item->height, truth->height), head->data, head->width, head->stride, blend, row);
    for (guint x = 0; x < item->width; x++)
      color_output (task, row + (gsize) nearest (x, item->width, truth->width) * head->stride, rgba + 4 * ((gsize) y * item->width + x));
  }
  nddr_upsample_axis_clear (&columns);
  nddr_upsample_axis_clear (&rows);
  return encode (item, rgba, task->kind == NDDR_TASK_SEGMENTATION, picture, error);
}

static gboolean
draw (NddrGallery *gallery, NddrGalleryItem *item, const NddrSample *truth, const NddrHeadOutput *heads, GError **error)
{
  const NddrConfig *config = gallery->config;
  double scale = MIN (1, (double) gallery->max_size / MAX (truth->width, truth->height));
  item->width = MAX (1, (guint) (truth->width * scale + 0.5));
  item->height = MAX (1, (guint) (truth->height * scale + 0.5));
  item->labels = g_new0 (NddrPicture, config->n_tasks);
  item->predictions = g_new0 (NddrPicture, config->n_tasks);
  gboolean fine = draw_input (item, truth, error);
  for (guint t = 0; fine && t < config->n_tasks; t++) {
    const NddrTask *task = &config->tasks[t];
    if (nddr_sample_labels (truth) & NDDR_LABEL (task->kind))
      fine = draw_label (item, task, truth, &item->labels[t], error);
    fine = fine && draw_prediction (item, task, truth, &heads[t], config->resize, &item->predictions[t], error);
  }
  return fine;
}

static gboolean
is_taken (const NddrGallery *gallery, const char *name)
{
  for (guint i = 0; i < gallery->n; i++)
    if (g_strcmp0 (gallery->items[i].name, name) == 0)
      return TRUE;
  return FALSE;
}

/* (transfer full): @name, with a number behind it where another sample has it: joined data sets may number theirs alike. */
static char *
unique_name (const NddrGallery *gallery, const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  char *unique = g_strdup (valid);
  for (guint number = 2; is_taken (gallery, unique); number++) {
    g_free (unique);
    unique = g_strdup_printf ("%s (%u)", valid, number);
  }
  return unique;
}

gboolean
nddr_gallery_show (NddrGallery *gallery, guint index, const NddrSample *truth, const NddrHeadOutput *heads, GError **error)
{
  guint i = gallery->n; /* the last item whose place is not behind the sample */
  while (i > 0 && gallery->indices[i - 1] > index)
    i--;
  if (i == 0)
    return TRUE;
  NddrGalleryItem *item = &gallery->items[i - 1];
  if (item->name && gallery->indices[i - 1] != index)
    return TRUE;
  gallery->indices[i - 1] = index;
  item_clear (item, gallery->config->n_tasks);
  g_autofree char *name = nddr_dataset_name (gallery->dataset, index);
  item->name = unique_name (gallery, name);
  return draw (gallery, item, truth, heads, error);
}
