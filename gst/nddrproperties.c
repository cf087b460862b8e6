/* The element's properties: see nddrproperties.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/nddrproperties.h"
#include "gst/nddropen.h"
#include "gst/nddrswap.h"

GST_DEBUG_CATEGORY_EXTERN (nddrcnn_debug);
#define GST_CAT_DEFAULT nddrcnn_debug

#define DEFAULT_DEVICE "auto"
#define DEFAULT_PRECISION NDDR_PRECISION_AUTO
#define DEFAULT_INTERVAL 0
#define DEFAULT_MAX_IN_FLIGHT 2
#define DEFAULT_QOS TRUE

enum
{
  PROP_MODEL = 1,
  PROP_DEVICE,
  PROP_INPUT,
  PROP_PRECISION,
  PROP_INTERVAL,
  PROP_MAX_IN_FLIGHT,
  PROP_QOS,
  PROP_STATS,
};

#define GST_TYPE_NDDR_PRECISION (gst_nddr_precision_get_type ())
static GType
gst_nddr_precision_get_type (void)
{
  static const GEnumValue values[] = {
    { NDDR_PRECISION_AUTO, "fp16 where the device is good at it, else fp32", "auto" },
    { NDDR_PRECISION_FP32, "32-bit floats", "fp32" },
    { NDDR_PRECISION_FP16, "16-bit floats in memory, 32-bit sums", "fp16" },
    { 0, NULL, NULL },
  };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstNddrPrecision", values));
  return type;
}

void
gst_nddr_settings_init (GstNddrSettings *settings)
{
  *settings = (GstNddrSettings) {
    .device = g_strdup (DEFAULT_DEVICE),
    .precision = DEFAULT_PRECISION,
    .interval = DEFAULT_INTERVAL,
    .max_in_flight = DEFAULT_MAX_IN_FLIGHT,
    .qos = DEFAULT_QOS,
  };
}

void
gst_nddr_settings_clear (GstNddrSettings *settings)
{
  g_free (settings->model);
  g_free (settings->device);
  g_free (settings->input);
}

/* The device was opened with the old value, and stays until the element has been in READY again. */
static void
warn_if_streaming (GstNddrCnn *self, const char *property)
{
  if (GST_STATE (self) > GST_STATE_READY)
    GST_WARNING_OBJECT (self, "property %s is used from the next time in READY on", property);
}

/* FALSE: it is no size, which frames that flow are not stopped for.  Before them, what opens the element says so. */
static gboolean
may_set_input (GstNddrCnn *self, const char *input)
{
  g_autoptr (GError) error = NULL;
  guint width, height;

  if (GST_STATE (self) <= GST_STATE_READY || gst_nddr_parse_input (input, &width, &height, &error))
    return TRUE;
  gst_nddr_cnn_post (self, GST_MESSAGE_WARNING, error, "change the network's input, and go on as before");
  return FALSE;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNddrCnn *self = GST_NDDR_CNN (object);
  GstNddrSettings *settings = &self->settings;

  if (id == PROP_INPUT && !may_set_input (self, g_value_get_string (value)))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_free (settings->model);
      settings->model = g_value_dup_string (value);
      break;
    case PROP_DEVICE:
      g_free (settings->device);
      settings->device = g_value_dup_string (value);
      break;
    case PROP_INPUT:
      g_free (settings->input);
      settings->input = g_value_dup_string (value);
      self->settings_changed = TRUE;
      break;
    case PROP_PRECISION:
      settings->precision = g_value_get_enum (value);
      self->settings_changed = TRUE;
      break;
    case PROP_INTERVAL:
      settings->interval = g_value_get_uint (value);
      break;
    case PROP_MAX_IN_FLIGHT:
      settings->max_in_flight = g_value_get_uint (value);
      self->settings_changed = TRUE;
      break;
    case PROP_QOS:
      settings->qos = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
  if (id == PROP_MODEL)
    gst_nddr_swap_begin (self);
  if (id == PROP_DEVICE)
    warn_if_streaming (self, pspec->name);
}

static GstStructure *
make_stats (GstNddrCnn *self)
{
  GST_OBJECT_LOCK (self);
  g_autofree char *device = self->device ? g_strdup (nddr_device_get_info (self->device)->name) : NULL;
  g_autofree char *model = self->model_path ? g_filename_display_name (self->model_path) : NULL; /* structures hold UTF-8 */
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  GstStructure *structure = gst_nddr_stats_to_structure (&self->stats, device, model);
  g_mutex_unlock (&self->lock);
  return structure;
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNddrCnn *self = GST_NDDR_CNN (object);
  const GstNddrSettings *settings = &self->settings;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, make_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, settings->model);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, settings->device);
      break;
    case PROP_INPUT:
      g_value_set_string (value, settings->input);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, settings->precision);
      break;
    case PROP_INTERVAL:
      g_value_set_uint (value, settings->interval);
      break;
    case PROP_MAX_IN_FLIGHT:
      g_value_set_uint (value, settings->max_in_flight);
      break;
    case PROP_QOS:
      g_value_set_boolean (value, settings->qos);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_nddr_properties_install (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->set_property = set_property;
  object_class->get_property = get_property;

  /**
   * GstNddrCnn:model:
   *
   * The path of a model file.  By default the model that comes with the plugin: `nddr-base.safetensors` on a GPU,
   * `nddr-small.safetensors` on a software driver, looked for in the folder that the environment variable
   * `NDDR_MODELS` names, then where they are installed, then, of a build that is not installed, in its source tree; where it is in none of
   * these, the other one.
   *
   * Set while playing, the new model loads beside the old and takes over at a boundary between frames.  Where it cannot, as it lacks a task
   * that has a pad, say, the old one goes on, the property is what it was, and a warning is posted.  Once it runs, #GstNddrCnn:stats is notified.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "Path of the model file (default: nddr-base.safetensors on a GPU, nddr-small.safetensors on a software "
          "driver, from the folder NDDR_MODELS or where they are installed); a new one takes over once it has loaded",
          NULL, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:device:
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Vulkan device: auto (NDDR_DEVICE, else discrete, integrated, virtual, CPU, in this order), an index as "
          "nddr devices lists them, or a part of its name",
          DEFAULT_DEVICE, flags | GST_PARAM_MUTABLE_READY));
  /**
   * GstNddrCnn:input:
   *
   * The size that frames are brought to for the network, as `320x240`, each from 32 to 16384.  By default, and where it is empty, the size
   * that the model was made for: a larger one often sees more and takes longer in proportion, a smaller one is faster.  Set while playing,
   * it holds from the next frame on, which waits until the network is made anew; what is no size changes nothing then, and a warning is
   * posted.
   *
   * Since: 0.2
   */
  g_object_class_install_property (object_class, PROP_INPUT,
      g_param_spec_string ("input", "Input",
          "Size that frames are brought to for the network, as 320x240 (default: the model's own); larger ones see more, smaller ones are faster",
          NULL, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:precision:
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision", "How the network's numbers are stored on the device",
          GST_TYPE_NDDR_PRECISION, DEFAULT_PRECISION, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:interval:
   *
   * The network runs on every (n+1)th frame; the frames between show its last result over their own picture.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_INTERVAL,
      g_param_spec_uint ("interval", "Interval",
          "Frames between two inferences, which show the last result again; 0 infers on every frame", 0, G_MAXUINT - 1,
          DEFAULT_INTERVAL, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:max-in-flight:
   *
   * How many frames the device may work on at once.  More keep it busier and cost memory and latency.  On software drivers a small network's are
   * worked on side by side: more frames a second, each of which takes longer.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_MAX_IN_FLIGHT,
      g_param_spec_uint ("max-in-flight", "Max in flight",
          "Frames that the device may work on at once; each costs memory and latency; on software drivers, small networks' side by side", 1, 8,
          DEFAULT_MAX_IN_FLIGHT, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:qos:
   *
   * Drops frames that every branch would get too late, before they cost anything, and posts QoS messages.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_QOS,
      g_param_spec_boolean ("qos", "QoS", "Drop frames that would come too late, before they cost anything",
          DEFAULT_QOS, flags | GST_PARAM_MUTABLE_PLAYING));
  /**
   * GstNddrCnn:stats:
   *
   * What was done since PAUSED: `frames` and `dropped`; `inference-last`, `inference-mean` and `inference-p99`, the
   * device's time for the network and the pictures in nanoseconds (the percentile over the last 1024); `upload` and
   * `download`, the host's time for copying the last frame in and its pictures out; `device` and `model`, strings.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Frames done and dropped since PAUSED, times in nanoseconds, device and model", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_type_mark_as_plugin_api (GST_TYPE_NDDR_PRECISION, 0);
}
