/* Another model in place of the one that runs: see nddrswap.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrswap.h"
#include "gst/nddropen.h"

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

/* (transfer full): what the settings ask for, ready to run; NULL with @error where it cannot be, without where it runs already. */
static GstNddrSwap *
swap_new (GstNddrCnn *self, GError **error)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  g_autoptr (GstNddrSwap) swap = g_new0 (GstNddrSwap, 1);

  if (!get_setting (self, &swap->setting))
    return NULL;
  swap->model = gst_nddr_cnn_load_model (self, swap->setting, &swap->path, error);
  if (!swap->model || !gst_nddr_cnn_check_pads (swap->model, swap->path, pads, error) ||
      !gst_nddr_cnn_make_session (self, swap->model, pads, &swap->session, error))
    return NULL;
  return g_steal_pointer (&swap);
}

static void
warn (GstNddrCnn *self, const GError *error)
{
  GST_OBJECT_LOCK (self);
  g_autofree char *old = g_strdup (self->model_path);
  GST_OBJECT_UNLOCK (self);
  g_autofree char *doing = g_strdup_printf ("change the model, and go on with %s", old);

  gst_nddr_cnn_post (self, GST_MESSAGE_WARNING, error, doing);
}

/* Loads until nothing else was asked for meanwhile. */
static gpointer
load (gpointer data)
{
  GstNddrCnn *self = data;
  gboolean done;

  do {
    g_autoptr (GError) error = NULL;

    g_mutex_lock (&self->lock);
    guint wanted = self->swap_wanted;
    g_mutex_unlock (&self->lock);
    g_autoptr (GstNddrSwap) swap = swap_new (self, &error);
    g_mutex_lock (&self->lock);
    gboolean current = self->swaps && wanted == self->swap_wanted;
    if (current)
      self->swap = g_steal_pointer (&swap);
    done = current || !self->swaps;
    self->swap_loading = !done;
    g_mutex_unlock (&self->lock);
    if (current && error)
      warn (self, error);
  } while (!done);
  return NULL;
}

void
gst_nddr_swap_begin (GstNddrCnn *self)
{
  g_autoptr (GstNddrSwap) unwanted = NULL;
  GThread *ended = NULL;

  g_mutex_lock (&self->lock);
  if (self->swaps) {
    self->swap_wanted++;
    unwanted = g_steal_pointer (&self->swap);
    if (!self->swap_loading) {
      ended = self->swap_thread;
      self->swap_loading = TRUE;
      self->swap_thread = g_thread_new ("nddrcnn-model", load, self);
    }
  }
  g_mutex_unlock (&self->lock);
  if (ended)
    g_thread_join (ended);
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
  GThread *thread = g_steal_pointer (&self->swap_thread);
  g_autoptr (GstNddrSwap) unwanted = g_steal_pointer (&self->swap);
  g_mutex_unlock (&self->lock);
  if (thread)
    g_thread_join (thread);
}

gboolean
gst_nddr_swap_is_ready (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  gboolean ready = self->swap != NULL;
  g_mutex_unlock (&self->lock);
  return ready;
}

void
gst_nddr_swap_take (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  g_autoptr (GstNddrSwap) swap = g_steal_pointer (&self->swap);
  g_mutex_unlock (&self->lock);
  if (!swap)
    return;
  if (!gst_nddr_cnn_check_pads (swap->model, swap->path, pads, &error)) { /* one that came meanwhile */
    warn (self, error);
    return;
  }
  GST_OBJECT_LOCK (self);
  GstNddrSwap old = { self->opened_model, self->model_path, self->model, self->session };
  self->opened_model = swap->setting;
  self->model_path = swap->path;
  self->model = swap->model;
  self->session = swap->session;
  *swap = old;
  GST_OBJECT_UNLOCK (self);
  GST_INFO_OBJECT (self, "goes on with %s instead of %s", self->model_path, swap->path);
  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];
    if (!pad->task)
      continue;
    NddrTaskKind kind = nddr_model_find_task (self->model, pad->task)->kind;

    pad->renegotiate |= !pad->has_kind || pad->kind != kind;
    gst_nddr_pad_set_kind (pad, &kind);
  }
}
