/* Frames side by side: a session's scene again on twins of its device, each of which works on a frame of its own.
 *
 * A software driver's threads share each dispatch, and all wait for the slowest before the next begins: of a small network's time that is a tenth on two
 * processors that nobody else uses, and more where others do.  Frames on devices of their own fill these gaps.  The first scene serves until the others
 * are there; they are made by a thread, so that the first frame is not later for them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <nddr/session-private.h>
#include <nddr/gpu/device.h>
#include <nddr/gpu/instance.h>

/* Multiply-adds of an average step, for each processor that shares it: longer ones lose little at their ends. */
#define SHORT_STEP 25e6
/* What all scenes together may take of memory: bytes of weights and activations. */
#define MAX_BYTES ((gsize) 512 << 20)

/* Of the network's steps. */
static double
average_work (const NddrPlan *plan)
{
  double work = 0;
  guint n = 0;

  for (guint i = 0; i < plan->steps->len; i++) {
    const NddrStep *step = g_ptr_array_index (plan->steps, i);

    if (step->phase == NDDR_PHASE_NETWORK) {
      work += step->work;
      n++;
    }
  }
  return work / MAX (n, 1);
}

guint
nddr_session_count_scenes (NddrSession *session, const NddrPlan *plan)
{
  gsize bytes = plan->space_bytes[NDDR_SPACE_WEIGHTS] + plan->space_bytes[NDDR_SPACE_ARENA];
  guint processors = g_get_num_processors (), most = MIN (MIN (session->slots, processors), 1 + session->device->max_twins);

  if (session->traits.family != NDDR_FAMILY_SOFTWARE || average_work (plan) > SHORT_STEP * processors)
    return 1;
  return CLAMP (MAX_BYTES / MAX (bytes, 1), 1, most);
}

static gpointer
add_scenes (gpointer data)
{
  NddrSession *session = data;
  const NddrScene *first = session->scenes[0];

  for (guint i = 1; i < session->max_scenes && !g_atomic_int_get (&session->enough); i++) {
    g_autoptr (GError) error = NULL;
    NddrDevice *twin = nddr_device_get_twin (session->device, i - 1, &error);
    NddrScene *scene = twin ? nddr_scene_new (session, twin, &first->input, first->outputs, first->n_pictures, &error) : NULL;

    if (!scene) {
      g_debug ("%u frames are worked on side by side, not %u: %s", i, session->max_scenes, error->message);
      break;
    }
    g_mutex_lock (&session->mutex);
    session->scenes[i] = scene;
    session->n_scenes = i + 1;
    g_mutex_unlock (&session->mutex);
  }
  return NULL;
}

/* The validation layer forgets to lock where it keeps devices (1.3.239): none is opened beside frames at work. */
static void
open_twins (NddrSession *session)
{
  for (guint i = 1; i < session->max_scenes; i++)
    if (!nddr_device_get_twin (session->device, i - 1, NULL))
      session->max_scenes = i;
}

void
nddr_session_take_scene (NddrSession *session, NddrScene *scene)
{
  g_atomic_int_set (&session->enough, TRUE);
  g_clear_pointer (&session->adding, g_thread_join);
  for (guint i = 0; i < session->n_scenes; i++)
    g_clear_pointer (&session->scenes[i], nddr_scene_free);
  session->scenes[0] = scene;
  session->n_scenes = scene != NULL;
  g_atomic_int_set (&session->enough, FALSE);
  if (scene && nddr_instance_is_validated ())
    open_twins (session);
  if (scene && session->max_scenes > 1)
    session->adding = g_thread_try_new ("twins", add_scenes, session, NULL); /* without it there is one */
}

guint
nddr_session_get_concurrency (NddrSession *session)
{
  guint n;

  g_mutex_lock (&session->mutex);
  n = MAX (session->n_scenes, 1);
  g_mutex_unlock (&session->mutex);
  return n;
}
