/* Sessions: see nddr-session.h.
 *
 * A session keeps the network and, for the frames and outputs that were last set, a scene: a program with everything from a
 * frame's bytes to the pictures.  Setting others makes a new scene beside the old one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/error.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/tuning-cache.h>
#include <nddr/inference.h>
#include <nddr/model.h>
#include <nddr/nddr-session.h>
#include <nddr/ops/pixels.h>

#include <stdlib.h>
#include <string.h>

#define MIN_INPUT 32
#define MAX_SIZE 16384
#define DEFAULT_SLOTS 2
#define DEFAULT_OPACITY .5f

/* What is run for a frame: with @infer the network, too; @fields: it is an interlaced one of a mixed format. */
static guint
phases_for (gboolean infer, gboolean fields)
{
  guint ingest = 1u << (fields ? NDDR_PHASE_INGEST_FIELDS : NDDR_PHASE_INGEST);
  guint render = 1u << (fields ? NDDR_PHASE_RENDER_FIELDS : NDDR_PHASE_RENDER);

  return infer ? ingest | 1u << NDDR_PHASE_NETWORK | render : render;
}

/* one output: where its picture lies, and how */
typedef struct
{
  NddrTensor *tensor;
  gsize row_bytes, pitch, rows;
} Picture;

typedef struct
{
  NddrProgram *program;
  NddrTensor *frame, *opacities; /* owned by the program's plan, as are the pictures' */
  NddrPacking packing;           /* of the frame */
  Picture *pictures;
  guint n_pictures;
  /* what it was made for */
  NddrFrameFormat input;
  NddrOutput *outputs;           /* for each picture; the names are the model's */
} Scene;

struct _NddrSession
{
  NddrDevice *device;
  NddrModel *model;
  NddrNetwork *network;
  NddrTraits traits;
  NddrType type;           /* of the maps between layers */
  gboolean *requested;     /* for each task of the model */
  int *widths, *heights;   /* of each value of the network */
  guint slots;
  Scene *scene;            /* NULL until frames are set */
  gboolean has_result;     /* the scene's heads hold a real frame's */
  gint64 uploads[NDDR_PROGRAM_MAX_SLOTS]; /* microseconds that each slot's frame took to copy in */

  GMutex mutex;            /* around what follows: submit and wait may run in two threads */
  guint64 submitted, waited;
  GError *failure;         /* of the device: nothing works after it */
};

static const char *const format_names[] = {
  "RGBA", "BGRA", "RGBx", "BGRx", "RGB", "BGR", "NV12", "I420", "YUY2", "GRAY8", "GRAY16_LE", "FLOAT",
};
static const char *const view_names[] = { "overlay", "map", "raw", "head" };

/* ---- scenes */

static void
scene_free (Scene *scene)
{
  if (!scene)
    return;
  nddr_program_free (scene->program);
  g_free (scene->pictures);
  g_free (scene->outputs);
  g_free (scene);
}

/* what nddr_session_set_frames() was given, and the scene that is made of it */
typedef struct
{
  const NddrFrameFormat *input;
  const NddrOutput *outputs;
  guint n_outputs;
  Scene *scene;
} Request;

/* How frames are read: of a mixed format those that are interlaced, with @fields, or those that are not. */
static NddrFrameFormat
format_for (const NddrFrameFormat *input, gboolean fields)
{
  NddrFrameFormat format = *input;

  if (nddr_pixels_are_mixed (input))
    format.interlaced = fields;
  return format;
}

static void
append_ingest (NddrSession *session, NddrPlan *plan, NddrTensor *input, const Request *request)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  Scene *scene = request->scene;

  plan->label = "ingest";
  nddr_packing (request->input, &scene->packing);
  scene->frame = nddr_plan_flat (plan, "frame", NDDR_SPACE_INPUT, NDDR_BYTES, scene->packing.bytes);
  scene->opacities = nddr_plan_flat (plan, "opacities", NDDR_SPACE_INPUT, NDDR_F32, MAX (request->n_outputs, 1));
  for (gboolean fields = FALSE; fields <= nddr_pixels_are_mixed (request->input); fields++) {
    NddrFrameFormat format = format_for (request->input, fields);

    plan->phase = fields ? NDDR_PHASE_INGEST_FIELDS : NDDR_PHASE_INGEST;
    nddr_ingest (plan, input, scene->frame, &format, config->mean, config->std);
  }
}

static int
find_task (NddrSession *session, const char *name)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  for (guint t = 0; t < config->n_tasks; t++)
    if (g_strcmp0 (config->tasks[t].name, name) == 0)
      return t;
  return -1;
}

/* Draws all pictures, over frames of @format. */
static void
append_pictures (NddrSession *session, NddrPlan *plan, const NddrInference *inference, const Request *request, const NddrFrameFormat *format)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  const Scene *scene = request->scene;

  for (guint i = 0; i < request->n_outputs; i++) {
    const NddrOutput *output = &request->outputs[i];
    int t = find_task (session, output->task);
    const NddrTask *task = &config->tasks[t];

    plan->label = g_intern_string (task->name);
    nddr_render (plan, &(NddrRender){
      .picture = scene->pictures[i].tensor,
      .frame = scene->frame,
      .input = *format,
      .head = inference->heads[t],
      .kind = task->kind,
      .view = output->view,
      .format = output->format,
      .resize = config->resize,
      .classes = task->classes,
      .n_classes = task->n_classes,
      .opacities = scene->opacities,
      .index = i,
    });
  }
}

static void
append_render (NddrSession *session, NddrPlan *plan, const NddrInference *inference, const Request *request)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  Scene *scene = request->scene;

  scene->n_pictures = request->n_outputs;
  scene->pictures = g_new0 (Picture, request->n_outputs);
  for (guint i = 0; i < request->n_outputs; i++) {
    const NddrOutput *output = &request->outputs[i];
    int t = find_task (session, output->task);
    NddrBranches head = inference->heads[t];
    Picture *picture = &scene->pictures[i];
    gsize bytes;

    if (output->view == NDDR_VIEW_HEAD) {
      picture->row_bytes = picture->pitch = sizeof (float) * head.tensor->width * head.tensor->channels;
      picture->rows = head.tensor->height;
      bytes = picture->pitch * picture->rows;
    } else {
      NddrPacking packing;

      nddr_packing (&(NddrFrameFormat){ output->format, request->input->width, request->input->height }, &packing);
      picture->row_bytes = packing.row_bytes[0];
      picture->pitch = packing.pitch[0];
      picture->rows = packing.rows[0];
      bytes = packing.bytes;
    }
    picture->tensor = nddr_plan_flat (plan, config->tasks[t].name, NDDR_SPACE_OUTPUT, NDDR_BYTES, bytes);
  }
  for (gboolean fields = FALSE; fields <= nddr_pixels_are_mixed (request->input); fields++) {
    NddrFrameFormat format = format_for (request->input, fields);

    plan->phase = fields ? NDDR_PHASE_RENDER_FIELDS : NDDR_PHASE_RENDER;
    append_pictures (session, plan, inference, request, &format);
  }
}

/* A program that runs the network, its weights packed; with @request (nullable) all of its scene. */
static NddrProgram *
make_program (NddrSession *session, const Request *request, guint slots, GError **error)
{
  g_autoptr (NddrPlan) plan = nddr_plan_new (&session->traits);
  g_autoptr (NddrProgram) program = NULL;
  NddrInference *inference;
  NddrTensor *input;

  plan->activation_type = session->type;
  input = nddr_plan_map (plan, "input", 1, 1, session->heights[0], session->widths[0], 3);
  if (request)
    append_ingest (session, plan, input, request);
  inference = nddr_inference_append (plan, session->network, input);
  if (request)
    append_render (session, plan, inference, request);
  if (nddr_plan_finish (plan, error))
    program = nddr_program_new (session->device, g_steal_pointer (&plan), slots, error);
  if (program && !nddr_inference_prepare (inference, session->network, nddr_model_get_tensors (session->model), program, error))
    g_clear_pointer (&program, nddr_program_free);
  nddr_inference_free (inference);
  if (!program && request)
    g_prefix_error (error, "for frames of %dx%d: ", request->input->width, request->input->height);
  if (!program)
    g_prefix_error (error, "preparing the network at %dx%d (%s): ", session->widths[0], session->heights[0],
        session->type == NDDR_F16 ? "fp16" : "fp32");
  return g_steal_pointer (&program);
}

/* ---- making sessions */

static gboolean
choose_precision (NddrSession *session, NddrPrecision precision, GError **error)
{
  session->traits = *nddr_device_get_traits (session->device);
  session->traits.tuning = nddr_device_get_tuning (session->device);
  session->type = NDDR_F32;
  if (precision < NDDR_PRECISION_AUTO || precision > NDDR_PRECISION_FP16)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "precision %d is unknown: the last is %d, fp16", precision, NDDR_PRECISION_FP16);
  if (precision == NDDR_PRECISION_FP16 && !session->traits.fp16)
    return nddr_fail (error, NDDR_ERROR_UNSUPPORTED,
        "%s cannot store 16-bit floats in buffers (VkPhysicalDevice16BitStorageFeatures.storageBuffer16BitAccess): use precision fp32 or auto",
        nddr_device_get_info (session->device)->name);
  /* a processor has no halves that were as good as free, whichever kernels it runs */
  gboolean is_processor = nddr_device_get_info (session->device)->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  if (precision == NDDR_PRECISION_FP16 || (precision == NDDR_PRECISION_AUTO && session->traits.fp16 && !is_processor)) {
    session->type = NDDR_F16;
    session->traits.family = NDDR_FAMILY_GPU; /* those for software drivers have no fp16: halves would gain nothing there */
  }
  return TRUE;
}

/* the names of the model's tasks, or of the session's */
static char *
list_tasks (NddrSession *session, gboolean requested_alone)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  GString *list = g_string_new (NULL);

  for (guint t = 0; t < config->n_tasks; t++)
    if (!requested_alone || session->requested[t])
      g_string_append_printf (list, "%s%s", list->len ? ", " : "", config->tasks[t].name);
  return g_string_free (list, FALSE);
}

static gboolean
choose_tasks (NddrSession *session, const char *const *tasks, GError **error)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  session->requested = g_new0 (gboolean, config->n_tasks);
  for (guint t = 0; t < config->n_tasks; t++)
    session->requested[t] = tasks == NULL;
  for (guint i = 0; tasks && tasks[i]; i++) {
    int t = find_task (session, tasks[i]);

    if (t < 0) {
      g_autofree char *list = list_tasks (session, FALSE);

      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "the model has no task \"%s\"; its tasks are: %s", tasks[i], list);
    }
    session->requested[t] = TRUE;
  }
  if (tasks && !tasks[0])
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "no task was asked for: name at least one, or give NULL for all");
  return TRUE;
}

static gboolean
choose_size (NddrSession *session, guint width, guint height, GError **error)
{
  const NddrConfig *config = nddr_model_get_config (session->model);

  width = width ? width : config->input_width;
  height = height ? height : config->input_height;
  if (MIN (width, height) < MIN_INPUT || MAX (width, height) > MAX_SIZE)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT,
        "the network cannot run at %ux%u: it takes %dx%d to %dx%d", width, height, MIN_INPUT, MIN_INPUT, MAX_SIZE, MAX_SIZE);
  session->network = nddr_network_new (config, nddr_model_get_tensors (session->model), session->requested, error);
  if (!session->network)
    return FALSE;
  nddr_network_sizes (session->network, width, height, &session->widths, &session->heights);
  return TRUE;
}

/* The pipelines that this makes stay with the device: scenes find them there. */
static gboolean
warm_up (NddrSession *session, GError **error)
{
  g_autoptr (NddrProgram) program = make_program (session, NULL, 1, error);

  return program && nddr_program_run (program, 1u << NDDR_PHASE_NETWORK, error);
}

NddrSession *
nddr_session_new (NddrDevice *device, NddrModel *model, const NddrSessionOptions *options, GError **error)
{
  static const NddrSessionOptions defaults;
  g_autoptr (NddrSession) session = g_new0 (NddrSession, 1);

  if (!options)
    options = &defaults;
  g_mutex_init (&session->mutex);
  session->device = nddr_device_ref (device);
  session->model = nddr_model_ref (model);
  session->slots = options->slots ? options->slots : DEFAULT_SLOTS;
  if (session->slots > NDDR_PROGRAM_MAX_SLOTS) {
    nddr_fail (error, NDDR_ERROR_ARGUMENT, "%u frames in flight are too many: 1 to %d", session->slots, NDDR_PROGRAM_MAX_SLOTS);
    return NULL;
  }
  if (!choose_precision (session, options->precision, error) || !choose_tasks (session, options->tasks, error) ||
      !choose_size (session, options->width, options->height, error) || !warm_up (session, error))
    return NULL;
  return g_steal_pointer (&session);
}

void
nddr_session_free (NddrSession *session)
{
  if (!session)
    return;
  scene_free (session->scene);
  g_clear_pointer (&session->network, nddr_network_free);
  g_free (session->widths);
  g_free (session->heights);
  g_free (session->requested);
  g_clear_error (&session->failure);
  g_mutex_clear (&session->mutex);
  nddr_model_unref (session->model);
  nddr_device_unref (session->device);
  g_free (session);
}

/* ---- setting frames */

static gboolean
check_input (const NddrFrameFormat *input, GError **error)
{
  if (input->format > NDDR_PIXEL_GRAY8)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "frames cannot be %s: that is for outputs alone",
        input->format <= NDDR_PIXEL_FLOAT ? format_names[input->format] : "of an unknown format");
  if (MIN (input->width, input->height) < 1 || MAX (input->width, input->height) > MAX_SIZE)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "frames cannot be %ux%u: 1x1 to %dx%d", input->width, input->height, MAX_SIZE, MAX_SIZE);
  if (!(input->kr >= 0 && input->kb >= 0 && input->kr + input->kb < 1))
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "kr %g and kb %g are no luma coefficients: both at least 0, their sum under 1", input->kr, input->kb);
  return TRUE;
}

static gboolean
is_rgba (NddrPixelFormat format)
{
  return format <= NDDR_PIXEL_BGRX;
}

static gboolean
check_output (NddrSession *session, const NddrOutput *output, GError **error)
{
  static const NddrPixelFormat raw[] = {
    [NDDR_TASK_SEGMENTATION] = NDDR_PIXEL_GRAY8, [NDDR_TASK_NORMAL] = NDDR_PIXEL_RGB, [NDDR_TASK_DEPTH] = NDDR_PIXEL_GRAY16_LE,
  };
  int t = find_task (session, output->task);
  NddrTaskKind kind;
  gboolean fits;

  if (t < 0 || !session->requested[t]) {
    g_autofree char *list = list_tasks (session, TRUE);

    return nddr_fail (error, NDDR_ERROR_ARGUMENT,
        "this session does not compute a task \"%s\"; its tasks are: %s", output->task ? output->task : "(null)", list);
  }
  if (output->view > NDDR_VIEW_HEAD || output->format > NDDR_PIXEL_FLOAT)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "task \"%s\": view %d in format %d is unknown", output->task, output->view, output->format);
  kind = nddr_model_get_task (session->model, t)->kind;
  if (output->view == NDDR_VIEW_HEAD)
    fits = output->format == NDDR_PIXEL_FLOAT;
  else if (output->view == NDDR_VIEW_RAW)
    fits = output->format == raw[kind];
  else
    fits = is_rgba (output->format);
  if (!fits)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT,
        "task \"%s\": view %s is not made as %s but as %s", output->task, view_names[output->view], format_names[output->format],
        output->view == NDDR_VIEW_HEAD ? "FLOAT" : output->view == NDDR_VIEW_RAW ? format_names[raw[kind]] : "RGBA, BGRA, RGBx or BGRx");
  return TRUE;
}

/* FALSE where the device has failed or, with @must_be_idle, frames are in flight. */
static gboolean
check_state (NddrSession *session, gboolean must_be_idle, GError **error)
{
  guint64 in_flight;
  gboolean ok;

  g_mutex_lock (&session->mutex);
  in_flight = session->submitted - session->waited;
  ok = session->failure == NULL;
  if (!ok && error)
    *error = g_error_copy (session->failure);
  g_mutex_unlock (&session->mutex);
  if (ok && must_be_idle && in_flight)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "%" G_GUINT64_FORMAT " frames are in flight: wait for them before frames are set anew", in_flight);
  return ok;
}

static gboolean
same_format (const NddrFrameFormat *a, const NddrFrameFormat *b)
{
  return a->format == b->format && a->width == b->width && a->height == b->height && a->kr == b->kr && a->kb == b->kb &&
      a->full_range == b->full_range && a->chroma_cosited_x == b->chroma_cosited_x && a->chroma_cosited_y == b->chroma_cosited_y &&
      a->interlaced == b->interlaced && a->mixed == b->mixed;
}

static gboolean
is_made_for (const Scene *scene, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs)
{
  if (!scene || scene->n_pictures != n_outputs || !same_format (&scene->input, input))
    return FALSE;
  for (guint i = 0; i < n_outputs; i++) {
    const NddrOutput *a = &scene->outputs[i], *b = &outputs[i];

    if (!g_str_equal (a->task, b->task) || a->view != b->view || a->format != b->format)
      return FALSE;
  }
  return TRUE;
}

static void
note_request (NddrSession *session, Scene *scene, const Request *request)
{
  scene->input = *request->input;
  scene->outputs = g_new (NddrOutput, request->n_outputs);
  for (guint i = 0; i < request->n_outputs; i++) {
    scene->outputs[i] = request->outputs[i];
    scene->outputs[i].task = nddr_model_get_task (session->model, find_task (session, request->outputs[i].task))->name;
  }
}

gboolean
nddr_session_set_frames (NddrSession *session, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs, GError **error)
{
  Scene *scene;
  Request request = { input, outputs, n_outputs };

  if (!check_state (session, TRUE, error) || !check_input (input, error))
    return FALSE;
  for (guint i = 0; i < n_outputs; i++)
    if (!check_output (session, &outputs[i], error))
      return FALSE;

  if (is_made_for (session->scene, input, outputs, n_outputs)) {
    session->has_result = FALSE;
    return TRUE;
  }
  scene = request.scene = g_new0 (Scene, 1);
  note_request (session, scene, &request);
  scene->program = make_program (session, &request, session->slots, error);
  if (!scene->program || !nddr_program_run (scene->program, phases_for (TRUE, FALSE), error) ||
      (nddr_pixels_are_mixed (input) && !nddr_program_run (scene->program, phases_for (TRUE, TRUE), error))) {
    scene_free (scene);
    return FALSE;
  }
  scene_free (session->scene);
  session->scene = scene;
  session->has_result = FALSE;
  return TRUE;
}

gboolean
nddr_session_get_head_size (NddrSession *session, const char *task, guint *width, guint *height, guint *channels)
{
  int t = find_task (session, task), value;

  if (t < 0 || !session->requested[t])
    return FALSE;
  value = session->network->heads[t].value;
  if (width)
    *width = session->widths[value];
  if (height)
    *height = session->heights[value];
  if (channels)
    *channels = nddr_model_get_task (session->model, t)->channels;
  return TRUE;
}

/* ---- frames */

static void
copy_rows (guint8 *to, gssize to_stride, const guint8 *from, gssize from_stride, gsize row_bytes, gsize rows)
{
  if (to_stride == from_stride && to_stride == (gssize) row_bytes) {
    memcpy (to, from, row_bytes * rows);
    return;
  }
  for (gsize y = 0; y < rows; y++)
    memcpy (to + (gssize) y * to_stride, from + (gssize) y * from_stride, row_bytes);
}

/* The rows that @frame has of a plane: of a mixed format interlaced ones may have a chroma row more. */
static gsize
frame_rows (const Scene *scene, const NddrFrame *frame, int plane)
{
  return plane > 0 && nddr_pixels_are_mixed (&scene->input) ? nddr_pixels_chroma_rows (&scene->input, frame->interlaced) : scene->packing.rows[plane];
}

static gboolean
check_frame (const Scene *scene, const NddrFrame *frame, GError **error)
{
  const NddrPacking *packing = &scene->packing;

  for (int p = 0; p < packing->n_planes; p++) {
    if (!frame->planes[p])
      return nddr_fail (error, NDDR_ERROR_ARGUMENT, "plane %d of the frame is missing: its format has %d", p, packing->n_planes);
    if (frame_rows (scene, frame, p) > 1 && ABS ((gint64) frame->strides[p]) < packing->row_bytes[p])
      return nddr_fail (error, NDDR_ERROR_ARGUMENT,
          "plane %d of the frame has a stride of %d bytes, but rows of %d", p, frame->strides[p], packing->row_bytes[p]);
  }
  return TRUE;
}

static void
upload (NddrSession *session, guint slot, const NddrFrame *frame, const double *opacities)
{
  const Scene *scene = session->scene;
  guint8 *to = nddr_program_map (scene->program, scene->frame, slot);
  float *slot_opacities = nddr_program_map (scene->program, scene->opacities, slot);

  for (int p = 0; p < scene->packing.n_planes; p++)
    copy_rows (to + scene->packing.offset[p], scene->packing.pitch[p], frame->planes[p], frame->strides[p], scene->packing.row_bytes[p],
        frame_rows (scene, frame, p));
  for (guint i = 0; i < scene->n_pictures; i++)
    slot_opacities[i] = opacities ? CLAMP (opacities[i], 0, 1) : DEFAULT_OPACITY;
}

guint64
nddr_session_submit (NddrSession *session, const NddrFrame *frame, const double *opacities, gboolean reuse, GError **error)
{
  guint64 ticket, waited;
  guint slot, phases = 0;

  if (!check_state (session, FALSE, error))
    return 0;
  if (!session->scene) {
    nddr_fail (error, NDDR_ERROR_ARGUMENT, "nothing is known of the frames yet: call nddr_session_set_frames() first");
    return 0;
  }
  if (!check_frame (session->scene, frame, error))
    return 0;
  g_mutex_lock (&session->mutex);
  ticket = session->submitted + 1;
  waited = session->waited;
  g_mutex_unlock (&session->mutex);
  if (ticket - waited > session->slots) {
    nddr_fail (error, NDDR_ERROR_ARGUMENT, "all %u slots are in flight: wait for frame %" G_GUINT64_FORMAT " first", session->slots, waited + 1);
    return 0;
  }
  slot = (ticket - 1) % session->slots;
  session->uploads[slot] = g_get_monotonic_time ();
  upload (session, slot, frame, opacities);
  session->uploads[slot] = g_get_monotonic_time () - session->uploads[slot];
  if (session->scene->n_pictures) /* with nothing to show there is nothing to compute */
    phases = phases_for (!reuse || !session->has_result, nddr_pixels_are_mixed (&session->scene->input) && frame->interlaced);
  if (!nddr_program_submit (session->scene->program, slot, phases, error)) {
    session->has_result = FALSE; /* a part of it may have run */
    return 0;
  }
  session->has_result = TRUE;
  g_mutex_lock (&session->mutex);
  session->submitted = ticket;
  g_mutex_unlock (&session->mutex);
  return ticket;
}

static gboolean
check_results (const Scene *scene, const NddrFrame *results, GError **error)
{
  for (guint i = 0; i < scene->n_pictures; i++) {
    const Picture *picture = &scene->pictures[i];

    if (results[i].planes[0] && picture->rows > 1 && (gsize) ABS ((gint64) results[i].strides[0]) < picture->row_bytes)
      return nddr_fail (error, NDDR_ERROR_ARGUMENT,
          "result %u has a stride of %d bytes, but rows of %" G_GSIZE_FORMAT, i, results[i].strides[0], picture->row_bytes);
  }
  return TRUE;
}

static void
download (NddrSession *session, guint slot, const NddrFrame *results)
{
  const Scene *scene = session->scene;

  for (guint i = 0; i < scene->n_pictures; i++) {
    const Picture *picture = &scene->pictures[i];

    if (results[i].planes[0])
      copy_rows (results[i].planes[0], results[i].strides[0], nddr_program_map (scene->program, picture->tensor, slot), picture->pitch,
          picture->row_bytes, picture->rows);
  }
}

gboolean
nddr_session_wait (NddrSession *session, guint64 ticket, const NddrFrame *results, NddrTiming *timing, GError **error)
{
  guint64 submitted, oldest, compute = 0;
  gint64 start;
  guint slot;
  g_autoptr (GError) failure = NULL;

  if (!check_state (session, FALSE, error))
    return FALSE;
  g_mutex_lock (&session->mutex);
  submitted = session->submitted;
  oldest = session->waited + 1;
  g_mutex_unlock (&session->mutex);
  if (oldest > submitted)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "frame %" G_GUINT64_FORMAT " cannot be waited for: none is in flight", ticket);
  if (ticket != oldest)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT,
        "frame %" G_GUINT64_FORMAT " cannot be waited for now: frame %" G_GUINT64_FORMAT " comes first", ticket, oldest);

  if (results && !check_results (session->scene, results, error))
    return FALSE;
  slot = (ticket - 1) % session->slots;
  if (!nddr_program_wait (session->scene->program, slot, &compute, &failure)) {
    g_mutex_lock (&session->mutex);
    session->failure = g_error_copy (failure);
    g_mutex_unlock (&session->mutex);
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  start = g_get_monotonic_time ();
  if (results)
    download (session, slot, results);
  if (timing)
    *timing = (NddrTiming){ 1000 * session->uploads[slot], compute, 1000 * (g_get_monotonic_time () - start) };
  g_mutex_lock (&session->mutex);
  session->waited = ticket;
  g_mutex_unlock (&session->mutex);
  return TRUE;
}
