/* What is on its way through the element: see nddroutput.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddroutput.h"
#include "gst/nddropen.h"
#include "gst/nddrresults.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

/* A frame in flight, or an event. */
typedef struct
{
  GstEvent *event; /* NULL: a frame */
  guint64 ticket;
  GstBuffer *like;
  GstBuffer *frame; /* (nullable): the input */
  gboolean inferred;
} Item;

/* One picture of a frame. */
typedef struct
{
  GstBuffer *buffer;
  GstVideoFrame mapped;
  GstFlowReturn flow;
} Picture;

static void
item_free (Item *item)
{
  gst_clear_event (&item->event);
  gst_clear_buffer (&item->like);
  gst_clear_buffer (&item->frame);
  g_free (item);
}

/* Whether a flush has begun since there were @flushes: what was taken from the queue before is not wanted any more. */
static gboolean
was_flushed (GstNddrCnn *self, guint flushes)
{
  g_mutex_lock (&self->lock);
  gboolean flushed = self->flushes != flushes;
  g_mutex_unlock (&self->lock);
  return flushed;
}

/* With the lock: what all pads together say, as GstFlowCombiner has it.  That one goes by what GstPad notes of each push without our lock: of a push
 * from before a flush, too. */
static GstFlowReturn
combine_flows (const GstNddrCnn *self)
{
  gboolean none_linked = TRUE, all_ended = TRUE;

  for (guint i = 0; i < self->branches->len; i++) {
    GstFlowReturn flow = GST_NDDR_PAD (self->branches->pdata[i])->flow;

    if (flow <= GST_FLOW_NOT_NEGOTIATED || flow == GST_FLOW_FLUSHING)
      return flow;
    none_linked &= flow == GST_FLOW_NOT_LINKED;
    all_ended &= flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_EOS;
  }
  return none_linked ? GST_FLOW_NOT_LINKED : all_ended ? GST_FLOW_EOS : GST_FLOW_OK;
}

/* With the lock; what was an error of the whole stays one. */
static void
update_flow (GstNddrCnn *self)
{
  if (!self->broken)
    self->flow = combine_flows (self);
}

void
gst_nddr_output_set_flow (GstNddrCnn *self, GstNddrPad *pad, GstFlowReturn flow)
{
  pad->flow = flow;
  update_flow (self);
}

/* Notes what a push returned.  A pad that was released meanwhile has no say any more, nor has what was pushed before a flush. */
static void
note_flow (GstNddrCnn *self, GstNddrPad *pad, GstFlowReturn flow, guint flushes)
{
  g_mutex_lock (&self->lock);
  if (!pad->released && self->flushes == flushes) {
    gst_nddr_output_set_flow (self, pad, flow);
    self->unheard = self->flow != GST_FLOW_OK;
  }
  g_mutex_unlock (&self->lock);
}

gboolean
gst_nddr_output_break (GstNddrCnn *self)
{
  gboolean first = !self->broken;

  self->broken = TRUE;
  return first;
}

void
gst_nddr_output_tell (GstNddrCnn *self, const GError *error, const char *doing)
{
  gst_nddr_cnn_post_error (self, error, doing);
  g_mutex_lock (&self->lock);
  if (self->broken) /* not started anew meanwhile */
    self->flow = GST_FLOW_ERROR;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* Where another thread is about to say so, the cause is to be heard of before what follows from the flow: so that is no error yet.  Nobody waits for
 * that thread, which may be with somebody who in turn waits for the one that came second, to stop what is before the element. */
GstFlowReturn
gst_nddr_output_fail (GstNddrCnn *self, const GError *error, const char *doing)
{
  g_mutex_lock (&self->lock);
  gboolean first = gst_nddr_output_break (self);
  GstFlowReturn flow = first || self->flow == GST_FLOW_ERROR ? GST_FLOW_ERROR : GST_FLOW_FLUSHING;
  g_mutex_unlock (&self->lock);
  if (first)
    gst_nddr_output_tell (self, error, doing);
  return flow;
}

/* Maps the buffer for the result, where there is one. */
static void
picture_map (Picture *picture, const GstVideoInfo *info, NddrFrame *result)
{
  if (!picture->buffer)
    return;
  if (!gst_video_frame_map (&picture->mapped, info, picture->buffer, GST_MAP_WRITE)) {
    gst_clear_buffer (&picture->buffer);
    picture->flow = GST_FLOW_ERROR;
    return;
  }
  gst_nddr_frame_planes (&picture->mapped, result);
}

/* Gets buffers for what @pad shows of a frame: one of its pool or, where it passes the frame, one for each result.  Returns their number. */
static guint
open_pictures (GstNddrCnn *self, GstNddrPad *pad, Picture *pictures, NddrFrame *results)
{
  if (pad->task) {
    pictures->flow = gst_nddr_pad_acquire (pad, &pictures->buffer);
    picture_map (pictures, &pad->info, results);
    return 1;
  }
  for (guint r = 0; r < self->results->len; r++) {
    const GstVideoInfo *info = &((GstNddrResult *) self->results->pdata[r])->info;

    pictures[r].buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
    pictures[r].flow = pictures[r].buffer ? GST_FLOW_OK : GST_FLOW_ERROR;
    picture_map (&pictures[r], info, &results[r]);
  }
  return self->results->len;
}

/* What became of the buffers that @pad needs; an error is told, for a pool that fails does not say so. */
static GstFlowReturn
check_pictures (GstNddrCnn *self, GstNddrPad *pad, const Picture *pictures)
{
  GstFlowReturn flow = pictures->flow;

  for (guint r = 0; !pad->task && r < self->results->len; r++)
    if (pictures[r].flow != GST_FLOW_OK)
      flow = pictures[r].flow;
  if (flow == GST_FLOW_ERROR)
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE,
        ("Pad %s has no buffer to write a picture to. The pool of the element behind it, or the memory, is at its end.", GST_PAD_NAME (pad)),
        ("cannot get a buffer of %s, or cannot map it for writing", pad->task ? "the pool that was agreed on" : "ours"));
  return flow;
}

/* Where nobody flushes and yet the pool of @pad does: its peer, or another pad that had the same one, has deactivated it.  The next frame finds that
 * there is another to be agreed on; this one goes on without the picture. */
static void
lose_picture (GstNddrPad *pad)
{
  GST_INFO_OBJECT (pad, "has lost its pool, and a picture");
  gst_pad_mark_reconfigure (GST_PAD (pad));
  pad->discont = TRUE;
}

/* What says nothing of the stream where it is said by a peer that was unlinked meanwhile: it is shut down, or wanted something else. */
static gboolean
is_of_one_who_leaves (GstFlowReturn flow)
{
  return flow == GST_FLOW_FLUSHING || flow == GST_FLOW_NOT_NEGOTIATED;
}

/* Takes the frame of @item; with the results in @pictures as metadata. */
static GstBuffer *
add_results (GstNddrCnn *self, Item *item, const Picture *pictures)
{
  GstBuffer *frame = gst_buffer_make_writable (g_steal_pointer (&item->frame)); /* its memory stays shared */
  GstStructure *structure = gst_nddr_results_of (frame); /* maybe of another such element before this one */

  if (GST_BUFFER_FLAG_IS_SET (item->like, GST_BUFFER_FLAG_DISCONT))
    GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
  for (guint r = 0; r < self->results->len; r++) {
    const GstNddrResult *result = self->results->pdata[r];

    if (!pictures[r].buffer)
      continue;
    gst_buffer_copy_into (pictures[r].buffer, item->like, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
    g_autoptr (GstSample) sample = gst_sample_new (pictures[r].buffer, result->caps, NULL, NULL);
    gst_structure_set (structure, result->task, GST_TYPE_SAMPLE, sample, NULL);
  }
  return frame;
}

/* What leaves by @pad, whose pictures these are; NULL where there is none. */
static GstBuffer *
close_pictures (GstNddrCnn *self, GstNddrPad *pad, Item *item, Picture *pictures)
{
  if (!pad->task)
    return add_results (self, item, pictures);
  if (pictures->buffer)
    gst_buffer_copy_into (pictures->buffer, item->like, GST_BUFFER_COPY_METADATA, 0, -1);
  return g_steal_pointer (&pictures->buffer);
}

/* Releases the slot of a frame that the device has finished, and says so when the latency is another. */
static void
note_finished (GstNddrCnn *self, const NddrTiming *timing, gboolean inferred)
{
  gboolean latency_changed = FALSE;
  guint concurrency = nddr_session_get_concurrency (self->session.session);

  g_mutex_lock (&self->lock);
  self->in_flight--;
  if (timing) {
    gst_nddr_stats_add (&self->stats, timing, inferred, concurrency);
    gst_nddr_stats_latency (&self->stats, self->session.slots, &latency_changed);
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  if (latency_changed) {
    GST_DEBUG_OBJECT (self, "the latency is another");
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  }
}

/* A flush may come from within a push: what follows a pad seeks. */
static void
output_frame (GstNddrCnn *self, Item *item, guint flushes)
{
  guint most = self->outputs->len + self->results->len, n = 0;
  g_autofree Picture *pictures = g_new0 (Picture, most);
  g_autofree NddrFrame *results = g_new0 (NddrFrame, most);
  g_autoptr (GError) error = NULL;
  NddrTiming timing = { 0 };

  for (guint i = 0; i < self->outputs->len; i++)
    n += open_pictures (self, self->outputs->pdata[i], &pictures[n], &results[n]);
  gboolean ok = nddr_session_wait (self->session.session, item->ticket, results, &timing, &error);
  for (guint i = 0; i < n; i++)
    if (pictures[i].buffer)
      gst_video_frame_unmap (&pictures[i].mapped);
  if (!ok)
    gst_nddr_output_fail (self, error, "run the network on a frame");
  note_finished (self, ok ? &timing : NULL, item->inferred);

  for (guint i = 0, first = 0; i < self->outputs->len && ok; i++) {
    GstNddrPad *pad = self->outputs->pdata[i];

    if (!was_flushed (self, flushes)) {
      GstFlowReturn flow = check_pictures (self, pad, &pictures[first]);
      GstBuffer *buffer = flow == GST_FLOW_OK ? close_pictures (self, pad, item, &pictures[first]) : NULL;

      if (buffer) {
        if (pad->discont)
          GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
        pad->discont = FALSE;
        GST_LOG_OBJECT (pad, "pushes %" GST_PTR_FORMAT, buffer);
        flow = gst_pad_push (GST_PAD (pad), buffer);
      }
      if ((!buffer && flow == GST_FLOW_FLUSHING) || (is_of_one_who_leaves (flow) && gst_nddr_pad_was_unlinked (pad)))
        lose_picture (pad);
      else
        note_flow (self, pad, flow, flushes);
    }
    first += pad->task ? 1 : self->results->len;
  }
  for (guint i = 0; i < n; i++)
    gst_clear_buffer (&pictures[i].buffer);
}

static gboolean
push_sticky (GstPad *sinkpad, GstEvent **event, gpointer pad)
{
  switch (GST_EVENT_TYPE (*event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
    case GST_EVENT_EOS:
      break; /* the pad has its own, or will have */
    default:
      gst_pad_push_event (GST_PAD (pad), gst_event_ref (*event));
  }
  return TRUE;
}

void
gst_nddr_output_push_sticky (GstNddrCnn *self, GstNddrPad *pad)
{
  gst_pad_sticky_events_foreach (self->sinkpad, push_sticky, pad);
}

/* At the end of a stream: upstream has sent all, and does not come again to hear what became of its last frames.  So it is said here, as in a queue. */
static void
tell_unheard (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  GstFlowReturn flow = self->unheard && !self->broken ? self->flow : GST_FLOW_OK;
  self->unheard = FALSE;
  g_mutex_unlock (&self->lock);
  if (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS)
    GST_ELEMENT_FLOW_ERROR (self, flow);
}

/* A pad that is still to get the sticky events in their order gets none out of turn; at the end, of a stream without frames, all.  A flush may come
 * from within here, too: who loops seeks where the end arrives. */
static void
output_event (GstNddrCnn *self, GstEvent *event, guint flushes)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  GST_DEBUG_OBJECT (self, "pushes %" GST_PTR_FORMAT, event);
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    tell_unheard (self);
  for (guint i = 0; i < pads->len && !was_flushed (self, flushes); i++) {
    GstNddrPad *pad = pads->pdata[i];

    /* a pad that is not linked would keep them, and caps that come yet would stand behind its segment */
    if (!pad->started && GST_EVENT_TYPE (event) == GST_EVENT_EOS && gst_pad_is_linked (GST_PAD (pad)))
      gst_nddr_output_push_sticky (self, pad);
    if (pad->started || GST_EVENT_TYPE (event) == GST_EVENT_EOS)
      gst_pad_push_event (GST_PAD (pad), gst_event_ref (event));
  }
}

/* Frames still have a slot to give back; what a discarded event said is still known at the sink pad. */
static void
discard (GstNddrCnn *self, Item *item)
{
  if (item->event)
    return;
  nddr_session_wait (self->session.session, item->ticket, NULL, NULL, NULL);
  note_finished (self, NULL, FALSE);
}

/* As GStreamer's own tasks do: who listens on the very thread may set its priority, say. */
static void
post_status (GstNddrCnn *self, GstStreamStatusType type)
{
  GstMessage *message = gst_message_new_stream_status (GST_OBJECT (self), type, GST_ELEMENT (self));
  g_auto (GValue) thread = G_VALUE_INIT;

  g_value_init (&thread, G_TYPE_THREAD);
  g_value_set_boxed (&thread, g_thread_self ());
  gst_message_set_stream_status_object (message, &thread);
  gst_element_post_message (GST_ELEMENT (self), message);
}

static gpointer
run (gpointer data)
{
  GstNddrCnn *self = data;

  post_status (self, GST_STREAM_STATUS_TYPE_ENTER);
  g_mutex_lock (&self->lock);
  for (;;) {
    Item *item = g_queue_pop_head (&self->items);

    if (!item) {
      if (self->stopping)
        break;
      g_cond_wait (&self->cond, &self->lock);
      continue;
    }
    gboolean useless = self->flushing || (!item->event && self->flow != GST_FLOW_OK);
    guint flushes = self->flushes;
    self->busy = TRUE;
    g_mutex_unlock (&self->lock);

    if (useless)
      discard (self, item);
    else if (item->event)
      output_event (self, item->event, flushes);
    else
      output_frame (self, item, flushes);
    item_free (item);

    g_mutex_lock (&self->lock);
    self->busy = FALSE;
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);
  post_status (self, GST_STREAM_STATUS_TYPE_LEAVE);
  return NULL;
}

/* With the lock: what the pads said is forgotten. */
static void
reset_flow (GstNddrCnn *self)
{
  self->flow = GST_FLOW_OK;
  self->unheard = FALSE;
  for (guint i = 0; i < self->branches->len; i++)
    GST_NDDR_PAD (self->branches->pdata[i])->flow = GST_FLOW_OK;
}

gboolean
gst_nddr_output_start (GstNddrCnn *self)
{
  g_autoptr (GError) error = NULL;

  g_mutex_lock (&self->lock);
  self->flushing = self->stopping = self->broken = FALSE;
  reset_flow (self);
  g_mutex_unlock (&self->lock);
  self->thread = g_thread_try_new ("nddrcnn", run, self, &error);
  if (self->thread)
    return TRUE;
  GST_ELEMENT_ERROR (self, CORE, THREAD, ("No thread can be started for the pictures: end other processes, or raise the limit of them."),
      ("%s", error->message));
  gst_nddr_output_flush (self);
  return FALSE;
}

gboolean
gst_nddr_output_is_own_thread (GstNddrCnn *self)
{
  return g_thread_self () == self->thread;
}

void
gst_nddr_output_flush (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->flushes++;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < pads->len; i++)
    gst_nddr_pad_set_flushing (pads->pdata[i], TRUE);
}

void
gst_nddr_output_resume (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  g_mutex_lock (&self->lock);
  if (gst_nddr_output_is_own_thread (self)) {
    /* somebody downstream seeks from within a push of ours: this thread cannot wait for itself */
    Item *item;
    while ((item = g_queue_pop_head (&self->items))) {
      g_mutex_unlock (&self->lock);
      discard (self, item);
      item_free (item);
      g_mutex_lock (&self->lock);
    }
  } else {
    while (self->busy || !g_queue_is_empty (&self->items))
      g_cond_wait (&self->cond, &self->lock);
  }
  self->flushing = FALSE;
  /* an error stays one */
  if (!self->broken)
    reset_flow (self);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < pads->len; i++)
    gst_nddr_pad_set_flushing (pads->pdata[i], FALSE);
}

void
gst_nddr_output_stop (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  self->stopping = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&self->thread, g_thread_join);
}

GstFlowReturn
gst_nddr_output_wait_for_slot (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  while (!self->flushing && self->flow == GST_FLOW_OK && self->in_flight >= self->session.slots)
    g_cond_wait (&self->cond, &self->lock);
  GstFlowReturn flow = self->flushing ? GST_FLOW_FLUSHING : self->flow;
  g_mutex_unlock (&self->lock);
  return flow;
}

void
gst_nddr_output_add_frame (GstNddrCnn *self, guint64 ticket, GstBuffer *like, GstBuffer *frame, gboolean inferred)
{
  Item *item = g_new0 (Item, 1);

  *item = (Item) { .ticket = ticket, .like = like, .frame = frame, .inferred = inferred };
  g_mutex_lock (&self->lock);
  /* even while flushing: somebody must wait for the ticket */
  self->in_flight++;
  g_queue_push_tail (&self->items, item);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_nddr_output_add_event (GstNddrCnn *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  gboolean flushing = self->flushing;
  if (!flushing) {
    Item *item = g_new0 (Item, 1);
    item->event = event;
    g_queue_push_tail (&self->items, item);
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);
  if (flushing)
    gst_event_unref (event);
  return !flushing;
}

gboolean
gst_nddr_output_drain (GstNddrCnn *self)
{
  /* what is sent to us from within a push of ours, as behind a flush, cannot wait for that push */
  gboolean own = gst_nddr_output_is_own_thread (self);

  g_mutex_lock (&self->lock);
  while (!self->flushing && !own && (self->busy || !g_queue_is_empty (&self->items)))
    g_cond_wait (&self->cond, &self->lock);
  gboolean drained = !self->flushing && (!own || g_queue_is_empty (&self->items));
  g_mutex_unlock (&self->lock);
  return drained;
}

GstFlowReturn
gst_nddr_output_get_flow (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  GstFlowReturn flow = self->flushing ? GST_FLOW_FLUSHING : self->flow;
  g_mutex_unlock (&self->lock);
  return flow;
}

void
gst_nddr_output_note_heard (GstNddrCnn *self)
{
  g_mutex_lock (&self->lock);
  self->unheard = FALSE;
  g_mutex_unlock (&self->lock);
}

void
gst_nddr_output_add_pad (GstNddrCnn *self, GstNddrPad *pad)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->branches, gst_object_ref (pad));
  /* until somebody looks whether it is linked: where no other pad takes frames, this one may */
  update_flow (self);
  g_mutex_unlock (&self->lock);
}

void
gst_nddr_output_remove_pad (GstNddrCnn *self, GstNddrPad *pad)
{
  g_mutex_lock (&self->lock);
  pad->released = TRUE;
  g_ptr_array_remove (self->branches, pad); /* the caller still has it */
  update_flow (self); /* the others decide now */
  g_mutex_unlock (&self->lock);
  gst_nddr_pad_drop_pool (pad);
}
