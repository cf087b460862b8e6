/* See evaluate.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <train/evaluate.h>
#include <train/classes.h>
#include <train/reader.h>
#include <train/upsample.h>

#include <math.h>
#include <nddr/allocate.h>

#define SLOTS 2

typedef struct
{
  NddrModel *model;
  const NddrConfig *config;
  NddrSession *session;
  NddrMetrics *metrics;
  NddrGallery *gallery; /* NULL: none */
  guint n_tasks;
  guint width, height;  /* of the frames that the session is set for */
  float **heads[SLOTS]; /* for each slot and task */
  NddrHeadOutput *shapes; /* for each task; data: of the picture at hand */
  const double *weights;
  double *loss_sums;    /* for each task */
  guint64 *loss_pixels;
} Evaluation;

/* ---- losses, from heads' outputs upsampled to the label's size */

/* -log softmax at @label. */
static double
cross_entropy (const float *scores, guint n, guint label)
{
  double largest = scores[0], sum = 0;
  for (guint c = 1; c < n; c++)
    largest = MAX (largest, scores[c]);
  for (guint c = 0; c < n; c++)
    sum += exp (scores[c] - largest);
  return log (sum) + largest - scores[label];
}

static double
one_minus_cosine (const float *vector, const double *truth)
{
  double length = sqrt (vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]);
  double dot = vector[0] * truth[0] + vector[1] * truth[1] + vector[2] * truth[2];
  return 1 - dot / MAX (length, 1e-8);
}

/* One pixel's loss into *@sum. FALSE where the pixel is ignored. */
static gboolean
pixel_loss (const NddrTask *task, const float *output, const NddrSample *truth, gsize pixel, double *sum)
{
  double normal[3];
  switch (task->kind) {
    case NDDR_TASK_SEGMENTATION:
      if (truth->segmentation[pixel] >= task->channels)
        return FALSE;
      *sum += cross_entropy (output, task->channels, truth->segmentation[pixel]);
      return TRUE;
    case NDDR_TASK_NORMAL:
      if (!nddr_normal_decode (truth->normal + 3 * pixel, normal))
        return FALSE;
      *sum += one_minus_cosine (output, normal);
      return TRUE;
    case NDDR_TASK_DEPTH:
    default:
      if (truth->depth[pixel] == 0)
        return FALSE;
      *sum += fabs (output[0] - truth->depth[pixel] / 1000.0);
      return TRUE;
  }
}

static void
add_loss (Evaluation *e, guint t, const NddrHeadOutput *head, const NddrSample *truth)
{
  const NddrTask *task = &e->config->tasks[t];
  if (!(nddr_sample_labels (truth) & NDDR_LABEL (task->kind)))
    return;
  NddrUpsampleAxis columns, rows;
  nddr_upsample_axis_init (&columns, head->width, truth->width, e->config->resize);
  nddr_upsample_axis_init (&rows, head->height, truth->height, e->config->resize);
  g_autofree float *blend = g_new (float, (gsize) head->width * head->stride), *row = g_new (float, (gsize) truth->width * head->stride);
  for (guint y = 0; y < truth->height; y++) {
    nddr_upsample_row (&columns, &rows, y, head->data, head->width, head->stride, blend, row);
    for (guint x = 0; x < truth->width; x++)
      e->loss_pixels[t] += pixel_loss (task, row + (gsize) x * head->stride, truth, (gsize) y * truth->width + x, &e->loss_sums[t]);
  }
  nddr_upsample_axis_clear (&columns);
  nddr_upsample_axis_clear (&rows);
}

/* Of the tasks that have a labelled pixel; NAN where none has. */
static double
total_loss (const Evaluation *e)
{
  double sum = 0;
  gboolean any = FALSE;
  for (guint t = 0; t < e->n_tasks; t++)
    if (e->loss_pixels[t]) {
      sum += e->weights[t] * e->loss_sums[t] / e->loss_pixels[t];
      any = TRUE;
    }
  return any ? sum : NAN;
}

/* ---- frames through the session */

static gboolean
set_size (Evaluation *e, guint width, guint height, GError **error)
{
  NddrFrameFormat format = { .format = NDDR_PIXEL_RGB, .width = width, .height = height, .full_range = TRUE };
  g_autofree NddrOutput *outputs = g_new0 (NddrOutput, e->n_tasks);
  for (guint t = 0; t < e->n_tasks; t++)
    outputs[t] = (NddrOutput){ e->config->tasks[t].name, NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT };
  if (!nddr_session_set_frames (e->session, &format, outputs, e->n_tasks, error))
    return FALSE;
  e->width = width;
  e->height = height;
  return TRUE;
}

static gboolean
collect (Evaluation *e, guint slot, guint index, guint64 ticket, const NddrSample *truth, GError **error)
{
  g_autofree NddrFrame *results = g_new0 (NddrFrame, e->n_tasks);
  for (guint t = 0; t < e->n_tasks; t++)
    results[t] = (NddrFrame){ { (guint8 *) e->heads[slot][t] }, { e->shapes[t].width * e->shapes[t].stride * sizeof (float) } };
  if (!nddr_session_wait (e->session, ticket, results, NULL, error))
    return FALSE;
  for (guint t = 0; t < e->n_tasks; t++) {
    NddrHeadOutput *head = &e->shapes[t];
    head->data = e->heads[slot][t];
    nddr_metrics_add (e->metrics, t, head, e->config->resize, truth);
    if (e->weights)
      add_loss (e, t, head, truth);
  }
  return !e->gallery || nddr_gallery_show (e->gallery, index, truth, e->shapes, error);
}

/* What the model's tasks need. */
static NddrLabels
wanted_labels (const Evaluation *e)
{
  NddrLabels labels = 0;
  for (guint t = 0; t < e->n_tasks; t++)
    labels |= NDDR_LABEL (e->config->tasks[t].kind);
  return labels;
}

/* The next picture is submitted while the device works on the one before. */
static gboolean
run (Evaluation *e, NddrDataset *dataset, const NddrEvaluateOptions *options, GError **error)
{
  guint total = nddr_dataset_size (dataset), index = 0, index_before = 0, n_submitted = 0;
  g_autoptr (NddrReader) reader = nddr_reader_new (dataset, wanted_labels (e), 0);
  g_autoptr (NddrSample) before = NULL;
  guint64 ticket = 0;
  for (gboolean more = TRUE; more;) {
    g_autoptr (GError) problem = NULL;
    g_autoptr (NddrSample) sample = nddr_reader_next (reader, &index, &problem);
    guint64 next = 0;
    more = sample != NULL;
    if (problem) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    guint slot_before = (n_submitted + 1) % SLOTS;
    if (sample) {
      gboolean other_size = sample->width != e->width || sample->height != e->height;
      if (other_size && before) {
        if (!collect (e, slot_before, index_before, ticket, before, error))
          return FALSE;
        g_clear_pointer (&before, nddr_sample_unref);
      }
      if (other_size && !set_size (e, sample->width, sample->height, error))
        return FALSE;
      NddrFrame frame = { { sample->rgb }, { (gint) sample->width * 3 } };
      next = nddr_session_submit (e->session, &frame, NULL, FALSE, error);
      if (!next)
        return FALSE;
      n_submitted++;
    }
    if (before && !collect (e, slot_before, index_before, ticket, before, error))
      return FALSE;
    g_clear_pointer (&before, nddr_sample_unref);
    before = g_steal_pointer (&sample);
    index_before = index;
    ticket = next;
    if (options->progress)
      options->progress (more ? index + 1 : total, total, options->user_data);
  }
  if (n_submitted)
    return TRUE;
  return nddr_fail (error, NDDR_ERROR_FORMAT, "every one of the %u samples is broken", total);
}

/* Ids must mean the same in the model and in the labels. */
static gboolean
check_classes (const NddrConfig *config, const NddrDataset *dataset, GError **error)
{
  guint n = 0;
  const NddrClass *classes = nddr_dataset_classes (dataset, &n);
  for (guint t = 0; classes && t < config->n_tasks; t++) {
    const NddrTask *task = &config->tasks[t];
    if (task->kind != NDDR_TASK_SEGMENTATION)
      continue;
    g_autofree char *owner = g_strdup_printf ("the model's task %s", task->name);
    g_autofree char *difference = nddr_classes_difference (task->classes, task->n_classes, owner, classes, n, "the data set");
    if (difference)
      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%s: scores need the same classes in the same order", difference);
  }
  return TRUE;
}

NddrMetrics *
nddr_evaluate (NddrDevice *device, NddrModel *model, NddrDataset *dataset, const NddrEvaluateOptions *options, double *loss, GError **error)
{
  if (!check_classes (nddr_model_get_config (model), dataset, error))
    return NULL;
  NddrSessionOptions session_options = { .precision = options->precision, .width = options->width, .height = options->height, .slots = SLOTS };
  g_autoptr (NddrSession) session = nddr_session_new (device, model, &session_options, error);
  if (!session)
    return NULL;
  const NddrConfig *config = nddr_model_get_config (model);
  g_autoptr (NddrMetrics) metrics = nddr_metrics_new (config->tasks, config->n_tasks, error);
  if (!metrics || (options->paper && !nddr_metrics_score_as_published (metrics, error)))
    return NULL;
  g_autofree NddrHeadOutput *shapes = g_new0 (NddrHeadOutput, config->n_tasks);
  g_autofree double *loss_sums = g_new0 (double, config->n_tasks);
  g_autofree guint64 *loss_pixels = g_new0 (guint64, config->n_tasks);
  Evaluation e = { .model = model, .config = config, .session = session, .metrics = metrics, .n_tasks = config->n_tasks, .shapes = shapes,
    .gallery = options->gallery, .weights = options->weights, .loss_sums = loss_sums, .loss_pixels = loss_pixels };
  for (guint t = 0; t < e.n_tasks; t++)
    nddr_session_get_head_size (session, config->tasks[t].name, &shapes[t].width, &shapes[t].height, &shapes[t].stride);
  gboolean fine = TRUE;
  for (int s = 0; s < SLOTS; s++) {
    e.heads[s] = g_new0 (float *, e.n_tasks);
    for (guint t = 0; fine && t < e.n_tasks; t++) {
      e.heads[s][t] = nddr_try_alloc ((gsize) shapes[t].width * shapes[t].height, shapes[t].stride * sizeof (float), "a head's output", error);
      fine = e.heads[s][t] != NULL;
    }
  }
  fine = fine && run (&e, dataset, options, error);
  if (loss && e.weights)
    *loss = total_loss (&e);
  for (int s = 0; s < SLOTS; s++) {
    for (guint t = 0; t < e.n_tasks; t++)
      g_free (e.heads[s][t]);
    g_free (e.heads[s]);
  }
  return fine ? g_steal_pointer (&metrics) : NULL;
}
