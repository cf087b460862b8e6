/* What a session's frames and outputs are: checking them, and the scene that they ask for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/error.h>

static const char *const format_names[] = {
  "RGBA", "BGRA", "RGBx", "BGRx", "RGB", "BGR", "NV12", "I420", "YUY2", "GRAY8", "GRAY16_LE", "FLOAT",
};
static const char *const view_names[] = { "overlay", "map", "raw", "head" };

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
