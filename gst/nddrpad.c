/* A source pad: see nddrpad.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrpad.h"

#include <gst/video/gstvideopool.h>

GST_DEBUG_CATEGORY_STATIC (nddrpad_debug);
#define GST_CAT_DEFAULT nddrpad_debug

#define DEFAULT_VIEW NDDR_VIEW_OVERLAY
#define DEFAULT_OPACITY 0.5

enum
{
  PROP_VIEW = 1,
  PROP_OPACITY,
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstNddrPad, gst_nddr_pad, GST_TYPE_PAD,
    GST_DEBUG_CATEGORY_INIT (nddrpad_debug, "nddrpad", 0, "source pads of nddrcnn"))

GType
gst_nddr_view_get_type (void)
{
  static const GEnumValue values[] = {
    { NDDR_VIEW_OVERLAY, "The map's colours blended over the frame", "overlay" },
    { NDDR_VIEW_MAP, "Colours alone: a class's colour, a normal as in raw, depth from 0 to 10 m", "map" },
    { NDDR_VIEW_RAW,
        "Values: GRAY8 class ids, RGB round((n + 1) * 127.5) or GRAY16_LE millimetres, by the task's kind", "raw" },
    { 0, NULL, NULL },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstNddrView", values));
  return type;
}

static const char *
view_nick (NddrView view)
{
  GEnumClass *klass = g_type_class_ref (GST_TYPE_NDDR_VIEW);
  const char *nick = g_enum_get_value (klass, view)->value_nick;

  g_type_class_unref (klass);
  return nick;
}

static void
gst_nddr_pad_init (GstNddrPad *pad)
{
  pad->view = pad->shown = DEFAULT_VIEW;
  pad->opacity = DEFAULT_OPACITY;
  pad->flow = GST_FLOW_OK;
  pad->earliest = GST_CLOCK_TIME_NONE;
  pad->proportion = 1;
  gst_video_info_init (&pad->info);
}

static void
gst_nddr_pad_finalize (GObject *object)
{
  GstNddrPad *pad = GST_NDDR_PAD (object);

  gst_nddr_pad_reset (pad);
  g_free (pad->task);
  G_OBJECT_CLASS (gst_nddr_pad_parent_class)->finalize (object);
}

static void
gst_nddr_pad_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNddrPad *pad = GST_NDDR_PAD (object);
  gboolean changed;

  switch (id) {
    case PROP_VIEW:
      GST_OBJECT_LOCK (pad);
      changed = pad->view != (NddrView) g_value_get_enum (value);
      pad->view = g_value_get_enum (value);
      GST_OBJECT_UNLOCK (pad);
      /* another view has other caps: they are agreed on before the next frame */
      if (changed) {
        gst_pad_mark_reconfigure (GST_PAD (pad));
        gst_nddr_pad_log (pad);
      }
      break;
    case PROP_OPACITY:
      GST_OBJECT_LOCK (pad);
      pad->opacity = g_value_get_double (value);
      GST_OBJECT_UNLOCK (pad);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_nddr_pad_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNddrPad *pad = GST_NDDR_PAD (object);

  switch (id) {
    case PROP_VIEW:
      g_value_set_enum (value, gst_nddr_pad_get_view (pad));
      break;
    case PROP_OPACITY:
      g_value_set_double (value, gst_nddr_pad_get_opacity (pad));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

/* Who links may want no event for it, of GST_PAD_LINK_CHECK_NO_RECONFIGURE: what is in force is looked at all the same. */
static void
gst_nddr_pad_linked (GstPad *pad, GstPad *peer)
{
  gst_pad_mark_reconfigure (pad);
}

/* Whoever had buffers of its pool may keep them: nobody should wait for these any more.  Another pad may have the same pool, which is left to both until
 * they agree anew, but where somebody waits. */
static void
gst_nddr_pad_unlinked (GstPad *object, GstPad *peer)
{
  GstNddrPad *pad = GST_NDDR_PAD (object);
  GstBufferPool *pool = NULL;

  GST_OBJECT_LOCK (pad);
  if (pad->agreed_peer == peer) { /* else it is linked to another by now */
    pad->left = TRUE;
    pool = pad->waiting ? g_steal_pointer (&pad->pool) : NULL;
  }
  GST_OBJECT_UNLOCK (pad);
  if (pool)
    gst_buffer_pool_set_active (pool, FALSE);
  gst_clear_object (&pool);
  gst_pad_mark_reconfigure (object); /* somebody may have linked the same two, and they agreed, before this was called */
}

static void
gst_nddr_pad_class_init (GstNddrPadClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = gst_nddr_pad_finalize;
  object_class->set_property = gst_nddr_pad_set_property;
  object_class->get_property = gst_nddr_pad_get_property;
  GST_PAD_CLASS (klass)->linked = gst_nddr_pad_linked;
  GST_PAD_CLASS (klass)->unlinked = gst_nddr_pad_unlinked;

  /**
   * GstNddrPad:view:
   *
   * What the pad shows of its task, always at the input frame's size.  Can change while playing; the
   * caps then change with it.  The pad `src`, whose frames are the input's own, has no use for it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_VIEW,
      g_param_spec_enum ("view", "View", "What the pad shows of its task, at the frame's size", GST_TYPE_NDDR_VIEW,
          DEFAULT_VIEW, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrPad:opacity:
   *
   * How much of the map's colours the overlay shows: 0 is the frame alone, 1 the map alone.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_OPACITY,
      g_param_spec_double ("opacity", "Opacity",
          "Opacity of the colours over the frame in view=overlay, from 0 (the frame alone) to 1 (the colours alone)", 0,
          1, DEFAULT_OPACITY,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING | GST_PARAM_CONTROLLABLE));

  gst_type_mark_as_plugin_api (GST_TYPE_NDDR_VIEW, 0);
}

GstPad *
gst_nddr_pad_new (GstPadTemplate *templ, const char *name)
{
  GstNddrPad *pad = g_object_new (GST_TYPE_NDDR_PAD, "name", name, "direction", GST_PAD_SRC, "template", templ, NULL);

  pad->task = g_str_has_prefix (name, "src_") ? g_strdup (name + strlen ("src_")) : NULL;
  return GST_PAD (pad);
}

void
gst_nddr_pad_set_kind (GstNddrPad *pad, const NddrTaskKind *kind)
{
  GST_OBJECT_LOCK (pad);
  pad->has_kind = kind != NULL;
  if (kind)
    pad->kind = *kind;
  GST_OBJECT_UNLOCK (pad);
}

NddrView
gst_nddr_pad_get_view (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  NddrView view = pad->view;
  GST_OBJECT_UNLOCK (pad);
  return view;
}

double
gst_nddr_pad_get_opacity (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  double opacity = pad->opacity;
  GST_OBJECT_UNLOCK (pad);
  return opacity;
}

void
gst_nddr_pad_log (GstNddrPad *pad)
{
  if (!pad->task)
    GST_INFO_OBJECT (pad, "passes the frames, with the results of all tasks");
  else
    GST_INFO_OBJECT (pad, "shows task %s, view=%s opacity=%g", pad->task, view_nick (gst_nddr_pad_get_view (pad)),
      gst_nddr_pad_get_opacity (pad));
}

GstCaps *
gst_nddr_pad_view_caps (GstNddrPad *pad)
{
  if (!pad->task)
    return gst_caps_from_string (GST_NDDR_CAPS_MAKE (GST_NDDR_SINK_FORMATS));
  GST_OBJECT_LOCK (pad);
  NddrView view = pad->view;
  NddrTaskKind kind = pad->kind;
  gboolean has_kind = pad->has_kind;
  GST_OBJECT_UNLOCK (pad);
  return gst_nddr_view_caps (view, has_kind ? &kind : NULL);
}

/* Takes @pool as the one that gst_nddr_pad_acquire() uses; NULL: none. */
static void
take_pool (GstNddrPad *pad, GstBufferPool *pool)
{
  GST_OBJECT_LOCK (pad);
  GstBufferPool *old = pad->pool;
  pad->pool = pool;
  GST_OBJECT_UNLOCK (pad);

  /* peers may offer the same one again */
  if (old && old != pool)
    gst_buffer_pool_set_active (old, FALSE);
  gst_clear_object (&old);
}

/* Configures @pool, the peer's or ours, for @caps; it may insist on changes. */
static gboolean
configure_pool (GstBufferPool *pool, GstCaps *caps, guint size, guint min, guint max, GstAllocator *allocator,
    GstAllocationParams *params, gboolean video_meta)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator (config, allocator, params);
  if (video_meta && gst_buffer_pool_has_option (pool, GST_BUFFER_POOL_OPTION_VIDEO_META))
    gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (gst_buffer_pool_set_config (pool, config))
    return TRUE;

  config = gst_buffer_pool_get_config (pool);
  if (!gst_buffer_pool_config_validate_params (config, caps, size, min, max)) {
    gst_structure_free (config);
    return FALSE;
  }
  return gst_buffer_pool_set_config (pool, config);
}

/* Asks the peer for a pool; without one of its own, or where that cannot be used, ours. */
static gboolean
negotiate_pool (GstNddrPad *pad, GstCaps *caps)
{
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool = NULL;
  GstAllocator *allocator = NULL;
  GstAllocationParams params;
  guint size = 0, min = 0, max = 0;
  gboolean ok = FALSE;

  gst_allocation_params_init (&params);
  if (!gst_pad_peer_query (GST_PAD (pad), query))
    GST_DEBUG_OBJECT (pad, "the peer has no wishes for buffers");
  gboolean video_meta = gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  if (gst_query_get_n_allocation_params (query) > 0)
    gst_query_parse_nth_allocation_param (query, 0, &allocator, &params);
  if (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &min, &max);
  size = MAX (size, GST_VIDEO_INFO_SIZE (&pad->info));
  /* one is filled while the last is still downstream */
  min = MAX (min, 2);

  if (pool && (max == 0 || max >= min))
    ok = configure_pool (pool, caps, size, min, max, allocator, &params, video_meta)
        && gst_buffer_pool_set_active (pool, TRUE);
  if (!ok) {
    gst_clear_object (&pool);
    /* one that only its own pool can use */
    if (allocator && GST_OBJECT_FLAG_IS_SET (allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC)) {
      gst_clear_object (&allocator);
      gst_allocation_params_init (&params);
    }
    pool = gst_video_buffer_pool_new ();
    ok = configure_pool (pool, caps, size, min, 0, allocator, &params, video_meta)
        && gst_buffer_pool_set_active (pool, TRUE);
  }
  if (ok)
    take_pool (pad, g_steal_pointer (&pool));
  gst_clear_object (&pool);
  gst_clear_object (&allocator);
  gst_query_unref (query);
  return ok;
}

void
gst_nddr_pad_note_peer (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  pad->agreed_peer = GST_PAD_PEER (pad);
  pad->left = pad->agreed_peer == NULL;
  GST_OBJECT_UNLOCK (pad);
}

gboolean
gst_nddr_pad_was_unlinked (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  gboolean left = pad->left;
  GST_OBJECT_UNLOCK (pad);
  return left;
}

gboolean
gst_nddr_pad_negotiate (GstNddrPad *pad, const GstVideoInfo *input, GError **why)
{
  NddrView view = gst_nddr_pad_get_view (pad);
  g_autoptr (GstCaps) ours = gst_nddr_picture_caps (input, view, pad->kind);
  g_autoptr (GstCaps) theirs = gst_pad_peer_query_caps (GST_PAD (pad), ours);
  g_autoptr (GstCaps) agreed = gst_caps_intersect_full (ours, theirs, GST_CAPS_INTERSECT_FIRST);

  if (gst_caps_is_empty (agreed)) {
    g_autofree char *makes = gst_caps_to_string (ours);
    g_autoptr (GstCaps) all = gst_pad_peer_query_caps (GST_PAD (pad), NULL);
    g_autofree char *takes = gst_caps_to_string (all);
    g_set_error (why, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "view=%s makes %s, but what follows takes %s",
        view_nick (view), makes, takes);
    return FALSE;
  }
  agreed = gst_caps_fixate (gst_caps_truncate (g_steal_pointer (&agreed)));

  g_autoptr (GstCaps) current = gst_pad_get_current_caps (GST_PAD (pad));
  if (!gst_video_info_from_caps (&pad->info, agreed)
      || ((!current || !gst_caps_is_equal (current, agreed)) && !gst_pad_set_caps (GST_PAD (pad), agreed))) {
    g_autofree char *makes = gst_caps_to_string (agreed);
    g_set_error (why, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "what follows refused %s", makes);
    return FALSE;
  }
  pad->shown = view;
  if (!negotiate_pool (pad, agreed)) {
    g_set_error (why, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
        "no buffer pool for pictures of %d x %d could be set up", pad->info.width, pad->info.height);
    return FALSE;
  }
  GST_INFO_OBJECT (pad, "shows task %s, view=%s opacity=%g, as %" GST_PTR_FORMAT, pad->task, view_nick (view),
      gst_nddr_pad_get_opacity (pad), agreed);
  return TRUE;
}

gboolean
gst_nddr_pad_pass_caps (GstNddrPad *pad, GstCaps *caps, const GstVideoInfo *input, GError **why)
{
  g_autoptr (GstCaps) current = gst_pad_get_current_caps (GST_PAD (pad));

  pad->info = *input;
  if (gst_pad_peer_query_accept_caps (GST_PAD (pad), caps)
      && ((current && gst_caps_is_strictly_equal (current, caps)) || gst_pad_set_caps (GST_PAD (pad), caps)))
    return TRUE;
  g_autofree char *passes = gst_caps_to_string (caps);
  g_autoptr (GstCaps) all = gst_pad_peer_query_caps (GST_PAD (pad), NULL);
  g_autofree char *takes = gst_caps_to_string (all);
  g_set_error (why, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION, "the frames are %s, but what follows takes %s", passes, takes);
  return FALSE;
}

static GstBufferPool *
get_pool (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  GstBufferPool *pool = pad->pool ? gst_object_ref (pad->pool) : NULL;
  GST_OBJECT_UNLOCK (pad);
  return pool;
}

/* (transfer full) (nullable): the pool, which the caller now may wait for, unless *left. */
static GstBufferPool *
begin_to_wait (GstNddrPad *pad, gboolean *left)
{
  GST_OBJECT_LOCK (pad);
  GstBufferPool *pool = pad->pool ? gst_object_ref (pad->pool) : NULL;
  *left = pad->left;
  pad->waiting = pool && !pad->left;
  GST_OBJECT_UNLOCK (pad);
  return pool;
}

/* Whether the peer has left meanwhile. */
static gboolean
end_to_wait (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  pad->waiting = FALSE;
  gboolean left = pad->left;
  GST_OBJECT_UNLOCK (pad);
  return left;
}

GstFlowReturn
gst_nddr_pad_acquire (GstNddrPad *pad, GstBuffer **buffer)
{
  GstBufferPoolAcquireParams at_once = { .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT };
  gboolean left;
  g_autoptr (GstBufferPool) pool = begin_to_wait (pad, &left);
  GstFlowReturn flow = pool ? gst_buffer_pool_acquire_buffer (pool, buffer, left ? &at_once : NULL) : GST_FLOW_FLUSHING;

  left = end_to_wait (pad);
  if (flow == GST_FLOW_OK || !left)
    return flow;
  *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&pad->info), NULL);
  return *buffer ? GST_FLOW_OK : GST_FLOW_ERROR;
}

void
gst_nddr_pad_set_flushing (GstNddrPad *pad, gboolean flushing)
{
  g_autoptr (GstBufferPool) pool = get_pool (pad);

  if (pool && gst_buffer_pool_is_active (pool))
    gst_buffer_pool_set_flushing (pool, flushing);
}

gboolean
gst_nddr_pad_has_pool (GstNddrPad *pad)
{
  g_autoptr (GstBufferPool) pool = get_pool (pad);

  return !pad->task || (pool && gst_buffer_pool_is_active (pool));
}

gboolean
gst_nddr_pad_has_anothers_pool (GstNddrPad *pad)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (GST_PAD (pad));

  GST_OBJECT_LOCK (pad);
  gboolean anothers = pad->pool && pad->agreed_peer != peer;
  GST_OBJECT_UNLOCK (pad);
  return anothers;
}

void
gst_nddr_pad_drop_pool (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  pad->left = FALSE; /* what is in flight gets nothing any more */
  GST_OBJECT_UNLOCK (pad);
  take_pool (pad, NULL);
}

void
gst_nddr_pad_reset (GstNddrPad *pad)
{
  gst_nddr_pad_drop_pool (pad);
  gst_video_info_init (&pad->info);
  pad->started = pad->disagrees = pad->discont = FALSE;
  pad->flow = GST_FLOW_OK;
  gst_nddr_pad_reset_qos (pad);
}

void
gst_nddr_pad_update_qos (GstNddrPad *pad, GstEvent *event)
{
  GstClockTimeDiff jitter;
  GstClockTime timestamp;
  GstQOSType type;
  double proportion;

  gst_event_parse_qos (event, &type, &proportion, &jitter, &timestamp);
  GST_OBJECT_LOCK (pad);
  pad->proportion = proportion;
  if (!GST_CLOCK_TIME_IS_VALID (timestamp))
    pad->earliest = GST_CLOCK_TIME_NONE;
  else if (jitter > 0 && type != GST_QOS_TYPE_THROTTLE)
    /* late, and going to be later: catch up at once */
    pad->earliest = timestamp + 2 * jitter;
  else
    pad->earliest = (GstClockTimeDiff) timestamp + jitter > 0 ? timestamp + jitter : 0;
  GST_OBJECT_UNLOCK (pad);
}

GstClockTime
gst_nddr_pad_get_earliest (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  GstClockTime earliest = pad->earliest;
  GST_OBJECT_UNLOCK (pad);
  return earliest;
}

void
gst_nddr_pad_reset_qos (GstNddrPad *pad)
{
  GST_OBJECT_LOCK (pad);
  pad->earliest = GST_CLOCK_TIME_NONE;
  pad->proportion = 1;
  GST_OBJECT_UNLOCK (pad);
}
