/* The element: its pads and its states; see nddrcnn.h for how its threads share it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-nddrcnn
 * @title: nddrcnn
 * @short_description: segments video and finds its surface normals
 *
 * Runs an NDDR-CNN multi-task network on every frame, as Vulkan compute, and shows each of its tasks on a pad of
 * its own: `src_segmentation`, `src_normal`, `src_depth`, or whatever the model names them.  All tasks come from
 * one run of the network; what nobody links is not computed.
 *
 * Both sides are ordinary video in system memory.  A pad shows its task as colours blended over the frame, as
 * colours alone, or as values (#GstNddrPad:view), always with the size, rate and timestamps of the input.  Every
 * branch needs a `queue`, as after `tee`.
 *
 * The pad `src`, which has to be asked for by that name, passes the frames as they came, with the results of all tasks as metadata: a
 * #GstCustomMeta named `GstNddrResultsMeta` whose structure has a #GstSample for each task, by the task's name, with its raw view.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 filesrc location=room.mp4 ! decodebin ! videoconvert ! nddrcnn name=n \
 *     n.src_segmentation ! queue ! videoconvert ! autovideosink \
 *     n.src_normal       ! queue ! videoconvert ! autovideosink
 * ]| Segmentation and surface normals over the frames of a video, in two windows.
 *
 * |[
 * gst-launch-1.0 filesrc location=room.mp4 ! decodebin ! videoconvert ! nddrcnn src_segmentation::view=map ! \
 *     queue ! videoconvert ! pngenc ! multifilesink location=map-%04d.png
 * ]| The classes' colours alone, a picture a frame.
 *
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! queue leaky=downstream max-size-buffers=1 ! \
 *     nddrcnn interval=2 src_segmentation::opacity=0.7 ! queue ! videoconvert ! autovideosink
 * ]| A camera: two of three frames show the last result, and what comes too late is dropped.
 *
 * Since: 0.1
 */

#include "gst/nddrcnn.h"
#include "gst/nddropen.h"
#include "gst/nddroutput.h"
#include "gst/nddrproperties.h"
#include "gst/nddrquery.h"
#include "gst/nddrresults.h"
#include "gst/nddrstream.h"
#include "gst/nddrswap.h"

GST_DEBUG_CATEGORY (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

#define PAD_PREFIX "src_"
#define FRAME_PAD "src"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_NDDR_CAPS_MAKE (GST_NDDR_SINK_FORMATS)));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (PAD_PREFIX "%s", GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS (GST_NDDR_CAPS_MAKE (GST_NDDR_SRC_FORMATS)));

static GstStaticPadTemplate frame_template = GST_STATIC_PAD_TEMPLATE (FRAME_PAD, GST_PAD_SRC, GST_PAD_REQUEST,
    GST_STATIC_CAPS (GST_NDDR_CAPS_MAKE (GST_NDDR_SINK_FORMATS)));

static void child_proxy_init (gpointer iface, gpointer data);

G_DEFINE_FINAL_TYPE_WITH_CODE (GstNddrCnn, gst_nddr_cnn, GST_TYPE_ELEMENT,
    G_IMPLEMENT_INTERFACE (GST_TYPE_CHILD_PROXY, child_proxy_init)
    GST_DEBUG_CATEGORY_INIT (nddrcnn_debug, "nddrcnn", 0, "multi-task networks on Vulkan"))
GST_ELEMENT_REGISTER_DEFINE (nddrcnn, "nddrcnn", GST_RANK_NONE, GST_TYPE_NDDR_CNN)

GPtrArray *
gst_nddr_cnn_get_pads (GstNddrCnn *self)
{
  GPtrArray *pads = g_ptr_array_new_with_free_func (gst_object_unref);

  GST_OBJECT_LOCK (self);
  for (GList *l = GST_ELEMENT (self)->srcpads; l; l = l->next)
    g_ptr_array_add (pads, gst_object_ref (l->data));
  GST_OBJECT_UNLOCK (self);
  return pads;
}

static gboolean
is_task_name (const char *name)
{
  if (!g_ascii_islower (*name))
    return FALSE;
  while (g_ascii_islower (*name) || g_ascii_isdigit (*name) || *name == '_')
    name++;
  return *name == '\0';
}

/* Keeps @name for a pad that is about to be added.  FALSE: there is one; or there will be, which another thread has asked for. */
static gboolean
reserve_name (GstNddrCnn *self, const char *name)
{
  GST_OBJECT_LOCK (self);
  gboolean is_free = gst_object_check_uniqueness (GST_ELEMENT (self)->pads, name) && g_hash_table_add (self->coming, g_strdup (name));
  GST_OBJECT_UNLOCK (self);
  return is_free;
}

/* Once there is one, or will be none. */
static void
release_name (GstNddrCnn *self, const char *name)
{
  GST_OBJECT_LOCK (self);
  g_hash_table_remove (self->coming, name);
  GST_OBJECT_UNLOCK (self);
}

/* (nullable): the task's pad that a link without a name means; its name is reserved. */
static const char *
reserve_first_name (GstNddrCnn *self)
{
  static const char *const names[] = { PAD_PREFIX "segmentation", PAD_PREFIX "normal", PAD_PREFIX "depth" };

  GST_OBJECT_LOCK (self);
  g_autoptr (NddrModel) model = self->model ? nddr_model_ref (self->model) : NULL;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if ((!model || nddr_model_find_task (model, names[i] + strlen (PAD_PREFIX))) && reserve_name (self, names[i]))
      return names[i];
  return NULL;
}

/* (transfer none) (nullable): a pad of the reserved @name, which the element has. */
static GstPad *
add_pad (GstNddrCnn *self, GstPadTemplate *templ, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) pad = gst_object_ref_sink (gst_nddr_pad_new (templ, name));

  if (!gst_nddr_cnn_resolve_pad (self, GST_NDDR_PAD (pad), &error)) {
    GST_WARNING_OBJECT (self, "no pad %s: %s", name, error->message);
    return NULL;
  }
  gst_pad_set_query_function (pad, GST_DEBUG_FUNCPTR (gst_nddr_cnn_src_query));
  gst_pad_set_event_function (pad, GST_DEBUG_FUNCPTR (gst_nddr_cnn_src_event));
  gst_pad_set_active (pad, TRUE);
  gst_nddr_output_add_pad (self, GST_NDDR_PAD (pad));
  if (!gst_element_add_pad (GST_ELEMENT (self), pad)) {
    gst_nddr_output_remove_pad (self, GST_NDDR_PAD (pad));
    return NULL;
  }
  /* the model may be another since */
  if (!gst_nddr_cnn_resolve_pad (self, GST_NDDR_PAD (pad), &error)) {
    GST_WARNING_OBJECT (self, "no pad %s: %s", name, error->message);
    gst_nddr_output_remove_pad (self, GST_NDDR_PAD (pad));
    gst_pad_set_active (pad, FALSE);
    gst_element_remove_pad (GST_ELEMENT (self), pad);
    return NULL;
  }
  gst_child_proxy_child_added (GST_CHILD_PROXY (self), G_OBJECT (pad), GST_OBJECT_NAME (pad));
  return pad;
}

static GstPad *
gst_nddr_cnn_request_new_pad (GstElement *element, GstPadTemplate *templ, const gchar *name, const GstCaps *caps)
{
  GstNddrCnn *self = GST_NDDR_CNN (element);

  /* GStreamer comes to this template by itself where what follows takes no overlay: Y'CbCr alone, for one.  Those who want frames say so. */
  if (!name && g_str_equal (GST_PAD_TEMPLATE_NAME_TEMPLATE (templ), FRAME_PAD)) {
    GST_WARNING_OBJECT (self, "what was to be linked takes none of an overlay's formats: put videoconvert before it; the frames themselves come "
        "from the pad src, which has to be named");
    return NULL;
  }
  if (name && !g_str_equal (name, FRAME_PAD) && (!g_str_has_prefix (name, PAD_PREFIX) || !is_task_name (name + strlen (PAD_PREFIX)))) {
    GST_WARNING_OBJECT (self, "%s is no pad name: it is src, or src_ and a task's name, such as src_segmentation", name);
    return NULL;
  }
  if (name && !reserve_name (self, name)) { /* by another thread: what is there already, GStreamer itself refuses */
    GST_WARNING_OBJECT (self, "there is a pad %s already", name);
    return NULL;
  }
  if (!name)
    name = reserve_first_name (self);
  if (!name) {
    GST_WARNING_OBJECT (self, "the usual tasks all have a pad, or the model has none of them: name the pad to link");
    return NULL;
  }
  GstPad *pad = add_pad (self, templ, name);
  release_name (self, name);
  return pad;
}

static void
gst_nddr_cnn_release_pad (GstElement *element, GstPad *pad)
{
  GstNddrCnn *self = GST_NDDR_CNN (element);

  gst_object_ref (pad);
  gst_nddr_output_remove_pad (self, GST_NDDR_PAD (pad));
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  gst_child_proxy_child_removed (GST_CHILD_PROXY (self), G_OBJECT (pad), GST_OBJECT_NAME (pad));
  gst_object_unref (pad);
}

static GObject *
get_child_by_index (GstChildProxy *proxy, guint index)
{
  GST_OBJECT_LOCK (proxy);
  GObject *pad = g_list_nth_data (GST_ELEMENT (proxy)->srcpads, index);
  if (pad)
    g_object_ref (pad);
  GST_OBJECT_UNLOCK (proxy);
  return pad;
}

static guint
get_children_count (GstChildProxy *proxy)
{
  GST_OBJECT_LOCK (proxy);
  guint count = GST_ELEMENT (proxy)->numsrcpads;
  GST_OBJECT_UNLOCK (proxy);
  return count;
}

static void
child_proxy_init (gpointer iface, gpointer data)
{
  GstChildProxyInterface *child_proxy = iface;

  child_proxy->get_child_by_index = get_child_by_index;
  child_proxy->get_children_count = get_children_count;
}

static gboolean
start (GstNddrCnn *self)
{
  gst_nddr_cnn_reset_stream (self);
  g_mutex_lock (&self->lock);
  gst_nddr_stats_reset (&self->stats);
  g_mutex_unlock (&self->lock);
  if (!gst_nddr_output_start (self))
    return FALSE;
  gst_nddr_swap_start (self);
  return TRUE;
}

static void
stop (GstNddrCnn *self)
{
  gst_nddr_output_stop (self);
  gst_nddr_swap_stop (self);
  gst_nddr_cnn_reset_stream (self);
  /* a lost device does not come back by itself */
  if (self->broken)
    gst_nddr_cnn_close (self);
}

static GstStateChangeReturn
gst_nddr_cnn_change_state (GstElement *element, GstStateChange transition)
{
  GstNddrCnn *self = GST_NDDR_CNN (element);

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!gst_nddr_cnn_open (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      /* the model or the device may be another since */
      if (!gst_nddr_cnn_open (self))
        return GST_STATE_CHANGE_FAILURE;
      if (!start (self))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      if (gst_nddr_output_is_own_thread (self)) {
        g_warning ("%s: its own thread, which pushes the pictures, cannot wait for its end. Do not stop the element from a probe or handler that "
            "runs there: use g_idle_add(), or post a message for the main thread.", GST_ELEMENT_NAME (self));
        return GST_STATE_CHANGE_FAILURE;
      }
      /* frees the streaming thread, which the pads' deactivation waits for */
      gst_nddr_output_flush (self);
      break;
    default:
      break;
  }

  GstStateChangeReturn ret = GST_ELEMENT_CLASS (gst_nddr_cnn_parent_class)->change_state (element, transition);

  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (ret == GST_STATE_CHANGE_FAILURE) {
        gst_nddr_output_flush (self);
        stop (self);
      }
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      stop (self);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      gst_nddr_cnn_close (self);
      break;
    default:
      break;
  }
  return ret;
}

static void
result_free (gpointer data)
{
  GstNddrResult *result = data;

  g_free (result->task);
  gst_clear_caps (&result->caps);
  g_free (result);
}

static void
gst_nddr_cnn_init (GstNddrCnn *self)
{
  gst_nddr_settings_init (&self->settings);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->items);
  self->flushing = TRUE;
  self->coming = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->branches = g_ptr_array_new_with_free_func (gst_object_unref);
  self->outputs = g_ptr_array_new_with_free_func (gst_object_unref);
  self->results = g_ptr_array_new_with_free_func (result_free);
  self->prepared_outputs = g_array_new (FALSE, FALSE, sizeof (NddrOutput));
  gst_nddr_cnn_reset_stream (self);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_nddr_cnn_chain));
  gst_pad_set_event_full_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_nddr_cnn_sink_event));
  gst_pad_set_query_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_nddr_cnn_sink_query));
  GST_PAD_SET_ACCEPT_TEMPLATE (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
}

static void
gst_nddr_cnn_finalize (GObject *object)
{
  GstNddrCnn *self = GST_NDDR_CNN (object);

  gst_nddr_cnn_close (self);
  gst_clear_caps (&self->caps);
  g_ptr_array_unref (self->outputs);
  g_ptr_array_unref (self->results);
  g_array_unref (self->prepared_outputs);
  g_ptr_array_unref (self->branches);
  g_hash_table_unref (self->coming);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  gst_nddr_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_nddr_cnn_parent_class)->finalize (object);
}

static void
gst_nddr_cnn_class_init (GstNddrCnnClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->finalize = gst_nddr_cnn_finalize;
  gst_nddr_properties_install (object_class);

  element_class->change_state = GST_DEBUG_FUNCPTR (gst_nddr_cnn_change_state);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR (gst_nddr_cnn_request_new_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR (gst_nddr_cnn_release_pad);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  /* this one first: it is what a link without a pad's name means */
  gst_element_class_add_static_pad_template_with_gtype (element_class, &src_template, GST_TYPE_NDDR_PAD);
  gst_element_class_add_static_pad_template_with_gtype (element_class, &frame_template, GST_TYPE_NDDR_PAD);
  gst_element_class_set_static_metadata (element_class, "NDDR-CNN multi-task network", "Filter/Analyzer/Video",
      "Segments video and finds its surface normals and depth with one network on Vulkan", "gst-nddr");

  gst_nddr_results_register ();

  gst_type_mark_as_plugin_api (GST_TYPE_NDDR_PAD, 0);
}
