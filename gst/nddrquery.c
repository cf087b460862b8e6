/* Answers to the pads' queries: see nddrquery.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrquery.h"
#include "gst/nddroutput.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

/* Takes @caps; what of them @peer_caps' pictures have the shape of. */
static GstCaps *
limit_shape (GstCaps *caps, const GstCaps *peer_caps)
{
  g_autoptr (GstCaps) shapes = gst_nddr_shape_caps (peer_caps);
  GstCaps *limited = gst_caps_intersect_full (caps, shapes, GST_CAPS_INTERSECT_FIRST);

  gst_caps_unref (caps);
  return limited;
}

static gboolean
answer_caps (GstQuery *query, GstCaps *caps)
{
  GstCaps *filter;

  gst_query_parse_caps (query, &filter);
  if (filter) {
    GstCaps *filtered = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (caps);
    caps = filtered;
  }
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* Any format of the sink's, in every size and rate that all branches take. */
static GstCaps *
sink_caps (GstNddrCnn *self)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  GstCaps *caps = gst_pad_get_pad_template_caps (self->sinkpad);

  for (guint i = 0; i < pads->len; i++) {
    GstPad *pad = pads->pdata[i];

    if (!gst_pad_is_linked (pad))
      continue;
    g_autoptr (GstCaps) view = gst_nddr_pad_view_caps (pads->pdata[i]);
    g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (pad, view);
    /* a branch that takes no format of the view at all gets a clearer error once it is negotiated with */
    if (gst_caps_is_empty (peer))
      continue;
    if (GST_NDDR_PAD (pad)->task) {
      caps = limit_shape (caps, peer);
    } else { /* what it passes */
      GstCaps *passed = gst_caps_intersect_full (caps, peer, GST_CAPS_INTERSECT_FIRST);
      gst_caps_unref (caps);
      caps = passed;
    }
  }
  return caps;
}

static GstCaps *
src_caps (GstNddrCnn *self, GstNddrPad *pad)
{
  GstCaps *caps = gst_nddr_pad_view_caps (pad);

  if (gst_pad_is_linked (self->sinkpad)) {
    g_autoptr (GstCaps) template = gst_pad_get_pad_template_caps (self->sinkpad);
    g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (self->sinkpad, template);
    if (!pad->task) {
      gst_caps_unref (caps);
      return g_steal_pointer (&peer);
    }
    caps = limit_shape (caps, peer);
  }
  return caps;
}

static gboolean
answer_latency (GstNddrCnn *self, GstQuery *query)
{
  gboolean live;
  GstClockTime min, max;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);

  GST_OBJECT_LOCK (self);
  guint slots = self->settings.max_in_flight;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  GstClockTime ours = gst_nddr_stats_latency (&self->stats, slots, NULL);
  g_mutex_unlock (&self->lock);

  GST_DEBUG_OBJECT (self, "adds a latency of %" GST_TIME_FORMAT, GST_TIME_ARGS (ours));
  min += ours;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += ours;
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

/* What follows the pad `src` gets the very frames, so what it says of them is passed on: whether it knows other layouts than the usual, how it
 * wants them aligned, and how many it keeps, to which come those in flight here and the one that waits. */
static void
pass_allocation (GstNddrCnn *self, GstPad *pad, GstCaps *caps, GstQuery *query)
{
  GstQuery *asked = gst_query_new_allocation (caps, FALSE);
  gboolean answered = gst_pad_peer_query (pad, asked);

  if (answered && gst_query_find_allocation_meta (asked, GST_VIDEO_META_API_TYPE, NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  if (answered && gst_query_get_n_allocation_params (asked) > 0) {
    GstAllocationParams params;

    /* an allocator may give what the device before cannot fill: upstream's own does, aligned as is wanted here */
    gst_query_parse_nth_allocation_param (asked, 0, NULL, &params);
    gst_query_add_allocation_param (query, NULL, &params);
  }
  if (answered && gst_query_get_n_allocation_pools (asked) > 0) {
    guint size, min;

    gst_query_parse_nth_allocation_pool (asked, 0, NULL, &size, &min, NULL);
    GST_OBJECT_LOCK (self);
    guint own = self->settings.max_in_flight + 1;
    GST_OBJECT_UNLOCK (self);
    gst_query_add_allocation_pool (query, NULL, size, min + own, 0);
  }
  gst_query_unref (asked);
}

static void
answer_allocation (GstNddrCnn *self, GstQuery *query)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (GST_ELEMENT (self), "src");
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, NULL);
  if (!pad || !gst_pad_is_linked (pad) || !caps) {
    /* frames are copied to the device from wherever they lie; branches get buffers of their own */
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
    return;
  }
  /* behind the frames in flight, as in the stream: whoever asks may want its buffers back */
  gst_nddr_output_drain (self);
  pass_allocation (self, pad, caps, query);
}

/* Once all frames have left, every branch is to have let go of what it has of them. */
static gboolean
answer_drain (GstNddrCnn *self, GstQuery *query)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  gboolean drained = gst_nddr_output_drain (self);

  for (guint i = 0; drained && i < pads->len; i++)
    if (gst_pad_is_linked (pads->pdata[i]))
      drained = gst_pad_peer_query (pads->pdata[i], query);
  return drained;
}

gboolean
gst_nddr_cnn_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstNddrCnn *self = GST_NDDR_CNN (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return answer_caps (query, sink_caps (self));
    case GST_QUERY_ALLOCATION:
      answer_allocation (self, query);
      return TRUE;
    case GST_QUERY_DRAIN:
      return answer_drain (self, query);
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

gboolean
gst_nddr_cnn_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstNddrCnn *self = GST_NDDR_CNN (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      return answer_caps (query, src_caps (self, GST_NDDR_PAD (pad)));
    case GST_QUERY_LATENCY:
      return answer_latency (self, query);
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* Whether upstream may act on what @pad says of lateness: not where a branch has said nothing, as it wants all frames, or is less late. */
static gboolean
speaks_for_all (GstNddrCnn *self, GstNddrPad *pad)
{
  g_autoptr (GPtrArray) pads = gst_nddr_cnn_get_pads (self);
  GstClockTime own = gst_nddr_pad_get_earliest (pad);
  gboolean speaks = TRUE;

  for (guint i = 0; speaks && i < pads->len; i++) {
    GstNddrPad *other = pads->pdata[i];

    g_mutex_lock (&self->lock);
    gboolean ended = other->flow == GST_FLOW_EOS;
    g_mutex_unlock (&self->lock);
    if (other == pad || ended || !gst_pad_is_linked (GST_PAD (other)))
      continue;
    GstClockTime its = gst_nddr_pad_get_earliest (other);
    speaks = GST_CLOCK_TIME_IS_VALID (its) && GST_CLOCK_TIME_IS_VALID (own) && own <= its;
  }
  return speaks;
}

gboolean
gst_nddr_cnn_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    gst_nddr_pad_update_qos (GST_NDDR_PAD (pad), event);
    if (!speaks_for_all (GST_NDDR_CNN (parent), GST_NDDR_PAD (pad))) {
      gst_event_unref (event);
      return TRUE;
    }
  }
  return gst_pad_event_default (pad, parent, event);
}
