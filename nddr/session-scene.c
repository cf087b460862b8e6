/* Scenes: what a session runs for the frames and outputs that were last set, a program with everything from a frame's bytes to the
 * pictures.  Setting others makes a new scene beside the old one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/ops/pixels.h>

guint
nddr_scene_phases_for (gboolean infer, gboolean fields)
{
  guint ingest = 1u << (fields ? NDDR_PHASE_INGEST_FIELDS : NDDR_PHASE_INGEST);
  guint render = 1u << (fields ? NDDR_PHASE_RENDER_FIELDS : NDDR_PHASE_RENDER);

  return infer ? ingest | 1u << NDDR_PHASE_NETWORK | render : render;
}

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
  inference = nddr_inference_append (plan, session->network, input, error);
  if (inference && request)
    append_render (session, plan, inference, request);
  if (inference && nddr_plan_finish (plan, error))
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

NddrProgram *
nddr_session_run_once (NddrSession *session, GError **error)
{
  g_autoptr (NddrProgram) program = make_program (session, session->device, NULL, 1, error);

  return program && nddr_program_run (program, 1u << NDDR_PHASE_NETWORK, error) ? g_steal_pointer (&program) : NULL;
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
