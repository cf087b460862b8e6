/* Scenes: what a session runs for the frames and outputs that were last set, a program with everything from a frame's bytes to the
 * pictures.  Setting others makes a new scene beside the old one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/error.h>
#include <nddr/ops/pixels.h>

static const char *const format_names[] = {
  "RGBA", "BGRA", "RGBx", "BGRx", "RGB", "BGR", "NV12", "I420", "YUY2", "GRAY8", "GRAY16_LE", "FLOAT",
};
static const char *const view_names[] = { "overlay", "map", "raw", "head" };

guint
nddr_scene_phases_for (gboolean infer, gboolean fields)
{
  guint ingest = 1u << (fields ? NDDR_PHASE_INGEST_FIELDS : NDDR_PHASE_INGEST);
  guint render = 1u << (fields ? NDDR_PHASE_RENDER_FIELDS : NDDR_PHASE_RENDER);

  return infer ? ingest | 1u << NDDR_PHASE_NETWORK | render : render;
}

/* ---- making scenes */

void
nddr_scene_free (NddrScene *scene)
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
  NddrScene *scene;
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
  NddrScene *scene = request->scene;

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

/* Draws all pictures, over frames of @format. */
static void
append_pictures (NddrSession *session, NddrPlan *plan, const NddrInference *inference, const Request *request, const NddrFrameFormat *format)
{
  const NddrConfig *config = nddr_model_get_config (session->model);
  const NddrScene *scene = request->scene;

  for (guint i = 0; i < request->n_outputs; i++) {
    const NddrOutput *output = &request->outputs[i];
    int t = nddr_session_find_task (session, output->task);
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
  NddrScene *scene = request->scene;

  scene->n_pictures = request->n_outputs;
  scene->pictures = g_new0 (NddrScenePicture, request->n_outputs);
  for (guint i = 0; i < request->n_outputs; i++) {
    const NddrOutput *output = &request->outputs[i];
    int t = nddr_session_find_task (session, output->task);
    NddrBranches head = inference->heads[t];
    NddrScenePicture *picture = &scene->pictures[i];
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

/* A program that runs the network on @device, its weights packed; with @request (nullable) all of its scene. */
static NddrProgram *
make_program (NddrSession *session, NddrDevice *device, const Request *request, guint slots, GError **error)
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
    program = nddr_program_new (device, g_steal_pointer (&plan), slots, error);
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

gboolean
nddr_session_warm_up (NddrSession *session, GError **error)
{
  g_autoptr (NddrProgram) program = make_program (session, session->device, NULL, 1, error);

  if (!program || !nddr_program_run (program, 1u << NDDR_PHASE_NETWORK, error))
    return FALSE;
  session->max_scenes = nddr_session_count_scenes (session, nddr_program_get_plan (program));
  return TRUE;
}

static void
note_request (NddrSession *session, NddrScene *scene, const Request *request)
{
  scene->input = *request->input;
  scene->outputs = g_new (NddrOutput, request->n_outputs);
  for (guint i = 0; i < request->n_outputs; i++) {
    scene->outputs[i] = request->outputs[i];
    scene->outputs[i].task = nddr_model_get_task (session->model, nddr_session_find_task (session, request->outputs[i].task))->name;
  }
}

NddrScene *
nddr_scene_new (NddrSession *session, NddrDevice *device, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs, GError **error)
{
  NddrScene *scene = g_new0 (NddrScene, 1);
  Request request = { input, outputs, n_outputs, scene };

  note_request (session, scene, &request);
  scene->program = make_program (session, device, &request, session->slots, error);
  if (scene->program && nddr_program_run (scene->program, nddr_scene_phases_for (TRUE, FALSE), error) &&
      (!nddr_pixels_are_mixed (input) || nddr_program_run (scene->program, nddr_scene_phases_for (TRUE, TRUE), error)))
    return scene;
  nddr_scene_free (scene);
  return NULL;
}

/* ---- setting frames */

static gboolean
check_input (const NddrFrameFormat *input, GError **error)
{
  if (input->format > NDDR_PIXEL_GRAY8)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "frames cannot be %s: that is for outputs alone",
        input->format <= NDDR_PIXEL_FLOAT ? format_names[input->format] : "of an unknown format");
  if (MIN (input->width, input->height) < 1 || MAX (input->width, input->height) > NDDR_MAX_SIZE)
    return nddr_fail (error, NDDR_ERROR_ARGUMENT, "frames cannot be %ux%u: 1x1 to %dx%d", input->width, input->height, NDDR_MAX_SIZE, NDDR_MAX_SIZE);
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
  int t = nddr_session_find_task (session, output->task);
  NddrTaskKind kind;
  gboolean fits;

  if (t < 0 || !session->requested[t]) {
    g_autofree char *list = nddr_session_list_tasks (session, TRUE);

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

static gboolean
same_format (const NddrFrameFormat *a, const NddrFrameFormat *b)
{
  return a->format == b->format && a->width == b->width && a->height == b->height && a->kr == b->kr && a->kb == b->kb &&
      a->full_range == b->full_range && a->chroma_cosited_x == b->chroma_cosited_x && a->chroma_cosited_y == b->chroma_cosited_y &&
      a->interlaced == b->interlaced && a->mixed == b->mixed;
}

static gboolean
is_made_for (const NddrScene *scene, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs)
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

gboolean
nddr_session_set_frames (NddrSession *session, const NddrFrameFormat *input, const NddrOutput *outputs, guint n_outputs, GError **error)
{
  NddrScene *scene;

  if (!nddr_session_check_state (session, TRUE, error) || !check_input (input, error))
    return FALSE;
  for (guint i = 0; i < n_outputs; i++)
    if (!check_output (session, &outputs[i], error))
      return FALSE;

  if (!is_made_for (session->scenes[0], input, outputs, n_outputs)) {
    scene = nddr_scene_new (session, session->device, input, outputs, n_outputs, error);
    if (!scene)
      return FALSE;
    nddr_session_take_scene (session, scene);
  }
  session->result = -1;
  return TRUE;
}
