/* Frames of a session: each is copied in and submitted in a slot of its own, then waited for, in order, and its pictures copied out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/error.h>
#include <nddr/ops/pixels.h>

#include <string.h>

#define DEFAULT_OPACITY .5f

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
frame_rows (const NddrScene *scene, const NddrFrame *frame, int plane)
{
  return plane > 0 && nddr_pixels_are_mixed (&scene->input) ? nddr_pixels_chroma_rows (&scene->input, frame->interlaced) : scene->packing.rows[plane];
}

static gboolean
check_frame (const NddrScene *scene, const NddrFrame *frame, GError **error)
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
upload (const NddrScene *scene, guint slot, const NddrFrame *frame, const double *opacities)
{
  guint8 *to = nddr_program_map (scene->program, scene->frame, slot);
  float *slot_opacities = nddr_program_map (scene->program, scene->opacities, slot);

  for (int p = 0; p < scene->packing.n_planes; p++)
    copy_rows (to + scene->packing.offset[p], scene->packing.pitch[p], frame->planes[p], frame->strides[p], scene->packing.row_bytes[p],
        frame_rows (scene, frame, p));
  for (guint i = 0; i < scene->n_pictures; i++)
    slot_opacities[i] = opacities ? CLAMP (opacities[i], 0, 1) : DEFAULT_OPACITY;
}

/* Whether scene @a will have time for a frame before @b: it has fewer of them, or its last one came earlier.  Of those that have none the first does. */
static gboolean
is_free_before (const NddrSession *session, guint a, guint b)
{
  if (session->in_flight[a] != session->in_flight[b])
    return session->in_flight[a] < session->in_flight[b];
  return session->in_flight[a] > 0 && session->last[a] < session->last[b];
}

/* Which scene a frame is for: where the network runs, the one that is free first; else the one that has the result. */
static guint
choose_scene (NddrSession *session, gboolean infer)
{
  guint best = 0;

  if (!infer)
    return session->result;
  g_mutex_lock (&session->mutex);
  for (guint i = 1; i < session->n_scenes; i++)
    if (is_free_before (session, i, best))
      best = i;
  g_mutex_unlock (&session->mutex);
  return best;
}

guint64
nddr_session_submit (NddrSession *session, const NddrFrame *frame, const double *opacities, gboolean reuse, GError **error)
{
  guint64 ticket, waited;
  guint slot, index, phases = 0;
  gboolean infer = !reuse || session->result < 0;
  const NddrScene *scene = session->scenes[0];

  if (!nddr_session_check_state (session, FALSE, error))
    return 0;
  if (!scene) {
    nddr_fail (error, NDDR_ERROR_ARGUMENT, "nothing is known of the frames yet: call nddr_session_set_frames() first");
    return 0;
  }
  if (!check_frame (scene, frame, error))
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
  index = session->scene_of[slot] = choose_scene (session, infer);
  scene = session->scenes[index];
  session->uploads[slot] = g_get_monotonic_time ();
  upload (scene, slot, frame, opacities);
  session->uploads[slot] = g_get_monotonic_time () - session->uploads[slot];
  if (scene->n_pictures) /* with nothing to show there is nothing to compute */
    phases = nddr_scene_phases_for (infer, nddr_pixels_are_mixed (&scene->input) && frame->interlaced);
  if (!nddr_program_submit (scene->program, slot, phases, error)) {
    session->result = -1; /* a part of it may have run */
    return 0;
  }
  session->result = index;
  session->last[index] = ticket;
  g_mutex_lock (&session->mutex);
  session->in_flight[index]++;
  session->submitted = ticket;
  g_mutex_unlock (&session->mutex);
  return ticket;
}

static gboolean
check_results (const NddrScene *scene, const NddrFrame *results, GError **error)
{
  for (guint i = 0; i < scene->n_pictures; i++) {
    const NddrScenePicture *picture = &scene->pictures[i];

    if (results[i].planes[0] && picture->rows > 1 && (gsize) ABS ((gint64) results[i].strides[0]) < picture->row_bytes)
      return nddr_fail (error, NDDR_ERROR_ARGUMENT,
          "result %u has a stride of %d bytes, but rows of %" G_GSIZE_FORMAT, i, results[i].strides[0], picture->row_bytes);
  }
  return TRUE;
}

static void
download (const NddrScene *scene, guint slot, const NddrFrame *results)
{
  for (guint i = 0; i < scene->n_pictures; i++) {
    const NddrScenePicture *picture = &scene->pictures[i];

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
  const NddrScene *scene;
  g_autoptr (GError) failure = NULL;

  if (!nddr_session_check_state (session, FALSE, error))
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

  slot = (ticket - 1) % session->slots;
  scene = session->scenes[session->scene_of[slot]];
  if (results && !check_results (scene, results, error))
    return FALSE;
  if (!nddr_program_wait (scene->program, slot, &compute, &failure)) {
    g_mutex_lock (&session->mutex);
    session->failure = g_error_copy (failure);
    g_mutex_unlock (&session->mutex);
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  start = g_get_monotonic_time ();
  if (results)
    download (scene, slot, results);
  if (timing)
    *timing = (NddrTiming){ 1000 * session->uploads[slot], compute, 1000 * (g_get_monotonic_time () - start) };
  g_mutex_lock (&session->mutex);
  session->in_flight[session->scene_of[slot]]--;
  session->waited = ticket;
  g_mutex_unlock (&session->mutex);
  return TRUE;
}
