/* What is in force: see nddrnegotiate.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrnegotiate.h"
#include "gst/nddropen.h"
#include "gst/nddroutput.h"
#include "gst/nddrswap.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

void
gst_nddr_cnn_start_stream (GstNddrCnn *self, GstNddrPad *pad)
{
  g_autoptr (GstEvent) from = gst_pad_get_sticky_event (self->sinkpad, GST_EVENT_STREAM_START, 0);
  guint group;
  GstStreamFlags flags;

  if (!from)
    return;
  g_autofree char *id = gst_pad_create_stream_id (GST_PAD (pad), GST_ELEMENT (self), GST_PAD_NAME (pad));
  GstEvent *event = gst_event_new_stream_start (id);

  gst_event_set_seqnum (event, gst_event_get_seqnum (from));
  if (gst_event_parse_group_id (from, &group))
    gst_event_set_group_id (event, group);
  gst_event_parse_stream_flags (from, &flags);
  gst_event_set_stream_flags (event, flags);
  gst_pad_push_event (GST_PAD (pad), event);
}

/* Looks at one pad at a frame boundary: TRUE where it is linked and takes frames. */
static gboolean
wants_frames (GstNddrCnn *self, GstNddrPad *pad)
{
  /* in this order: of a link that is made between the two the next frame is told */
  gboolean relinked = gst_pad_check_reconfigure (GST_PAD (pad));
  gboolean linked = gst_pad_is_linked (GST_PAD (pad));

  pad->renegotiate |= relinked;
  g_mutex_lock (&self->lock);
  if (!pad->released && !self->broken && self->flow != GST_FLOW_FLUSHING) {
    GstFlowReturn flow = pad->flow;

    if (!linked)
      flow = GST_FLOW_NOT_LINKED;
    else if ((flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_EOS) && relinked)
      flow = GST_FLOW_OK; /* perhaps another peer, that has not had enough */
    gst_nddr_output_set_flow (self, pad, flow);
  }
  gboolean wants = linked && !pad->released && pad->flow != GST_FLOW_NOT_LINKED && pad->flow != GST_FLOW_EOS;
  g_mutex_unlock (&self->lock);
  return wants;
}

static gboolean
same_pads (GPtrArray *a, GPtrArray *b)
{
  return a->len == b->len && (a->len == 0 || memcmp (a->pdata, b->pdata, a->len * sizeof *a->pdata) == 0);
}

/* try_negotiate(): a pad that was wanted is none of ours any more, or the model is another, and all is to be looked at anew. */
#define FLOW_AGAIN GST_FLOW_CUSTOM_SUCCESS

void
gst_nddr_cnn_forget_flow (GstNddrCnn *self, GstNddrPad *pad, GstFlowReturn flow)
{
  g_mutex_lock (&self->lock);
  if (!pad->released && !self->broken && pad->flow == flow)
    gst_nddr_output_set_flow (self, pad, GST_FLOW_OK);
  g_mutex_unlock (&self->lock);
}

static gboolean
is_released (GstNddrCnn *self, GstNddrPad *pad)
{
  g_mutex_lock (&self->lock);
  gboolean released = pad->released;
  g_mutex_unlock (&self->lock);
  return released;
}

/* What it means that @pad agrees with nothing: it was released or unlinked under our hands, which is no matter of the others; or what follows is
 * being shut down; or OK: it disagrees. */
static GstFlowReturn
why_not_agreed (GstNddrCnn *self, GstNddrPad *pad)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (GST_PAD (pad));

  g_mutex_lock (&self->lock);
  gboolean released = pad->released, flushing = self->flushing;
  g_mutex_unlock (&self->lock);
  if (flushing)
    return GST_FLOW_FLUSHING;
  if (released || !peer || gst_nddr_pad_was_unlinked (pad))
    return FLOW_AGAIN;
  return GST_PAD_IS_FLUSHING (GST_PAD (pad)) || GST_PAD_IS_FLUSHING (peer) ? GST_FLOW_FLUSHING : GST_FLOW_OK;
}

/* Agrees with what follows @pad on a format, and brings a new pad up to date with the stream's events. */
static GstFlowReturn
negotiate_pad (GstNddrCnn *self, GstNddrPad *pad)
{
  g_autoptr (GError) error = NULL;

  if (pad->task && !pad->has_kind && !gst_nddr_cnn_resolve_pad (self, pad, &error)) {
    gst_nddr_cnn_post_error (self, error, "show what was linked");
    return GST_FLOW_ERROR;
  }
  if (pad->disagrees && !pad->renegotiate)
    return GST_FLOW_NOT_NEGOTIATED; /* as was said */
  pad->renegotiate = pad->disagrees = FALSE;
  gst_nddr_pad_note_peer (pad);
  gboolean agreed = pad->task ? gst_nddr_pad_negotiate (pad, &self->info, &error) : gst_nddr_pad_pass_caps (pad, self->caps, &self->info, &error);
  if (!agreed) {
    GstFlowReturn flow = why_not_agreed (self, pad);
    pad->renegotiate = flow != GST_FLOW_OK;
    if (flow != GST_FLOW_OK)
      return flow;
    pad->disagrees = TRUE;
    GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
        ("Pad %s and what follows it have no video format in common. Put videoconvert behind its queue, or set its "
         "property view to what is wanted there.", GST_PAD_NAME (pad)),
        ("%s", error->message));
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (is_released (self, pad)) {
    gst_nddr_pad_drop_pool (pad); /* which it got since it was released */
    return FLOW_AGAIN;
  }
  if (!pad->started) {
    gst_nddr_output_push_sticky (self, pad);
    pad->started = TRUE;
  }
  gst_nddr_cnn_forget_flow (self, pad, GST_FLOW_NOT_NEGOTIATED);
  return GST_FLOW_OK;
}

/* Other frames or settings may do, but nothing does on a device that is lost. */
static GstFlowReturn
refuse (GstNddrCnn *self, const GError *error, const char *doing)
{
  if (g_error_matches (error, NDDR_ERROR, NDDR_ERROR_DEVICE_LOST))
    return gst_nddr_output_fail (self, error, doing);
  gst_nddr_cnn_post_error (self, error, doing);
  return GST_FLOW_ERROR;
}

/* What goes with the frames of the pad `src`: every task's raw view. */
static void
set_results (GstNddrCnn *self)
{
  for (guint t = 0; t < nddr_model_get_n_tasks (self->model); t++) {
    const NddrTask *task = nddr_model_get_task (self->model, t);
    GstNddrResult *result = g_new0 (GstNddrResult, 1);

    result->task = g_strdup (task->name);
    result->caps = gst_caps_fixate (gst_caps_truncate (gst_nddr_picture_caps (&self->info, NDDR_VIEW_RAW, task->kind)));
    gst_video_info_from_caps (&result->info, result->caps);
    g_ptr_array_add (self->results, result);
  }
}

static NddrOutput
make_output (const char *task, NddrView view, const GstVideoInfo *info)
{
  return (NddrOutput) { g_intern_string (task), view, gst_nddr_pixel_format (GST_VIDEO_INFO_FORMAT (info)) };
}

/* Tells the session what comes in and what goes out. */
static GstFlowReturn
set_frames (GstNddrCnn *self, GPtrArray *pads, GPtrArray *linked)
{
  g_autoptr (GArray) outputs = g_array_new (FALSE, FALSE, sizeof (NddrOutput));
  g_autoptr (GError) error = NULL;
  NddrFrameFormat input;

  if (!gst_nddr_cnn_ensure_session (self, linked, &error))
    return refuse (self, error, "set up the network");
  gst_nddr_frame_format (&self->info, &input);
  g_ptr_array_set_size (self->results, 0);
  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];
    NddrOutput output = make_output (pad->task, pad->shown, &pad->info);

    if (pad->task) {
      g_array_append_val (outputs, output);
      continue;
    }
    set_results (self);
    for (guint r = 0; r < self->results->len; r++) {
      GstNddrResult *result = self->results->pdata[r];
      output = make_output (result->task, NDDR_VIEW_RAW, &result->info);
      g_array_append_val (outputs, output);
    }
  }
  if (!nddr_session_set_frames (self->session.session, &input, (const NddrOutput *) outputs->data, outputs->len, &error))
    return refuse (self, error, "prepare for frames of this format");
  self->since_inference = G_MAXUINT;
  g_mutex_lock (&self->lock);
  self->prepared = input;
  g_array_unref (self->prepared_outputs);
  self->prepared_outputs = g_steal_pointer (&outputs);
  g_mutex_unlock (&self->lock);
  return GST_FLOW_OK;
}

/* What the pads say where none takes frames: not linked, or all at their end. */
static GstFlowReturn
flow_without_outputs (GstNddrCnn *self, GPtrArray *pads)
{
  return pads->len > 0 ? gst_nddr_output_get_flow (self) : GST_FLOW_NOT_LINKED;
}

/* A peer may offer one pool to whoever it is linked to, and to deactivate that takes it from all who have it: pads that do not need theirs any more
 * give them up before others agree. */
static void
give_up_pools (GPtrArray *pads, GPtrArray *wanted)
{
  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];

    if (!g_ptr_array_find (wanted, pad, NULL) || gst_nddr_pad_has_anothers_pool (pad)) {
      gst_nddr_pad_drop_pool (pad);
      pad->renegotiate = TRUE;
    }
  }
}

static GstFlowReturn
negotiate_pads (GstNddrCnn *self, GPtrArray *wanted)
{
  GstFlowReturn flow = GST_FLOW_OK;

  /* once more for those that had a pool which another has just left for its new one */
  for (int round = 0; round < 2; round++)
    for (guint i = 0; i < wanted->len && flow == GST_FLOW_OK; i++) {
      GstNddrPad *pad = wanted->pdata[i];
      if (pad->renegotiate || pad->disagrees || !pad->started || !gst_nddr_pad_has_pool (pad))
        flow = negotiate_pad (self, pad);
    }
  return flow;
}

static GstFlowReturn
try_negotiate (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  g_autoptr (GPtrArray) linked = g_ptr_array_new ();
  g_autoptr (GPtrArray) wanted = g_ptr_array_new_with_free_func (gst_object_unref);

  if (gst_nddr_output_get_flow (self) == GST_FLOW_ERROR)
    return GST_FLOW_ERROR;
  gboolean changed = gst_nddr_swap_is_ready (self);
  GST_OBJECT_LOCK (self);
  changed |= self->settings_changed;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < pads->len; i++) {
    GstNddrPad *pad = pads->pdata[i];

    gboolean wants = wants_frames (self, pad);
    if (wants) {
      g_ptr_array_add (wanted, gst_object_ref (pad));
      changed |= pad->renegotiate;
    }
    if (wants || gst_pad_is_linked (GST_PAD (pad))) /* it may be unlinked since: what is wanted has a task in the session */
      g_ptr_array_add (linked, pad);
  }
  gboolean has_format = GST_VIDEO_INFO_FORMAT (&self->info) != GST_VIDEO_FORMAT_UNKNOWN;
  if (!changed && same_pads (wanted, self->outputs))
    return wanted->len > 0 || !has_format ? GST_FLOW_OK : flow_without_outputs (self, pads);

  if (!gst_nddr_output_drain (self))
    return GST_FLOW_FLUSHING;
  /* nothing is in force until all of it is */
  g_ptr_array_set_size (self->outputs, 0);
  g_ptr_array_set_size (self->results, 0);
  if (gst_nddr_swap_take (self))
    return FLOW_AGAIN; /* which pads there are may have changed while waiting */
  for (guint i = 0; i < pads->len; i++) {
    g_autoptr (GstEvent) has = gst_pad_get_sticky_event (pads->pdata[i], GST_EVENT_STREAM_START, 0);
    if (!has)
      gst_nddr_cnn_start_stream (self, pads->pdata[i]);
  }
  if (!has_format)
    return GST_FLOW_OK;
  give_up_pools (pads, wanted);
  if (wanted->len == 0)
    return flow_without_outputs (self, pads);

  GstFlowReturn flow = negotiate_pads (self, wanted);
  if (flow == GST_FLOW_OK)
    flow = set_frames (self, wanted, linked);
  if (flow == GST_FLOW_OK)
    g_ptr_array_extend_and_steal (self->outputs, g_steal_pointer (&wanted));
  return flow;
}

GstFlowReturn
gst_nddr_cnn_negotiate (GstNddrCnn *self)
{
  GstFlowReturn flow;

  do
    flow = try_negotiate (self);
  while (flow == FLOW_AGAIN);
  return flow;
}
