/* Another model in place of the one that runs: see nddrswap.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrswap.h"
#include "gst/nddropen.h"
#include "gst/nddroutput.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

/* A model and its session, loaded. */
struct _GstNddrSwap
{
  char *setting, *path; /* what was asked for; where that is */
  NddrModel *model;
  GstNddrSession session;
};

static void
swap_free (GstNddrSwap *swap)
{
  if (!swap)
    return;
  gst_nddr_session_clear (&swap->session);
  g_clear_pointer (&swap->model, nddr_model_unref);
  g_free (swap->setting);
  g_free (swap->path);
  g_free (swap);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstNddrSwap, swap_free)

/* FALSE: that is the model that runs. */
static gboolean
get_setting (GstNddrCnn *self, char **setting)
{
  GST_OBJECT_LOCK (self);
  gboolean other = g_strcmp0 (self->settings.model, self->opened_model) != 0;
  *setting = g_strdup (self->settings.model);
  GST_OBJECT_UNLOCK (self);
  return other;
}

/* Whether what follows the linked @pads takes their tasks where those are of another kind now. */
static gboolean
check_peers (const NddrModel *model, GPtrArray *pads, GError **error)
{
  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];
    const NddrTask *task = pad->task ? nddr_model_find_task (model, pad->task) : NULL;

    if (!task || !gst_pad_is_linked (GST_PAD (pad)))
      continue;
    g_autoptr (GstCaps) shown = gst_nddr_view_caps (gst_nddr_pad_get_view (pad), &task->kind), taken = gst_pad_peer_query_caps (GST_PAD (pad), shown);
    if (gst_caps_is_empty (taken)) {
      g_autofree char *caps = gst_caps_to_string (shown);
      g_set_error (error, NDDR_ERROR, NDDR_ERROR_ARGUMENT, "pad %s would show %s, which what follows does not take", GST_PAD_NAME (pad), caps);
      return FALSE;
    }
  }
  return TRUE;
}

/* Prepares @session for the frames that the old one has, so that taking over takes no time.  Where the tasks are others, it is prepared then. */
static gboolean
prepare (GstNddrCnn *self, NddrSession *session, GError **error)
{
  g_autoptr (GError) problem = NULL;

  g_mutex_lock (&self->lock);
  NddrFrameFormat input = self->prepared;
  g_autoptr (GArray) outputs = g_array_ref (self->prepared_outputs); /* never changed, but replaced */
  g_mutex_unlock (&self->lock);
  if (outputs->len == 0 || nddr_session_set_frames (session, &input, (const NddrOutput *) outputs->data, outputs->len, &problem) ||
      g_error_matches (problem, NDDR_ERROR, NDDR_ERROR_ARGUMENT))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* (transfer full): the model of @setting, ready to run; NULL with @error where it cannot be. */
static GstNddrSwap *
swap_new (GstNddrCnn *self, const char *setting, GError **error)
{
  g_autoptr (GstNddrSwap) swap = g_new0 (GstNddrSwap, 1);

  swap->setting = g_strdup (setting);
  swap->model = gst_nddr_cnn_load_model (self, setting, &swap->path, error);
  if (!swap->model)
    return NULL;
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self); /* of now, not of when loading began */
  if (!gst_nddr_cnn_check_pads (swap->model, swap->path, pads, error) || !check_peers (swap->model, pads, error) ||
      !gst_nddr_cnn_make_session (self, swap->model, pads, &swap->session, error) || !prepare (self, swap->session.session, error))
    return NULL;
  return g_steal_pointer (&swap);
}

/* The model of @setting cannot take over: the property says again what runs, unless something else was asked for since.  TRUE: it does. */
static gboolean
put_back (GstNddrCnn *self, const char *setting)
{
  GST_OBJECT_LOCK (self);
  gboolean back = g_strcmp0 (self->settings.model, setting) == 0;
  if (back) {
    g_free (self->settings.model);
    self->settings.model = g_strdup (self->opened_model);
  }
  GST_OBJECT_UNLOCK (self);
  return back;
}

static gboolean
is_lost (const GError *error)
{
  return g_error_matches (error, NDDR_ERROR, NDDR_ERROR_DEVICE_LOST);
}

/* Says so, unless the device is lost, where the old one does not go on either.  Who hears of it may set the next one, or end it all, on this very thread. */
static void
tell (GstNddrCnn *self, const GError *error, gboolean is_back)
{
  GST_OBJECT_LOCK (self);
  g_autofree char *old = g_strdup (self->model_path);
  GST_OBJECT_UNLOCK (self);
  g_autofree char *doing = g_strdup_printf ("change the model, and go on with %s", old ? old : "the old one");

  if (is_back)
    g_object_notify (G_OBJECT (self), "model");
  if (!is_lost (error))
    gst_nddr_cnn_post (self, GST_MESSAGE_WARNING, error, doing);
}

/* Loads what the settings ask for, which was asked for @wanted times. */
static void
load_one (GstNddrCnn *self, guint wanted)
{
  g_autofree char *setting = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_back = FALSE;
  GstNddrSwap *swap = get_setting (self, &setting) ? swap_new (self, setting, &error) : NULL;

  g_mutex_lock (&self->lock);
  gboolean current = self->swaps && wanted == self->swap_wanted;
  if (current)
    self->swap = g_steal_pointer (&swap);
  /* no frame may come to find out before the element goes to READY; when it does, that is the end of it */
  gboolean breaks = is_lost (error) && gst_nddr_output_break (self) && self->swaps;
  g_mutex_unlock (&self->lock);
  swap_free (swap);
  if (current && error)
    is_back = put_back (self, setting);
  g_mutex_lock (&self->lock);
  self->swap_using = FALSE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (current && error)
    tell (self, error, is_back);
  if (breaks)
    gst_nddr_output_tell (self, error, "change the model");
}

/* Loads until nothing else was asked for meanwhile, nor by those who hear of a refusal. */
static gpointer
load (gpointer data)
{
  GstNddrCnn *self = data;
  guint wanted = 0;

  g_mutex_lock (&self->lock);
  do {
    wanted = self->swap_wanted;
    self->swap_using = self->swaps;
    if (self->swap_using) {
      g_mutex_unlock (&self->lock);
      load_one (self, wanted);
      g_mutex_lock (&self->lock);
    }
  } while (self->swaps && wanted != self->swap_wanted);
  self->swap_loading = FALSE;
  g_mutex_unlock (&self->lock);
  gst_object_unref (self);
  return NULL;
}

/* Nobody loads what was asked for: that is no fault of the model, and what to do about it is something else. */
static void
tell_no_thread (GstNddrCnn *self, const GError *error)
{
  g_autofree char *setting = NULL;

  get_setting (self, &setting);
  if (put_back (self, setting))
    g_object_notify (G_OBJECT (self), "model");
  GST_ELEMENT_WARNING (self, CORE, THREAD,
      ("No thread can be started to load the model, and the old one goes on: end other processes, or raise the limit of them, and set the property again."),
      ("%s", error->message));
}

void
gst_nddr_swap_begin (GstNddrCnn *self)
{
  g_autoptr (GstNddrSwap) unwanted = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  if (self->swaps) {
    self->swap_wanted++;
    unwanted = g_steal_pointer (&self->swap);
    if (!self->swap_loading) {
      GThread *thread = g_thread_try_new ("nddrcnn-model", load, gst_object_ref (self), &error);
      g_clear_pointer (&thread, g_thread_unref);
    }
    self->swap_loading = error == NULL;
  }
  g_mutex_unlock (&self->lock);
  if (error) {
    tell_no_thread (self, error);
    gst_object_unref (self);
  }
}

void
gst_nddr_swap_start (GstNddrCnn *self)
{
  g_autofree char *setting = NULL;

  g_mutex_lock (&self->lock);
  self->swaps = TRUE;
  g_mutex_unlock (&self->lock);
  if (get_setting (self, &setting))
    gst_nddr_swap_begin (self);
}

void
gst_nddr_swap_stop (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  self->swaps = FALSE;
  self->swap_wanted++; /* nothing that is loading now is for later */
  while (self->swap_using)
    g_cond_wait (&self->cond, &self->lock);
  GstNddrSwap *unwanted = g_steal_pointer (&self->swap);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&unwanted, swap_free);
}

gboolean
gst_nddr_swap_is_ready (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  gboolean ready = self->swap != NULL;
  g_mutex_unlock (&self->lock);
  return ready;
}

/* With the object lock: whether the model has what every pad of now shows, and is what is wanted still. */
static gboolean
may_take (GstNddrCnn *self, const GstNddrSwap *swap, GError **error)
{
  if (g_strcmp0 (self->settings.model, swap->setting) != 0)
    return FALSE;
  for (GList *l = GST_ELEMENT (self)->srcpads; l; l = l->next)
    if (!gst_nddr_cnn_check_pad (swap->model, swap->path, l->data, error))
      return FALSE;
  return TRUE;
}

static void
set_kinds (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];
    const NddrTask *task = pad->task ? nddr_model_find_task (self->model, pad->task) : NULL;

    if (!task) /* the frame itself; or one that comes and will be refused */
      continue;
    pad->renegotiate |= !pad->has_kind || pad->kind != task->kind;
    gst_nddr_pad_set_kind (pad, &task->kind);
  }
}

gboolean
gst_nddr_swap_take (GstNddrCnn *self)
{
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  g_autoptr (GstNddrSwap) swap = g_steal_pointer (&self->swap);
  g_mutex_unlock (&self->lock);
  if (!swap)
    return FALSE;
  GST_OBJECT_LOCK (self);
  gboolean take = may_take (self, swap, &error);
  if (take) {
    GstNddrSwap old = { self->opened_model, self->model_path, self->model, self->session };
    self->opened_model = swap->setting;
    self->model_path = swap->path;
    self->model = swap->model;
    self->session = swap->session;
    *swap = old;
  }
  GST_OBJECT_UNLOCK (self);
  if (!take) {
    if (error) /* a pad that came meanwhile */
      tell (self, error, put_back (self, swap->setting));
    return FALSE;
  }
  GST_INFO_OBJECT (self, "goes on with %s instead of %s", self->model_path, swap->path);
  set_kinds (self);
  g_mutex_lock (&self->lock);
  gst_nddr_stats_forget_times (&self->stats);
  g_mutex_unlock (&self->lock);
  g_object_notify (G_OBJECT (self), "stats");
  return TRUE;
}
