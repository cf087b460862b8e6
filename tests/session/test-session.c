/* Sessions: frames in, pictures out, through the public API.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "generator.h"
#include "pixels.h"

#include <nddr/gpu/device.h>
#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>

#include <math.h>
#include <string.h>
#include <time.h>

#define CONFIG \
  "{ \"backbone\": \"vgg16\", \"width\": 0.125, \"fusion\": \"nddr\", \"resize\": \"%s\", \"tasks\": [" \
  "{ \"name\": \"segmentation\", \"kind\": \"segmentation\", \"classes\": [ { \"name\": \"wall\", \"color\": \"#b22d2d\" }," \
  "{ \"name\": \"floor\", \"color\": \"#20c040\" }, { \"name\": \"bed\", \"color\": \"#0000ff\" }, { \"name\": \"sofa\", \"color\": \"#ffffff\" }," \
  "{ \"name\": \"tv\", \"color\": \"#010203\" } ] }," \
  "{ \"name\": \"normal\", \"kind\": \"normal\" }, { \"name\": \"depth\", \"kind\": \"depth\" } ]," \
  "\"input\": { \"width\": 64, \"height\": 48, \"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225] } }"

static NddrDevice *device;

static NddrModel *
make_model (const char *resize)
{
  g_autofree char *json = g_strdup_printf (CONFIG, resize);
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  NddrModel *model;

  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  return model;
}

static NddrSession *
make_session (NddrModel *model, const NddrSessionOptions *options)
{
  g_autoptr (GError) error = NULL;
  NddrSession *session = nddr_session_new (device, model, options, &error);

  g_assert_no_error (error);
  return session;
}

/* ---- frames and pictures in memory of their own, with strides wider than their rows */

typedef struct
{
  NddrFrame frame;
  guint8 *memory;
} Picture;

static void
picture_clear (Picture *picture)
{
  g_clear_pointer (&picture->memory, g_free);
}

static Picture
make_picture (NddrPixelFormat format, guint width, guint height, guint32 seed)
{
  Picture picture = { 0 };
  NddrPacking packing;
  gsize at = 0;

  nddr_packing (&(NddrFrameFormat){ format, width, height }, &packing);
  picture.memory = g_malloc (packing.bytes * 2 + 4096);
  for (gsize i = 0; i < packing.bytes * 2 + 4096; i++)
    picture.memory[i] = (i + seed * 7919) * 2654435761u >> 24;
  for (int p = 0; p < packing.n_planes; p++) {
    picture.frame.planes[p] = picture.memory + at;
    picture.frame.strides[p] = packing.row_bytes[p] + 5;
    at += (gsize) picture.frame.strides[p] * packing.rows[p] + 3;
  }
  g_assert_cmpuint (at, <=, packing.bytes * 2 + 4096);
  return picture;
}

static const NddrFrame *
frame_of (const Picture *picture)
{
  return &picture->frame;
}

static guint64
submit (NddrSession *session, const Picture *picture, const double *opacities, gboolean reuse)
{
  g_autoptr (GError) error = NULL;
  guint64 ticket = nddr_session_submit (session, frame_of (picture), opacities, reuse, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (ticket, >, 0);
  return ticket;
}

static void
wait_for (NddrSession *session, guint64 ticket, const NddrFrame *results, NddrTiming *timing)
{
  g_autoptr (GError) error = NULL;

  nddr_session_wait (session, ticket, results, timing, &error);
  g_assert_no_error (error);
}

static void
set_frames (NddrSession *session, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs)
{
  g_autoptr (GError) error = NULL;

  nddr_session_set_frames (session, input, outputs, n_outputs, &error);
  g_assert_no_error (error);
}

/* Fails unless @ok is FALSE and @error of @code, its message containing @part; clears it. */
static void
expect (gboolean ok, GError **error, int code, const char *part)
{
  g_assert_false (ok);
  g_assert_error (*error, NDDR_ERROR, code);
  if (!strstr ((*error)->message, part))
    g_error ("the message \"%s\" does not say \"%s\"", (*error)->message, part);
  g_clear_error (error);
}

/* what HEAD gives of each task */
typedef struct
{
  guint width, height, channels;
  float *values;
  Picture picture;
} Head;

static Head
make_head (NddrSession *session, const char *task)
{
  Head head = { 0 };

  g_assert_true (nddr_session_get_head_size (session, task, &head.width, &head.height, &head.channels));
  head.values = g_new0 (float, head.width * head.height * head.channels);
  head.picture.memory = (guint8 *) head.values;
  head.picture.frame.planes[0] = head.picture.memory;
  head.picture.frame.strides[0] = 4 * head.width * head.channels;
  return head;
}

static double *
head_values (const Head *head)
{
  double *values = g_new (double, head->width * head->height * head->channels);

  for (guint i = 0; i < head->width * head->height * head->channels; i++)
    values[i] = head->values[i];
  return values;
}

/* ---- what comes out */

/* The heads that the network has for an image that the reference prepared, [h][w][3]. */
static void
compare_heads (NddrModel *model, double *image, Head *heads, double bound)
{
  const NddrConfig *config = nddr_model_get_config (model);
  NddrCheck *check = check_begin (nddr_device_get_traits (device)->family, FALSE);
  NddrTensor *input = check_map (check, "input", 1, 1, config->input_height, config->input_width, 3);
  g_autoptr (GError) error = NULL;
  g_autoptr (NddrNetwork) network = nddr_network_new (config, nddr_model_get_tensors (model), NULL, &error);
  NddrInference *inference;

  g_assert_no_error (error);
  inference = nddr_inference_append (check_plan (check), network, input, NULL);
  check_ready (check);
  nddr_inference_upload (inference, network, nddr_model_get_tensors (model), check_program (check), &error);
  g_assert_no_error (error);
  check_run (check, 1 << NDDR_PHASE_PACK);
  check_fill (check, input, image);
  check_run (check, 1 << NDDR_PHASE_NETWORK);
  for (guint t = 0; t < config->n_tasks; t++) {
    g_autofree double *got = head_values (&heads[t]), *want = check_fetch (check, inference->heads[t].tensor);
    gsize n = heads[t].width * heads[t].height * heads[t].channels;
    double difference = 0, norm = 0;

    g_assert_cmpuint (inference->heads[t].tensor->branches, ==, 1);
    g_assert_cmpuint (check_elements (inference->heads[t].tensor), ==, n);
    for (gsize i = 0; i < n; i++) {
      difference += (got[i] - want[i]) * (got[i] - want[i]);
      norm += want[i] * want[i];
    }
    g_assert_cmpfloat (norm, >, 0);
    g_assert_cmpfloat (sqrt (difference / norm), <=, bound);
  }
  nddr_inference_free (inference);
  check_end (check);
}

static const NddrFrameFormat inputs[] = {
  { NDDR_PIXEL_RGBA, 75, 51, .full_range = TRUE },
  { NDDR_PIXEL_I420, 15, 11, .2126, .0722, FALSE, TRUE, FALSE },
  { NDDR_PIXEL_NV12, 349, 287, .299, .114, TRUE, FALSE, FALSE },
  { NDDR_PIXEL_BGR, 1, 1, .full_range = TRUE },
};

static const NddrOutput outputs[] = {
  { "segmentation", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT },  { "normal", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT },
  { "depth", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT },         { "segmentation", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA },
  { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_BGRA },      { "depth", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBX },
  { "segmentation", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY8 },   { "normal", NDDR_VIEW_RAW, NDDR_PIXEL_RGB },
  { "depth", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY16_LE },      { "segmentation", NDDR_VIEW_MAP, NDDR_PIXEL_BGRX },
};
#define N_OUTPUTS G_N_ELEMENTS (outputs)

typedef struct
{
  const char *resize;
  NddrPrecision precision;
  double bound; /* of a head against that of a float32 network */
} Mode;

/* One frame through every output: heads against the network's own, pictures against the reference's drawing of the heads. */
static void
test_pictures (gconstpointer data)
{
  const Mode *mode = data;
  g_autoptr (NddrModel) model = make_model (mode->resize);
  const NddrConfig *config = nddr_model_get_config (model);
  NddrSessionOptions options = { .precision = mode->precision };
  g_autoptr (NddrSession) session = NULL;

  if (mode->precision == NDDR_PRECISION_FP16 && !check_can (NDDR_FAMILY_GPU, TRUE)) {
    g_test_skip ("this device cannot store 16-bit floats");
    return;
  }
  session = make_session (model, &options);
  for (guint f = 0; f < G_N_ELEMENTS (inputs); f++) {
    Picture frame = make_picture (inputs[f].format, inputs[f].width, inputs[f].height, f), pictures[N_OUTPUTS];
    NddrFrame results[N_OUTPUTS];
    double opacities[N_OUTPUTS];
    Head heads[3];
    NddrTiming timing = { 0 };
    g_autofree double *image = NULL;

    for (guint i = 0; i < 3; i++) {
      heads[i] = make_head (session, outputs[i].task);
      pictures[i] = heads[i].picture;
    }
    for (guint i = 3; i < N_OUTPUTS; i++)
      pictures[i] = make_picture (outputs[i].format, inputs[f].width, inputs[f].height, 0);
    for (guint i = 0; i < N_OUTPUTS; i++) {
      results[i] = pictures[i].frame;
      opacities[i] = i / (double) N_OUTPUTS;
    }
    set_frames (session, &inputs[f], outputs, N_OUTPUTS);
    wait_for (session, submit (session, &frame, opacities, FALSE), results, &timing);
    g_assert_cmpuint (timing.compute, >, 0);

    image = reference_ingest (&inputs[f], frame_of (&frame), config->input_width, config->input_height, config->mean, config->std);
    compare_heads (model, image, heads, mode->bound);
    for (guint i = 3; i < N_OUTPUTS; i++) {
      const Head *head = &heads[i % 3];
      const NddrTask *task = nddr_model_find_task (model, outputs[i].task);
      g_autofree double *values = head_values (head);
      ReferenceView view = { values, head->height, head->width, head->channels, task->kind, task->classes, config->resize, outputs[i].view,
        &inputs[f], frame_of (&frame), opacities[i] };
      g_autofree char *wrong = reference_check_picture (&view, outputs[i].format, results[i].planes[0], results[i].strides[0]);

      if (wrong)
        g_error ("frame %u, output %u: %s", f, i, wrong);
    }
    for (guint i = 0; i < N_OUTPUTS; i++)
      picture_clear (&pictures[i]);
    picture_clear (&frame);
  }
}

/* ---- order, slots, reuse */

static void
test_slots (void)
{
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  NddrSessionOptions options = { .slots = 3 };
  g_autoptr (NddrSession) session = make_session (model, &options);
  NddrFrameFormat input = { NDDR_PIXEL_RGBA, 33, 17, .full_range = TRUE };
  NddrOutput output = { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };
  double opacity = 0;
  Picture frames[5], result = make_picture (NDDR_PIXEL_RGBA, 33, 17, 0);
  g_autoptr (GError) error = NULL;
  guint64 next = 1;

  for (guint i = 0; i < 5; i++)
    frames[i] = make_picture (NDDR_PIXEL_RGBA, 33, 17, i + 1);
  expect (nddr_session_submit (session, frame_of (&frames[0]), NULL, FALSE, &error) != 0, &error, NDDR_ERROR_ARGUMENT, "set_frames");
  set_frames (session, &input, &output, 1);
  expect (nddr_session_wait (session, 1, NULL, NULL, &error), &error, NDDR_ERROR_ARGUMENT, "none is in flight");
  for (guint round = 0; round < 3; round++) {
    for (guint i = 0; i < 3; i++)
      g_assert_cmpuint (submit (session, &frames[(next + i) % 5], &opacity, FALSE), ==, next + i);
    expect (nddr_session_submit (session, frame_of (&frames[0]), &opacity, FALSE, &error) != 0, &error, NDDR_ERROR_ARGUMENT, "3 slots");
    expect (nddr_session_wait (session, next + 1, NULL, NULL, &error), &error, NDDR_ERROR_ARGUMENT, "comes first");
    expect (nddr_session_set_frames (session, &input, &output, 1, &error), &error, NDDR_ERROR_ARGUMENT, "3 frames are in flight");
    for (guint i = 0; i < 3; i++, next++) {
      wait_for (session, next, round == 1 ? NULL : &result.frame, NULL);
      for (guint y = 0; y < 17 && round != 1; y++) /* at opacity 0 the frame itself, but for alpha */
        for (guint x = 0; x < 33 * 4; x++)
          g_assert_cmpint (result.memory[y * result.frame.strides[0] + x], ==,
              x % 4 == 3 ? 255 : frames[next % 5].memory[y * frames[next % 5].frame.strides[0] + x]);
    }
  }
  submit (session, &frames[0], NULL, FALSE); /* freed while it is in flight */
  for (guint i = 0; i < 5; i++)
    picture_clear (&frames[i]);
  picture_clear (&result);
}

static void
test_reuse (void)
{
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  NddrFrameFormat input = { NDDR_PIXEL_GRAY8, 40, 30, .full_range = TRUE };
  NddrOutput both[2] = { { "depth", NDDR_VIEW_HEAD, NDDR_PIXEL_FLOAT }, { "depth", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA } };
  double opacities[2] = { 0, 0 };
  Head first = make_head (session, "depth"), again = make_head (session, "depth"), other = make_head (session, "depth");
  Picture a = make_picture (NDDR_PIXEL_GRAY8, 40, 30, 1), b = make_picture (NDDR_PIXEL_GRAY8, 40, 30, 2), shown = make_picture (NDDR_PIXEL_RGBA, 40, 30, 0);
  NddrFrame results[2] = { first.picture.frame, { { NULL } } };
  gsize bytes = 4 * first.width * first.height * first.channels;
  guint64 ticket;

  memset (b.memory, 0, 20 * b.frame.strides[0]); /* unlike the other in more than noise */
  set_frames (session, &input, both, 2);
  wait_for (session, submit (session, &a, opacities, TRUE), results, NULL); /* nothing to reuse yet: computed */
  results[0] = again.picture.frame;
  results[1] = shown.frame;
  ticket = submit (session, &b, opacities, TRUE);
  wait_for (session, ticket, results, NULL);
  g_assert_cmpmem (first.values, bytes, again.values, bytes);
  for (guint x = 0; x < 40; x++) /* over the new frame */
    g_assert_cmpint (shown.memory[25 * shown.frame.strides[0] + 4 * x], ==, b.memory[25 * b.frame.strides[0] + x]);
  results[0] = other.picture.frame;
  wait_for (session, submit (session, &b, opacities, FALSE), results, NULL);
  g_assert_cmpint (memcmp (first.values, other.values, bytes), !=, 0);
  set_frames (session, &input, both, 2); /* and forgotten when frames are set */
  results[0] = again.picture.frame;
  wait_for (session, submit (session, &b, opacities, TRUE), results, NULL);
  g_assert_cmpmem (other.values, bytes, again.values, bytes);
  picture_clear (&a);
  picture_clear (&b);
  picture_clear (&shown);
  g_free (first.values);
  g_free (again.values);
  g_free (other.values);
}

typedef struct
{
  NddrSession *session;
  Picture *frames;
  GAsyncQueue *tickets;
  GMutex mutex;
  GCond freed;
  guint free_slots;
} Pump;

/* A result that is reused is what it was, wherever its head lies among what the others need. */
static void
test_reuse_keeps (void)
{
  static const NddrOutput maps[] = { { "normal", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA }, { "segmentation", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA } };
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  NddrFrameFormat input = { NDDR_PIXEL_RGBA, 320, 240, .full_range = TRUE };
  Picture frame = make_picture (NDDR_PIXEL_RGBA, 320, 240, 1), pictures[2][2];

  set_frames (session, &input, maps, 2);
  for (int again = 0; again < 2; again++) {
    NddrFrame results[2];

    for (int i = 0; i < 2; i++) {
      pictures[again][i] = make_picture (NDDR_PIXEL_RGBA, 320, 240, 0);
      results[i] = pictures[again][i].frame;
    }
    wait_for (session, submit (session, &frame, NULL, again), results, NULL);
  }
  for (int i = 0; i < 2; i++)
    for (int y = 0; y < 240; y++)
      g_assert_cmpmem (pictures[0][i].memory + y * pictures[0][i].frame.strides[0], 4 * 320, pictures[1][i].memory + y * pictures[1][i].frame.strides[0],
          4 * 320);
  for (int i = 0; i < 4; i++)
    picture_clear (&pictures[i / 2][i % 2]);
  picture_clear (&frame);
}

/* What one frame gives, with everything but @input and @frame the same.  (transfer full) */
static guint8 *
overlay_of (NddrSession *session, const NddrFrameFormat *input, const NddrFrame *frame, const double *opacities)
{
  NddrOutput output = { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };
  guint8 *pixels = g_malloc (4 * input->width * input->height);
  NddrFrame result = { { pixels }, { 4 * input->width } };
  g_autoptr (GError) error = NULL;
  guint64 ticket;

  set_frames (session, input, &output, 1);
  ticket = nddr_session_submit (session, frame, opacities, FALSE, &error);
  g_assert_no_error (error);
  wait_for (session, ticket, &result, NULL);
  return pixels;
}

/* Everything that a frame's format says counts, when it alone changes. */
static void
test_format_changes (void)
{
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  const double none = 0;
  NddrFrameFormat format = { NDDR_PIXEL_I420, 40, 28, .299, .114 };
  Picture frame = make_picture (NDDR_PIXEL_I420, 40, 28, 5);
  g_autofree guint8 *before = overlay_of (session, &format, &frame.frame, &none);
  gboolean *const flags[] = { &format.full_range, &format.chroma_cosited_x, &format.chroma_cosited_y, &format.interlaced };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++) {
    *flags[i] = TRUE;
    g_autofree guint8 *after = overlay_of (session, &format, &frame.frame, &none);
    g_assert_cmpint (memcmp (before, after, 4 * 40 * 28), !=, 0);
    g_free (before);
    before = g_steal_pointer (&after);
  }
  picture_clear (&frame);
}

/* Of a mixed format each frame is what it says, also where the last result is shown again; here it is not shown at all. */
static void
test_mixed (void)
{
  static const gboolean kinds[] = { FALSE, TRUE, TRUE, FALSE };
  enum { WIDTH = 40, HEIGHT = 30 }; /* 15 chroma rows, or 16 */
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL), plain = make_session (model, NULL);
  NddrOutput output = { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA };
  const double none = 0;
  NddrFrameFormat format = { NDDR_PIXEL_I420, WIDTH, HEIGHT, .299, .114, .interlaced = TRUE };
  Picture frame = make_picture (NDDR_PIXEL_I420, WIDTH, HEIGHT + 2, 5);
  g_autofree guint8 *interlaced = overlay_of (plain, &format, &frame.frame, &none), *progressive = NULL;

  format.interlaced = FALSE;
  progressive = overlay_of (plain, &format, &frame.frame, &none);
  g_assert_cmpint (memcmp (interlaced, progressive, 4 * WIDTH * HEIGHT), !=, 0);
  for (int other = 0; other < 2; other++) {
    format.mixed = TRUE;
    format.interlaced = other; /* says nothing then */
    set_frames (session, &format, &output, 1);
    for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
      g_autofree guint8 *pixels = g_malloc (4 * WIDTH * HEIGHT);
      NddrFrame result = { { pixels }, { 4 * WIDTH } };

      frame.frame.interlaced = kinds[i];
      wait_for (session, submit (session, &frame, &none, i % 2), &result, NULL);
      g_assert_cmpmem (pixels, 4 * WIDTH * HEIGHT, kinds[i] ? interlaced : progressive, 4 * WIDTH * HEIGHT);
    }
  }
  picture_clear (&frame);

  /* as in a frame that is not mixed, where there is one row no stride is looked at */
  format = (NddrFrameFormat) { NDDR_PIXEL_NV12, 16, 2, .299, .114, .mixed = TRUE };
  frame = make_picture (NDDR_PIXEL_NV12, 16, 4, 5);
  frame.frame.strides[1] = 0;
  g_free (overlay_of (session, &format, &frame.frame, NULL));
  picture_clear (&frame);
}

/* Opacities end at 0 and 1, and are 0.5 where none are given; rows may lie from the bottom up. */
static void
test_frame_values (void)
{
  static const struct { double given, meant; } opacities[] = { { -1, 0 }, { 2, 1 } };
  const double half = .5;
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  NddrFrameFormat format = { NDDR_PIXEL_RGBA, 40, 30, .full_range = TRUE };
  Picture frame = make_picture (NDDR_PIXEL_RGBA, 40, 30, 5);
  NddrFrame turned = frame.frame;
  g_autofree guint8 *usual = overlay_of (session, &format, &frame.frame, NULL), *at_half = overlay_of (session, &format, &frame.frame, &half);
  g_autofree guint8 *rows = g_malloc (4 * 40 * 30), *from_below = NULL;

  g_assert_cmpmem (usual, 4 * 40 * 30, at_half, 4 * 40 * 30);
  for (guint i = 0; i < G_N_ELEMENTS (opacities); i++) {
    g_autofree guint8 *got = overlay_of (session, &format, &frame.frame, &opacities[i].given);
    g_autofree guint8 *want = overlay_of (session, &format, &frame.frame, &opacities[i].meant);
    g_assert_cmpmem (got, 4 * 40 * 30, want, 4 * 40 * 30);
    g_assert_cmpint (memcmp (got, usual, 4 * 40 * 30), !=, 0);
  }
  for (int y = 0; y < 30; y++) /* the same picture, its last row first */
    memcpy (rows + (29 - y) * 4 * 40, frame.memory + y * frame.frame.strides[0], 4 * 40);
  turned.planes[0] = rows + 29 * 4 * 40;
  turned.strides[0] = -4 * 40;
  from_below = overlay_of (session, &format, &turned, NULL);
  g_assert_cmpmem (usual, 4 * 40 * 30, from_below, 4 * 40 * 30);
  picture_clear (&frame);
}

/* Nanoseconds: copying a frame is a good part of submitting it. */
static void
test_upload_time (void)
{
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  NddrFrameFormat format = { NDDR_PIXEL_GRAY8, 8192, 4096, .full_range = TRUE };
  Picture frame = make_picture (NDDR_PIXEL_GRAY8, 8192, 4096, 1);
  NddrTiming timing;
  gint64 start;
  guint64 ticket;

  set_frames (session, &format, NULL, 0);
  start = g_get_monotonic_time ();
  ticket = submit (session, &frame, NULL, FALSE);
  gint64 most = 1000 * (g_get_monotonic_time () - start + 1);
  wait_for (session, ticket, NULL, &timing);
  g_assert_cmpuint (timing.upload, <=, most);
  g_assert_cmpuint (timing.upload, >=, most / 100);
  picture_clear (&frame);
}

static gpointer
pump_thread (gpointer data)
{
  Pump *pump = data;
  double opacity = 0;

  for (guint i = 0; i < 40; i++) {
    g_mutex_lock (&pump->mutex);
    while (pump->free_slots == 0)
      g_cond_wait (&pump->freed, &pump->mutex);
    pump->free_slots--;
    g_mutex_unlock (&pump->mutex);
    g_async_queue_push (pump->tickets, GSIZE_TO_POINTER ((gsize) submit (pump->session, &pump->frames[i % 3], &opacity, i % 2)));
  }
  return NULL;
}

/* One thread submits while another waits. */
static void
test_threads (void)
{
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  g_autoptr (NddrSession) session = make_session (model, NULL);
  NddrFrameFormat input = { NDDR_PIXEL_BGRX, 16, 4, .full_range = TRUE };
  NddrOutput output = { "segmentation", NDDR_VIEW_OVERLAY, NDDR_PIXEL_BGRX };
  Picture frames[3], result = make_picture (NDDR_PIXEL_BGRX, 16, 4, 0);
  Pump pump = { .session = session, .frames = frames, .tickets = g_async_queue_new (), .free_slots = 2 };
  GThread *thread;

  g_mutex_init (&pump.mutex);
  g_cond_init (&pump.freed);
  for (guint i = 0; i < 3; i++)
    frames[i] = make_picture (NDDR_PIXEL_BGRX, 16, 4, i);
  set_frames (session, &input, &output, 1);
  thread = g_thread_new ("pump", pump_thread, &pump);
  for (guint i = 0; i < 40; i++) {
    guint64 ticket = GPOINTER_TO_SIZE (g_async_queue_pop (pump.tickets));

    g_assert_cmpuint (ticket, ==, i + 1);
    wait_for (session, ticket, &result.frame, NULL);
    for (guint x = 0; x < 16 * 4; x++)
      g_assert_cmpint (result.memory[x], ==, x % 4 == 3 ? 255 : frames[i % 3].memory[x]);
    g_mutex_lock (&pump.mutex);
    pump.free_slots++;
    g_cond_signal (&pump.freed);
    g_mutex_unlock (&pump.mutex);
  }
  g_thread_join (thread);
  g_async_queue_unref (pump.tickets);
  g_mutex_clear (&pump.mutex);
  g_cond_clear (&pump.freed);
  for (guint i = 0; i < 3; i++)
    picture_clear (&frames[i]);
  picture_clear (&result);
}

/* ---- choices and errors */

/* A device is opened by any part of its name, digits too, but for those that are an index. */
static void
test_device_name (void)
{
  const char *name = nddr_device_get_info (device)->name;
  g_auto (GStrv) parts = g_regex_split_simple ("\\D+", name, 0, 0);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; parts[i]; i++) {
    g_autoptr (NddrDevice) same = NULL;

    if (strlen (parts[i]) < 2) /* an index, or no number */
      continue;
    same = nddr_device_open (parts[i], &error);
    g_assert_no_error (error);
    g_assert_nonnull (strstr (nddr_device_get_info (same)->name, parts[i]));
  }
  for (guint i = 0; parts[i]; i++) /* but not by some of a number's */
    if (strlen (parts[i]) > 1) {
      g_autofree char *longer = g_strconcat (parts[i], "7", NULL), *shorter = g_strndup (parts[i], strlen (parts[i]) - 1);

      expect (nddr_device_open (longer, &error) != NULL, &error, NDDR_ERROR_NO_DEVICE, longer);
      if (strlen (shorter) > 1 && !g_strv_contains ((const char *const *) parts, shorter))
        expect (nddr_device_open (shorter, &error) != NULL, &error, NDDR_ERROR_NO_DEVICE, shorter);
    }
  expect (nddr_device_open ("987654321", &error) != NULL, &error, NDDR_ERROR_NO_DEVICE, "987654321");
}

static void
test_options (void)
{
  static const char *const normal_alone[] = { "normal", NULL }, *const unknown[] = { "edges", NULL }, *const none[] = { NULL };
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  const struct
  {
    NddrSessionOptions options;
    const char *says;
  } bad[] = {
    { { .width = 31, .height = 48 }, "31x48" },
    { { .width = 64, .height = 20000 }, "64x20000" },
    { { .slots = 9 }, "1 to 8" },
    { { .tasks = unknown }, "segmentation, normal, depth" },
    { { .tasks = none }, "no task" },
    { { .precision = NDDR_PRECISION_FP16 + 1 }, "precision 3" },
  };
  NddrSessionOptions options = { .width = 80, .height = 33, .tasks = normal_alone };
  g_autoptr (NddrSession) session = NULL;
  g_autoptr (GError) error = NULL;
  guint width, height, channels;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    expect (nddr_session_new (device, model, &bad[i].options, &error) != NULL, &error, NDDR_ERROR_ARGUMENT, bad[i].says);
  session = make_session (model, &options);
  g_assert_true (nddr_session_get_head_size (session, "normal", &width, &height, &channels));
  g_assert_cmpuint (width, ==, 10);
  g_assert_cmpuint (height, ==, 5);
  g_assert_cmpuint (channels, ==, 3);
  g_assert_false (nddr_session_get_head_size (session, "depth", &width, &height, &channels));
  g_assert_false (nddr_session_get_head_size (session, "edges", NULL, NULL, NULL));
}

/* A weight that fp16 has no number for, by itself or by the normalisation behind it, where the network is to run in that. */
static void
check_beyond_half (const char *tensor, float value, const char *says)
{
  NddrSessionOptions half = { .precision = NDDR_PRECISION_FP16 }, full = { .precision = NDDR_PRECISION_FP32 };
  g_autofree char *json = g_strdup_printf (CONFIG, "half-pixel");
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  NddrArrays *tensors = generate_model (config, TRUNK_NORM, FALSE);
  NddrArray *array = nddr_arrays_find (tensors, tensor);

  g_assert_nonnull (array);
  array->data[0] = value;
  g_autoptr (NddrModel) model = nddr_model_new (config, tensors, &error);
  g_assert_no_error (error);
  expect (nddr_session_new (device, model, &half, &error) != NULL, &error, NDDR_ERROR_ARGUMENT, says);
  g_autoptr (NddrSession) session = make_session (model, &full);
}

static void
test_beyond_half (void)
{
  if (!check_can (NDDR_FAMILY_GPU, TRUE)) {
    g_test_skip ("this device cannot store 16-bit floats");
    return;
  }
  check_beyond_half ("segmentation.conv2_1.weight", -7e4, "\"segmentation.conv2_1.weight\" has -7");
  check_beyond_half ("normal.conv2_1.bn.weight", 1e7, "once its normalisation is folded into it");
}

static void
test_frames (void)
{
  static const char *const two[] = { "segmentation", "depth", NULL };
  g_autoptr (NddrModel) model = make_model ("half-pixel");
  NddrSessionOptions options = { .tasks = two };
  g_autoptr (NddrSession) session = make_session (model, &options);
  NddrFrameFormat input = { NDDR_PIXEL_NV12, 10, 10 };
  NddrOutput output = { "depth", NDDR_VIEW_RAW, NDDR_PIXEL_GRAY16_LE };
  const struct
  {
    NddrFrameFormat input;
    NddrOutput output;
    const char *says;
  } bad[] = {
    { { NDDR_PIXEL_GRAY16_LE, 10, 10 }, output, "GRAY16_LE" },
    { { NDDR_PIXEL_RGBA, 0, 10 }, output, "0x10" },
    { { NDDR_PIXEL_RGBA, 10, 20000 }, output, "10x20000" },
    { { NDDR_PIXEL_NV12, 10, 10, .7, .3 }, output, "luma coefficients" },
    { { NDDR_PIXEL_NV12, 10, 10, NAN, .3 }, output, "luma coefficients" },
    { input, { "normal", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA }, "segmentation, depth" },
    { input, { "edges", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA }, "edges" },
    { input, { NULL, NDDR_VIEW_MAP, NDDR_PIXEL_RGBA }, "task" },
    { input, { "depth", NDDR_VIEW_RAW, NDDR_PIXEL_RGB }, "GRAY16_LE" },
    { input, { "segmentation", NDDR_VIEW_MAP, NDDR_PIXEL_RGB }, "RGBA, BGRA, RGBx or BGRx" },
    { input, { "segmentation", NDDR_VIEW_HEAD, NDDR_PIXEL_GRAY8 }, "FLOAT" },
  };
  NddrFrameFormat huge = { NDDR_PIXEL_GRAY8, 16384, 16384 };
  NddrOutput huge_output = { "depth", NDDR_VIEW_MAP, NDDR_PIXEL_RGBA }; /* 1 GiB */
  Picture frame = make_picture (NDDR_PIXEL_NV12, 10, 10, 1), picture = make_picture (NDDR_PIXEL_GRAY16_LE, 10, 10, 0);
  NddrFrame broken = frame.frame, flat;
  guint64 ticket;
  g_autoptr (GError) error = NULL;

  set_frames (session, &input, &output, 1);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    expect (nddr_session_set_frames (session, &bad[i].input, &bad[i].output, 1, &error), &error, NDDR_ERROR_ARGUMENT, bad[i].says);
  if (check_can (NDDR_FAMILY_SOFTWARE, FALSE)) /* lavapipe's buffers span 128 MiB; other devices may have the room */
    expect (nddr_session_set_frames (session, &huge, &huge_output, 1, &error), &error, NDDR_ERROR_UNSUPPORTED, "smaller frames");
  broken.planes[1] = NULL;
  expect (nddr_session_submit (session, &broken, NULL, FALSE, &error) != 0, &error, NDDR_ERROR_ARGUMENT, "plane 1");
  broken = frame.frame;
  broken.strides[0] = 9;
  expect (nddr_session_submit (session, &broken, NULL, FALSE, &error) != 0, &error, NDDR_ERROR_ARGUMENT, "stride of 9");
  ticket = submit (session, &frame, NULL, FALSE);
  flat = picture.frame;
  flat.strides[0] = 0;
  expect (nddr_session_wait (session, ticket, &flat, NULL, &error), &error, NDDR_ERROR_ARGUMENT, "result 0 has a stride of 0");
  flat.strides[0] = -19; /* from the bottom up: rows of 20 bytes */
  expect (nddr_session_wait (session, ticket, &flat, NULL, &error), &error, NDDR_ERROR_ARGUMENT, "rows of 20");
  wait_for (session, ticket, &picture.frame, NULL); /* what was set stands, and the frame is there still */

  set_frames (session, &input, NULL, 0); /* nothing to show */
  for (int i = 0; i < 3; i++)
    wait_for (session, submit (session, &frame, NULL, FALSE), NULL, NULL);
  picture_clear (&frame);
  picture_clear (&picture);
}

/* With --bench: the network of the default model for software drivers over video of common formats. */
static void
test_bench (void)
{
  static const char json[] =
    "{ \"backbone\": \"mobilenet_v2\", \"width\": 1.0, \"head_width\": 0.0625, \"output_stride\": 16, \"fusion\": \"nddr\", \"shortcut\": true,"
    "\"tasks\": [ { \"name\": \"segmentation\", \"kind\": \"segmentation\", \"classes\": ["
    "{\"name\":\"a\",\"color\":\"#b22d2d\"},{\"name\":\"b\",\"color\":\"#20c040\"},{\"name\":\"c\",\"color\":\"#0000ff\"},"
    "{\"name\":\"d\",\"color\":\"#ffffff\"},{\"name\":\"e\",\"color\":\"#b20d2d\"},{\"name\":\"f\",\"color\":\"#21c040\"},"
    "{\"name\":\"g\",\"color\":\"#0010ff\"},{\"name\":\"h\",\"color\":\"#f0ffff\"},{\"name\":\"i\",\"color\":\"#b32d2d\"},"
    "{\"name\":\"j\",\"color\":\"#20d040\"},{\"name\":\"k\",\"color\":\"#0100ff\"},{\"name\":\"l\",\"color\":\"#fff0ff\"},"
    "{\"name\":\"m\",\"color\":\"#b22d3d\"} ] }, { \"name\": \"normal\", \"kind\": \"normal\" } ],"
    "\"input\": { \"width\": 256, \"height\": 192, \"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5] } }";
  static const NddrFrameFormat formats[] = { { NDDR_PIXEL_I420, 640, 480 }, { NDDR_PIXEL_RGBA, 640, 480, .full_range = TRUE },
    { NDDR_PIXEL_NV12, 1920, 1080 } };
  static const NddrOutput both[] = { { "segmentation", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA }, { "normal", NDDR_VIEW_OVERLAY, NDDR_PIXEL_RGBA } };
  g_autoptr (GError) error = NULL;
  NddrConfig *config = nddr_config_parse (json, &error);
  g_autoptr (NddrModel) model = NULL;
  g_autoptr (NddrSession) session = NULL;
  gint64 start;

  g_assert_no_error (error);
  model = nddr_model_new (config, generate_model (config, TRUNK_NORM, FALSE), &error);
  g_assert_no_error (error);
  start = g_get_monotonic_time ();
  session = make_session (model, NULL);
  g_print ("# session: %.0f ms\n", (g_get_monotonic_time () - start) / 1e3);
  for (guint f = 0; f < G_N_ELEMENTS (formats); f++) {
    Picture frame = make_picture (formats[f].format, formats[f].width, formats[f].height, 1), shown[2];
    NddrFrame results[2];
    NddrTiming least = { G_MAXUINT64, G_MAXUINT64, G_MAXUINT64 };
    double set, first = 0, best = G_MAXDOUBLE, total, processor;

    for (guint i = 0; i < 2; i++) {
      shown[i] = make_picture (NDDR_PIXEL_RGBA, formats[f].width, formats[f].height, 0);
      results[i] = shown[i].frame;
    }
    start = g_get_monotonic_time ();
    set_frames (session, &formats[f], both, 2);
    set = (g_get_monotonic_time () - start) / 1e3;
    total = 0;
    processor = clock ();
    for (guint i = 0; i < 30; i++) {
      NddrTiming timing;
      double ms;

      start = g_get_monotonic_time ();
      wait_for (session, submit (session, &frame, NULL, FALSE), results, &timing);
      ms = (g_get_monotonic_time () - start) / 1e3;
      first = i == 0 ? ms : first;
      best = MIN (best, ms);
      total += ms;
      least.upload = MIN (least.upload, timing.upload);
      least.compute = MIN (least.compute, timing.compute);
      least.download = MIN (least.download, timing.download);
    }
    processor = (clock () - processor) * 1e3 / CLOCKS_PER_SEC / 30;
    g_print ("# format %d %ux%u: frames set in %.0f ms; first %.1f ms, best %.1f, mean %.1f, processor %.1f; upload %.2f, compute %.1f, download %.2f\n",
        formats[f].format, formats[f].width, formats[f].height, set, first, best, total / 30, processor, least.upload / 1e6, least.compute / 1e6,
        least.download / 1e6);
    for (guint i = 0; i < 2; i++)
      picture_clear (&shown[i]);
    picture_clear (&frame);
  }
}

int
main (int argc, char **argv)
{
  static const Mode modes[] = {
    { "half-pixel", NDDR_PRECISION_FP32, 1e-5 },
    { "align-corners", NDDR_PRECISION_FP32, 1e-5 },
    { "asymmetric", NDDR_PRECISION_AUTO, 2e-2 },
    { "half-pixel", NDDR_PRECISION_FP16, 2e-2 },
  };
  static const char *const names[] = { "auto", "fp32", "fp16" };
  g_autoptr (GError) error = NULL;
  int status;

  check_init (&argc, &argv);
  device = nddr_device_open (NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++) {
    g_autofree char *path = g_strdup_printf ("/session/pictures/%s/%s", modes[i].resize, names[modes[i].precision]);

    g_test_add_data_func (path, &modes[i], test_pictures);
  }
  g_test_add_func ("/session/slots", test_slots);
  g_test_add_func ("/session/reuse", test_reuse);
  g_test_add_func ("/session/reuse-keeps", test_reuse_keeps);
  g_test_add_func ("/session/format-changes", test_format_changes);
  g_test_add_func ("/session/mixed", test_mixed);
  g_test_add_func ("/session/frame-values", test_frame_values);
  g_test_add_func ("/session/upload-time", test_upload_time);
  g_test_add_func ("/session/threads", test_threads);
  g_test_add_func ("/session/device-name", test_device_name);
  g_test_add_func ("/session/options", test_options);
  g_test_add_func ("/session/beyond-half", test_beyond_half);
  g_test_add_func ("/session/frames", test_frames);
  if (check_benching ())
    g_test_add_func ("/session/bench", test_bench);
  status = g_test_run ();
  nddr_device_unref (device);
  return check_finish (status);
}
