/* The sink pad's stream: see nddrstream.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrstream.h"
#include "gst/nddrnegotiate.h"
#include "gst/nddroutput.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

/* After a flush: the queued events that it threw away described later frames, too. */
static gboolean
restore_sticky (GstPad *sinkpad, GstEvent **event, gpointer pad)
{
  switch (GST_EVENT_TYPE (*event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_EOS:
      break;
    default:
      gst_pad_store_sticky_event (GST_PAD (pad), *event);
  }
  return TRUE;
}

/* The earliest running time that any output can still use: where one never complains, all frames are of use. */
static GstClockTime
earliest_useful (GstNddrCnn *self, double *proportion)
{
  GstClockTime earliest = GST_CLOCK_TIME_NONE;

  for (guint i = 0; i < self->outputs->len; i++) {
    GstNddrPad *pad = self->outputs->pdata[i];

    GST_OBJECT_LOCK (pad);
    GstClockTime its = pad->earliest;
    if (GST_CLOCK_TIME_IS_VALID (its) && (i == 0 || its < earliest)) {
      earliest = its;
      *proportion = pad->proportion;
    }
    GST_OBJECT_UNLOCK (pad);
    if (!GST_CLOCK_TIME_IS_VALID (its))
      return GST_CLOCK_TIME_NONE;
  }
  return earliest;
}

/* A frame's running time and stream time; none where the stream is not measured in time. */
static GstClockTime
running_time (GstNddrCnn *self, GstBuffer *buffer)
{
  return self->segment.format == GST_FORMAT_TIME
      ? gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)) : GST_CLOCK_TIME_NONE;
}

static GstClockTime
stream_time (GstNddrCnn *self, GstBuffer *buffer)
{
  return self->segment.format == GST_FORMAT_TIME
      ? gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)) : GST_CLOCK_TIME_NONE;
}

/* When the time of @buffer, which has @running, is over: its duration passes as fast as the segment plays, and backwards it is over at its timestamp. */
static GstClockTime
end_of_frame (GstNddrCnn *self, GstBuffer *buffer, GstClockTime running)
{
  guint64 end;

  if (!GST_BUFFER_DURATION_IS_VALID (buffer)
      || gst_segment_to_running_time_full (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer), &end) < 1)
    return running;
  return MAX (running, end);
}

/* Drops a frame that nobody could show in time any more; TRUE: it is dropped. */
static gboolean
drop_late_frame (GstNddrCnn *self, GstBuffer *buffer)
{
  double proportion = 1;

  GST_OBJECT_LOCK (self);
  gboolean qos = self->settings.qos;
  GST_OBJECT_UNLOCK (self);
  GstClockTime earliest = qos ? earliest_useful (self, &proportion) : GST_CLOCK_TIME_NONE;
  GstClockTime running = running_time (self, buffer);

  if (!GST_CLOCK_TIME_IS_VALID (earliest) || !GST_CLOCK_TIME_IS_VALID (running) || end_of_frame (self, buffer, running) > earliest)
    return FALSE;

  g_mutex_lock (&self->lock);
  guint64 processed = self->stats.frames + self->in_flight;
  guint64 dropped = ++self->stats.dropped;
  g_mutex_unlock (&self->lock);
  self->discont = TRUE;

  GST_DEBUG_OBJECT (self, "drops %" GST_PTR_FORMAT ", wanted from %" GST_TIME_FORMAT " on", buffer,
      GST_TIME_ARGS (earliest));
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), FALSE, running, stream_time (self, buffer),
      GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
  gst_message_set_qos_values (message, GST_CLOCK_DIFF (running, earliest), proportion, 1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, processed, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
  return TRUE;
}

static gboolean
copy_meta (GstBuffer *from, GstMeta **meta, gpointer to)
{
  const GstMetaInfo *info = (*meta)->info;

  if (!GST_META_FLAG_IS_SET (*meta, GST_META_FLAG_POOLED) && gst_nddr_meta_survives (info)) {
    GstMetaTransformCopy whole = { FALSE, 0, -1 };
    info->transform_func (to, *meta, from, _gst_meta_transform_copy, &whole);
  }
  return TRUE;
}

/* All of a frame but its pixels, so that its memory can go back upstream. */
static GstBuffer *
copy_without_memory (GstNddrCnn *self, GstBuffer *buffer)
{
  GstBuffer *like = gst_buffer_new ();

  gst_buffer_copy_into (like, buffer, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  gst_buffer_foreach_meta (buffer, copy_meta, like);
  if (self->discont) {
    GST_BUFFER_FLAG_SET (like, GST_BUFFER_FLAG_DISCONT);
    self->discont = FALSE;
  }
  return like;
}

/* (transfer full): every session output's opacity at the frame's time. */
static double *
get_opacities (GstNddrCnn *self, GstBuffer *buffer)
{
  GstClockTime time = stream_time (self, buffer);
  double *opacities = g_new0 (double, self->outputs->len + self->results->len), *next = opacities;

  for (guint i = 0; i < self->outputs->len; i++) {
    GstNddrPad *pad = self->outputs->pdata[i];

    if (!pad->task) {
      next += self->results->len; /* raw views have none */
      continue;
    }
    if (GST_CLOCK_TIME_IS_VALID (time))
      gst_object_sync_values (GST_OBJECT (pad), time);
    *next++ = gst_nddr_pad_get_opacity (pad);
  }
  return opacities;
}

/* A decoder's buffer may be larger than its picture, as its GstVideoMeta then says; a smaller one is not mapped. */
static gboolean
map_frame (GstNddrCnn *self, GstBuffer *buffer, GstVideoFrame *mapped)
{
  if (gst_video_frame_map (mapped, &self->info, buffer, GST_MAP_READ)) {
    if (gst_nddr_frame_is_whole (mapped))
      return TRUE;
    gst_video_frame_unmap (mapped);
  }
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("A buffer does not hold the %d x %d picture that its caps promise. The element before %s is at fault.",
          self->info.width, self->info.height, GST_ELEMENT_NAME (self)),
      ("%" GST_PTR_FORMAT, buffer));
  return FALSE;
}

static GstFlowReturn
submit (GstNddrCnn *self, GstBuffer *buffer)
{
  g_autofree double *opacities = get_opacities (self, buffer);
  g_autoptr (GError) error = NULL;
  GstVideoFrame mapped = GST_VIDEO_FRAME_INIT;
  NddrFrame frame;

  if (!map_frame (self, buffer, &mapped))
    return GST_FLOW_ERROR;
  GST_OBJECT_LOCK (self);
  gboolean reuse = self->since_inference < self->settings.interval;
  GST_OBJECT_UNLOCK (self);
  gst_nddr_frame_planes (&mapped, &frame);
  guint64 ticket = nddr_session_submit (self->session.session, &frame, opacities, reuse, &error);
  gst_video_frame_unmap (&mapped);
  if (!ticket)
    return gst_nddr_output_fail (self, error, "hand a frame to the device");
  self->since_inference = reuse ? self->since_inference + 1 : 0;
  gst_nddr_output_add_frame (self, ticket, copy_without_memory (self, buffer), self->results->len > 0 ? gst_buffer_ref (buffer) : NULL, !reuse);
  return GST_FLOW_OK;
}

GstFlowReturn
gst_nddr_cnn_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstNddrCnn *self = GST_NDDR_CNN (parent);
  GstFlowReturn flow = gst_nddr_cnn_negotiate (self);

  if (flow == GST_FLOW_OK && GST_VIDEO_INFO_FORMAT (&self->info) == GST_VIDEO_FORMAT_UNKNOWN) {
    GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
        ("A frame came before its caps. Put a caps filter that says what it is before %s.", GST_ELEMENT_NAME (self)),
        (NULL));
    flow = GST_FLOW_NOT_NEGOTIATED;
  }
  /* a pad that came meanwhile is looked at with the next frame */
  gboolean wanted = self->outputs->len > 0;
  if (flow == GST_FLOW_OK && wanted)
    flow = gst_nddr_output_wait_for_slot (self);
  /* as late as possible, for what is known of lateness changes while waiting */
  if (flow == GST_FLOW_OK && wanted && !drop_late_frame (self, buffer))
    flow = submit (self, buffer);
  gst_buffer_unref (buffer);
  if (flow != GST_FLOW_OK)
    gst_nddr_output_note_heard (self);
  return flow;
}

static GstFlowReturn
set_caps (GstNddrCnn *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  GstVideoInfo info;
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&info, caps)) {
    GST_ELEMENT_ERROR (self, CORE, NEGOTIATION, ("The caps before %s are no raw video.", GST_ELEMENT_NAME (self)),
        ("%" GST_PTR_FORMAT, caps));
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (gst_video_info_is_equal (&info, &self->info) && GST_VIDEO_INFO_FIELD_ORDER (&info) == GST_VIDEO_INFO_FIELD_ORDER (&self->info)) {
    if (!gst_caps_is_strictly_equal (caps, self->caps)) {
      gst_caps_replace (&self->caps, caps);
      for (guint i = 0; i < pads->len; i++) /* which passes what else they say */
        GST_NDDR_PAD (pads->pdata[i])->renegotiate |= !GST_NDDR_PAD (pads->pdata[i])->task;
    }
    return GST_FLOW_OK;
  }
  if (!gst_nddr_output_drain (self))
    return GST_FLOW_FLUSHING;
  GST_INFO_OBJECT (self, "takes %" GST_PTR_FORMAT, caps);
  self->info = info;
  gst_caps_replace (&self->caps, caps);
  /* whenever one takes frames again: what it agreed on before no longer holds */
  for (guint i = 0; i < pads->len; i++)
    GST_NDDR_PAD (pads->pdata[i])->renegotiate = TRUE;

  GstFlowReturn flow = gst_nddr_cnn_negotiate (self);
  return flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_EOS ? GST_FLOW_OK : flow;
}

static GstFlowReturn
set_stream (GstNddrCnn *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  if (!gst_nddr_output_drain (self))
    return GST_FLOW_FLUSHING;
  /* stored now, for the pads' stream ids are made from it */
  gst_pad_store_sticky_event (self->sinkpad, event);
  self->since_inference = G_MAXUINT; /* its frames show something else */
  for (guint i = 0; i < pads->len; i++) {
    gst_nddr_cnn_forget_flow (self, pads->pdata[i], GST_FLOW_EOS); /* a branch that had enough of the last one may want this one */
    gst_nddr_cnn_start_stream (self, pads->pdata[i]);
  }
  return GST_FLOW_OK;
}

/* As with a new stream, but that it is the same. */
static void
set_segment (GstNddrCnn *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  gst_event_copy_segment (event, &self->segment);
  self->since_inference = G_MAXUINT;
  /* also where no branch has ended yet: it may, with the last frames of the segment before */
  if (gst_nddr_output_drain (self))
    for (guint i = 0; i < pads->len; i++)
      gst_nddr_cnn_forget_flow (self, pads->pdata[i], GST_FLOW_EOS);
}

static void
reset_qos (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  for (guint i = 0; i < pads->len; i++)
    gst_nddr_pad_reset_qos (pads->pdata[i]);
}

static gboolean
stop_flushing (GstNddrCnn *self, GstEvent *event)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  gst_nddr_output_resume (self);
  reset_qos (self);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->since_inference = G_MAXUINT;
  self->discont = FALSE;
  gboolean ok = gst_pad_event_default (self->sinkpad, GST_OBJECT (self), event);
  for (guint i = 0; i < pads->len; i++)
    if (GST_NDDR_PAD (pads->pdata[i])->started)
      gst_pad_sticky_events_foreach (self->sinkpad, restore_sticky, pads->pdata[i]);
  return ok;
}

void
gst_nddr_cnn_reset_stream (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);

  g_ptr_array_set_size (self->outputs, 0);
  g_ptr_array_set_size (self->results, 0);
  gst_clear_caps (&self->caps);
  g_mutex_lock (&self->lock);
  g_array_unref (self->prepared_outputs);
  self->prepared_outputs = g_array_new (FALSE, FALSE, sizeof (NddrOutput));
  g_mutex_unlock (&self->lock);
  gst_video_info_init (&self->info);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->since_inference = G_MAXUINT;
  self->discont = FALSE;
  for (guint i = 0; i < pads->len; i++)
    gst_nddr_pad_reset (pads->pdata[i]);
}

/* An event that was interrupted by a flush says so: a plain FALSE would count as an error, of caps as a format that is refused. */
GstFlowReturn
gst_nddr_cnn_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNddrCnn *self = GST_NDDR_CNN (parent);
  GstFlowReturn flow;

  GST_LOG_OBJECT (pad, "got %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      gst_nddr_output_flush (self);
      return gst_pad_event_default (pad, parent, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
    case GST_EVENT_FLUSH_STOP:
      return stop_flushing (self, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
    case GST_EVENT_STREAM_START:
      flow = set_stream (self, event);
      gst_event_unref (event);
      return flow;
    case GST_EVENT_CAPS:
      flow = set_caps (self, event);
      gst_event_unref (event);
      return flow;
    case GST_EVENT_SEGMENT:
      set_segment (self, event);
      reset_qos (self);
      break;
    default:
      if (!GST_EVENT_IS_SERIALIZED (event))
        return gst_pad_event_default (pad, parent, event) ? GST_FLOW_OK : GST_FLOW_ERROR;
  }
  /* pads that are new get what came before this event first */
  gst_nddr_cnn_negotiate (self);
  return gst_nddr_output_add_event (self, event) ? GST_FLOW_OK : GST_FLOW_FLUSHING;
}
